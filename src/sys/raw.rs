//! System calls without the C library, for a child that shares its parent's memory: libc's wrappers write
//! `errno`, take locks and may be cancelled, all of which would happen to the parent.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use std::arch::asm;

use libc::c_long;

/// Makes a system call; a result from -4095 to -1 is a negated errno.
///
/// # Safety
/// As the system call says of its arguments.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) unsafe fn syscall(number: c_long, args: [usize; 5]) -> isize {
    let result: isize;
    // SAFETY: the kernel's calling convention; it destroys rcx and r11, which are declared. What the call
    // does to memory is the caller's promise.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") args[0],
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") args[3],
            in("r8") args[4],
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
    result
}

/// Makes a system call; a result from -4095 to -1 is a negated errno.
///
/// # Safety
/// As the system call says of its arguments.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub(crate) unsafe fn syscall(number: c_long, args: [usize; 5]) -> isize {
    let result: isize;
    // SAFETY: the kernel's calling convention; it preserves all other registers. What the call does to
    // memory is the caller's promise.
    unsafe {
        asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") args[0] as isize => result,
            in("x1") args[1],
            in("x2") args[2],
            in("x3") args[3],
            in("x4") args[4],
            options(nostack),
        );
    }
    result
}

/// Makes a system call, and takes its result apart: a value, or an errno.
///
/// # Safety
/// As the system call says of its arguments: the addresses among them are those of live memory, as large as the call
/// takes it to be, and nobody else uses what it writes to. If it changes descriptors, signals or credentials, no other
/// code of this process relies on them: it is a new process, which only waits to call `execve`.
pub(super) unsafe fn call(number: c_long, args: [usize; 5]) -> Result<usize, i32> {
    // SAFETY: the caller's promise.
    match unsafe { syscall(number, args) } {
        errno @ -4095..=-1 => Err(-errno as i32),
        result => Ok(result as usize),
    }
}

/// Calls `clone3`, and in the new process `entry(data)` on the stack that `args` names. Returns the pid, or a
/// negated errno, in the caller alone.
///
/// # Safety
/// `args` is a valid `struct clone_args` of `size` bytes with a stack that is 16-byte aligned at its end and
/// used by nobody else until the new process has left it. `entry` may do with `data`, and with all memory if
/// `CLONE_VM` is given, only what is sound while its caller's other threads run.
#[cfg(target_arch = "x86_64")]
pub(crate) unsafe fn clone3(
    args: *const libc::clone_args,
    size: usize,
    entry: unsafe extern "C" fn(*mut ()) -> !,
    data: *mut (),
) -> isize {
    let result: isize;
    // SAFETY: in the caller this is a plain system call, which destroys rcx and r11. The new process never
    // reaches the end of the block: it has a stack of its own, aligned as a call wants it, and `entry` does
    // not return.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 as isize => result,
            in("rdi") args,
            in("rsi") size,
            in("r12") data,
            in("r13") entry,
            out("rcx") _,
            out("r11") _,
        );
    }
    result
}

/// As on x86_64.
///
/// # Safety
/// As on x86_64.
#[cfg(target_arch = "aarch64")]
pub(crate) unsafe fn clone3(
    args: *const libc::clone_args,
    size: usize,
    entry: unsafe extern "C" fn(*mut ()) -> !,
    data: *mut (),
) -> isize {
    let result: isize;
    // SAFETY: in the caller this is a plain system call. The new process never reaches the end of the block:
    // it has a stack of its own, aligned as a call wants it, and `entry` does not return.
    unsafe {
        asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x0, x20",
            "blr x21",
            "brk 1",
            "2:",
            in("x8") libc::SYS_clone3,
            inlateout("x0") args as isize => result,
            in("x1") size,
            in("x20") data,
            in("x21") entry,
        );
    }
    result
}

/// Makes a system call; a result from -4095 to -1 is a negated errno.
///
/// # Safety
/// As the system call says of its arguments.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) unsafe fn syscall(number: c_long, args: [usize; 5]) -> isize {
    // SAFETY: what the call does is the caller's promise. Nothing runs on another's memory here.
    match unsafe { libc::syscall(number, args[0], args[1], args[2], args[3], args[4]) } {
        -1 => -(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL) as isize),
        result => result as isize,
    }
}

/// Refused, as by a kernel that has not got it: no assembler has been written for this processor.
///
/// # Safety
/// None is needed.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) unsafe fn clone3(
    _: *const libc::clone_args,
    _: usize,
    _: unsafe extern "C" fn(*mut ()) -> !,
    _: *mut (),
) -> isize {
    -(libc::ENOSYS as isize)
}
