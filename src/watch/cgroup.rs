//! The cgroup of a child and of all that it starts (version 2).

use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::fmt;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use rustix::fs::{mkdirat, openat, unlinkat, AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::pidfd::Signal;
use crate::sync::lock;
use crate::sys::low::{above_stdio, out_of_the_way};
use crate::sys::origin::{Origin, PerProcess};
use crate::watch::members;

/// A cgroup, by its directory.
pub(crate) struct Cgroup {
    directory: OwnedFd,
    /// What is to be removed, if it was made for a child.
    own: Option<Own>,
}

struct Own {
    parent: Arc<OwnedFd>,
    name: CString,
    origin: Origin,
}

/// Those of ours that were still in use when they were dropped: removed by a later call.
static LEFT: PerProcess<Mutex<Vec<Own>>> = PerProcess::new(|| Mutex::new(Vec::new()));

/// How many there are. With this, every call of the crate can ask at no cost.
static NUMBER_LEFT: AtomicUsize = AtomicUsize::new(0);

impl Cgroup {
    pub(crate) fn given(directory: OwnedFd) -> Cgroup {
        Cgroup { directory, own: None }
    }

    /// Makes one below that of this process.
    pub(crate) fn create() -> io::Result<Cgroup> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let parent = own_directory()?;
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = CString::new(format!("childset-{}-{number}", std::process::id()))?;
            match mkdirat(&parent, &name, Mode::from_raw_mode(0o755)) {
                // Left by another process of this number, or seen from another pid namespace.
                Err(Errno::EXIST) => continue,
                made => made?,
            }
            let own = Own { parent, name, origin: Origin::here() };
            let directory = openat(&own.parent, &own.name, DIRECTORY, Mode::empty());
            return match directory.map_err(io::Error::from).and_then(above_stdio) {
                Ok(directory) => Ok(Cgroup { directory: out_of_the_way(directory), own: Some(own) }),
                Err(error) => {
                    own.remove();
                    Err(error)
                }
            };
        }
    }

    /// The number of the one that it lies in, which is never used again, if it was made for a child.
    pub(crate) fn parent(&self) -> Option<usize> {
        let own = self.own.as_ref()?;
        Some(rustix::fs::fstat(&own.parent).ok()?.st_ino as usize)
    }

    /// Sends signals to all processes in it and below. False if it cannot: it is the root of all.
    pub(crate) fn send(&self, signals: &[Signal]) -> io::Result<bool> {
        if signals == [Signal::KILL] {
            match self.write("cgroup.kill", b"1") {
                // Before Linux 5.14.
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
                written => return written.map(|()| true),
            }
        }
        if self.read("cgroup.events").is_err_and(|error| error.raw_os_error() == Some(libc::ENOENT)) {
            return Ok(false);
        }
        let list = || pids(self.directory.as_fd());
        let still = |_: &[u32]| Ok(HashSet::from_iter(list()?));
        members::send(signals, list, still, |pidfd, signal| pidfd.send_signal(signal))?;
        Ok(true)
    }

    /// Whether this process is in it or below.
    pub(crate) fn holds(&self, pid: u32) -> io::Result<bool> {
        Ok(pids(self.directory.as_fd())?.contains(&pid))
    }

    /// Whether a process that has not ended is in it or below.
    pub(crate) fn is_populated(&self) -> io::Result<bool> {
        match self.read("cgroup.events") {
            Ok(events) => Ok(value(&events, "populated") == Some(1)),
            // It was removed, which only an empty one can be.
            Err(error) if [Some(libc::ENOENT), Some(libc::ENODEV)].contains(&error.raw_os_error()) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// The number that stands after a key in one of its files, or that is all that a file has. `None` where the file or the
    /// key is not there.
    pub(crate) fn number(&self, file: &str, key: Option<&str>) -> Option<u64> {
        let text = self.read(file).ok()?;
        match key {
            Some(key) => value(&text, key),
            None => text.trim().parse().ok(),
        }
    }

    fn read(&self, file: &str) -> io::Result<String> {
        let file = openat(&self.directory, file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        io::read_to_string(fs::File::from(file))
    }

    fn write(&self, file: &str, text: &[u8]) -> io::Result<()> {
        let file = openat(&self.directory, file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        rustix::io::write(file, text)?;
        Ok(())
    }
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The cgroup that this process was in when one was last made in it, and its directory while it is open for any of those.
static HOME: PerProcess<Mutex<(String, Weak<OwnedFd>)>> = PerProcess::new(Mutex::default);

/// The directory of this process's own cgroup: one descriptor for all that are made in it.
fn own_directory() -> io::Result<Arc<OwnedFd>> {
    let groups = fs::read_to_string("/proc/self/cgroup")?;
    let mut home = lock(HOME.get());
    if let Some(directory) = home.1.upgrade().filter(|_| home.0 == groups) {
        return Ok(directory);
    }
    let directory = rustix::fs::open(own_path(&groups)?, DIRECTORY, Mode::empty())?;
    let directory = Arc::new(out_of_the_way(above_stdio(directory)?));
    *home = (groups, Arc::downgrade(&directory));
    Ok(directory)
}

fn own_path(groups: &str) -> io::Result<std::path::PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mut fields = mounts.lines().map(|line| line.split(' '));
    let mount = fields.find_map(|mut fields| {
        let (_, path) = (fields.next(), fields.next()?);
        (fields.next() == Some("cgroup2")).then_some(path)
    });
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"));
    match (mount, own) {
        (Some(mount), Some(own)) => Ok(Path::new(mount).join(own)),
        _ => Err(io::Error::new(io::ErrorKind::Unsupported, "no cgroup file system of version 2 is mounted")),
    }
}

fn value(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.parse().ok())
}

/// The processes in a cgroup and below; those of other pid namespaces have no number.
fn pids(directory: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    let open = |name: &CStr, flags| openat(directory, name, flags | OFlags::CLOEXEC, Mode::empty());
    let text = match open(c"cgroup.procs", OFlags::RDONLY) {
        Ok(file) => io::read_to_string(fs::File::from(file))?,
        // It was removed.
        Err(Errno::NOENT | Errno::NODEV) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut all: Vec<u32> =
        text.lines().filter_map(|line| line.parse().ok()).filter(|&pid| pid > 0).collect();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if entry.file_type() == FileType::Directory && ![c".", c".."].contains(&entry.file_name()) {
            match open(entry.file_name(), OFlags::RDONLY | OFlags::DIRECTORY) {
                Ok(below) => all.extend(pids(below.as_fd())?),
                Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(all)
}

impl Own {
    /// False while a process is in it.
    fn remove(&self) -> bool {
        unlinkat(&self.parent, &self.name, AtFlags::REMOVEDIR) != Err(Errno::BUSY)
    }
}

/// Removes those that were left and are empty by now.
#[inline]
pub(super) fn remove_left() {
    if NUMBER_LEFT.load(Ordering::Acquire) > 0 {
        let mut left = lock(LEFT.get());
        left.retain(|own| !own.remove());
        NUMBER_LEFT.store(left.len(), Ordering::Release);
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if let Some(own) = self.own.take() {
            // A copy of this process leaves it alone.
            if own.origin.is_here() && !own.remove() {
                let mut left = lock(LEFT.get());
                left.push(own);
                NUMBER_LEFT.store(left.len(), Ordering::Release);
            }
        }
    }
}

impl AsFd for Cgroup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

impl fmt::Debug for Cgroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cgroup").field(&self.directory).finish()
    }
}
