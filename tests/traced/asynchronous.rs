//! Zombies that are held back from those who await them.

use std::future::Future;
use std::pin::pin;
use std::thread;

use async_io::{Async, Timer};
use childset::{AsyncPidfdExt, ChildSet, Pidfd};
use futures_lite::future::{block_on, or};

use crate::common::check_leaks;
use crate::quiet::{idle, VAIN};
use crate::tracee::zombie;
use crate::{assert_exit, assert_quiet};

/// `None` if the time is over first.
async fn in_vain<R>(future: impl Future<Output = R>) -> Option<R> {
    or(async { Some(future.await) }, async {
        Timer::after(VAIN).await;
        None
    })
    .await
}

pub(crate) fn set_next() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let (_, tracer) = zombie(|child| set.insert(child, "tag").unwrap());
        assert!(idle(|| block_on(in_vain(set.next()))).is_none());
        assert_quiet(&set);
        // Also when one waits already as the tracer lets go.
        let exited = thread::scope(|scope| {
            let waiter = scope.spawn(|| block_on(set.next()));
            drop(tracer);
            waiter.join().unwrap().unwrap().unwrap()
        });
        assert_eq!(exited.tag, "tag");
        assert_exit(exited.exit);
    });
}

pub(crate) fn pidfd_wait_async() {
    check_leaks(|| {
        let (pidfd, tracer) = zombie(|child| Async::new(Pidfd::from_child(&child).unwrap()).unwrap());
        // The future is kept while the tracer lets go, since it holds what it waits on.
        let mut wait = pin!(pidfd.exit());
        assert!(idle(|| block_on(in_vain(&mut wait))).is_none());
        drop(tracer);
        assert_exit(block_on(wait));
    });
}

pub(crate) fn exited_async() {
    check_leaks(|| {
        let (pidfd, tracer) = zombie(|child| Async::new(Pidfd::from_child(&child).unwrap()).unwrap());
        assert!(block_on(in_vain(pidfd.exited())).expect("it has ended").is_ok());
        assert!(idle(|| block_on(in_vain(pidfd.reaped()))).is_none());
        drop(tracer);
        assert_exit(block_on(pidfd.exit()));
        block_on(pidfd.reaped()).unwrap();
    });
}
