//! posix_spawn(3) and posix_spawnp(3) on top of [`childset::Command`], with the vocabulary of POSIX.1-2024 and
//! of glibc's extensions. The test `compare` makes the same calls of both this and the C library, and compares
//! statuses, errors, descriptors, directories, signals, ids and files.
//!
//! ```
//! use posix_spawn::{posix_spawnp, Attributes, FileActions};
//!
//! let mut actions = FileActions::new();
//! actions.addchdir("/")?;
//! actions.addopen(1, "/dev/null", libc::O_WRONLY, 0)?;
//! actions.adddup2(1, 2)?;
//! let child = posix_spawnp("ls", &actions, &Attributes::new(), &["ls", "-l"], &["LC_ALL=C"])?;
//! assert!(child.wait()?.success());
//! # std::io::Result::Ok(())
//! ```
//!
//! # How
//!
//! The parent does the file actions, in order, on a table that stands for the child's descriptors and with a
//! directory that stands for the child's. The builder then gets the outcome: what to install (`fd`), what to
//! close (`close_fds`), and where to start (`current_dir`). Attributes are options of the builder. It is told not
//! to hand a script without `#!` to the shell (`shell_fallback`), and to search this process's `PATH`
//! (`search_path`).
//!
//! # Where it differs from POSIX and from glibc
//!
//! Since the parent does the file actions:
//! - What an action does to a file stays done if an attribute then fails, and where both would fail, the error is
//!   the action's. Both implementations leave behind what was done before an action or the program failed.
//! - A terminal that is opened does not become the controlling one, with [`SETSID`] and without `O_NOCTTY`; and
//!   `/dev/tty` is this process's, where the child's new session has none.
//! - `/dev/fd`, `/dev/stdin` and its kin, and `/proc/self/fd` mean the child's descriptors, if the path is no more
//!   than that with a number; all else below `/proc/self` is this process's.
//! - A file that only one may have open cannot be opened anew under its number: this process still has it.
//! - It takes descriptors above every number that is named: `EINVAL` for the last that the limit allows, `EMFILE`
//!   if there are too few. And it takes `/proc` after a `chdir` or `fchdir`.
//!
//! Since the builder does the rest:
//! - Variables are sorted, the first of several with one name is passed on alone, and one without `=` is `EINVAL`.
//! - A program that is open for writing (`ETXTBSY`) is tried for another tenth of a second.
//! - The scheduling is set after session and group, which tells only by the error where both fail.
//! - `clone3` is needed: where it is refused, the error is `ENOTSUP`.
//!
//! What glibc 2.36 does otherwise than POSIX.1-2024 or this:
//! - The child ignores signals 32 and 33, which the C library keeps for itself, though this process does not.
//! - `addfchdir_np` takes any number, and leaves `EBADF` to the spawn.
//! - `posix_spawnattr_setschedpolicy` refuses Linux's own policies, which [`Attributes::setschedpolicy`] takes.
//! - It has `addchdir` and `addfchdir` under the names that end in `_np` alone.
//! - Closing what is not open is no error, of both, though POSIX refers to the errors of close(3).

mod actions;
mod attributes;
mod parent;
mod perform;
mod table;

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;

use childset::unix::CommandExt as _;
use childset::{Child, Command, SpawnError};

use perform::Start;

pub use actions::{Action, FileActions};
pub use attributes::{
    Attributes, RESETIDS, SETPGROUP, SETSCHEDPARAM, SETSCHEDULER, SETSID, SETSIGDEF, SETSIGMASK, USEVFORK,
};

/// Where posix_spawnp(3) looks if there is no `PATH`.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Spawns the program at `path`, which is relative to the child's working directory.
///
/// # Errors
/// The errno that posix_spawn(3) returns, as [`io::Error::raw_os_error`].
pub fn posix_spawn<P, A, E>(
    path: P,
    actions: &FileActions,
    attributes: &Attributes,
    argv: &[A],
    envp: &[E],
) -> io::Result<Child>
where
    P: AsRef<OsStr>,
    A: AsRef<OsStr>,
    E: AsRef<OsStr>,
{
    // The only place to search is the working directory.
    spawn(path.as_ref(), OsStr::new(""), actions, attributes, argv, envp)
}

/// Spawns a program that is searched in this process's `PATH`, if its name has no slash.
///
/// # Errors
/// As [`posix_spawn`].
pub fn posix_spawnp<P, A, E>(
    file: P,
    actions: &FileActions,
    attributes: &Attributes,
    argv: &[A],
    envp: &[E],
) -> io::Result<Child>
where
    P: AsRef<OsStr>,
    A: AsRef<OsStr>,
    E: AsRef<OsStr>,
{
    let path = std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
    spawn(file.as_ref(), &path, actions, attributes, argv, envp)
}

fn spawn<A: AsRef<OsStr>, E: AsRef<OsStr>>(
    program: &OsStr,
    search_path: &OsStr,
    actions: &FileActions,
    attributes: &Attributes,
    argv: &[A],
    envp: &[E],
) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.search_path(search_path).shell_fallback(false).env_clear();
    // Without any argument Linux makes an empty one (5.18).
    command.arg0(argv.first().map_or(OsStr::new(""), AsRef::as_ref));
    command.args(argv.iter().skip(1));
    for variable in envp.iter().rev() {
        let (name, value) = split(variable.as_ref().as_bytes()).ok_or_else(|| error(libc::EINVAL))?;
        command.env(name, value);
    }
    attributes.apply(&mut command);
    let start = Start::perform(actions.as_slice(), attributes).map_err(error)?;
    start.apply(&mut command).map_err(error)?;
    command.spawn().map_err(|failure| error(errno_of(&failure)))
}

/// Name and value of `NAME=VALUE`. As for getenv(3) the first of a name counts.
fn split(variable: &[u8]) -> Option<(&OsStr, &OsStr)> {
    let equals = variable.iter().position(|&byte| byte == b'=')?;
    Some((OsStr::from_bytes(&variable[..equals]), OsStr::from_bytes(&variable[equals + 1..])))
}

fn errno_of(failure: &io::Error) -> i32 {
    let errno = SpawnError::raw_os_error(failure);
    errno.unwrap_or(match failure.kind() {
        io::ErrorKind::Unsupported => libc::ENOTSUP,
        _ => libc::EINVAL,
    })
}

fn error(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}
