//! System calls a child, by strace.
//!
//! `strace -c` knows no parent: without `-f` it misses the parent's other threads, and with it the table holds
//! the calls of the children too. So the calls are written to a file, `-f`, each with the id of its thread,
//! and counted here. A thread that calls `execve` is a child, since no contender does so itself. `getrusage` of
//! children marks where the measurement begins and ends.

use std::collections::{BTreeMap, HashMap};
use std::env;
use std::ffi::OsStr;
use std::fs;

use anyhow::{bail, ensure, Context, Result};
use serde::{Deserialize, Serialize};

use crate::contenders::Name;
use crate::run::{Load, Report, Task, Throughput};
use crate::start;
use crate::traced::Tracer;

/// How often each system call was made for a child, by name.
pub(crate) type Calls = BTreeMap<String, f64>;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Syscalls {
    /// In all threads of it.
    pub(crate) parent: Calls,
    /// Up to and with its `execve`.
    pub(crate) child: Calls,
}

/// What the contender reports, too.
pub(crate) fn count(name: Name, load: &Load) -> Result<(Syscalls, Throughput)> {
    let trace = env::temp_dir().join(format!("peers-{}.strace", std::process::id()));
    let options = ["strace", "-f", "-qq", "-e", "signal=none", "-s", "0", "-o"].map(OsStr::new);
    let strace = [&options[..], &[trace.as_os_str()]].concat();
    let command = start::command(&strace, name, &Task::Throughput(load.clone()))?;
    let report = start::report(start::traced(command, Tracer::Strace));
    let written = fs::read_to_string(&trace);
    let _ = fs::remove_file(&trace);
    let Report::Throughput(throughput) = report? else { bail!("not what was asked for") };
    Ok((parse(&written?, load.children)?, throughput))
}

fn parse(trace: &str, children: usize) -> Result<Syscalls> {
    let calls: Vec<Call<'_>> = trace.lines().filter_map(Call::parse).collect();
    let parent = calls.first().context("strace has written nothing")?.thread;
    let begin = calls.iter().position(|call| call.is_mark).context("no beginning")?;
    let end = calls.iter().rposition(|call| call.is_mark).context("no end")?;
    let calls = &calls[begin + 1..end];
    // Whether a child has called `execve` so far.
    let mut spawned: HashMap<&str, bool> = calls
        .iter()
        .filter(|call| call.name == "execve" && call.thread != parent)
        .map(|call| (call.thread, false))
        .collect();
    ensure!(spawned.len() == children, "{} of {children} children called execve", spawned.len());
    let mut counts = Syscalls { parent: Calls::new(), child: Calls::new() };
    for call in calls {
        let counts = match spawned.get_mut(call.thread) {
            None => &mut counts.parent,
            Some(true) => continue,
            Some(executed) => {
                *executed = call.name == "execve";
                &mut counts.child
            }
        };
        *counts.entry(call.name.to_owned()).or_default() += 1.0 / children as f64;
    }
    Ok(counts)
}

/// The beginning of a call: a line of the trace.
#[derive(Debug)]
struct Call<'a> {
    thread: &'a str,
    name: &'a str,
    is_mark: bool,
}

impl<'a> Call<'a> {
    /// `None` for a line that tells something else: `<... waitid resumed>` ends a call that was counted, and one
    /// that fails with `ERESTARTNOINTR` or the like comes again.
    fn parse(line: &'a str) -> Option<Call<'a>> {
        let (thread, rest) = line.split_once(' ')?;
        let (name, arguments) = rest.trim_start().split_once('(')?;
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let is_restart = name == "restart_syscall" || rest.contains(" = ? ERESTART");
        let is_mark = name == "getrusage" && arguments.starts_with("RUSAGE_CHILDREN");
        (is_name && !is_restart).then_some(Call { thread, name, is_mark })
    }
}
