//! An on-access scanner, as antivirus programs are: it lets each `execve` of one file through after a while.

use std::collections::VecDeque;
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

/// A copy of a program that is scanned. When this process ends, the kernel lets everything through.
pub(crate) struct Scanned(PathBuf);

impl Scanned {
    /// `None`, and a word why, where there can be no scanner: that takes root.
    pub(crate) fn new(program: &Path, delay: Duration) -> Result<Option<Scanned>> {
        let scanned = Scanned(std::env::temp_dir().join(format!("peers-{}-scanned", std::process::id())));
        fs::copy(program, &scanned.0)?;
        match watch(&scanned.0) {
            Ok(events) => {
                thread::spawn(move || scan(File::from(events), delay));
                Ok(Some(scanned))
            }
            Err(error) => {
                println!("\nA slow execve: left out, since fanotify with permissions takes root: {error}");
                Ok(None)
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scanned {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A descriptor from which each `execve` of the file can be read.
fn watch(file: &Path) -> io::Result<OwnedFd> {
    let flags = libc::FAN_CLASS_CONTENT | libc::FAN_CLOEXEC | libc::FAN_NONBLOCK;
    // SAFETY: no memory is involved.
    let made = unsafe { libc::fanotify_init(flags, (libc::O_RDONLY | libc::O_CLOEXEC) as _) };
    if made < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: fanotify_init has made it, and nobody else has it.
    let events = unsafe { OwnedFd::from_raw_fd(made) };
    let path = CString::new(file.as_os_str().as_bytes())?;
    let (add, what) = (libc::FAN_MARK_ADD, libc::FAN_OPEN_EXEC_PERM);
    // SAFETY: the path ends with NUL.
    match unsafe { libc::fanotify_mark(events.as_raw_fd(), add, what, libc::AT_FDCWD, path.as_ptr()) } {
        0 => Ok(events),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Answers each after the delay, however many wait.
fn scan(mut events: File, delay: Duration) {
    let mut waiting: VecDeque<(Instant, OwnedFd)> = VecDeque::new();
    loop {
        let due = waiting.front().map(|(due, _)| due.saturating_duration_since(Instant::now()));
        if due == Some(Duration::ZERO) {
            let (_, opened) = waiting.pop_front().expect("it was seen");
            allow(&mut events, &opened);
            continue;
        }
        let mut poll = libc::pollfd { fd: events.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let left =
            due.map(|due| libc::timespec { tv_sec: due.as_secs() as _, tv_nsec: due.subsec_nanos() as _ });
        let left = left.as_ref().map_or(std::ptr::null(), |left| left as *const libc::timespec);
        // SAFETY: one structure, a time that is there or null, and no mask.
        unsafe { libc::ppoll(&mut poll, 1, left, std::ptr::null()) };
        let mut buffer = [0; 4096];
        // Nothing to read is an error, too.
        let length = events.read(&mut buffer).unwrap_or(0);
        let due = Instant::now() + delay;
        waiting.extend(opened(&buffer[..length]).map(|opened| (due, opened)));
    }
}

/// The descriptors in what was read: each event is a `fanotify_event_metadata`, and holds one.
fn opened(mut events: &[u8]) -> impl Iterator<Item = OwnedFd> + '_ {
    std::iter::from_fn(move || {
        const SIZE: usize = size_of::<libc::fanotify_event_metadata>();
        let bytes: &[u8; SIZE] = events.first_chunk()?;
        // SAFETY: it consists of integers alone, and was written by the kernel.
        let event: libc::fanotify_event_metadata = unsafe { std::mem::transmute_copy(bytes) };
        events = events.get(event.event_len as usize..)?;
        // SAFETY: the kernel made it for us, in this event. There is no other kind that we asked for.
        Some(unsafe { OwnedFd::from_raw_fd(event.fd) })
    })
}

fn allow(events: &mut File, opened: &OwnedFd) {
    let fd = opened.as_raw_fd().to_ne_bytes();
    let answer = [fd, libc::FAN_ALLOW.to_ne_bytes()].concat();
    if let Err(error) = events.write_all(&answer) {
        eprintln!("the scanner could not answer: {error}");
    }
}
