//! Instructions a child, in the parent and in user mode, by making one step at a time (`PTRACE_SINGLESTEP`).
//!
//! Everything that counts instructions by itself is missing somewhere: performance counters in most virtual
//! machines, and in valgrind and qemu-user the system calls that spawn here. Each step is counted, in every thread
//! of the contender, from its first stop signal to its second; children are not traced.

use std::fs;
use std::io::{self, Read};
use std::process::Stdio;

use anyhow::{bail, ensure, Result};

use crate::contenders::Name;
use crate::run::{Load, Report, Task};
use crate::start;
use crate::traced::Tracer;

/// Each child's share.
pub(crate) fn count(name: Name, load: &Load) -> Result<f64> {
    let mut command = start::command(&[], name, &Task::Throughput(load.clone()), Some(Tracer::Step))?;
    let mut process = command.stdout(Stdio::piped()).spawn()?;
    let steps = step(process.id() as i32)?;
    let mut output = String::new();
    process.stdout.take().expect("piped above").read_to_string(&mut output)?;
    let Report::Throughput(_) = serde_json::from_str(&output)? else { bail!("not what was asked for") };
    Ok(steps as f64 / load.children as f64)
}

/// Until the process has ended. This process has no other child meanwhile.
fn step(process: i32) -> Result<u64> {
    let mut steps = 0;
    let mut marks = 0;
    loop {
        let mut status = 0;
        // SAFETY: `status` has room for what is written.
        let thread = unsafe { libc::waitpid(-1, &mut status, libc::__WALL) };
        ensure!(thread > 0, "waitpid: {}", io::Error::last_os_error());
        if !libc::WIFSTOPPED(status) {
            if thread != process {
                continue;
            }
            ensure!(status == 0 && marks == 2, "a contender that was traced failed ({status})");
            return Ok(steps);
        }
        let signal = match (libc::WSTOPSIG(status), status >> 16) {
            (libc::SIGTRAP, 0) => {
                steps += u64::from(marks == 1);
                0
            }
            // A clone: the new thread stops by itself.
            (libc::SIGTRAP, _) => 0,
            (libc::SIGSTOP, _) => {
                if thread == process {
                    marks += 1;
                    trace_threads(process, marks)?;
                }
                0
            }
            (signal, _) => signal,
        };
        let request = if marks == 1 { libc::PTRACE_SINGLESTEP } else { libc::PTRACE_CONT };
        // SAFETY: no pointer is passed. The thread has stopped; if it is killed now, waitpid tells.
        unsafe { libc::ptrace(request, thread, 0, signal) };
    }
}

/// At the first mark: those that are there, and those that will be.
fn trace_threads(process: i32, marks: i32) -> Result<()> {
    if marks != 1 {
        return Ok(());
    }
    let options = libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_EXITKILL;
    ptrace(libc::PTRACE_SETOPTIONS, process, options)?;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let thread: i32 = thread?.file_name().to_string_lossy().parse()?;
        if thread != process {
            ptrace(libc::PTRACE_SEIZE, thread, options)?;
            ptrace(libc::PTRACE_INTERRUPT, thread, 0)?;
        }
    }
    Ok(())
}

fn ptrace(request: libc::c_uint, thread: i32, data: i32) -> Result<()> {
    // SAFETY: no pointer is passed.
    let result = unsafe { libc::ptrace(request, thread, 0, data) };
    ensure!(result == 0, "ptrace (a container may refuse it): {}", io::Error::last_os_error());
    Ok(())
}
