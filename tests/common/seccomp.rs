//! seccomp filters that a test installs in its own process, for good.

use std::io;

use libc::{BPF_ABS, BPF_ALU, BPF_AND, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W};

/// Has a system call fail, everywhere or where the lower bits of an argument are, or are not, a value.
pub(crate) fn filter(number: libc::c_long, errno: Option<i32>, only: Option<Only>) -> io::Result<()> {
    let low_word = if cfg!(target_endian = "little") { 0 } else { 4 };
    // Without a condition, one that always holds.
    let Only { argument, mask, value, negate } = only.unwrap_or(Only { mask: 0, ..Only::default() });
    let (equal, unequal) = if negate { (1, 0) } else { (0, 1) };
    install(&mut [
        load(0),
        jump(BPF_JEQ, number as u32, 0, 4),
        load(16 + 8 * argument + low_word),
        statement(BPF_ALU | BPF_AND | BPF_K, mask),
        jump(BPF_JEQ, value, equal, unequal),
        statement(BPF_RET | BPF_K, errno.map_or(libc::SECCOMP_RET_ALLOW, refuse)),
        statement(BPF_RET | BPF_K, libc::SECCOMP_RET_ALLOW),
    ])
}

/// Refuses each system call whose number is this one or higher: a profile that was written before they came.
pub(crate) fn refuse_from(number: libc::c_long, errno: i32) -> io::Result<()> {
    install(&mut [
        load(0),
        jump(BPF_JGE, number as u32, 0, 1),
        statement(BPF_RET | BPF_K, refuse(errno)),
        statement(BPF_RET | BPF_K, libc::SECCOMP_RET_ALLOW),
    ])
}

fn load(offset: u32) -> libc::sock_filter {
    statement(BPF_LD | BPF_W | BPF_ABS, offset)
}

fn jump(condition: u32, value: u32, then: u8, otherwise: u8) -> libc::sock_filter {
    libc::sock_filter { jt: then, jf: otherwise, ..statement(BPF_JMP | condition | BPF_K, value) }
}

fn install(program: &mut [libc::sock_filter]) -> io::Result<()> {
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the kernel reads as many instructions as the length says, and they live until it returns.
    let result = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program)
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[derive(Default)]
pub(crate) struct Only {
    pub(crate) argument: u32,
    pub(crate) mask: u32,
    pub(crate) value: u32,
    pub(crate) negate: bool,
}

fn statement(code: u32, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

fn refuse(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno as u32
}
