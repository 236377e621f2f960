//! How a process ends: waiting for it, reaping it, and what its exit is.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::process::Child;
use std::time::{Duration, Instant};

use childset::{Exit, StatusUnknown};
use rustix::event::{poll, PollFd, PollFlags};

use super::kernel;

/// Whether the descriptor is readable, at once or within the time.
pub(crate) fn readable(fd: impl AsFd, timeout: Duration) -> bool {
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    let start = Instant::now();
    loop {
        let left = timeout.saturating_sub(start.elapsed());
        let left = rustix::event::Timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos() as _ };
        match poll(&mut fds, Some(&left)) {
            Err(rustix::io::Errno::INTR) => {}
            ready => return ready.unwrap() > 0,
        }
    }
}

/// Waits until the process is a zombie or gone.
pub(crate) fn until_ended(pidfd: impl AsFd) {
    poll_for(pidfd, PollFlags::IN);
}

/// Waits until the process was reaped, with no call of the crate.
pub(crate) fn until_reaped(pidfd: impl AsFd) {
    if kernel() >= (6, 9) {
        return poll_for(pidfd, PollFlags::HUP);
    }
    poll_for(&pidfd, PollFlags::IN);
    while is_there(&pidfd) {
        std::thread::yield_now();
    }
}

fn poll_for(fd: impl AsFd, event: PollFlags) {
    let mut fds = [PollFd::new(&fd, event & PollFlags::IN)];
    while !fds[0].revents().contains(event) {
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) | Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Whether the process runs or is a zombie.
pub(crate) fn is_there(pidfd: impl AsFd) -> bool {
    // SAFETY: the call reads no memory, since the `siginfo_t` is null.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_fd().as_raw_fd(),
            0,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    result == 0
}

/// Checks the exit of a child that ended with `code`, and that somebody else may have reaped.
pub(crate) fn assert_code(exit: &io::Result<Exit>, code: u8) {
    match exit {
        Ok(exit) => assert_eq!(exit.code(), Some(code.into())),
        // From 6.15 on, the kernel keeps the status.
        Err(error) => {
            assert!(kernel() < (6, 15), "{error}");
            assert_eq!(StatusUnknown::from_io_error(error), Some(StatusUnknown::NotKept), "{error}");
        }
    }
}

/// Reaps a child behind the crate's back, and returns the wait status.
pub(crate) fn reap_by_pid(pid: u32) -> i32 {
    let (reaped, status) = waitpid(pid as i32, 0).unwrap();
    assert_eq!(reaped, pid as i32);
    status
}

/// waitpid(2), which goes on after a signal: the pid and the wait status.
pub(crate) fn waitpid(pid: i32, flags: i32) -> io::Result<(i32, i32)> {
    let mut status = 0;
    // SAFETY: the status is written to the integer.
    again(|| unsafe { libc::waitpid(pid, &mut status, flags) }).map(|found| (found, status))
}

/// Makes a system call of the C library, again where a signal interrupts it.
pub(crate) fn again(mut call: impl FnMut() -> i32) -> io::Result<i32> {
    loop {
        match call() {
            -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            -1 => return Err(io::Error::last_os_error()),
            result => return Ok(result),
        }
    }
}

/// Waits for a child: whether it succeeded, and the peak of its memory in bytes. The kernel counts that from what this
/// process had when it spawned the child.
pub(crate) fn wait_with_peak(child: Child) -> (bool, u64) {
    let (mut status, mut usage) = (0, std::mem::MaybeUninit::<libc::rusage>::zeroed());
    let pid = child.id() as i32;
    // SAFETY: the status and the usage are written to memory of their types.
    let reaped = again(|| unsafe { libc::wait4(pid, &mut status, 0, usage.as_mut_ptr()) });
    assert_eq!(reaped.unwrap(), pid);
    // SAFETY: all-zero bytes are valid for it.
    let usage = unsafe { usage.assume_init() };
    (status == 0, usage.ru_maxrss as u64 * 1024)
}
