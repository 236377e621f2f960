//! What must outlive us: which process each service is, in a file.
//!
//! The file has pages: one for its head, then one for each service, with a line of JSON. A page is written at once, and the
//! kernel does not let a signal, not even SIGKILL, end a write within a page: it is never torn. All pages are there
//! before a service is started that needs one, so that a full disk is an error then, and none later. Nothing is flushed:
//! what a crash of the machine leaves is of an earlier boot, and is not read.

pub(crate) mod hold;

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};
use childset::{Identity, Pidfd};
use rustix::fs::{fallocate, flock, FallocateFlags, FlockOperation};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

const PAGE: usize = 4096;
const MAGIC: &str = "supervise-1";
/// How long a predecessor may take to be gone: children that it was making hold the lock until they run their program.
const LOCKED: Duration = Duration::from_secs(5);

/// The first page.
#[derive(Serialize, Deserialize)]
struct Head {
    format: String,
    boot: String,
    /// Who has written it last.
    by: Identity,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Phase {
    Waiting,
    Running,
    Done,
    Failed,
}

/// What is kept of a service. The order of the fields matters: see [`hold`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) name: String,
    /// Of the process, while it runs.
    pub(crate) identity: Option<Identity>,
    pub(crate) phase: Phase,
    /// It is to be stopped, and stays so.
    pub(crate) down: bool,
    pub(crate) ready: bool,

    /// When the process was started, on the clock that counts from the boot.
    pub(crate) since: Duration,
    pub(crate) restarts: u64,
    pub(crate) row: u32,
    pub(crate) code: u8,
    pub(crate) last: Option<String>,
}

pub(crate) struct StateFile {
    file: File,
    /// The names of those that have a page, in the order of the pages.
    names: Vec<Option<String>>,
}

/// The pages by their numbers, from 0.
pub(crate) type Records = Vec<(usize, Record)>;

impl StateFile {
    /// Makes the file unless it is there; nobody else has it open as such then.
    pub(crate) fn open(path: &Path) -> Result<(StateFile, Records)> {
        let name = || format!("state {}", path.display());
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        // A FIFO would be waited for.
        let file = options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path).with_context(name)?;
        if !file.metadata().with_context(name)?.is_file() {
            bail!("{}: it is no regular file", name());
        }
        lock(&file).with_context(name)?;
        let mut state = StateFile { file, names: Vec::new() };
        let records = state.read().with_context(name)?;
        Ok((state, records))
    }

    fn read(&mut self) -> Result<Records> {
        let me = Pidfd::open(std::process::id())?.identity()?;
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
        let mut bytes = Vec::new();
        (&self.file).read_to_end(&mut bytes)?;
        let head = bytes.get(..PAGE.min(bytes.len())).map(text).unwrap_or_default();
        let is_void = match serde_json::from_str::<Head>(&head) {
            // The first process of a pid namespace took all others with it.
            Ok(head) if head.format == MAGIC => head.boot != boot || std::process::id() == 1 && head.by != me,
            _ if bytes.iter().all(|&byte| byte == 0) => true,
            _ => bail!("it is not the state of supervise, and stays as it is"),
        };
        if is_void {
            bytes.clear();
            self.file.set_len(0)?;
            self.allocate(1)?;
        }
        let head = Head { format: MAGIC.into(), boot, by: me };
        write_page(&self.file, 0, &serde_json::to_string(&head)?)?;
        let mut records = Vec::new();
        for (index, page) in bytes.chunks(PAGE).skip(1).enumerate() {
            let text = text(page);
            if text.is_empty() {
                self.names.push(None);
                continue;
            }
            let record: Record = serde_json::from_str(&text)
                .with_context(|| format!("the page of service {} is damaged", index + 1))?;
            self.names.push(Some(record.name.clone()));
            records.push((index, record));
        }
        Ok(records)
    }

    /// The page of the service of this name, which is made if there is none.
    pub(crate) fn page(&mut self, name: &str) -> io::Result<usize> {
        let known = self.names.iter().position(|known| known.as_deref() == Some(name));
        let free = || self.names.iter().position(Option::is_none);
        let index = match known.or_else(free) {
            Some(index) => index,
            None => {
                self.allocate(self.names.len() as u64 + 2)?;
                self.names.push(None);
                self.names.len() - 1
            }
        };
        self.names[index] = Some(name.into());
        Ok(index)
    }

    /// On disk before it returns, as far as our own end is concerned.
    pub(crate) fn write(&self, index: usize, record: &Record) -> io::Result<()> {
        let mut text = serde_json::to_string(record)?;
        if text.len() >= PAGE {
            text = serde_json::to_string(&Record { last: None, ..record.clone() })?;
        }
        write_page(&self.file, index + 1, &text)
    }

    /// The service is none of ours any more.
    pub(crate) fn free(&mut self, index: usize) -> io::Result<()> {
        self.names[index] = None;
        write_page(&self.file, index + 1, "")
    }

    /// All have ended, and those who come later begin anew.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.file.set_len(0)
    }

    /// A descriptor that can be read, and locks nothing.
    fn reader(&self) -> io::Result<OwnedFd> {
        Ok(File::open(format!("/proc/self/fd/{}", self.file.as_raw_fd()))?.into())
    }

    /// So many pages in all.
    fn allocate(&self, pages: u64) -> io::Result<()> {
        let (end, page) = ((pages - 1) * PAGE as u64, PAGE as u64);
        match fallocate(&self.file, FallocateFlags::empty(), end, page) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.file.write_all_at(&[0; PAGE], end),
            result => Ok(result?),
        }
    }
}

/// One line, and blanks.
fn write_page(file: &File, index: usize, text: &str) -> io::Result<()> {
    let mut page = vec![b' '; PAGE];
    let text = text.as_bytes();
    let place = page[..PAGE - 1].get_mut(..text.len());
    place.ok_or_else(|| io::Error::from(ErrorKind::FileTooLarge))?.copy_from_slice(text);
    page[PAGE - 1] = b'\n';
    match file.write_at(&page, (index * PAGE) as u64)? {
        PAGE => Ok(()),
        _ => Err(ErrorKind::WriteZero.into()),
    }
}

fn text(page: &[u8]) -> String {
    String::from_utf8_lossy(page).trim_matches(['\0', ' ', '\n']).to_owned()
}

fn lock(file: &File) -> Result<()> {
    let end = Instant::now() + LOCKED;
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) if Instant::now() < end => sleep(Duration::from_millis(5)),
            Err(Errno::WOULDBLOCK) => bail!("another supervise has it"),
            Err(Errno::INTR) => {}
            result => return Ok(result?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str) -> Record {
        let identity = Pidfd::open(std::process::id()).unwrap().identity().unwrap();
        Record {
            name: name.into(),
            identity: Some(identity),
            phase: Phase::Running,
            down: false,
            ready: true,
            since: Duration::from_millis(1500),
            restarts: 3,
            row: 2,
            code: 1,
            last: Some("exit status: 1".into()),
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let (mut state, records) = StateFile::open(&path).unwrap();
        assert!(records.is_empty());
        let pages = ["a", "b", "c", "a"].map(|name| state.page(name).unwrap());
        assert_eq!(pages, [0, 1, 2, 0]);
        for (index, name) in ["a", "b", "c"].into_iter().enumerate() {
            state.write(index, &record(name)).unwrap();
        }
        let long = Record { last: Some("x".repeat(PAGE)), ..record("c") };
        state.write(2, &long).unwrap();
        state.free(1).unwrap();
        drop(state);

        let (mut state, records) = StateFile::open(&path).unwrap();
        assert_eq!(records, [(0, record("a")), (2, Record { last: None, ..record("c") })]);
        // The free page is taken first.
        assert_eq!((state.page("d").unwrap(), state.page("e").unwrap()), (1, 3));
        state.finish().unwrap();
        assert!(StateFile::open(&path).unwrap().1.is_empty());
    }

    #[test]
    fn that_of_an_earlier_boot_is_void_and_that_of_others_is_spared() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let (mut state, _) = StateFile::open(&path).unwrap();
        state.page("a").unwrap();
        state.write(0, &record("a")).unwrap();
        drop(state);
        let text = std::fs::read_to_string(&path).unwrap();
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        std::fs::write(&path, text.replace(boot.trim(), &"0".repeat(boot.trim().len()))).unwrap();
        assert!(StateFile::open(&path).unwrap().1.is_empty());

        std::fs::write(&path, "precious\n").unwrap();
        assert!(StateFile::open(&path).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious\n");
        assert!(StateFile::open(Path::new("/dev/null")).is_err());
    }
}
