use std::ffi::{OsStr, OsString};
use std::fmt;
use std::future::Future;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{CommandArgs, CommandEnvs, ExitStatus, Output, Stdio};

use childset::unix::CommandExt as _;
use childset::SpawnError;

use crate::Child;

/// Builds and spawns processes, with the defaults of [`std::process::Command`].
///
/// ```
/// # use async_process::Command;
/// # futures_lite::future::block_on(async {
/// let output = Command::new("sh").args(["-c", "echo $A; pwd"]).env("A", "1").current_dir("/").output().await?;
/// assert_eq!(output.stdout, b"1\n/\n");
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
pub struct Command {
    /// All that was set.
    inner: std::process::Command,
    /// Whether standard input, output and error were set by the caller.
    stdin: bool,
    stdout: bool,
    stderr: bool,
    reap_on_drop: bool,
    kill_on_drop: bool,
    /// What `inner` does not give away.
    arg0: Option<OsString>,
    env_cleared: bool,
    /// More of that: `inner` alone can spawn.
    opaque: bool,
}

impl Command {
    /// Starts to build a command that runs `program`, which is searched in `PATH` if its name has no slash.
    pub fn new<S: AsRef<OsStr>>(program: S) -> Command {
        let mut command = Command { opaque: false, ..std::process::Command::new(&program).into() };
        command.note(program.as_ref());
        command
    }

    /// Adds an argument.
    pub fn arg<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command {
        self.note(arg.as_ref());
        self.inner.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<I, S>(&mut self, args: I) -> &mut Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        for arg in args {
            self.arg(arg);
        }
        self
    }

    /// Sets an environment variable.
    pub fn env<K, V>(&mut self, key: K, val: V) -> &mut Command
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.inner.env(key, val);
        self
    }

    /// Sets environment variables.
    pub fn envs<I, K, V>(&mut self, vars: I) -> &mut Command
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.inner.envs(vars);
        self
    }

    /// The arguments, without argument 0.
    pub fn get_args(&self) -> CommandArgs<'_> {
        self.inner.get_args()
    }

    /// The changes to the environment; `None` stands for a variable that is removed.
    pub fn get_envs(&self) -> CommandEnvs<'_> {
        self.inner.get_envs()
    }

    /// The working directory, if it was set.
    pub fn get_current_dir(&self) -> Option<&Path> {
        self.inner.get_current_dir()
    }

    /// The program, as it was given to [`new`](Command::new).
    pub fn get_program(&self) -> &OsStr {
        self.inner.get_program()
    }

    /// Removes an environment variable.
    pub fn env_remove<K: AsRef<OsStr>>(&mut self, key: K) -> &mut Command {
        self.inner.env_remove(key);
        self
    }

    /// Removes all environment variables, those that were set here too.
    pub fn env_clear(&mut self) -> &mut Command {
        self.env_cleared = true;
        self.inner.env_clear();
        self
    }

    /// Sets the working directory.
    pub fn current_dir<P: AsRef<Path>>(&mut self, dir: P) -> &mut Command {
        self.note(dir.as_ref().as_os_str());
        self.inner.current_dir(dir);
        self
    }

    /// Sets standard input. The default is this process's; `/dev/null` for [`output`](Command::output).
    pub fn stdin<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.stdin = true;
        self.inner.stdin(cfg);
        self
    }

    /// Sets standard output. The default is this process's; a pipe for [`output`](Command::output).
    pub fn stdout<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.stdout = true;
        self.inner.stdout(cfg);
        self
    }

    /// Sets standard error. The default is this process's; a pipe for [`output`](Command::output).
    pub fn stderr<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.stderr = true;
        self.inner.stderr(cfg);
        self
    }

    /// Whether a child that was dropped is reaped when it ends; true unless set. Otherwise it stays a zombie.
    pub fn reap_on_drop(&mut self, reap_on_drop: bool) -> &mut Command {
        self.reap_on_drop = reap_on_drop;
        self
    }

    /// Whether dropping the child kills it; false unless set.
    pub fn kill_on_drop(&mut self, kill_on_drop: bool) -> &mut Command {
        self.kill_on_drop = kill_on_drop;
        self
    }

    /// Spawns the process.
    ///
    /// # Errors
    /// Those of [`std::process::Command::spawn`], with its `raw_os_error()`.
    pub fn spawn(&mut self) -> io::Result<Child> {
        self.spawn_with(Defaults::Inherited)
    }

    /// Spawns the process at once; the future waits for its end, and closes a piped standard input first.
    pub fn status(&mut self) -> impl Future<Output = io::Result<ExitStatus>> {
        let child = self.spawn();
        async { child?.status().await }
    }

    /// Spawns the process at once; the future collects what it writes, and waits for its end.
    pub fn output(&mut self) -> impl Future<Output = io::Result<Output>> {
        let child = self.spawn_with(Defaults::Collected);
        async { child?.output().await }
    }

    pub(crate) fn set_uid(&mut self, id: u32) -> &mut Command {
        self.opaque = true;
        self.inner.uid(id);
        self
    }

    pub(crate) fn set_gid(&mut self, id: u32) -> &mut Command {
        self.opaque = true;
        self.inner.gid(id);
        self
    }

    pub(crate) fn set_arg0(&mut self, arg: &OsStr) -> &mut Command {
        self.note(arg);
        self.arg0 = Some(arg.to_owned());
        self.inner.arg0(arg);
        self
    }

    pub(crate) fn exec_by_std(&mut self) -> io::Error {
        self.inner.exec()
    }

    /// In the place of a string with a null byte, `inner` gives away another one.
    fn note(&mut self, string: &OsStr) {
        self.opaque |= string.as_bytes().contains(&0);
    }

    fn spawn_with(&mut self, defaults: Defaults) -> io::Result<Child> {
        let has_own_stdio = self.stdin || self.stdout || self.stderr;
        let mut child = match self.opaque || has_own_stdio {
            true => self.spawn_by_std(defaults)?,
            false => self.spawn_by_childset(defaults).map_err(SpawnError::into_os_error)?,
        };
        child.set_reap_on_drop(self.reap_on_drop);
        child.set_kill_on_drop(self.kill_on_drop);
        Child::new(child, self.reap_on_drop)
    }

    fn spawn_by_std(&mut self, defaults: Defaults) -> io::Result<childset::Child> {
        let default = |collected: fn() -> Stdio| match defaults {
            Defaults::Inherited => Stdio::inherit(),
            Defaults::Collected => collected(),
        };
        if !self.stdin {
            self.inner.stdin(default(Stdio::null));
        }
        if !self.stdout {
            self.inner.stdout(default(Stdio::piped));
        }
        if !self.stderr {
            self.inner.stderr(default(Stdio::piped));
        }
        childset::Child::try_from(self.inner.spawn()?).map_err(|mut failed| {
            // Nobody could wait for it: nothing may be left of it. What fails here has nothing left to end.
            let _ = failed.child.kill();
            let _ = failed.child.wait();
            failed.error
        })
    }

    fn spawn_by_childset(&self, defaults: Defaults) -> io::Result<childset::Child> {
        let mut command = childset::Command::new(self.get_program());
        command.args(self.get_args()).inherit_fds(true).shell_fallback(self.is_searched_in_another_path());
        if let Some(arg0) = &self.arg0 {
            command.arg0(arg0);
        }
        if self.env_cleared {
            command.env_clear();
        }
        for (key, value) in self.get_envs() {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        if let Some(directory) = self.get_current_dir() {
            command.current_dir(directory);
        }
        if let Defaults::Collected = defaults {
            use childset::Stdio;

            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        command.spawn()
    }

    /// Then alone `std` spawns by execvp(3), which has the shell run scripts; else by posix_spawnp(3), which has not.
    fn is_searched_in_another_path(&self) -> bool {
        let has_own_path = self.env_cleared || self.get_envs().any(|(key, _)| key == "PATH");
        has_own_path && !self.get_program().as_bytes().contains(&b'/')
    }
}

/// The standard streams that the caller has not set.
#[derive(Clone, Copy)]
enum Defaults {
    Inherited,
    Collected,
}

/// It may have what cannot be asked for, such as closures that run before `execve`.
impl From<std::process::Command> for Command {
    fn from(inner: std::process::Command) -> Command {
        Command {
            inner,
            stdin: false,
            stdout: false,
            stderr: false,
            reap_on_drop: true,
            kill_on_drop: false,
            arg0: None,
            env_cleared: false,
            opaque: true,
        }
    }
}

/// As `std` prints it; with `{:#?}`, also the settings that `std` has not.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return self.inner.fmt(f);
        }
        f.debug_struct("Command")
            .field("inner", &self.inner)
            .field("stdin", &self.stdin)
            .field("stdout", &self.stdout)
            .field("stderr", &self.stderr)
            .field("reap_on_drop", &self.reap_on_drop)
            .field("kill_on_drop", &self.kill_on_drop)
            .finish()
    }
}
