//! What to run, and how: [`spawn`] runs it.

// The first one has the methods that the page of `Command` begins with.
mod run;

mod attributes;
mod describe;
mod error;
mod fds;
mod lifetime;
mod namespaces;
mod options;
mod prepared;
mod program;
mod resource;
mod spawn;
mod terminal;
pub mod unix;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;

use crate::child::{Kind, Stdio};
use crate::sys::launch::until_all_released;
use crate::sys::plan::PreExec;
use describe::{add, add_options, add_some};
use error::check;
use options::Options;

pub(crate) use spawn::started::Started;

pub use error::SpawnError;
pub use prepared::Prepared;
pub use resource::Resource;
pub use spawn::started::Spawn;
pub use terminal::Pty;

/// Builds and spawns processes, with the names and defaults of `async_process::Command`.
///
/// [`spawn`](Command::spawn) makes a process and its pidfd in one step, so that no other process can be mistaken
/// for it. Its cost grows neither with the memory of this process nor with the number of children that are outstanding:
/// the child runs on this process's memory, and does not copy its descriptor table, until it calls `execve`. The calling
/// thread waits for that. So if the child fails before, `spawn` returns the error. [`launch`](Command::launch) does not
/// wait.
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
///
/// # Descriptors
///
/// The child gets descriptors 0, 1 and 2, and those of [`fd`](Command::fd). Others do not leak into it, whatever
/// their flags and whatever other threads open meanwhile. [`inherit_fds`](Command::inherit_fds) changes that.
///
/// # Signals
///
/// The child starts with an empty signal mask ([`signal_mask`](Command::signal_mask)), and all signals that this
/// process handles, and `SIGPIPE`, at their defaults ([`default_signals`](Command::default_signals)). A signal
/// handler never runs in it. If a stop signal (`SIGTSTP`) hits the child before its `execve`, the thread that calls
/// [`spawn`](Command::spawn) stops, too, until somebody sends `SIGCONT`. A thread that calls [`launch`](Command::launch)
/// goes on.
///
/// # Moving from async-process, tokio or `std`
///
/// The guide [`moving`](crate::moving) lists what a program has to change, and what it will see when it runs.
///
/// # What does not see it
///
/// The child calls the kernel by itself. Libraries that wrap `exec` or `fork` of the C library (by `LD_PRELOAD`) see
/// none of these spawns. Until its `execve`, the child runs code of this crate. So do not unload a plugin (dlclose(3))
/// while one of its threads spawns, or while a child that it [launched](Command::launch) is on its way.
///
/// # On a copy
///
/// These children run on a copy of this process's memory, so that their spawn costs more as that grows:
///
/// - those with a [`uid`](unix::CommandExt::uid), a [`gid`](unix::CommandExt::gid), or a given
///   [`cgroup`](Command::cgroup): on our memory, what the kernel does to them it would do to us, too;
/// - those with a cgroup that was made for them ([`Unit::Cgroup`](crate::Unit::Cgroup)), if our own cgroup was once killed
///   as a whole (`cgroup.kill`) before we entered it, or if `clone3` is refused;
/// - those that [join namespaces](Command::join_namespaces_of): that changes what the memory is allowed, and its clocks;
/// - those with a closure of [`pre_exec`](unix::CommandExt::pre_exec), or a [`std::process::Stdio`];
/// - all, on processors other than x86_64 and aarch64, 32-bit ones too.
///
/// Apart from that, they behave the same. Where a container refuses `clone3`, `clone` takes its place.
pub struct Command {
    /// Program, arguments, environment and directory.
    std: std::process::Command,
    /// The first of them with a null byte. `std` keeps another string in its place.
    null_byte: Option<(&'static str, OsString)>,
    arg0: Option<OsString>,
    env_cleared: bool,
    stdio: [Option<Stdio>; 3],
    on_drop: OnDrop,
    options: Options,
    /// Of [`pre_exec`](unix::CommandExt::pre_exec).
    acts: Vec<PreExec>,
}

/// What dropping the `Child` does.
#[derive(Clone, Copy)]
struct OnDrop {
    reap: bool,
    kill: bool,
}

impl OnDrop {
    fn add_to(self, f: &mut fmt::DebugStruct<'_, '_>) {
        add_some(f, "reap_on_drop", (!self.reap).then_some(false));
        add(f, "kill_on_drop", &self.kill);
    }
}

impl Command {
    fn before_closing(&self) {
        before_closing(&self.options, self.stdio.iter().flatten().map(|stdio| &stdio.0));
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
            check(string.as_bytes(), what)?;
        }
        Ok(())
    }
}

/// Before descriptors of the caller's are closed, for whose end of file he may wait: waits until those who were launched
/// with them have their own.
fn before_closing<'a>(options: &Options, stdio: impl IntoIterator<Item = &'a Kind>) {
    if options.has_descriptors() || stdio.into_iter().any(Kind::is_fd) {
        until_all_released();
    }
}

impl Drop for Command {
    fn drop(&mut self) {
        self.before_closing();
    }
}

/// As `std` prints it: `"sh" "-c" "exit 7"`; with `{:#?}`, all that was set. Both show the variables that
/// [`env`](Command::env) set, and none that this process has.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return self.std.fmt(f);
        }
        let mut f = f.debug_struct("Command");
        f.field("program", &self.get_program());
        add_some(&mut f, "arg0", self.arg0.as_ref());
        add(&mut f, "args", &self.get_args().collect::<Vec<_>>());
        add(&mut f, "env_clear", &self.env_cleared);
        add(&mut f, "env", &self.get_envs().collect::<BTreeMap<_, _>>());
        add_some(&mut f, "current_dir", self.get_current_dir());
        for (name, stdio) in ["stdin", "stdout", "stderr"].iter().zip(&self.stdio) {
            add_some(&mut f, name, stdio.as_ref());
        }
        add_options(&mut f, &self.options);
        add(&mut f, "pre_exec", &self.acts.len());
        self.on_drop.add_to(&mut f);
        f.finish()
    }
}
