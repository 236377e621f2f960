//! What this machine allows.

use std::fs;
use std::io;
use std::mem::MaybeUninit;

use anyhow::{ensure, Context, Result};

use crate::run::Setting;

/// Descriptors in addition to those of the children: a contender may leave a gap below those that it moves up.
const SPARE: usize = 1200;

/// What else lives on the machine.
const OTHER_PROCESSES: usize = 1000;

/// Memory that stays free.
const SPARE_MIB: usize = 1024;

/// The soft limit of descriptors becomes the hard one, which is returned.
pub(crate) fn raise_descriptors() -> Result<usize> {
    let mut limit = get(libc::RLIMIT_NOFILE)?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: it only reads `limit`.
    let result = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
    ensure!(result == 0, "setrlimit: {}", io::Error::last_os_error());
    Ok(usize::try_from(limit.rlim_max).unwrap_or(usize::MAX))
}

/// How many children can be outstanding.
pub(crate) fn children(wanted: usize, setting: &Setting) -> Result<usize> {
    let descriptors = raise_descriptors()?;
    let by_descriptors = (descriptors - SPARE.min(descriptors)) / if setting.piped { 2 } else { 1 };
    let most = by_descriptors.min(processes()?).saturating_sub(setting.batch);
    let most = if most > 1000 { most - most % 1000 } else { most };
    if wanted > most {
        println!("({most} children at most: {descriptors} descriptors, {} processes)", processes()?);
    }
    Ok(wanted.min(most))
}

/// Whether there may be as many threads, too.
pub(crate) fn allows_threads(children: usize) -> Result<bool> {
    Ok(2 * children <= processes()?)
}

fn processes() -> Result<usize> {
    let limit = usize::try_from(get(libc::RLIMIT_NPROC)?.rlim_cur).unwrap_or(usize::MAX);
    let number = |path: &str| -> Result<usize> { Ok(fs::read_to_string(path)?.trim().parse()?) };
    let pids = number("/proc/sys/kernel/pid_max")?;
    let threads = number("/proc/sys/kernel/threads-max")?;
    Ok(limit.min(pids).min(threads).saturating_sub(OTHER_PROCESSES))
}

fn get(resource: libc::__rlimit_resource_t) -> Result<libc::rlimit> {
    let mut limit = MaybeUninit::uninit();
    // SAFETY: `limit` has room for what is written.
    let result = unsafe { libc::getrlimit(resource, limit.as_mut_ptr()) };
    ensure!(result == 0, "getrlimit: {}", io::Error::last_os_error());
    // SAFETY: getrlimit succeeded, so it has filled it in.
    Ok(unsafe { limit.assume_init() })
}

/// The sizes for which there is memory; says which are left out.
pub(crate) fn memory(wanted_mib: &[usize]) -> Result<Vec<usize>> {
    let meminfo = fs::read_to_string("/proc/meminfo")?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib: usize =
        line.and_then(|line| line.split_whitespace().next()).context("no MemAvailable")?.parse()?;
    let available = kib / 1024;
    let (fitting, too_large): (Vec<_>, Vec<_>) =
        wanted_mib.iter().partition(|&&mib| mib + SPARE_MIB <= available);
    for mib in too_large {
        println!("left out: {mib} MiB, of {available} MiB that are available");
    }
    ensure!(!fitting.is_empty(), "there is not enough memory");
    Ok(fitting)
}
