use std::ops::AddAssign;
use std::time::Duration;

use libc::c_long;

use crate::sys::wait::{exceeds_own_peak, Rusage, Timeval};

/// The resources that a process used: the fields of getrusage(2) that Linux fills.
///
/// ```
/// # use childset::{Command, Usage};
/// let mut total = Usage::default();
/// for program in ["true", "false"] {
///     let exit = Command::new(program).spawn()?.wait()?;
///     total += *exit.usage().expect("nobody else reaps our children");
/// }
/// assert!(total.minor_faults + total.major_faults > 0);
/// # std::io::Result::Ok(())
/// ```
///
/// Each field counts the process and the children that it waited for.
///
/// `+=` adds the times and the counts, up to the largest number that there is, and keeps the larger `max_rss`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Processor time in user mode.
    pub user_time: Duration,
    /// Processor time in the kernel.
    pub system_time: Duration,
    /// The largest resident set of one process, in bytes. `None` if it is no more than that of this process.
    ///
    /// The kernel also counts the memory in which a process ran before its `execve`. A child begins on the memory of
    /// its parent, or on a copy of it. So a peak that does not exceed our own says nothing of the child: `true`,
    /// spawned by a program of 150 MiB, has 150 MiB for the kernel, and `None` here.
    ///
    /// The peak is compared with our own at the moment when the exit is taken: `ru_maxrss` of `RUSAGE_SELF`. That, too,
    /// counts the memory in which this program ran before its own `execve`: below `cargo run`, it may be cargo's.
    pub max_rss: Option<u64>,
    /// Page faults served without reading from a disk.
    pub minor_faults: u64,
    /// Page faults that had to read from a disk.
    pub major_faults: u64,
    /// Reads from block devices, in units of 512 bytes.
    pub blocks_in: u64,
    /// Writes to block devices, in units of 512 bytes.
    pub blocks_out: u64,
    /// Context switches because the process waited for something.
    pub voluntary_switches: u64,
    /// Context switches because the processor was taken away.
    pub involuntary_switches: u64,
}

impl Usage {
    pub(super) fn from_raw(raw: &Rusage) -> Usage {
        let time =
            |t: Timeval| Duration::from_secs(t.seconds as u64) + Duration::from_micros(t.micros as u64);
        // The kernel counts without a sign.
        let count = |count: c_long| count as usize as u64;
        Usage {
            user_time: time(raw.user),
            system_time: time(raw.system),
            max_rss: exceeds_own_peak(raw.max_rss).then(|| count(raw.max_rss) * 1024),
            minor_faults: count(raw.minor_faults),
            major_faults: count(raw.major_faults),
            blocks_in: count(raw.blocks_in),
            blocks_out: count(raw.blocks_out),
            voluntary_switches: count(raw.voluntary_switches),
            involuntary_switches: count(raw.involuntary_switches),
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Usage) {
        for (time, more) in
            [(&mut self.user_time, other.user_time), (&mut self.system_time, other.system_time)]
        {
            *time = time.saturating_add(more);
        }
        for (count, more) in [
            (&mut self.minor_faults, other.minor_faults),
            (&mut self.major_faults, other.major_faults),
            (&mut self.blocks_in, other.blocks_in),
            (&mut self.blocks_out, other.blocks_out),
            (&mut self.voluntary_switches, other.voluntary_switches),
            (&mut self.involuntary_switches, other.involuntary_switches),
        ] {
            *count = count.saturating_add(more);
        }
        self.max_rss = self.max_rss.max(other.max_rss);
    }
}
