mod attributes;
mod descriptors;
mod end;
mod error;
mod fallback;
mod fds;
mod layout;
mod options;
mod prepared;
mod program;
mod spawn;
mod started;
mod stdio;

use std::ffi::{OsStr, OsString};
use std::fmt;
#[cfg(feature = "async-io")]
use std::future::Future;
use std::io;
use std::os::unix::ffi::OsStrExt;

#[cfg(feature = "async-io")]
use std::process::ExitStatus;

use crate::child::Child;
#[cfg(feature = "async-io")]
use crate::child::Output;
use crate::dropped::sweep;
use crate::sys::pre_exec::PreExec;

use layout::Layout;
use options::Options;
use spawn::NoProcess;
use started::sealed::Start;

pub(crate) use started::Started;
use stdio::Kind;

pub use error::SpawnError;
pub use prepared::Prepared;
pub use started::Spawn;
pub use stdio::Stdio;

/// Builds and spawns processes, with the names and defaults of `async_process::Command`.
///
/// [`spawn`](Command::spawn) makes a process and its pidfd in one step, so that no other process can be mistaken
/// for it. Its cost grows neither with the memory of this process nor with the number of children that are
/// outstanding: the child runs on this process's memory, and does not copy its descriptor table, until it calls
/// `execve`. The calling thread waits for that, so that an error of the child's is an error of `spawn`.
///
/// # Descriptors
///
/// The child gets descriptors 0, 1 and 2, and those of [`fd`](Command::fd). Others do not leak into it, whatever
/// their flags and whatever other threads open meanwhile. See [`inherit_fds`](Command::inherit_fds) for who needs
/// more.
///
/// # Signals
///
/// The child starts with an empty signal mask ([`signal_mask`](Command::signal_mask)), and all signals that this
/// process handles, and `SIGPIPE`, at their defaults ([`default_signals`](Command::default_signals)). A signal
/// handler never runs in it. A stop signal (`SIGTSTP`) that hits the child before its `execve` stops the calling
/// thread, too, until somebody sends `SIGCONT`.
///
/// # Moving from async-process
///
/// `use childset as async_process` compiles and behaves, but for these: there are neither `driver()` nor
/// `From<std::process::Command>`; descriptors above 2 are not inherited; `Child::status` leaves standard input
/// open; `Child::output` does not wait for ever for a process that the child has left behind; with a
/// [`std::process::Stdio`] instead of the [`Stdio`] here, a command can be spawned once.
///
/// # Where `clone3` is refused
///
/// Some containers refuse the system call, and on other processors than x86_64 and aarch64 it is not used: then
/// `std` spawns, and a pidfd is opened, at `std`'s cost. What that cannot do is an
/// [`Unsupported`](io::ErrorKind::Unsupported) error of spawning: [`cgroup`](Command::cgroup),
/// [`search_path`](Command::search_path), [`shell_fallback(false)`](Command::shell_fallback), and a [`Prepared`].
///
/// ```
/// use childset::{Command, Stdio};
///
/// let child = Command::new("sh")
///     .args(["-c", "echo $GREETING"])
///     .env("GREETING", "hello")
///     .stdout(Stdio::piped())
///     .spawn()?;
/// let output = child.wait_with_output()?;
/// assert!(output.status.success());
/// assert_eq!(output.stdout, b"hello\n");
/// # std::io::Result::Ok(())
/// ```
pub struct Command {
    /// Program, arguments, environment and directory.
    std: std::process::Command,
    /// The first of them with a null byte, instead of which `std` keeps another string.
    null_byte: Option<(&'static str, OsString)>,
    arg0: Option<OsString>,
    env_cleared: bool,
    stdio: [Option<Stdio>; 3],
    on_drop: OnDrop,
    options: Options,
    pre_exec: Vec<PreExec>,
}

/// What dropping the `Child` does.
#[derive(Clone, Copy, Debug)]
struct OnDrop {
    reap: bool,
    kill: bool,
}

impl Command {
    /// Starts to build a command that runs `program`, with its name as argument 0.
    ///
    /// A name without a slash is searched in `PATH` as execvp(3) does it; in that of the child, if it was changed.
    /// A script that does not name its interpreter is run by `/bin/sh`, as there.
    ///
    /// ```
    /// # use childset::Command;
    /// # use std::io::ErrorKind;
    /// assert!(Command::new("true").spawn()?.wait()?.success());
    /// let error = Command::new("true").env("PATH", "/nowhere").spawn().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::NotFound);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new<S: AsRef<OsStr>>(program: S) -> Command {
        let mut command = Command {
            std: std::process::Command::new(&program),
            null_byte: None,
            arg0: None,
            env_cleared: false,
            stdio: [None, None, None],
            on_drop: OnDrop { reap: true, kill: false },
            options: Options { default_dispositions: vec![libc::SIGPIPE], ..Options::default() },
            pre_exec: Vec::new(),
        };
        command.note_null_byte(program.as_ref(), "the program");
        command
    }

    fn note_null_byte(&mut self, string: &OsStr, what: &'static str) {
        if self.null_byte.is_none() && string.as_bytes().contains(&0) {
            self.null_byte = Some((what, string.to_owned()));
        }
    }

    fn check_null_byte(&self) -> io::Result<()> {
        let noted = self.null_byte.iter().map(|(what, string)| (*what, string.as_os_str()));
        let arg0 = self.arg0.iter().map(|arg| ("an argument", arg.as_os_str()));
        let path = self.options.search_path.iter().map(|path| ("the search path", path.as_os_str()));
        let variables = self.get_envs().flat_map(|(key, value)| std::iter::once(key).chain(value));
        let variables = variables.map(|string| ("an environment variable", string));
        for (what, string) in noted.chain(arg0).chain(path).chain(variables) {
            layout::check(string.as_bytes(), what)?;
        }
        Ok(())
    }

    /// Spawns the process. Standard input, output and error are inherited unless set.
    ///
    /// A command can be spawned any number of times, but one with a [`std::process::Stdio`] once.
    ///
    /// ```
    /// # use childset::Command;
    /// let mut command = Command::new("sh");
    /// command.args(["-c", "exit 3"]);
    /// let (one, two) = (command.spawn()?, command.spawn()?);
    /// assert_ne!(one.id(), two.id());
    /// assert_eq!((one.wait()?.code(), two.wait()?.code()), (Some(3), Some(3)));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Mostly a [`SpawnError`], which says what could not be done; no process is left then. Its kind is
    /// - [`NotFound`](io::ErrorKind::NotFound) (`ENOENT`): no such program, or no such working directory;
    /// - [`PermissionDenied`](io::ErrorKind::PermissionDenied) (`EACCES`, `EPERM`): the program may not be
    ///   executed, or a step of the set-up needs a privilege;
    /// - `EAGAIN`, `ENOMEM`: a limit on processes, or memory;
    /// - `ETXTBSY`: the program is open for writing, and still was when it had been tried for a tenth of a second.
    ///
    /// [`SpawnError::of`] gives the errno: `io::Error::raw_os_error` is `None` for an error that says more.
    ///
    /// Others: `EMFILE`, `ENFILE`; [`InvalidInput`](io::ErrorKind::InvalidInput): a null byte, or a
    /// [`std::process::Stdio`] that has served; and [`Unsupported`](io::ErrorKind::Unsupported), see above.
    pub fn spawn(&mut self) -> io::Result<Child> {
        Ok(self.start()?.into_child())
    }

    /// Spawns the process, awaits its end, and returns its exit status. Standard input, output and error are
    /// inherited unless set; a pipe to standard input is closed.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let status = childset::Command::new("true").status().await?;
    /// assert!(status.success());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`spawn`](Command::spawn) and [`Child::exit`].
    ///
    /// # Cancel safety
    /// The process is spawned by the call. Dropping the future drops the child.
    #[cfg(feature = "async-io")]
    pub fn status(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + Send + 'static {
        let child = self.spawn();
        async move {
            let mut child = child?;
            drop(child.stdin.take());
            child.status().await
        }
    }

    /// Spawns the process, awaits its end, and returns what it wrote. Unless set, standard input is `/dev/null`,
    /// and standard output and error are piped. See [`Child::output`] on when it returns.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let output = childset::Command::new("echo").arg("hello").output().await?;
    /// assert_eq!(output.stdout, b"hello\n");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`spawn`](Command::spawn) and [`Child::output`].
    ///
    /// # Cancel safety
    /// The process is spawned by the call. Dropping the future drops the child.
    #[cfg(feature = "async-io")]
    pub fn output(&mut self) -> impl Future<Output = io::Result<Output>> + Send + 'static {
        let child = self.start_with([Kind::Null, Kind::Piped, Kind::Piped]).map(Started::into_child);
        async move { child?.output().await }
    }

    fn start_with(&mut self, defaults: [Kind; 3]) -> io::Result<Started> {
        sweep();
        self.check_null_byte()?;
        let only_std = self.stdio.iter().flatten().any(|stdio| matches!(stdio.0, Kind::Std(_)));
        if !only_std && self.pre_exec.is_empty() {
            let layout = Layout::new(self)?;
            let [stdin, stdout, stderr] = &defaults;
            let kinds = [stdin, stdout, stderr];
            let mut index = 0;
            let stdio = kinds.map(|default| {
                index += 1;
                self.stdio[index - 1].as_ref().map_or(default, |stdio| &stdio.0)
            });
            match spawn::spawn(&layout, &self.options, stdio) {
                Ok(spawned) => return Ok(Started::new(spawned, &self.options, self.on_drop)),
                Err(NoProcess::Error(error)) => return Err(error),
                Err(NoProcess::Refused | NoProcess::NoSuchLife(_)) => {}
            }
        }
        let spawned = self.spawn_by_std(defaults)?;
        Ok(Started::new(spawned, &self.options, self.on_drop))
    }

    /// Lays the command out, to be spawned any number of times: searches the program, and copies the environment.
    ///
    /// ```
    /// # use childset::Command;
    /// # use std::io::ErrorKind;
    /// let mut command = Command::new("true");
    /// command.stdout(std::process::Stdio::null());
    /// assert_eq!(command.prepare().unwrap_err().kind(), ErrorKind::Unsupported);
    /// assert!(command.stdout(childset::Stdio::null()).prepare().is_ok());
    /// ```
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput): a null byte; [`Unsupported`](io::ErrorKind::Unsupported): it
    /// has a [`pre_exec`](Command::pre_exec) or a [`std::process::Stdio`], with which only `std` can spawn.
    pub fn prepare(&self) -> io::Result<Prepared> {
        self.check_null_byte()?;
        if !self.pre_exec.is_empty() {
            return Err(unsupported_by_flat("pre_exec"));
        }
        let kind = |stdio: &Option<Stdio>| match stdio {
            None => Ok(Kind::Inherit),
            Some(stdio) => stdio.0.share().ok_or_else(|| unsupported_by_flat("std's Stdio")),
        };
        let [stdin, stdout, stderr] = &self.stdio;
        Ok(Prepared {
            layout: Layout::new(self)?,
            options: self.options.clone(),
            stdio: [kind(stdin)?, kind(stdout)?, kind(stderr)?],
            on_drop: self.on_drop,
        })
    }

    pub(crate) fn add_pre_exec(&mut self, act: PreExec) -> &mut Command {
        self.pre_exec.push(act);
        self
    }
}

/// `clone3` is refused, and `std` cannot do this.
fn unsupported_by_std(what: &str) -> io::Error {
    let why = format!("{what} needs clone3, which this system refuses");
    io::Error::new(io::ErrorKind::Unsupported, why)
}

/// Only `std` can do this, and not for a prepared command.
fn unsupported_by_flat(what: &str) -> io::Error {
    let why = format!("a command with {what} cannot be prepared");
    io::Error::new(io::ErrorKind::Unsupported, why)
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("command", &self.std)
            .field("stdio", &self.stdio)
            .field("on_drop", &self.on_drop)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
