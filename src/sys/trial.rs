//! What the kernel lets us do, found out by a child that runs nothing.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU8, Ordering};

use super::clone::{self, clone3_is_there};
use super::plan::{Environment, Failure, Plan, Stage};
use super::raw::HAS_NEW_STACK;
use super::sanitizer;
use super::signal::Blocked;
use super::strings::CStrings;

/// Whether children can be launched here: by `clone3`, with a descriptor table that they can leave.
pub(crate) fn can_launch() -> bool {
    const UNKNOWN: u8 = 0;
    const YES: u8 = 1;
    const NO: u8 = 2;
    static KNOWN: AtomicU8 = AtomicU8::new(UNKNOWN);
    if !HAS_NEW_STACK {
        return false;
    }
    if KNOWN.load(Ordering::Relaxed) == UNKNOWN {
        if sanitizer::keeps_books() {
            KNOWN.store(NO, Ordering::Relaxed);
            return false;
        }
        match run_nothing(None).map_err(|failure| failure.stage) {
            Err(Stage::Exec(_)) => KNOWN.store(if clone3_is_there() { YES } else { NO }, Ordering::Relaxed),
            Err(Stage::Unshare | Stage::CloseFds) => KNOWN.store(NO, Ordering::Relaxed),
            // The launch reports that.
            _ => return clone3_is_there(),
        }
    }
    KNOWN.load(Ordering::Relaxed) == YES
}

/// Whether children can be made in this cgroup; the kernel may kill them at once, and nobody would see it.
pub(crate) fn can_launch_in(cgroup: BorrowedFd<'_>) -> bool {
    matches!(run_nothing(Some(cgroup)), Err(Failure { stage: Stage::Exec(_), .. }))
}

/// With a table that is left.
fn run_nothing(cgroup: Option<BorrowedFd<'_>>) -> Result<(OwnedFd, u32), Failure> {
    // It must not be stopped, since this thread waits for it.
    let _blocked = Blocked::all();
    let nothing: CStrings = std::iter::empty::<[&[u8]; 1]>().collect();
    clone::spawn(&Plan {
        cgroup,
        first_unneeded: Some(3),
        close: &[(3, u32::MAX)],
        ..Plan::new(&nothing, &nothing, Environment::Own(&nothing))
    })
}
