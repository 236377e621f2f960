use std::io;

use super::error::unsupported_by_std;
use super::options::Options;
use super::spawn::layout::Layout;
use super::spawn::started::{Spawn, Start, Started};
use super::spawn::{spawn, NoProcess};
use super::OnDrop;
use crate::child::{Child, Kind};
use crate::watch::dropped::sweep;

/// A command that is laid out for `execve`, to be spawned any number of times.
///
/// Its program was searched, its environment copied, and its options checked: [`spawn`](Prepared::spawn) only
/// makes the process. Changes of this process's environment after [`prepare`](crate::Command::prepare) have no
/// effect on it.
///
/// ```
/// use childset::{ChildSet, Command};
///
/// # if Command::new("true").prepare()?.spawn().is_err() { return Ok(()); } // clone3 is refused.
/// let hello = Command::new("echo").arg("hello").prepare()?;
/// let set = ChildSet::new()?;
/// for tag in 0..3 {
///     set.insert(hello.spawn()?, tag)?;
/// }
/// while let Some(exited) = set.wait(None)? {
///     assert!(exited.exit?.success());
/// }
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Prepared {
    pub(super) layout: Layout,
    pub(super) options: Options,
    pub(super) stdio: [Kind; 3],
    pub(super) on_drop: OnDrop,
}

impl Prepared {
    /// Spawns the process.
    ///
    /// ```
    /// # use childset::Command;
    /// # use std::io::ErrorKind;
    /// let mut command = Command::new("true");
    /// let child = match command.prepare()?.spawn() {
    ///     Err(error) if error.kind() == ErrorKind::Unsupported => command.spawn()?,
    ///     child => child?,
    /// };
    /// assert!(child.wait()?.success());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// A [`SpawnError`](super::SpawnError) as from [`Command::spawn`](crate::Command::spawn), and
    /// [`Unsupported`](io::ErrorKind::Unsupported) where `clone3` is refused: only `Command::spawn` can do
    /// without.
    pub fn spawn(&self) -> io::Result<Child> {
        Ok(self.start()?.into_child())
    }
}

impl Spawn for &Prepared {}

#[allow(private_interfaces)]
impl Start for &Prepared {
    fn start(self) -> io::Result<Started> {
        sweep();
        let [stdin, stdout, stderr] = &self.stdio;
        match spawn(&self.layout, &self.options, [stdin, stdout, stderr]) {
            Ok(spawned) => Ok(Started::new(spawned, &self.options, self.on_drop)),
            Err(NoProcess::Refused | NoProcess::NoSuchLife(_)) => {
                Err(unsupported_by_std("a prepared command"))
            }
            Err(NoProcess::Error(error)) => Err(error),
        }
    }
}
