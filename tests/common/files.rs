//! Files and descriptors: a directory for a test, copies, and a limit.

use std::fs::{File, Permissions};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};

/// Opens those of the three standard descriptors that are closed: for a test that closes them itself.
pub(crate) fn open_stdio() {
    loop {
        let file = File::options().read(true).write(true).open("/dev/null").unwrap();
        if file.as_raw_fd() > 2 {
            return;
        }
        rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
        std::mem::forget(file);
    }
}

pub(crate) fn pipe() -> (File, File) {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    (reader.into(), writer.into())
}

/// Copies a program. `fs::copy` does not go on after a signal.
pub(crate) fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) {
    std::fs::write(&to, std::fs::read(from).unwrap()).unwrap();
    std::fs::set_permissions(to, Permissions::from_mode(0o755)).unwrap();
}

/// Reads what comes next. `Read::read` alone does not go on after a signal.
pub(crate) fn read(mut from: impl Read, buffer: &mut [u8]) -> usize {
    loop {
        match from.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.unwrap(),
        }
    }
}

/// Leaves this process a number of spare descriptors, until it is dropped. For a process with one thread.
pub(crate) struct Limit {
    before: Option<u64>,
    maximum: Option<u64>,
    fillers: Vec<File>,
}

impl Limit {
    pub(crate) fn with_spare(spare: usize) -> Limit {
        let before = getrlimit(Resource::Nofile);
        let fds = std::fs::read_dir("/proc/self/fd").unwrap();
        let highest: u64 =
            fds.map(|fd| fd.unwrap().file_name().to_str().unwrap().parse().unwrap()).max().unwrap();
        // A shell that redirects keeps the old descriptor at 10 or above.
        let current = Some(highest.max(15) + 1 + spare as u64);
        setrlimit(Resource::Nofile, Rlimit { current, maximum: before.maximum }).unwrap();
        // Holes below the highest one are filled, then as many are freed as are to spare.
        let mut fillers: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        fillers.truncate(fillers.len() - spare);
        Limit { before: before.current, maximum: before.maximum, fillers }
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        self.fillers.clear();
        let before = Rlimit { current: self.before, maximum: self.maximum };
        setrlimit(Resource::Nofile, before).unwrap();
    }
}

/// A directory of its own for a test, removed when it is dropped.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new() -> Dir {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // An earlier process of this number may have left one, as another user.
        let path = loop {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("childset-{}-{number}", std::process::id()));
            match std::fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => break made.map(|()| path).unwrap(),
            }
        };
        // Other users pass too.
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        Dir(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
