//! Children in tokio, through `AsyncFd`: on the current thread alone, without tokio's `process` and its signal
//! handler.
//!
//! `next` below is all that it takes: the exits of any number of children, from one registration.
//!
//! Run with: `cargo run --example in_tokio`

// `AsyncFd::register_with_interest` is unsafe: the descriptor must stay open and the same.
#![allow(unsafe_code)]

#[allow(unreachable_pub)]
mod burst;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use burst::{Burst, TICK};
use childset::{ChildSet, Exited};
use tokio::io::unix::AsyncFd;
use tokio::io::Interest;
use tokio::task::LocalSet;

/// The exit of the next child that ends. A future that is dropped has taken none.
async fn next<T>(set: &AsyncFd<ChildSet<T>>) -> io::Result<Exited<T>> {
    // `AsyncFd` does not count as tokio's own sockets do: lets other tasks run, however many children are ready.
    tokio::task::consume_budget().await;
    loop {
        let mut ready = set.readable().await?;
        if let Some(exited) = set.get_ref().try_wait()? {
            return Ok(exited);
        }
        // Only now: tokio is edge-triggered, and would not tell again of exits that are left.
        ready.clear_ready();
    }
}

async fn run() -> anyhow::Result<()> {
    let set = ChildSet::new()?;
    let burst = Burst::new(500)?;
    burst.spawn(&set)?;
    let burst = Rc::new(RefCell::new(burst));

    // SAFETY: a set keeps one descriptor open as long as it lives, and the `AsyncFd` owns the set.
    let set = unsafe { AsyncFd::register_with_interest(set, Interest::READABLE) }?;
    let reaper = tokio::task::spawn_local({
        let burst = Rc::clone(&burst);
        async move {
            while !set.get_ref().is_empty() {
                let exited = next(&set).await?;
                burst.borrow_mut().exited(exited.tag, &exited.exit);
            }
            io::Result::Ok(())
        }
    });

    let mut ticks = tokio::time::interval(TICK);
    while !burst.borrow_mut().tick()? {
        ticks.tick().await;
    }
    reaper.await??;
    let burst = burst.borrow();
    Ok(burst.report("tokio")?)
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, run())
}
