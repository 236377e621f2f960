//! Making a command, and running it.

use std::ffi::OsStr;
#[cfg(feature = "async-io")]
use std::future::Future;
use std::io;
#[cfg(feature = "async-io")]
use std::process::ExitStatus;
use std::process::Output;
use std::sync::Arc;

use super::error::unprepared;
use super::options::Options;
use super::prepared::{Prepared, Template};
use super::spawn::layout::Layout;
use super::spawn::started::{Spawn, Start, Started};
use super::spawn::{can_be_launched, Job, INHERITED};
use super::{Command, OnDrop};
use crate::child::{Child, Kind, Stdio};
use crate::pidfd::{Exit, Signal};
use crate::watch::dropped::sweep;

impl Command {
    /// Starts to build a command that runs `program`, with its name as argument 0.
    ///
    /// A name without a slash is searched in `PATH`, as by execvp(3). If the `PATH` of the child was changed, that one
    /// counts. A script that does not name its interpreter is run by `/bin/sh`, if it is a text: see
    /// [`shell_fallback`](Command::shell_fallback).
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
            options: Options { default_dispositions: vec![Signal::PIPE], ..Options::default() },
            acts: Vec::new(),
        };
        command.note_null_byte(program.as_ref(), "the program");
        command
    }

    /// Spawns the process. Standard input, output and error are inherited unless set.
    ///
    /// A command can be spawned any number of times. One with a [`std::process::Stdio`] can be spawned once.
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
    /// Mostly a [`SpawnError`](crate::SpawnError), which says what could not be done. No process is left then. Its kind
    /// is that of the errno:
    /// - [`NotFound`](io::ErrorKind::NotFound) (`ENOENT`): no such program, or no such working directory;
    /// - [`NotADirectory`](io::ErrorKind::NotADirectory) (`ENOTDIR`): a part of a path is none;
    /// - [`PermissionDenied`](io::ErrorKind::PermissionDenied) (`EACCES`, `EPERM`): the program may not be
    ///   executed, or a step of the set-up needs a privilege;
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput) (`EINVAL`): a signal, limit or priority that does not exist;
    /// - [`ArgumentListTooLong`](io::ErrorKind::ArgumentListTooLong) (`E2BIG`): arguments and environment together;
    /// - `ENOEXEC`: a file that is neither a program for this processor nor a script, or that the shell may not run;
    /// - `EAGAIN`, `ENOMEM`: a limit on processes, or memory;
    /// - `EBADF`, `EMFILE`: a number of [`fd`](Command::fd) that cannot be, or that the limit does not allow;
    /// - `ETXTBSY`: the program is open for writing, and still was when it had been tried for a tenth of a second.
    ///
    /// [`SpawnError::raw_os_error`](crate::SpawnError::raw_os_error) gives the errno. `io::Error::raw_os_error` is `None` for
    /// an error that says more.
    ///
    /// Others: `EMFILE`, `ENFILE`: no descriptor for a pipe; [`InvalidInput`](io::ErrorKind::InvalidInput): a null byte, or
    /// a [`std::process::Stdio`] that has served.
    pub fn spawn(&mut self) -> io::Result<Child> {
        Ok(self.start()?.into_child())
    }

    /// Makes the process, and returns as soon as it exists, with its pidfd and our ends of its pipes.
    ///
    /// In [`spawn`](Command::spawn) the calling thread sleeps until the child has called `execve`. On a busy machine
    /// that is most of what a child costs, and it takes as long as the file system does. Here the caller does not wait
    /// for it.
    ///
    /// If something fails after the process was made, for instance because there is no such program, that is how the
    /// child ends. In the place of the [`Exit`](crate::Exit) comes the [`SpawnError`](crate::SpawnError) that `spawn`
    /// would have returned.
    ///
    /// ```
    /// # use childset::{Command, SpawnError};
    /// assert!(Command::new("true").launch()?.wait()?.success());
    ///
    /// let error = Command::new("/no/such/program").launch()?.wait().unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    /// assert!(SpawnError::from_io_error(&error).is_some());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// The child gets the descriptors, the environment and the directory of the moment of the call, even if they change
    /// right after it. For that, copies of those are kept open, until the child has descriptors of its own: the next call
    /// of the crate closes them. The first use of our end of a pipe waits for that. It is short, since it needs no disk,
    /// and so no end of file is missed. With [`inherit_fds`](Command::inherit_fds) nothing waits: the kernel copies all
    /// descriptors for the child, which takes longer the more there are.
    ///
    /// At most 64 children are on their way to `execve`. If there are more, this call waits for the oldest of them.
    ///
    /// Some children cannot be launched. They are spawned, with the same results, except that their failures come at
    /// once:
    ///
    /// - those that run [on a copy](Command#on-a-copy);
    /// - those with a path through a descriptor, such as `/proc/self/fd/3`;
    /// - all, where `clone3`, or `close_range` with `CLOSE_RANGE_UNSHARE`, is refused;
    /// - all, on processors other than x86-64 and AArch64, and in a program that a sanitizer watches.
    ///
    /// For a child that is launched, the variables of this process are copied, as by [`prepare`](Command::prepare). Entries
    /// of the environment without `=`, which are no variables, are left out. A `fork` of this program waits until the children that are on their
    /// way have descriptors of their own, and so does dropping a command to which descriptors were given.
    ///
    /// # Errors
    /// What fails before there is a process: `EAGAIN`, `ENOMEM`, `EMFILE`, `ENFILE`, a null byte; and all errors of
    /// [`spawn`](Command::spawn), for those that cannot be launched.
    pub fn launch(&mut self) -> io::Result<Child> {
        Ok(self.start_unawaited()?.into_child())
    }

    /// Spawns the process, and blocks until it has ended. Standard input, output and error are inherited unless set; a
    /// pipe to standard input is closed.
    ///
    /// It is what `status` of `std` does; [`status`](Command::status) of this crate awaits.
    ///
    /// ```
    /// assert_eq!(childset::Command::new("sh").args(["-c", "exit 3"]).wait()?.code(), Some(3));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// As [`spawn`](Command::spawn) and [`Child::wait`].
    #[doc(alias = "status")]
    pub fn wait(&mut self) -> io::Result<Exit> {
        let mut child = self.spawn()?;
        drop(child.stdin.take());
        child.wait()
    }

    /// Spawns the process, blocks until it has ended, and returns what it wrote. Unless set, standard input is
    /// `/dev/null`, and standard output and error are piped. See [`Capture`](crate::Capture) on when it returns.
    ///
    /// It is what `output` of `std` does; [`output`](Command::output) of this crate awaits.
    ///
    /// ```
    /// let output = childset::Command::new("echo").arg("hello").wait_with_output()?;
    /// assert_eq!(output.stdout, b"hello\n");
    /// assert!(output.status.success());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// As [`spawn`](Command::spawn) and [`Child::wait_with_output`].
    #[doc(alias = "output")]
    pub fn wait_with_output(&mut self) -> io::Result<Output> {
        self.start_collecting()?.wait_with_output()
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
        let child = self.start_collecting();
        async move { child?.output().await }
    }

    /// Lays the command out, to be spawned any number of times, with the environment of now.
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
    /// has a [`std::process::Stdio`], which serves one spawn.
    pub fn prepare(&self) -> io::Result<Prepared> {
        Ok(Prepared::new(self.template()?))
    }

    fn template(&self) -> io::Result<Template> {
        self.check_null_byte()?;
        let kind = |stdio: &Option<Stdio>| match stdio {
            None => Ok(Kind::Inherit),
            Some(stdio) => stdio.0.share().ok_or_else(unprepared),
        };
        let [stdin, stdout, stderr] = &self.stdio;
        Ok(Template {
            program: self.get_program().to_owned(),
            layout: Arc::new(Layout::for_later(self)?),
            acts: self.acts.clone(),
            options: self.options.clone(),
            stdio: [kind(stdin)?, kind(stdout)?, kind(stderr)?],
            on_drop: self.on_drop,
        })
    }

    /// With the defaults of what collects the output.
    fn start_collecting(&mut self) -> io::Result<Child> {
        self.start_with([Kind::Null, Kind::Piped, Kind::Piped]).map(Started::into_child)
    }

    fn start_with(&mut self, defaults: [Kind; 3]) -> io::Result<Started> {
        sweep();
        self.check_null_byte()?;
        let layout = Layout::new(self)?;
        let spawned = match self.stdio.iter().flatten().any(|stdio| matches!(stdio.0, Kind::Std(_))) {
            true => self.spawn_by_std(&layout, &defaults)?,
            false => self.job(&layout).spawn(self.kinds(&defaults))?,
        };
        Ok(Started::new(spawned, &self.options, self.on_drop))
    }

    /// Replaces this process; or says why not.
    pub(super) fn exec_here(&mut self) -> io::Result<io::Error> {
        self.check_null_byte()?;
        if self.stdio.iter().flatten().any(|stdio| matches!(stdio.0, Kind::Std(_))) {
            return self.exec_by_std();
        }
        let layout = Layout::new(self)?;
        self.job(&layout).exec(self.kinds(&INHERITED))
    }

    fn job<'a>(&'a self, layout: &'a Layout) -> Job<'a> {
        Job { layout, options: &self.options, acts: &self.acts }
    }

    pub(super) fn kinds<'a>(&'a self, defaults: &'a [Kind; 3]) -> [&'a Kind; 3] {
        [0, 1, 2].map(|number| self.stdio[number].as_ref().map_or(&defaults[number], |stdio| &stdio.0))
    }
}

impl Spawn for &mut Command {}

#[allow(private_interfaces)]
impl Start for &mut Command {
    fn start(self) -> io::Result<Started> {
        self.start_with(INHERITED)
    }

    fn start_unawaited(self) -> io::Result<Started> {
        if self.stdio.iter().flatten().any(|stdio| matches!(stdio.0, Kind::Std(_)))
            || !can_be_launched(&self.options, &self.acts, &self.paths_through_descriptors())
        {
            return self.start();
        }
        Arc::new(self.template()?).start_unawaited()
    }
}
