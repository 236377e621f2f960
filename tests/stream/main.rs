//! `ChildSet` awaited: several consumers, changing wakers, and futures dropped at every point.
#![cfg(feature = "async-io")]

#[path = "../common/mod.rs"]
mod common;
mod consumers;
mod dropped;
mod next;
mod streams;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use childset::Exited;
use futures_lite::Stream;

fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

fn poll_stream<S: Stream + Unpin>(stream: &mut S, waker: &Waker) -> Poll<Option<S::Item>> {
    Pin::new(stream).poll_next(&mut Context::from_waker(waker))
}

fn tag<T>(item: Option<std::io::Result<Exited<T>>>) -> T {
    let exited = item.expect("the set is not empty").unwrap();
    assert!(exited.exit.unwrap().success());
    exited.tag
}
