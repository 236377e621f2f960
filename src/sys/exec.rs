//! The end of a child's way: `execve`, as execvp(3) has it.

use std::ffi::c_char;
use std::sync::atomic::{AtomicPtr, Ordering};

use libc::c_long;

use super::descriptors::{close_marked, keep_open};
use super::needs::ByDescriptor;
use super::plan::{busy_wait, Alone, Environment, Failure, Plan, Stage, BUSY_RETRIES};
use super::raw::call;
use super::strings;

/// Becomes the program; returns what failed.
///
/// # Safety
/// In a new process, or one that is to be replaced.
pub(super) unsafe fn exec(plan: &Plan<'_>) -> Failure {
    let environment = match plan.environment {
        Environment::Own(strings) => strings.as_ptr(),
        Environment::Inherited => strings::environment(),
    };
    let mut busy = 0;
    loop {
        // SAFETY: the caller's promise.
        let failure = unsafe { try_programs(plan, environment) };
        match (failure, plan.alone) {
            (Failure { stage: Stage::Exec(_), errno: libc::ETXTBSY }, Some(_)) if busy < BUSY_RETRIES => {
                // SAFETY: a new process, whose table is its own by now.
                unsafe { wait_while_busy(busy, plan) };
                busy += 1;
            }
            (Failure { stage: Stage::Exec(program), errno: libc::ENOEXEC }, alone) => {
                let script = plan.programs.pointers().get(program).copied().unwrap_or(std::ptr::null());
                // SAFETY: as `try_programs`.
                return unsafe {
                    match alone {
                        _ if !may_be_script(script) => failure,
                        Some(Alone { shell }) if !shell.is_empty() => {
                            keep_program(plan);
                            by_shell(shell, script, environment)
                        }
                        _ => Failure { stage: Stage::Script(program), ..failure },
                    }
                };
            }
            _ => return failure,
        }
    }
}

/// As its parent would wait before it made another child.
///
/// # Safety
/// In a new process with a descriptor table of its own.
unsafe fn wait_while_busy(retry: u32, plan: &Plan<'_>) {
    if retry == 0 {
        // It may be one of ours by which the program was written; not the one that names it.
        let program = plan.by_descriptor().map(|program| program.fd.number() as usize);
        // SAFETY: the caller's promise.
        let _ = unsafe { close_marked(program) };
    }
    let time = libc::timespec { tv_sec: 0, tv_nsec: busy_wait(retry).subsec_nanos() as _ };
    // SAFETY: the time is read alone.
    let _ = unsafe { call(libc::SYS_nanosleep, [&raw const time as usize, 0, 0, 0, 0]) };
}

/// Whether the shell may run a file that the kernel does not know how to execute. As in bash, a null byte in its first line
/// shows that it is no text. An empty file, and an executable of another processor, are none either.
///
/// # Safety
/// In a process with a descriptor table of its own. `path` is a string with its null byte, or null.
unsafe fn may_be_script(path: *const c_char) -> bool {
    let mut start = [0u8; 80];
    let flags = (libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY) as usize;
    // SAFETY: as many bytes as there are may be written, and the descriptor is this process's own; and the caller's promise.
    let length = unsafe {
        uninterrupted(libc::SYS_openat, [libc::AT_FDCWD as usize, path as usize, flags, 0, 0]).and_then(
            |file| {
                let args = [file, start.as_mut_ptr() as usize, start.len(), 0, 0];
                let length = uninterrupted(libc::SYS_read, args);
                let _ = call(libc::SYS_close, [file, 0, 0, 0, 0]);
                length
            },
        )
    };
    match start.get(..length.unwrap_or(0)) {
        None | Some([] | [0x7f, b'E', b'L', b'F', ..]) => false,
        Some(text) => text.iter().take_while(|&&byte| byte != b'\n').all(|&byte| byte != 0),
    }
}

/// # Safety
/// As [`call`].
unsafe fn uninterrupted(number: c_long, args: [usize; 5]) -> Result<usize, i32> {
    loop {
        // SAFETY: the caller's promise.
        match unsafe { call(number, args) } {
            Err(libc::EINTR) => {}
            result => return result,
        }
    }
}

/// # Safety
/// As [`try_programs`]. The arguments are this process's own, and the script is among what it may read.
unsafe fn by_shell(
    arguments: &[AtomicPtr<c_char>],
    script: *const c_char,
    environment: *const *const c_char,
) -> Failure {
    if let Some(second) = arguments.get(1) {
        second.store(script.cast_mut(), Ordering::Relaxed);
    }
    let args = [c"/bin/sh".as_ptr() as usize, arguments.as_ptr() as usize, environment as usize, 0, 0];
    // SAFETY: the caller's promise.
    let errno = unsafe { call(libc::SYS_execve, args) }.err().unwrap_or(0);
    Failure { stage: Stage::Shell, errno }
}

/// Tries the programs as execvp(3) does. Programs that cannot be reached are skipped, and one that may not be executed
/// is remembered. If none is remembered, the last one says why.
///
/// # Safety
/// In a new process, or one that is to be replaced.
unsafe fn try_programs(plan: &Plan<'_>, environment: *const *const c_char) -> Failure {
    match plan.by_descriptor() {
        Some(program) if std::ptr::eq(plan.programs, &program.path) => {
            // SAFETY: the caller's promise.
            return unsafe { exec_descriptor(plan, program, environment) };
        }
        // SAFETY: the caller's promise.
        _ => unsafe { keep_program(plan) },
    }
    let mut failure = Failure { stage: Stage::Exec(0), errno: libc::ENOENT };
    for (index, &program) in plan.programs.pointers().iter().enumerate() {
        let args = [program as usize, plan.argv.as_ptr() as usize, environment as usize, 0, 0];
        // SAFETY: strings with their null bytes, and arrays of such with a null pointer at the end, which are only read.
        let errno = unsafe { call(libc::SYS_execve, args) }.err().unwrap_or(0);
        let tried = Failure { stage: Stage::Exec(index), errno };
        match errno {
            libc::EACCES | libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT => {}
            _ => return tried,
        }
        if errno == libc::EACCES || failure.errno != libc::EACCES {
            failure = tried;
        }
    }
    failure
}

/// As fexecve(3).
///
/// # Safety
/// As [`try_programs`].
unsafe fn exec_descriptor(
    plan: &Plan<'_>,
    program: &ByDescriptor,
    environment: *const *const c_char,
) -> Failure {
    let (fd, nothing) = (program.fd.number() as usize, c"".as_ptr() as usize);
    let args = [fd, nothing, plan.argv.as_ptr() as usize, environment as usize, libc::AT_EMPTY_PATH as usize];
    // SAFETY: as for `execve` above.
    let exec = || unsafe { call(libc::SYS_execveat, args) }.err().unwrap_or(0);
    let errno = match exec() {
        // A script, which its interpreter could not open after `execve`.
        libc::ENOENT => {
            // SAFETY: the caller's promise.
            unsafe { keep_open(fd) };
            exec()
        }
        errno => errno,
    };
    Failure { stage: Stage::Exec(0), errno }
}

/// A program that is named by a descriptor is a script, for a shell that has to open it by name.
///
/// # Safety
/// As [`try_programs`].
unsafe fn keep_program(plan: &Plan<'_>) {
    if let Some(program) = plan.by_descriptor() {
        // SAFETY: the caller's promise.
        unsafe { keep_open(program.fd.number() as usize) };
    }
}
