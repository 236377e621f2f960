//! The scenarios of `pidfd_file_handle_test`: processes found again by their identity.

use childset::{Gone, Identity, Pidfd};

use crate::common::{check_leaks, held, skipped, until_ended};
use crate::roles::Talking;

/// The identity finds the same process: by its id, which is that of the handle.
fn finds(pidfd: &Pidfd, identity: Identity) {
    let found = identity.open().unwrap();
    assert_eq!(found.pid().unwrap(), pidfd.pid().unwrap());
    assert_eq!(found.id().ok(), pidfd.id().ok());
    assert_eq!(found.identity().unwrap(), identity);
}

pub(crate) fn same_pidns() {
    check_leaks(|| {
        let child = held();
        let pidfd = Pidfd::from_child(&child).unwrap();
        finds(&pidfd, pidfd.identity().unwrap());
        pidfd.kill().unwrap();
        pidfd.wait().unwrap();
    });
}

pub(crate) fn child_pidns() {
    check_leaks(|| {
        let mut parent = Talking::role("container");
        match parent.said().parse() {
            Ok(pid) => {
                let pidfd = Pidfd::open(pid).unwrap();
                finds(&pidfd, pidfd.identity().unwrap());
            }
            Err(_) => skipped("namespaces are refused"),
        }
        drop(parent.stdin);
        parent.child.wait().unwrap();
    });
}

pub(crate) fn exited_and_reaped() {
    check_leaks(|| {
        let child = held();
        let pidfd = Pidfd::from_child(&child).unwrap();
        let identity = pidfd.identity().unwrap();
        pidfd.kill().unwrap();
        until_ended(&pidfd);
        finds(&pidfd, identity);
        pidfd.wait().unwrap();
        let error = identity.open().unwrap_err();
        assert_eq!(Gone::from_io_error(&error), Some(Gone::Reaped));
    });
}
