//! One thread of a process.

use std::io;

use rustix::fs::{fcntl_getfl, OFlags};
use rustix::process::{pidfd_open, Pid, PidfdFlags};

use super::gone::Gone;
use super::{unsupported, Pidfd};
use crate::sys::low::above_stdio;

/// `PIDFD_THREAD`, which rustix lacks.
const THREAD: PidfdFlags = PidfdFlags::from_bits_retain(OFlags::EXCL.bits());

impl Pidfd {
    /// Opens one thread, of whatever process, by its thread id. See pidfd_open(2), `PIDFD_THREAD`.
    ///
    /// ```
    /// use childset::{ChildSet, Pidfd, StatusUnknown};
    /// use std::sync::mpsc;
    ///
    /// let (tell, told) = mpsc::channel();
    /// let (end, ended) = mpsc::channel::<()>();
    /// let thread = std::thread::spawn(move || {
    ///     tell.send(rustix::thread::gettid()).unwrap();
    ///     let _ = ended.recv();
    /// });
    /// let id = told.recv().unwrap().as_raw_nonzero().get();
    /// if let Ok(pidfd) = Pidfd::open_thread(id as u32) {
    ///     let set = ChildSet::new()?;
    ///     set.insert(pidfd, "a thread")?;
    ///     drop(end);
    ///     let exited = set.wait(None)?.expect("it is in the set");
    ///     let error = exited.exit.unwrap_err();
    ///     assert_eq!(StatusUnknown::from_io_error(&error), Some(StatusUnknown::Thread));
    /// #   thread.join().unwrap();
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// The descriptor is readable once the thread has ended. A thread has no exit status: waiting for it fails with
    /// [`StatusUnknown::Thread`](crate::StatusUnknown::Thread), and it comes out of a set with that. Signals go to the
    /// thread. [`pid`](Pidfd::pid) is that of its process.
    ///
    /// The first thread of a child of ours counts as the child: waiting for it waits for the child, and reaps it.
    ///
    /// Needs Linux 6.9.
    ///
    /// # Errors
    /// - [`Gone`]: there is no such thread (`ESRCH`).
    /// - `EINVAL`: the number is no thread id.
    /// - `EMFILE`, `ENFILE`, `ENOMEM`: out of descriptors or memory.
    /// - [`Unsupported`](io::ErrorKind::Unsupported): the kernel is older than 6.9, or a filter refuses the call.
    #[doc(alias = "PIDFD_THREAD")]
    pub fn open_thread(tid: u32) -> io::Result<Pidfd> {
        let tid = i32::try_from(tid).ok().and_then(Pid::from_raw);
        let tid = tid.ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
        match pidfd_open(tid, THREAD) {
            Ok(fd) => Ok(Pidfd(above_stdio(fd)?)),
            Err(error) => Err(match error.raw_os_error() {
                libc::EINVAL if is_known() => Gone::Reaped.into(),
                libc::EINVAL => unsupported("a pidfd of a thread needs Linux 6.9 (EINVAL)"),
                libc::ENOSYS | libc::EPERM => unsupported("pidfd_open is refused, by a filter or the like"),
                _ => Gone::explain(error.into()),
            }),
        }
    }

    /// Whether it refers to a thread.
    pub(super) fn is_thread(&self) -> io::Result<bool> {
        Ok(fcntl_getfl(self)?.contains(OFlags::EXCL))
    }
}

/// Whether the kernel opens threads at all: our first one is there as long as we are.
fn is_known() -> bool {
    Pid::from_raw(std::process::id() as i32).is_some_and(|me| pidfd_open(me, THREAD).is_ok())
}
