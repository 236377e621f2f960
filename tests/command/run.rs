//! Spawning, and the status; into a set, too.

use std::io::ErrorKind;

use childset::{Command, Signal, Stdio};

use crate::{both_ways, by_std, errno, sh};

#[test]
fn exit_status() {
    both_ways(|new| {
        for code in [0, 1, 7, 127, 255] {
            let child = sh(new, &format!("exit {code}")).spawn().unwrap();
            assert!(child.id() > 0);
            let exit = child.wait().unwrap();
            assert_eq!((exit.code(), exit.success()), (Some(code), code == 0));
            assert_eq!(child.wait().unwrap(), exit);
            assert_eq!(child.try_wait().unwrap(), Some(exit));
        }
        let exit = sh(new, "kill -KILL $$").spawn().unwrap().wait().unwrap();
        assert_eq!((exit.code(), exit.signal()), (None, Some(Signal::KILL)));
    });
}

#[test]
fn into_a_set() {
    use childset::ChildSet;

    let set = ChildSet::new().unwrap();
    let prepared = Command::new("sh").args(["-c", "exit 3"]).prepare().unwrap();
    set.spawn(&prepared, 3).unwrap();
    set.spawn(Command::new("sh").args(["-c", "exit 4"]), 4).unwrap();
    set.spawn(by_std("sh").args(["-c", "exit 5"]), 5).unwrap();
    for _ in 0..3 {
        let exited = set.wait(None).unwrap().unwrap();
        assert_eq!(exited.exit.unwrap().code(), Some(exited.tag));
    }
    let mut cat = Command::new("cat");
    cat.stdin(Stdio::piped()).stdout(Stdio::piped());
    let key = set.spawn(&mut cat, 6).unwrap();
    let (mut child, tag) = set.remove(key).unwrap();
    assert_eq!(tag, 6);
    assert!(child.stdin.is_some() && child.stdout.is_some() && child.stderr.is_none());
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());

    let error = set.spawn(&mut Command::new("/no/such/program"), 7).unwrap_err();
    assert_eq!((error.tag, error.child.is_none(), errno(&error.error)), (7, true, libc::ENOENT));
    set.close();
    let error = set.spawn(&mut cat, 8).unwrap_err();
    assert_eq!((error.tag, error.error.kind()), (8, ErrorKind::BrokenPipe));
    assert!(error.child.is_none(), "nothing is started");
    assert!(set.is_empty());
}

/// The kernel says of a child that was ended by a signal whether it left a core dump.
#[test]
fn status_of_a_core_dump() {
    use std::os::unix::process::ExitStatusExt;
    let directory = crate::common::Dir::new();
    both_ways(|new| {
        for limit in [0, u64::MAX] {
            let mut command = sh(new, "kill -ABRT $$");
            command.rlimit(childset::Resource::CORE, limit, u64::MAX).current_dir(directory.path());
            let child = match command.spawn() {
                Ok(child) => child,
                Err(error) => return crate::common::skipped(error),
            };
            let (pid, pidfd) = (child.id(), child.pidfd().try_clone().unwrap());
            crate::common::until_ended(&pidfd);
            // The kernel's own word, which leaves the zombie.
            // SAFETY: all-zero bytes are a valid structure, which the kernel fills.
            let dumped = unsafe {
                let mut info: libc::siginfo_t = std::mem::zeroed();
                let flags = libc::WEXITED | libc::WNOWAIT;
                crate::common::again(|| libc::waitid(libc::P_PID, pid, &mut info, flags)).unwrap();
                info.si_code == libc::CLD_DUMPED
            };
            let exit = child.wait().unwrap();
            assert_eq!((exit.signal(), exit.code()), (Some(childset::Signal::ABRT), None));
            assert_eq!(exit.status().core_dumped(), dumped, "limit {limit}");
            let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
            // A program that takes dumps gets one whatever the limit.
            let expected = if pattern.starts_with('|') { dumped } else { limit > 0 };
            assert_eq!(dumped, expected, "limit {limit}, {pattern}");
        }
    });
}
