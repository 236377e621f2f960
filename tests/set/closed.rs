//! A closed set.

use std::io::ErrorKind;
use std::time::Duration;

use childset::{ChildSet, Pidfd};

use crate::common::exiting;
use crate::zombie;

#[test]
#[allow(clippy::zombie_processes)] // Its pidfd waits for it.
fn a_closed_set_gives_children_back() {
    let set = ChildSet::new().unwrap();
    set.insert(exiting(1), 1).unwrap();
    set.close();
    let mut error = set.insert(exiting(2), 2).unwrap_err();
    assert_eq!(error.error.kind(), ErrorKind::BrokenPipe);
    assert_eq!(error.tag, 2);
    assert_eq!(error.child.wait().unwrap().code(), Some(2));
    // One that has ended, as it was.
    let mut error = set.insert(zombie(3), 3).unwrap_err();
    assert_eq!((error.tag, error.child.wait().unwrap().code()), (3, Some(3)));
    // One whose exit was taken.
    let child = childset::Child::try_from(exiting(4)).unwrap();
    let exit = child.wait().unwrap();
    let error = set.insert(child, 4).unwrap_err();
    assert_eq!((error.tag, error.child.try_wait().unwrap()), (4, Some(exit)));
    // A pidfd of one that has ended.
    let child = zombie(5);
    let error = set.insert(Pidfd::from_child(&child).unwrap(), 5).unwrap_err();
    let exit = error.child.wait().unwrap();
    // It is we who reap it: nobody did when it was refused.
    assert_eq!((error.tag, exit.code(), exit.usage().is_some()), (5, Some(5), true));
    assert_eq!(set.wait(None).unwrap().unwrap().tag, 1);
    assert!(set.wait(None).unwrap().is_none());
}

#[test]
fn a_closed_set_starts_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("started");
    let set = ChildSet::new().unwrap();
    set.close();
    let mut command = childset::Command::new("touch");
    let error = set.spawn(command.arg(&file), "tag").unwrap_err();
    assert_eq!((error.error.kind(), error.tag), (ErrorKind::BrokenPipe, "tag"));
    assert!(error.child.is_none());
    // What was started has ended once another child of the same program has.
    let other = childset::Command::new("touch").arg(directory.path().join("other")).spawn().unwrap();
    assert!(other.wait().unwrap().success());
    std::thread::sleep(Duration::from_millis(50));
    assert!(!file.exists());
}
