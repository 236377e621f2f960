//! Processor time and memory of a job, while it runs and afterwards.

use std::time::Duration;

use childset::Exit;
use gtk::glib;

/// What `/proc` tells of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    /// The largest resident set so far, in bytes; a zombie has none.
    pub(crate) memory: Option<u64>,
}

impl Usage {
    /// Of a process that nobody has reaped, so that the pid is still its own.
    pub(crate) fn of(pid: u32) -> Option<Usage> {
        let process = procfs::process::Process::new(pid.try_into().ok()?).ok()?;
        let stat = process.stat().ok()?;
        // With the children that it has waited for, as in an `Exit`.
        let waited = u64::try_from(stat.cutime + stat.cstime).unwrap_or(0);
        let ticks = stat.utime + stat.stime + waited;
        let cpu = Duration::from_secs_f64(ticks as f64 / procfs::ticks_per_second() as f64);
        let memory = process.status().ok().and_then(|status| status.vmhwm);
        Some(Usage { cpu, memory: memory.map(|kilobytes| kilobytes * 1024) })
    }
}

/// The processor time that an exit tells, if it does.
pub(crate) fn cpu(exit: &Exit) -> Option<Duration> {
    exit.user_time().zip(exit.system_time()).map(|(user, system)| user + system)
}

pub(crate) fn show_cpu(cpu: Duration) -> String {
    format!("{:.2} s", cpu.as_secs_f64())
}

/// What is known of the memory of a job that has ended.
///
/// The exit has the peak of a job that used more than this program. What was seen while the job ran is of its first
/// process alone, and up to the last look.
pub(crate) fn show_peak(peak: Option<u64>, seen: Option<u64>) -> String {
    let size = |bytes| glib::format_size(bytes).to_string();
    match (peak, seen) {
        (Some(peak), _) => size(peak),
        (None, Some(seen)) => format!("≥ {}", size(seen)),
        (None, None) => String::new(),
    }
}
