//! What a copy makes anew works, also in a copy of the copy, and its zombies are its own.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use childset::{reap_dropped, Command, Pidfd, State};

use crate::common::{check_leaks, held_child, reap_all_dropped, until_ended};
use crate::{be_the_copy, ends_well, in_copy, refused, works};

pub(crate) fn what_is_new_works() {
    check_leaks(|| {
        let (child, stdin) = held_child();
        drop(held_child().0);
        in_copy(works);
        works();
        drop(stdin);
        assert!(child.wait().unwrap().success());
        reap_all_dropped();
    });
}

/// Children that a copy drops are reaped by it, also where async-io's reactor ran before.
pub(crate) fn zombies_of_a_copy() {
    #[cfg(feature = "async-io")]
    crate::asynchronous::await_something();
    drop(held_child().0);
    in_copy(|| {
        let (child, stdin) = held_child();
        let pidfd = child.pidfd().try_clone().unwrap();
        drop(child);
        drop(stdin);
        until_ended(&pidfd);
        assert_eq!(pidfd.state().unwrap(), State::Zombie);
        let (other, _stdin) = held_child();
        assert_eq!(other.try_wait().unwrap(), None);
        assert_eq!(pidfd.state().unwrap(), State::Reaped);
        other.kill().unwrap();
        other.wait().unwrap();
    });
}

pub(crate) fn copy_of_a_copy() {
    let (child, _stdin) = held_child();
    in_copy(|| {
        let (second, _stdin) = held_child();
        in_copy(|| {
            refused(child.try_wait());
            refused(second.try_wait());
            works();
        });
        refused(child.try_wait());
        assert_eq!(second.try_wait().unwrap(), None);
        second.kill().unwrap();
        second.wait().unwrap();
    });
    assert_eq!(child.try_wait().unwrap(), None);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A worker that drops a running child of its own does not hold up its master.
pub(crate) fn prefork() {
    let (mine, my_stdin) = held_child();
    let pidfd = mine.pidfd().try_clone().unwrap();
    drop(mine);
    let (mut ours, mut its) = UnixStream::pair().unwrap();
    // SAFETY: as in `in_copy`.
    let worker = unsafe { libc::fork() };
    if worker == 0 {
        drop((ours, my_stdin));
        be_the_copy(|| {
            let (own, own_stdin) = held_child();
            let handle = own.handle();
            drop(own);
            drop(own_stdin);
            until_ended_by(&handle);
            // Its zombie is there. Should the master see its event, it would spin.
            its.write_all(b".").unwrap();
            its.read_exact(&mut [0]).unwrap();
            reap_all_dropped();
        });
    }
    drop(its);
    ours.read_exact(&mut [0]).unwrap();
    assert_eq!(reap_dropped(), 1);
    works_beside(&pidfd);
    drop(my_stdin);
    reap_all_dropped();
    ours.write_all(b".").unwrap();
    ends_well(worker);
}

fn until_ended_by(handle: &childset::ChildHandle) {
    until_ended(Pidfd::open(handle.pid().unwrap()).unwrap());
}

fn works_beside(running: &Pidfd) {
    let start = Instant::now();
    assert!(Command::new("true").spawn().unwrap().wait().unwrap().success());
    assert_eq!((reap_dropped(), running.state().unwrap()), (1, State::Running));
    assert!(start.elapsed() < Duration::from_secs(60));
}
