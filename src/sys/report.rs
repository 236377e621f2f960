//! How a child says what it failed at: through memory that it has in common with its parent.

use std::io;
use std::ops::Deref;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use super::plan::{Failure, Stage};

/// What failed, if anything did. The child may be killed between any two of its instructions: what is read after
/// `complete` was written whole.
#[derive(Debug, Default)]
pub(super) struct Report {
    stage: AtomicU32,
    number: AtomicU32,
    errno: AtomicI32,
    complete: AtomicU32,
    begun: AtomicU32,
}

impl Report {
    /// The first thing that a child does.
    pub(super) fn begin(&self) {
        self.begun.store(1, Ordering::Release);
    }

    pub(super) fn is_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire) != 0
    }

    pub(super) fn write(&self, failure: Failure) {
        let (stage, number) = match failure.stage {
            Stage::Clone => (0, 0),
            Stage::Unshare => (1, 0),
            Stage::Cgroup => (2, 0),
            Stage::Stdio(number) => (3, number as u32),
            Stage::Fd(number) => (4, number as u32),
            Stage::CloseFds => (5, 0),
            Stage::Step(index) => (6, index as u32),
            Stage::ParentDeath => (7, 0),
            Stage::Act => (8, 0),
            Stage::Signal => (9, 0),
            Stage::Exec(program) => (10, program as u32),
            Stage::Shell => (11, 0),
            Stage::Script(program) => (12, program as u32),
        };
        self.stage.store(stage, Ordering::Relaxed);
        self.number.store(number, Ordering::Relaxed);
        self.errno.store(failure.errno, Ordering::Relaxed);
        self.complete.store(1, Ordering::Release);
    }

    pub(super) fn read(&self) -> Option<Failure> {
        if self.complete.load(Ordering::Acquire) == 0 {
            return None;
        }
        let number = self.number.load(Ordering::Relaxed) as usize;
        let stage = match self.stage.load(Ordering::Relaxed) {
            0 => Stage::Clone,
            1 => Stage::Unshare,
            2 => Stage::Cgroup,
            3 => Stage::Stdio(number),
            4 => Stage::Fd(number as i32),
            5 => Stage::CloseFds,
            6 => Stage::Step(number),
            7 => Stage::ParentDeath,
            8 => Stage::Act,
            9 => Stage::Signal,
            10 => Stage::Exec(number),
            12 => Stage::Script(number),
            _ => Stage::Shell,
        };
        Some(Failure { stage, errno: self.errno.load(Ordering::Relaxed) })
    }
}

/// A report on a page that a copy of this process has in common with it.
#[derive(Debug)]
pub(super) struct SharedReport(*mut Report);

impl SharedReport {
    pub(super) fn new() -> io::Result<SharedReport> {
        let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: new memory, which nobody else knows of.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), size_of::<Report>(), access, flags, -1, 0) };
        match page {
            libc::MAP_FAILED => Err(io::Error::last_os_error()),
            page => Ok(SharedReport(page.cast())),
        }
    }
}

impl Deref for SharedReport {
    type Target = Report;

    fn deref(&self) -> &Report {
        // SAFETY: the page is aligned, large enough, and there until this is dropped. It was zero at first, which is
        // an empty report; all later writes are those of its atomics.
        unsafe { &*self.0 }
    }
}

impl Drop for SharedReport {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this size, and no longer borrowed.
        unsafe { libc::munmap(self.0.cast(), size_of::<Report>()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAGES: [Stage; 13] = [
        Stage::Clone,
        Stage::Unshare,
        Stage::Cgroup,
        Stage::Stdio(2),
        Stage::Fd(1000),
        Stage::CloseFds,
        Stage::Step(70_000),
        Stage::ParentDeath,
        Stage::Act,
        Stage::Signal,
        Stage::Exec(3),
        Stage::Shell,
        Stage::Script(2),
    ];

    #[test]
    fn what_is_written_is_read() {
        for stage in STAGES {
            let failure = Failure { stage, errno: libc::EXDEV };
            let (own, shared) = (Report::default(), SharedReport::new().unwrap());
            for report in [&own, &*shared] {
                assert_eq!(report.read(), None);
                report.write(failure);
                assert_eq!(report.read(), Some(failure));
            }
        }
    }

    /// A writer may be killed after any of its writes, which it makes in the order of the fields.
    #[test]
    fn a_report_is_whole_or_not_there() {
        let report = Report::default();
        report.stage.store(10, Ordering::Relaxed);
        assert_eq!(report.read(), None);
        report.number.store(1, Ordering::Relaxed);
        assert_eq!(report.read(), None);
        report.errno.store(libc::ENOENT, Ordering::Relaxed);
        assert_eq!(report.read(), None);
        report.complete.store(1, Ordering::Release);
        assert_eq!(report.read(), Some(Failure { stage: Stage::Exec(1), errno: libc::ENOENT }));
    }

    /// A reader that sees that it is complete sees all of it.
    #[test]
    fn a_reader_meanwhile_sees_nothing_half_written() {
        for round in 0..300 {
            let report = Report::default();
            std::thread::scope(|scope| {
                scope.spawn(|| report.write(Failure { stage: Stage::Step(round), errno: 1 + round as i32 }));
                loop {
                    if let Some(failure) = report.read() {
                        assert_eq!(failure, Failure { stage: Stage::Step(round), errno: 1 + round as i32 });
                        break;
                    }
                    std::thread::yield_now();
                }
            });
        }
    }
}
