use std::fmt;

use super::signal::Signal;
use crate::sys::info::{LaterInfo, COREDUMP, COREDUMP_CODE, COREDUMP_SIGNAL};

const DUMPED: u32 = 1 << 0;
const SKIPPED: u32 = 1 << 1;
const AS_USER: u32 = 1 << 2;
const AS_ROOT: u32 = 1 << 3;

/// What the kernel reports of the core dump of a process: whether one is made if it crashes, or was made.
///
/// ```
/// use childset::Pidfd;
///
/// match Pidfd::open(std::process::id())?.info() {
///     Ok(info) => match info.core_dump() {
///         Some(dump) => assert!(dump.skipped() || dump.as_user() || dump.as_root()),
///         None => println!("needs Linux 6.16"),
///     },
///     Err(error) => println!("{error}"),
/// }
/// # std::io::Result::Ok(())
/// ```
///
/// [`Info::core_dump`](crate::Info::core_dump) gives it. Needs Linux 6.16. See core(5).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CoreDump {
    mask: u32,
    signal: Option<Signal>,
    code: Option<i32>,
}

impl CoreDump {
    /// `filled` are the bits of the fields that the kernel filled in. Up to 6.18 it says so of each reaped
    /// process, with nothing in the field where there was no dump.
    pub(crate) fn of(filled: u64, info: &LaterInfo) -> Option<CoreDump> {
        let has = |bit| filled & bit != 0;
        (has(COREDUMP) && info.coredump_mask != 0).then_some(CoreDump {
            mask: info.coredump_mask,
            signal: has(COREDUMP_SIGNAL).then_some(Signal::from(info.coredump_signal as i32)),
            code: has(COREDUMP_CODE).then_some(info.coredump_code as i32),
        })
    }

    /// Whether the process crashed, and was dumped to a program or a socket.
    ///
    /// A core *file* is not reported here: see
    /// [`core_dumped`](std::os::unix::process::ExitStatusExt::core_dumped) of the status.
    #[doc(alias = "PIDFD_COREDUMPED")]
    pub fn dumped(&self) -> bool {
        self.mask & DUMPED != 0
    }

    /// Whether no dump is made, because the process is not dumpable. See prctl(2), `PR_SET_DUMPABLE`.
    #[doc(alias = "PIDFD_COREDUMP_SKIP")]
    pub fn skipped(&self) -> bool {
        self.mask & SKIPPED != 0
    }

    /// Whether the dump is made with the rights of the process.
    #[doc(alias = "PIDFD_COREDUMP_USER")]
    pub fn as_user(&self) -> bool {
        self.mask & AS_USER != 0
    }

    /// Whether the dump is made as root, and should be kept from others: the process changed its user.
    #[doc(alias = "PIDFD_COREDUMP_ROOT")]
    pub fn as_root(&self) -> bool {
        self.mask & AS_ROOT != 0
    }

    /// The signal that the process died of. Needs Linux 6.19.
    pub fn signal(&self) -> Option<Signal> {
        self.signal
    }

    /// Why the signal came: its `si_code`, as sigaction(2) lists them. Needs Linux 7.1.
    pub fn code(&self) -> Option<i32> {
        self.code
    }
}

impl fmt::Debug for CoreDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("CoreDump");
        out.field("dumped", &self.dumped())
            .field("skipped", &self.skipped())
            .field("as_user", &self.as_user())
            .field("as_root", &self.as_root());
        if let Some(signal) = self.signal {
            out.field("signal", &signal);
        }
        if let Some(code) = self.code {
            out.field("code", &code);
        }
        out.finish()
    }
}
