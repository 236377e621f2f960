//! What a process is to those who come later.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::str::FromStr;

use super::gone::Gone;
use super::stat::{check_proc, field};
use super::{unsupported, Pidfd};
use crate::sys::file_handle;
use crate::sys::low::above_stdio;

/// Names one process for as long as the machine runs: a text that can be kept in a file, and opened by another program.
///
/// ```
/// use childset::{Gone, Identity, Pidfd};
///
/// let child = std::process::Command::new("sleep").arg("60").spawn()?;
/// let pidfd = Pidfd::from_child(&child)?;
/// let text = pidfd.identity()?.to_string();
///
/// // Later, perhaps in another program.
/// let identity: Identity = text.parse()?;
/// let found = identity.open()?;
/// assert_eq!(found.pid()?, Some(child.id()));
///
/// found.kill()?;
/// pidfd.wait()?;
/// let error = identity.open().unwrap_err();
/// assert_eq!(Gone::from_io_error(&error), Some(Gone::Reaped));
/// # std::io::Result::Ok(())
/// ```
///
/// It contains the boot of the machine, so that no process of an earlier boot is found. It is no secret and gives no
/// right: somebody who opens it can do nothing to the process that he could not do without it.
///
/// # Kernels
/// | Linux | what it consists of | how it is opened |
/// |---|---|---|
/// | 6.16 | the boot, the pid, and [`Pidfd::id`] | by the id: open_by_handle_at(2). Where that is refused, as before |
/// | 6.9 | the same | by the pid; then the id is compared |
/// | before | the boot, the pid and its namespace, and the time of the start | by the pid; then the time is compared |
///
/// The id is exact. The time of the start counts in ticks of the clock, mostly of 10 ms. If a process ends and another
/// one gets its pid within the same tick, the two have the same identity. Time and pid are those of this process's
/// namespaces: an identity is opened where it was made.
///
/// `Display` and `FromStr` convert it to text and back; so does serde, with the feature `serde`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    boot: u128,
    /// 0 if the process lay outside of the pid namespace.
    pid: u32,
    mark: Mark,
}

/// What distinguishes a process from another one with its pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Mark {
    Id(u64),
    /// The inode number of the pid namespace, and clock ticks since the boot.
    Start(u64, u64),
}

impl Pidfd {
    /// A number that no other process has until the next boot. See pidfd_open(2).
    ///
    /// ```
    /// # use childset::Pidfd;
    /// let child = std::process::Command::new("true").spawn()?;
    /// let pidfd = Pidfd::from_child(&child)?;
    /// if let Ok(id) = pidfd.id() {
    ///     assert_eq!(pidfd.try_clone()?.id()?, id);
    ///     // Also of a process that is gone.
    ///     pidfd.wait()?;
    ///     assert_eq!(pidfd.id()?, id);
    ///     assert_ne!(Pidfd::open(std::process::id())?.id()?, id);
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Every process sees the same number, in whatever namespace. Each thread that is not the first of its process has
    /// one of its own.
    ///
    /// Needs Linux 6.9, and before 6.16 a 64-bit kernel: there it is the inode number of the descriptor, which has 32
    /// bits on others.
    ///
    /// # Errors
    /// [`Unsupported`](io::ErrorKind::Unsupported): the kernel is older than 6.9, or the descriptor is no pidfd.
    #[doc(alias = "name_to_handle_at")]
    pub fn id(&self) -> io::Result<u64> {
        if !self.is_in_pidfs()? {
            return Err(unsupported("the id of a process needs Linux 6.9, or it is no pidfd"));
        }
        match file_handle::id(self.fd()) {
            // Before 6.16, or in a container.
            Err(error) if is_refused(&error) => Ok(rustix::fs::fstat(self)?.st_ino as u64),
            id => id,
        }
    }

    /// The identity of the process: how it can be found again. See [`Identity`].
    ///
    /// # Errors
    /// - [`Gone`]: the process was reaped.
    /// - `EINVAL` ([`InvalidInput`](io::ErrorKind::InvalidInput)): the descriptor is that of a thread.
    /// - [`Unsupported`](io::ErrorKind::Unsupported): `/proc`, from where the id of the boot comes, is not mounted; before
    ///   Linux 6.9, also if it is that of another pid namespace.
    pub fn identity(&self) -> io::Result<Identity> {
        if self.is_thread()? {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        let (boot, pid) = (boot()?, self.pid()?.unwrap_or(0));
        let mark = match self.id() {
            Ok(id) => Mark::Id(id),
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                let ticks = start(pid);
                // The pid was its own until here.
                self.check_not_reaped()?;
                Mark::Start(pid_namespace()?, ticks?)
            }
            Err(error) => return Err(error),
        };
        Ok(Identity { boot, pid, mark })
    }

    fn check_not_reaped(&self) -> io::Result<()> {
        match self.send_signal(0) {
            Err(error) if Gone::from_io_error(&error).is_some() => Err(error),
            // One of another user cannot be signalled, but is there.
            _ => Ok(()),
        }
    }
}

impl Identity {
    /// Opens the process, if it has not been reaped: a zombie, too.
    ///
    /// # Errors
    /// - [`Gone`]: the process was reaped, or the machine has been started anew. Also of a process that is out of sight,
    ///   in another pid namespace.
    /// - [`Unsupported`](io::ErrorKind::Unsupported): `/proc`, from where the id of the boot comes, is not mounted; before
    ///   Linux 6.9, also if it is that of another pid namespace.
    /// - `EMFILE`, `ENFILE`, `ENOMEM`: out of descriptors or memory.
    #[doc(alias = "open_by_handle_at")]
    pub fn open(&self) -> io::Result<Pidfd> {
        if boot()? != self.boot {
            return Err(Gone::Reaped.into());
        }
        match self.mark {
            Mark::Id(id) => match file_handle::open(Pidfd::open(std::process::id())?.fd(), id) {
                Ok(fd) => Ok(Pidfd(above_stdio(fd)?)),
                Err(error) if error.raw_os_error() == Some(libc::ESTALE) => Err(Gone::Reaped.into()),
                Err(error) if is_refused(&error) => self.open_by_pid(|found| Ok(found.id()? == id)),
                Err(error) => Err(error),
            },
            Mark::Start(namespace, ticks) => {
                if pid_namespace()? != namespace {
                    return Err(Gone::Reaped.into());
                }
                self.open_by_pid(|found| {
                    let now = start(self.pid);
                    // If it is gone by now, the time may be that of another one.
                    found.check_not_reaped()?;
                    Ok(now? == ticks)
                })
            }
        }
    }

    /// From when it is open, no other process gets its pid unnoticed.
    fn open_by_pid(&self, is_it: impl FnOnce(&Pidfd) -> io::Result<bool>) -> io::Result<Pidfd> {
        let found = Pidfd::open(self.pid).map_err(|error| match error.raw_os_error() {
            // It is no pid, or that of a thread now.
            Some(libc::EINVAL | libc::ENOENT) => Gone::Reaped.into(),
            _ => error,
        })?;
        match is_it(&found)? {
            true => Ok(found),
            false => Err(Gone::Reaped.into()),
        }
    }
}

/// `<boot>.<pid>.i<id>`, or `<boot>.<pid>.n<pid namespace>.t<ticks>`.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}.{}.", self.boot, self.pid)?;
        match self.mark {
            Mark::Id(id) => write!(f, "i{id}"),
            Mark::Start(namespace, ticks) => write!(f, "n{namespace}.t{ticks}"),
        }
    }
}

impl FromStr for Identity {
    type Err = io::Error;

    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput): it is not what `Display` writes.
    fn from_str(text: &str) -> io::Result<Identity> {
        // Nothing but what would be written again: no sign, no leading zero.
        let identity = parse(text).filter(|identity| identity.to_string() == text);
        identity.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not the identity of a process"))
    }
}

fn parse(text: &str) -> Option<Identity> {
    let mut parts = text.split('.');
    let boot = u128::from_str_radix(parts.next()?, 16).ok()?;
    let pid = parts.next()?.parse().ok()?;
    let mark = parts.next()?;
    let mark = match mark.strip_prefix('i') {
        Some(id) => Mark::Id(id.parse().ok()?),
        None => {
            let ticks = parts.next()?.strip_prefix('t')?;
            Mark::Start(mark.strip_prefix('n')?.parse().ok()?, ticks.parse().ok()?)
        }
    };
    Some(Identity { boot, pid, mark })
}

#[cfg(feature = "serde")]
impl serde::Serialize for Identity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Identity {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Identity, D::Error> {
        struct Text;

        impl serde::de::Visitor<'_> for Text {
            type Value = Identity;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the identity of a process")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Identity, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// The kernel does not know the calls, does not know them of pidfds (`EOPNOTSUPP`, before 6.16), or a filter refuses them.
fn is_refused(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::EPERM | libc::EINVAL))
}

/// A random number of the boot.
fn boot() -> io::Result<u128> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").map_err(without_proc)?;
    let digits: String = text.trim().chars().filter(|&digit| digit != '-').collect();
    u128::from_str_radix(&digits, 16).map_err(|_| unsupported("/proc has no id of the boot"))
}

fn pid_namespace() -> io::Result<u64> {
    Ok(fs::metadata("/proc/self/ns/pid").map_err(without_proc)?.ino())
}

/// When the process was started, in clock ticks since the boot.
fn start(pid: u32) -> io::Result<u64> {
    check_proc().map_err(without_proc)?;
    let text = fs::read(format!("/proc/{pid}/stat")).map_err(without_proc)?;
    field(&text, 22).ok_or_else(|| unsupported("/proc has no time of the start"))
}

fn without_proc(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        // Reaped meanwhile: the file was open.
        Some(libc::ESRCH) => Gone::Reaped.into(),
        _ => unsupported("the identity of a process needs a readable /proc of this pid namespace"),
    }
}
