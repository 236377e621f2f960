use std::fmt;
use std::io;
use std::sync::Arc;

#[cfg(feature = "command")]
use super::TreeUsage;
use super::{Child, Keeper, Shared};
use crate::pidfd::{Exit, Signal};

/// What a program keeps of a child that it gave away, for instance into a [`ChildSet`](crate::ChildSet): its pid,
/// signals, and its exit once somebody has taken it.
///
/// It can be cloned and sent anywhere, and costs no descriptor of its own. It never takes the exit. If the child is
/// dropped, that has its effect although a handle is left. Signals never reach another process, however late they are
/// sent.
///
/// [`Child::handle`] and [`ChildSet::handle`](crate::ChildSet::handle) make one.
///
/// ```
/// use childset::{ChildSet, Command, Gone, Signal};
///
/// let set = ChildSet::new()?;
/// let key = set.spawn(Command::new("sleep").arg("60"), "job")?;
/// let handle = set.handle(key).expect("it is in the set");
/// assert!(handle.pid().is_some() && handle.known_exit().is_none());
///
/// handle.send_signal(Signal::TERM)?;
/// let exit = set.wait(None)?.expect("one child is in the set").exit?;
/// assert_eq!(handle.known_exit(), Some(exit));
/// let error = handle.send_signal(Signal::TERM).unwrap_err();
/// assert_eq!(Gone::from_io_error(&error), Some(Gone::Reaped));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct ChildHandle(Arc<Shared>);

impl ChildHandle {
    /// The pid that the child has or had: see [`Child::pid`].
    pub fn pid(&self) -> Option<u32> {
        self.0.process().pid()
    }

    /// The exit, if it was taken: through the [`Child`], its set, or the reaping of dropped children.
    ///
    /// `None` before that, and if the kernel did not report the status, or the program could not be run. See
    /// [`ChildHandle`].
    pub fn known_exit(&self) -> Option<Exit> {
        self.0.known_exit()
    }

    /// Sends a signal: as [`Child::send_signal`].
    ///
    /// # Errors
    /// As [`Child::send_signal`].
    pub fn send_signal(&self, signal: impl Into<Signal>) -> io::Result<()> {
        self.0.own_pidfd()?.send_signal(signal)
    }

    /// Sends a signal to the process group that the child leads or led: as [`Child::send_signal_to_group`].
    ///
    /// # Errors
    /// As [`Child::send_signal_to_group`].
    pub fn send_signal_to_group(&self, signal: impl Into<Signal>) -> io::Result<()> {
        self.0.send_signal_to_group(signal.into())
    }

    /// Sends `SIGKILL` to the child's unit: as [`Child::kill`].
    ///
    /// # Errors
    /// As [`Child::kill`].
    pub fn kill(&self) -> io::Result<()> {
        self.0.kill_unit()
    }

    /// What the child's whole cgroup has used: as [`Child::tree_usage`].
    ///
    /// ```
    /// # use childset::{ChildSet, Command, Unit};
    /// # use std::time::Duration;
    /// let set = ChildSet::new()?;
    /// let line = "i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done";
    /// match set.spawn(Command::new("sh").args(["-c", line]).unit(Unit::Cgroup), "job") {
    ///     Ok(key) => {
    ///         let handle = set.handle(key).expect("it is in the set");
    ///         set.wait(None)?.expect("one child is in the set").exit?;
    ///         let usage = handle.tree_usage().expect("it has a cgroup");
    ///         assert!(usage.user_time.unwrap() > Duration::ZERO);
    ///     }
    ///     // Not everybody may make one.
    ///     Err(refused) => println!("{refused}"),
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    #[cfg(feature = "command")]
    pub fn tree_usage(&self) -> Option<TreeUsage> {
        self.0.tree_usage()
    }

    /// Whether the end of what was killed of its unit can be awaited.
    pub(crate) fn tells_its_end(&self) -> bool {
        self.0.tells_its_end()
    }

    /// Whether nobody is left of its unit.
    pub(crate) fn is_unit_gone(&self) -> io::Result<bool> {
        self.0.is_unit_gone()
    }
}

impl Keeper {
    pub(crate) fn handle(&self) -> ChildHandle {
        ChildHandle(self.share())
    }
}

impl Child {
    /// A handle, which outlives the `Child` and its membership in a set: see [`ChildHandle`].
    pub fn handle(&self) -> ChildHandle {
        self.shared.handle()
    }
}

impl fmt::Debug for ChildHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildHandle").field("pid", &self.pid()).field("exit", &self.known_exit()).finish()
    }
}
