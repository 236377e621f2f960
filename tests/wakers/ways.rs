//! Each way to await an exit.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use childset::{ChildSet, Exited};
use futures_lite::Stream;

use crate::common::Counter;

type Item = Option<std::io::Result<Exited<usize>>>;

/// A way to await an exit: a future, a stream, with state or without.
pub(crate) type Awaiting = Box<dyn FnMut(&mut Context<'_>) -> Poll<Item> + Send>;

pub(crate) const WAYS: [fn(&'static ChildSet<usize>) -> Awaiting; 4] = [
    |set| {
        let mut next = set.next();
        Box::new(move |context| Pin::new(&mut next).poll(context))
    },
    |set| {
        let mut exits = set.exits();
        Box::new(move |context| Pin::new(&mut exits).poll_next(context))
    },
    |mut set| Box::new(move |context| Pin::new(&mut set).poll_next(context)),
    |set| {
        let mut shutdown = set.shutdown(Duration::from_secs(3600));
        Box::new(move |context| Pin::new(&mut shutdown).poll_next(context))
    },
];

/// Polls at each wake-up until there is an exit.
pub(crate) fn take(awaiting: &mut Awaiting, counter: &Counter, waker: &Waker) -> usize {
    loop {
        if let Poll::Ready(item) = awaiting(&mut Context::from_waker(waker)) {
            return item.unwrap().unwrap().tag;
        }
        counter.wait();
    }
}
