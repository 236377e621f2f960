//! System calls a child, in the parent.
//!
//! `strace -c` knows no parent: without `-f` it misses the parent's other threads, and with it the table holds
//! the calls of the children too. So the calls are written to a file, `-f`, each with the id of its thread,
//! and counted here. A thread that calls `execve` is a child, since no contender does so itself; all that it
//! calls, also before, is left out. `getrusage` marks where the measurement begins and ends.
//!
//! A traced process is slow. With many children in flight one has always ended, and calls that only a wait
//! needs are missed; with one in flight, each exit is waited for. The truth lies between the two.
//!
//! SIGCHLD, which nobody handles here, is blocked meanwhile, since under ptrace each one interrupts a wait.
//! Otherwise only those do that come while the spawning thread blocks all signals, around its clone: they go to
//! a helper, which wakes for nothing. That is in the CPU time, and not in these counts.

use std::collections::{BTreeMap, HashSet};
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::path::Path;
use std::ptr;

use anyhow::{ensure, Context, Result};

use crate::contenders::Contender;
use crate::load::Load;

/// In the environment of a contender that is traced.
pub(crate) const TRACED: &str = "PEERS_TRACED";

/// Does what `TRACED` asks for. The floor does the same.
pub(crate) fn block_sigchld_if_traced() -> Result<()> {
    if env::var_os(TRACED).is_some() {
        let mut signals = MaybeUninit::uninit();
        // SAFETY: sigemptyset makes the set, before anything reads it; the old mask is not asked for.
        let result = unsafe {
            libc::sigemptyset(signals.as_mut_ptr());
            libc::sigaddset(signals.as_mut_ptr(), libc::SIGCHLD);
            libc::pthread_sigmask(libc::SIG_BLOCK, signals.as_ptr(), ptr::null_mut())
        };
        ensure!(result == 0, "pthread_sigmask: {}", io::Error::from_raw_os_error(result));
    }
    Ok(())
}

/// How often each system call was made for a child, by name.
#[derive(Debug)]
pub(crate) struct Syscalls(BTreeMap<String, f64>);

impl Syscalls {
    pub(crate) fn of(contender: Contender, load: &Load, floor: Option<&Path>) -> Result<Syscalls> {
        let trace = env::temp_dir().join(format!("peers-{}.strace", std::process::id()));
        let options = ["strace", "-f", "-qq", "-e", "signal=none", "-s", "0", "-o"].map(OsStr::new);
        let wrapper = [&options[..], &[trace.as_os_str()]].concat();
        let ran = contender.start(load, floor, &wrapper).context("--syscalls needs strace");
        let written = fs::read_to_string(&trace);
        let _ = fs::remove_file(&trace);
        ran?;
        Ok(Syscalls::count(&written?, load.children))
    }

    fn count(trace: &str, children: usize) -> Syscalls {
        let calls: Vec<Call<'_>> = trace.lines().filter_map(Call::parse).collect();
        let parent = calls.first().map_or("", |call| call.thread);
        let spawned: HashSet<&str> = calls
            .iter()
            .filter(|call| call.name == "execve" && call.thread != parent)
            .map(|call| call.thread)
            .collect();
        let is_mark = |call: &Call<'_>| call.name == "getrusage";
        let begin = calls.iter().position(is_mark).unwrap_or(0);
        let end = calls.iter().rposition(is_mark).unwrap_or(0);
        let mut counts = BTreeMap::new();
        for call in &calls[begin..end] {
            if !is_mark(call) && !spawned.contains(call.thread) {
                *counts.entry(call.name.to_owned()).or_insert(0.0) += 1.0 / children as f64;
            }
        }
        Syscalls(counts)
    }

    pub(crate) fn total(&self) -> f64 {
        self.0.values().sum()
    }

    /// The most frequent first; without those that only setting up needs.
    pub(crate) fn by_name(&self) -> Vec<(&str, f64)> {
        let mut names: Vec<_> = self.0.iter().map(|(name, &count)| (&**name, count)).collect();
        names.retain(|(_, count)| *count >= 0.02);
        names.sort_by(|a, b| b.1.total_cmp(&a.1));
        names
    }
}

/// The beginning of a call: a line of the trace.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) thread: &'a str,
    pub(crate) name: &'a str,
}

impl<'a> Call<'a> {
    /// `None` for a line that tells something else: `<... waitid resumed>` ends a call that was counted, and one
    /// that fails with `ERESTARTNOINTR` or the like comes again.
    pub(crate) fn parse(line: &'a str) -> Option<Call<'a>> {
        let (thread, rest) = line.split_once(' ')?;
        let (name, _) = rest.trim_start().split_once('(')?;
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let is_restart = name == "restart_syscall" || rest.contains(" = ? ERESTART");
        (is_name && !is_restart).then_some(Call { thread, name })
    }
}
