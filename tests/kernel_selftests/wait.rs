//! The scenarios of `pidfd_wait`.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::process::Command;

use childset::{Pidfd, Signal, State, StateChange};

use crate::common::{check_leaks, held, until_ended};
use crate::roles::Talking;
use requests::{CONT, INTERRUPT, SEIZE};

pub(crate) fn simple() {
    check_leaks(|| {
        for path in ["/proc/self", "/dev/null"] {
            let no_pidfd = Pidfd::from(OwnedFd::from(File::open(path).unwrap()));
            assert_eq!(no_pidfd.wait().unwrap_err().raw_os_error(), Some(libc::EBADF), "{path}");
            assert_eq!(no_pidfd.wait_state().unwrap_err().raw_os_error(), Some(libc::EBADF), "{path}");
        }
        let child = Command::new("true").spawn().unwrap();
        let exit = Pidfd::from_child(&child).unwrap().wait().unwrap();
        assert_eq!((exit.code(), exit.signal()), (Some(0), None));
    });
}

/// Stops itself; and when it has heard a line, once more.
fn stops_twice() -> Talking {
    Talking::new(Command::new("sh").args(["-c", "kill -STOP $$; read line; kill -STOP $$"]))
}

pub(crate) fn states() {
    check_leaks(|| {
        let mut child = stops_twice();
        let pidfd = child.pidfd();
        assert_eq!(pidfd.wait_state().unwrap(), StateChange::Stopped(Signal::STOP));
        assert_eq!(pidfd.try_wait_state().unwrap(), None);
        pidfd.send_signal(Signal::CONT).unwrap();
        assert_eq!(pidfd.wait_state().unwrap(), StateChange::Continued);
        // The shell reads only now: a stop right after the continuation would hide that.
        child.tell("\n");
        assert_eq!(pidfd.wait_state().unwrap(), StateChange::Stopped(Signal::STOP));
        assert_eq!((pidfd.state().unwrap(), pidfd.try_wait().unwrap()), (State::Running, None));
        // A stopped process is killed without being continued.
        pidfd.kill().unwrap();
        assert_eq!(pidfd.wait_state().unwrap(), StateChange::Ended);
        assert_eq!(pidfd.wait().unwrap().signal(), Some(Signal::KILL));
        assert_eq!(pidfd.wait_state().unwrap_err().raw_os_error(), Some(libc::ECHILD));
    });
}

// The C libraries do not agree on the type of the requests.
#[allow(clippy::unnecessary_cast)]
mod requests {
    pub(super) const SEIZE: i32 = libc::PTRACE_SEIZE as i32;
    pub(super) const INTERRUPT: i32 = libc::PTRACE_INTERRUPT as i32;
    pub(super) const CONT: i32 = libc::PTRACE_CONT as i32;
}

fn ptrace(request: i32, pid: u32) -> io::Result<()> {
    // SAFETY: it changes only the other process. The address and the data are null.
    match unsafe { libc::ptrace(request as _, pid as libc::pid_t, 0_usize, 0_usize) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

pub(crate) fn trapped() {
    check_leaks(|| {
        let mut child = held();
        let (pid, pidfd) = (child.id(), Pidfd::from_child(&child).unwrap());
        if let Err(error) = ptrace(SEIZE, pid) {
            crate::common::skipped(format_args!("PTRACE_SEIZE is refused: {error}"));
            drop(child.stdin.take());
            assert!(pidfd.wait().unwrap().success());
            return;
        }
        assert_eq!(pidfd.try_wait_state().unwrap(), None);
        ptrace(INTERRUPT, pid).unwrap();
        let at_will = StateChange::Trapped(libc::SIGTRAP | libc::PTRACE_EVENT_STOP << 8);
        assert_eq!(pidfd.wait_state().unwrap(), at_will);
        assert_eq!(pidfd.try_wait_state().unwrap(), None);
        ptrace(CONT, pid).unwrap();
        // A signal that is about to be delivered; let go on without it, nothing stops.
        pidfd.send_signal(Signal::TSTP).unwrap();
        assert_eq!(pidfd.wait_state().unwrap(), StateChange::Trapped(libc::SIGTSTP));
        assert_eq!((pidfd.state().unwrap(), pidfd.try_wait().unwrap()), (State::Running, None));
        ptrace(CONT, pid).unwrap();
        drop(child.stdin.take());
        until_ended(&pidfd);
        // We are its tracer and its parent.
        assert_eq!(pidfd.wait_state().unwrap(), StateChange::Ended);
        assert!(pidfd.wait().unwrap().success());
    });
}

pub(crate) fn nonblocking() {
    check_leaks(|| {
        let ourselves = Pidfd::open(std::process::id()).unwrap();
        ourselves.set_nonblocking(true).unwrap();
        assert_eq!(ourselves.wait_state().unwrap_err().raw_os_error(), Some(libc::ECHILD));
        // Waiting for a process that is not our child is waiting for its status.
        assert_eq!(ourselves.wait().unwrap_err().kind(), ErrorKind::WouldBlock);

        let child = Talking::new(Command::new("sh").args(["-c", "kill -STOP $$"]));
        let pidfd = child.pidfd();
        pidfd.set_nonblocking(true).unwrap();
        assert_eq!(pidfd.wait().unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(pidfd.try_wait().unwrap(), None);
        pidfd.set_nonblocking(false).unwrap();
        assert_eq!(pidfd.wait_state().unwrap(), StateChange::Stopped(Signal::STOP));
        pidfd.send_signal(Signal::CONT).unwrap();
        assert!(pidfd.wait().unwrap().success());
    });
}
