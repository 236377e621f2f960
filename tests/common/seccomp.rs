//! seccomp filters that a test installs in its own process, for good.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::again;
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

/// Has a system call of this thread, and of the children that it makes, wait until it is let go on.
pub(crate) fn hold(number: libc::c_long) -> io::Result<Held> {
    let mut program = [
        load(0),
        jump(BPF_JEQ, number as u32, 0, 1),
        statement(BPF_RET | BPF_K, libc::SECCOMP_RET_USER_NOTIF),
        statement(BPF_RET | BPF_K, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    // SAFETY: the kernel reads as many instructions as the length says, and they live until it returns.
    let listener = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &program)
    };
    match listener {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: the kernel made it for us.
        fd => Ok(Held(unsafe { OwnedFd::from_raw_fd(fd as i32) })),
    }
}

/// Where the calls of a thread wait.
pub(crate) struct Held(OwnedFd);

/// One call that waits.
pub(crate) struct Call {
    id: u64,
    pub(crate) pid: i32,
}

impl Held {
    /// The next call, if there is one within so many milliseconds.
    pub(crate) fn next(&self, milliseconds: i32) -> Option<Call> {
        const RECEIVE: u64 = 0xc050_2100;
        if !super::readable(&self.0, std::time::Duration::from_millis(milliseconds as u64)) {
            return None;
        }
        let mut fd = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // `struct seccomp_notif`: the id, and then the pid.
        let mut notice = [0u64; 10];
        // SAFETY: so much is written.
        let polled = again(|| unsafe { libc::poll(&mut fd, 1, 0) }).unwrap();
        // Once all are gone who could call, it is readable in another way, and old kernels would block.
        let came = polled == 1 && fd.revents & libc::POLLIN != 0;
        // SAFETY: so much is written. It fails if the process has gone meanwhile.
        let mut receive = || again(|| unsafe { libc::ioctl(self.0.as_raw_fd(), RECEIVE as _, &mut notice) });
        (came && receive().is_ok()).then(|| Call { id: notice[0], pid: notice[1] as u32 as i32 })
    }

    /// Lets it go on, if its process is still there.
    pub(crate) fn go_on(&self, call: Call) {
        const CONTINUE: u32 = 1;
        self.answer(call, 0, CONTINUE);
    }

    /// Has it fail.
    pub(crate) fn refuse(&self, call: Call, errno: i32) {
        self.answer(call, errno, 0);
    }

    fn answer(&self, call: Call, errno: i32, flags: u32) {
        const SEND: u64 = 0xc018_2101;
        // `struct seccomp_notif_resp`: id, value, error and flags.
        let mut last = [0; 8];
        last[..4].copy_from_slice(&(-errno).to_ne_bytes());
        last[4..].copy_from_slice(&flags.to_ne_bytes());
        let response = [call.id, 0, u64::from_ne_bytes(last)];
        // It fails if the process has gone meanwhile.
        // SAFETY: so much is read.
        let _ = again(|| unsafe { libc::ioctl(self.0.as_raw_fd(), SEND as _, &response) });
    }
}

/// Spawns in a thread of its own, and calls `during` while the child waits in the system call. Later ones go on.
pub(crate) fn spawn_held<R: Send>(
    number: libc::c_long,
    spawn: impl FnOnce() -> R + Send,
    during: impl FnOnce(i32),
) -> io::Result<R> {
    std::thread::scope(|scope| {
        let (sender, receiver) = std::sync::mpsc::channel();
        let spawner = scope.spawn(move || {
            let held = hold(number);
            let works = held.is_ok();
            sender.send(held).unwrap();
            works.then(spawn)
        });
        let held = receiver.recv().unwrap()?;
        let first = held.next(30_000).expect("the child gets there");
        during(first.pid);
        held.go_on(first);
        while !spawner.is_finished() {
            if let Some(call) = held.next(1) {
                held.go_on(call);
            }
        }
        Ok(spawner.join().unwrap().expect("calls are held"))
    })
}
