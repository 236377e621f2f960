//! Signals to one child or to all.

use std::process::{Command, Stdio};

use childset::{ChildSet, Pidfd, Signal};

use crate::common::exiting;
use crate::zombie;

#[test]
fn signals_reach_one_or_all() {
    let set = ChildSet::new().unwrap();
    let keys: Vec<_> = (0..3)
        .map(|tag| {
            let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
            set.insert(child, tag).unwrap()
        })
        .collect();
    set.send_signal(keys[1], Signal::USR2).unwrap();
    let exited = set.wait(None).unwrap().unwrap();
    assert_eq!((exited.tag, exited.exit.unwrap().signal()), (1, Some(Signal::USR2)));
    set.send_signal_to_all(Signal::USR1).unwrap();
    for _ in 0..2 {
        assert_eq!(set.wait(None).unwrap().unwrap().exit.unwrap().signal(), Some(Signal::USR1));
    }
    assert_eq!(set.send_signal_to_all(999).map_err(|error| error.raw_os_error()), Ok(()), "nobody is left");
}

#[test]
#[allow(clippy::zombie_processes)] // Its pidfd waits for it.
fn signal_all_passes_over_zombies_and_reports_bad_signals() {
    let set = ChildSet::new().unwrap();
    set.insert(zombie(0), 0).unwrap();
    let taken_elsewhere = exiting(1);
    let pidfd = Pidfd::from_child(&taken_elsewhere).unwrap();
    set.insert(pidfd.try_clone().unwrap(), 1).unwrap();
    pidfd.wait().unwrap();
    set.send_signal_to_all(Signal::TERM).unwrap();
    assert_eq!(set.send_signal_to_all(999).unwrap_err().raw_os_error(), Some(libc::EINVAL));
    set.wait(None).unwrap().unwrap();
    set.wait(None).unwrap().unwrap();
}
