//! Making, opening and inserting.

use std::io;
use std::time::Duration;

use childset::{Child, ChildSet, Pidfd};

use crate::common::{self, check_leaks, held, held_with, kernel, Limit};
use crate::{each, end, is_emfile, talk, talkative};

pub(crate) fn new() {
    each(1, |spare| {
        let limit = Limit::with_spare(spare);
        let set = ChildSet::<()>::new();
        drop(limit);
        match set {
            Ok(_) => assert!(spare >= 1),
            Err(error) => assert!(is_emfile(&error) && spare == 0, "{spare}: {error}"),
        }
    });
}

pub(crate) fn open() {
    each(1, |spare| {
        let child = held();
        let limit = Limit::with_spare(spare);
        let pidfd = Pidfd::from_child(&child);
        let clone = pidfd.as_ref().map(Pidfd::try_clone);
        drop(limit);
        match &clone {
            Ok(Ok(_)) => assert!(spare >= 2),
            Ok(Err(error)) => assert!(is_emfile(error) && spare == 1, "{spare}: {error}"),
            Err(error) => assert!(is_emfile(error) && spare == 0, "{spare}: {error}"),
        }
        end(child);
    });
}

pub(crate) fn insert_std_child() {
    each(1, |spare| {
        let set = ChildSet::new().unwrap();
        let mut child = talkative();
        let (pid, stdin) = (child.id(), child.stdin.take());
        let limit = Limit::with_spare(spare);
        let inserted = set.insert(child, "tag".to_owned());
        drop(limit);
        if let Err(refused) = inserted {
            assert!(is_emfile(&refused.error) && spare == 0, "{spare}: {refused}");
            assert!(set.is_empty());
            assert_eq!((refused.child.id(), refused.tag.as_str()), (pid, "tag"));
            assert!(refused.child.stdout.is_some() && refused.child.stderr.is_some());
            set.insert(refused.child, refused.tag).unwrap();
        } else {
            assert!(spare >= 1);
        }
        drop(stdin);
        talk(&set);
    });
}

pub(crate) fn insert_pidfd() {
    each(1, |spare| {
        let set = ChildSet::new().unwrap();
        let (child, stdin) = held_with(4);
        let pidfd = Pidfd::from_child(&child).unwrap();
        let limit = Limit::with_spare(spare);
        let inserted = set.insert(pidfd, 4);
        drop(limit);
        if let Err(refused) = inserted {
            // Before 6.13 the pid is read from /proc, which takes a descriptor.
            assert!(is_emfile(&refused.error) && spare == 0 && kernel() < (6, 13), "{spare}: {refused}");
            assert_eq!(refused.child.try_wait().unwrap(), None);
            set.insert(refused.child, refused.tag).unwrap();
        }
        drop(stdin);
        let exited = set.wait(None).unwrap().unwrap();
        assert_eq!((exited.tag, exited.exit.unwrap().code()), (4, Some(4)));
    });
}

/// It has all that it needs.
pub(crate) fn insert_child() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let mut std = talkative();
        let stdin = std.stdin.take();
        let child = Child::try_from(std).unwrap();
        let limit = Limit::with_spare(0);
        set.insert(child, "tag".to_owned()).unwrap();
        drop(stdin);
        // Nor does taking need anything.
        common::readable(&set, Duration::from_secs(60));
        talk(&set);
        drop(limit);
    });
}

pub(crate) fn adopt() {
    each(1, |spare| {
        let child = held();
        let limit = Limit::with_spare(spare);
        let adopted = Child::try_from(child);
        drop(limit);
        match adopted {
            Ok(mut child) => {
                assert!(spare >= 1);
                drop(child.stdin.take());
                assert!(child.wait().unwrap().success());
            }
            Err(refused) => {
                assert!(is_emfile(&refused.error) && spare == 0, "{spare}: {refused}");
                end(refused.child);
            }
        }
    });
}

/// A stream that cannot be copied is not replaced by another one.
#[cfg(feature = "command")]
pub(crate) fn copies_of_our_streams() {
    check_leaks(|| {
        let limit = Limit::with_spare(0);
        let (stdout, stderr) = (childset::Stdio::from(io::stdout()), childset::Stdio::from(io::stderr()));
        drop(limit);
        let mut command = childset::Command::new("true");
        command.stderr(stdout);
        for _ in 0..2 {
            let error = command.spawn().unwrap_err();
            assert!(is_emfile(&error), "{error}");
        }
        let error =
            command.stderr(childset::Stdio::null()).stdout(stderr).prepare().unwrap().spawn().unwrap_err();
        assert!(is_emfile(&error), "{error}");
    });
    common::no_child_is_left();
}

/// Where a child was started and cannot be watched, the error says that it runs, also after a `?`.
#[cfg(feature = "command")]
pub(crate) fn spawned_and_not_watched() {
    use common::seccomp::{filter, Only};

    let set = ChildSet::new().unwrap();
    let add = Only { argument: 1, mask: u32::MAX, value: libc::EPOLL_CTL_ADD as u32, negate: false };
    filter(libc::SYS_epoll_ctl, Some(libc::ENOSPC), Some(add)).unwrap();
    let mut command = childset::Command::new("cat");
    command.stdin(childset::Stdio::piped()).stdout(childset::Stdio::null());
    let refused = set.spawn(&mut command, "tag").unwrap_err();
    let mut child = refused.child.expect("it was started");
    assert_eq!((child.try_wait().unwrap(), refused.tag), (None, "tag"));
    let says = format!("cannot watch child {}, which was started and runs: ", child.id());
    let error = refused.error;
    assert!(error.to_string().starts_with(&says), "{error}");
    assert_eq!(childset::SpawnError::from_io_error(&error).unwrap().errno(), libc::ENOSPC);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());

    let mut passed_on = || -> io::Result<()> {
        set.spawn(&mut command, "tag")?;
        Ok(())
    };
    let error = passed_on().unwrap_err();
    assert!(error.to_string().contains("which was started and runs"), "{error}");
    // It was dropped, with its input, and is reaped like any dropped child.
    common::reap_all_dropped();
    common::no_child_is_left();
}
