//! System calls without the C library, for a child that shares its parent's memory: libc's wrappers write
//! `errno`, take locks and may be cancelled. All that would happen to the parent.

#[cfg(any(all(target_arch = "x86_64", target_pointer_width = "64"), target_arch = "aarch64"))]
use std::arch::asm;

use libc::c_long;

/// Makes a system call; a result from -4095 to -1 is a negated errno.
///
/// # Safety
/// As the system call says of its arguments.
#[cfg(all(target_arch = "x86_64", target_pointer_width = "64"))]
#[inline(always)]
pub(super) unsafe fn syscall(number: c_long, args: [usize; 5]) -> isize {
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
pub(super) unsafe fn syscall(number: c_long, args: [usize; 5]) -> isize {
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

/// The kernel's interface differs there in the number of signals.
pub(super) const IS_MIPS: bool = cfg!(any(
    target_arch = "mips",
    target_arch = "mips32r6",
    target_arch = "mips64",
    target_arch = "mips64r6"
));

/// Whether `clone3` and `clone` return 0 in a child: on SPARC another register says which one it is.
pub(super) const CLONE_RETURNS_ZERO: bool = !cfg!(any(target_arch = "sparc", target_arch = "sparc64"));

/// Whether [`on_new_stack`] is there: it takes assembler, which was written for these processors.
pub(super) const HAS_NEW_STACK: bool =
    cfg!(any(all(target_arch = "x86_64", target_pointer_width = "64"), target_arch = "aarch64"));

/// Makes a new process by `clone3` or `clone`, and in it calls `entry(data)` on the stack that the arguments name.
/// Returns the pid, or a negated errno, in the caller alone.
///
/// # Safety
/// The arguments are those of the system call, with a stack that is 16-byte aligned at its end and used by nobody
/// else until the new process has left it. `entry` may do with `data`, and with all memory if `CLONE_VM` is given,
/// only what is sound while its caller's other threads run.
#[cfg(all(target_arch = "x86_64", target_pointer_width = "64"))]
pub(super) unsafe fn on_new_stack(
    number: c_long,
    args: [usize; 3],
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
            inlateout("rax") number as isize => result,
            in("rdi") args[0],
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") 0,
            in("r8") 0,
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
pub(super) unsafe fn on_new_stack(
    number: c_long,
    args: [usize; 3],
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
            in("x8") number,
            inlateout("x0") args[0] as isize => result,
            in("x1") args[1],
            in("x2") args[2],
            in("x3") 0,
            in("x4") 0,
            in("x20") data,
            in("x21") entry,
        );
    }
    result
}

/// Not there: see [`HAS_NEW_STACK`].
///
/// # Safety
/// None is needed.
#[cfg(not(any(all(target_arch = "x86_64", target_pointer_width = "64"), target_arch = "aarch64")))]
pub(super) unsafe fn on_new_stack(
    _: c_long,
    _: [usize; 3],
    _: unsafe extern "C" fn(*mut ()) -> !,
    _: *mut (),
) -> isize {
    -(libc::ENOSYS as isize)
}

/// Makes a system call; a result from -4095 to -1 is a negated errno.
///
/// # Safety
/// As the system call says of its arguments.
#[cfg(not(any(all(target_arch = "x86_64", target_pointer_width = "64"), target_arch = "aarch64")))]
pub(super) unsafe fn syscall(number: c_long, args: [usize; 5]) -> isize {
    // SAFETY: what the call does is the caller's promise. Nothing runs on another's memory here.
    match unsafe { libc::syscall(number, args[0], args[1], args[2], args[3], args[4]) } {
        -1 => -(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL) as isize),
        result => result as isize,
    }
}
