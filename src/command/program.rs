use std::ffi::OsStr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{CommandArgs, CommandEnvs};
use std::sync::Arc;

use super::Command;

/// What is run: the program, its arguments, environment and working directory.
impl Command {
    /// Adds an argument.
    ///
    /// ```
    /// let mut command = childset::Command::new("ls");
    /// command.arg("-l").args(["/", "/tmp"]);
    /// assert_eq!(command.get_args().collect::<Vec<_>>(), ["-l", "/", "/tmp"]);
    /// ```
    pub fn arg<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command {
        self.note_null_byte(arg.as_ref(), "an argument");
        self.std.arg(arg);
        self
    }

    /// Adds arguments: see [`arg`](Command::arg).
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

    /// Sets an environment variable. The others are inherited, unless they are removed or cleared.
    ///
    /// ```
    /// # use childset::{Command, Stdio};
    /// let mut command = Command::new("env");
    /// command.env_clear().envs([("A", "1"), ("B", "2")]).env_remove("A").env("B", "3");
    /// let output = command.stdout(Stdio::piped()).spawn()?.wait_with_output()?;
    /// assert_eq!(output.stdout, b"B=3\n");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn env<K: AsRef<OsStr>, V: AsRef<OsStr>>(&mut self, key: K, value: V) -> &mut Command {
        self.std.env(key, value);
        self
    }

    /// Sets environment variables: see [`env`](Command::env).
    pub fn envs<I, K, V>(&mut self, variables: I) -> &mut Command
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.std.envs(variables);
        self
    }

    /// Removes an environment variable, set before or inherited: see [`env`](Command::env).
    pub fn env_remove<K: AsRef<OsStr>>(&mut self, key: K) -> &mut Command {
        self.std.env_remove(key);
        self
    }

    /// Removes all environment variables, those set before included: see [`env`](Command::env).
    pub fn env_clear(&mut self) -> &mut Command {
        self.std.env_clear();
        self.env_cleared = true;
        self
    }

    /// Starts to build a command that runs the program behind a descriptor: an executable, or a script, opened in any
    /// way (`O_PATH` will do). See fexecve(3).
    ///
    /// Its name and its argument 0 are `/dev/fd/N`. A script keeps the descriptor, because its interpreter opens it by
    /// that name. Without `/dev/fd`, a script cannot be run. A program does not keep it.
    ///
    /// ```
    /// use childset::Command;
    /// use std::fs::File;
    ///
    /// let file = File::open("/bin/sh")?;
    /// let child = Command::from_fd(file).args(["-c", "exit 3"]).spawn()?;
    /// assert_eq!(child.wait()?.code(), Some(3));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn from_fd<F: Into<OwnedFd>>(program: F) -> Command {
        let program = program.into();
        let mut command = Command::new(format!("/dev/fd/{}", program.as_raw_fd()));
        command.options.program_fd = Some(Arc::new(program));
        command
    }

    /// Sets the working directory. A relative program is then relative to it.
    ///
    /// ```
    /// # use childset::Command;
    /// let mut command = Command::new("./sh");
    /// command.args(["-c", "exit 4"]).current_dir("/bin");
    /// assert_eq!(command.spawn()?.wait()?.code(), Some(4));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn current_dir<P: AsRef<Path>>(&mut self, directory: P) -> &mut Command {
        self.note_null_byte(directory.as_ref().as_os_str(), "the working directory");
        self.std.current_dir(directory);
        self.options.directory_fd = None;
        self
    }

    /// Sets the working directory to the one behind a descriptor, instead of
    /// [`current_dir`](Command::current_dir). See fchdir(2).
    ///
    /// ```
    /// # use childset::{Command, Stdio};
    /// use std::fs::File;
    ///
    /// let mut command = Command::new("pwd");
    /// command.current_dir_fd(File::open("/usr")?).stdout(Stdio::piped());
    /// assert_eq!(command.spawn()?.wait_with_output()?.stdout, b"/usr\n");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn current_dir_fd<F: Into<OwnedFd>>(&mut self, directory: F) -> &mut Command {
        self.before_closing();
        self.options.directory_fd = Some(Arc::new(directory.into()));
        self
    }

    /// Where to look for a program whose name has no slash, instead of the `PATH` in the child's environment:
    /// directories with `:` between them. An empty one is the child's working directory.
    ///
    /// ```
    /// use childset::Command;
    ///
    /// // The environment of this process is not that of the child.
    /// let path = std::env::var_os("PATH").unwrap();
    /// let child = Command::new("true").env_clear().env("PATH", "/nowhere").search_path(path).spawn()?;
    /// assert!(child.wait()?.success());
    ///
    /// // Nothing is searched: `true` in the working directory.
    /// assert!(Command::new("true").search_path("").current_dir("/").spawn().is_err());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn search_path<S: AsRef<OsStr>>(&mut self, path: S) -> &mut Command {
        self.options.search_path = Some(path.as_ref().to_owned());
        self
    }

    /// Whether `/bin/sh` runs a file that the kernel does not know how to execute (`ENOEXEC`), such as a script
    /// without `#!`; true unless set. execvp(3) does so, and posix_spawn(3) does not.
    ///
    /// The file must be one that may be a script: not empty, no ELF file, and without a null byte in its first line
    /// (or its first 80 bytes), as bash has it. The child must be allowed to read it. All else is `ENOEXEC`.
    ///
    /// ```
    /// use childset::{Command, SpawnError};
    /// use std::os::unix::fs::PermissionsExt;
    ///
    /// let dir = tempfile::tempdir()?;
    /// let script = dir.path().join("script");
    /// std::fs::write(&script, "exit 7")?;
    /// std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755))?;
    ///
    /// let mut command = Command::new(&script);
    /// assert_eq!(command.spawn()?.wait()?.code(), Some(7));
    /// let error = command.shell_fallback(false).spawn().unwrap_err();
    /// assert_eq!(SpawnError::from_io_error(&error).unwrap().errno(), libc::ENOEXEC);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn shell_fallback(&mut self, fall_back: bool) -> &mut Command {
        self.options.no_shell = !fall_back;
        self
    }

    /// The program, as it was given to `new`.
    ///
    /// ```
    /// # use std::{ffi::OsStr, path::Path};
    /// let mut command = childset::Command::new("make");
    /// command.arg("all").env("CC", "clang").env_remove("MAKEFLAGS").current_dir("/src");
    /// assert_eq!(command.get_program(), "make");
    /// assert_eq!(command.get_args().collect::<Vec<_>>(), ["all"]);
    /// let (cc, removed) = (OsStr::new("CC"), OsStr::new("MAKEFLAGS"));
    /// assert!(command.get_envs().eq([(cc, Some(OsStr::new("clang"))), (removed, None)]));
    /// assert_eq!(command.get_current_dir(), Some(Path::new("/src")));
    /// ```
    pub fn get_program(&self) -> &OsStr {
        self.std.get_program()
    }

    /// The arguments, without argument 0: see [`get_program`](Command::get_program).
    pub fn get_args(&self) -> CommandArgs<'_> {
        self.std.get_args()
    }

    /// The changes to the environment, where `None` stands for a variable that is removed: see
    /// [`get_program`](Command::get_program).
    pub fn get_envs(&self) -> CommandEnvs<'_> {
        self.std.get_envs()
    }

    /// The working directory, if it was set by its path: see [`get_program`](Command::get_program).
    pub fn get_current_dir(&self) -> Option<&Path> {
        self.std.get_current_dir().filter(|_| self.options.directory_fd.is_none())
    }

    /// The numbers above 2 of this process's descriptors that the paths of program and directories lead through.
    pub(super) fn paths_through_descriptors(&self) -> Vec<RawFd> {
        let program = Some(Path::new(self.get_program())).filter(|_| self.options.program_fd.is_none());
        let paths = [program, self.get_current_dir(), self.options.chroot.as_deref()];
        paths.into_iter().flatten().filter_map(through_descriptor).collect()
    }
}

/// The descriptor above 2 by which a path leads, such as 3 in `/proc/self/fd/3/bin`.
fn through_descriptor(path: &Path) -> Option<RawFd> {
    const WAYS: [&str; 3] = ["/proc/self/fd/", "/dev/fd/", "/proc/thread-self/fd/"];
    let path = path.as_os_str().as_bytes();
    let rest = WAYS.iter().find_map(|way| path.strip_prefix(way.as_bytes()))?;
    let number = rest.split(|&byte| byte == b'/').next()?;
    std::str::from_utf8(number).ok()?.parse().ok().filter(|&number| number > 2)
}
