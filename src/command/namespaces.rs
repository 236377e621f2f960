use std::sync::Arc;

use super::Command;
use crate::pidfd::{Namespace, Pidfd};

/// The child's namespaces.
impl Command {
    /// Starts the child in namespaces of another process: `nsenter` as a builder. See setns(2).
    ///
    /// ```no_run
    /// # use childset::{Command, Namespace, Pidfd};
    /// let container = Pidfd::open(4711)?;
    /// let mut command = Command::new("ip");
    /// command.arg("address").join_namespaces_of(container, &[Namespace::User, Namespace::Net]);
    /// assert!(command.spawn()?.wait()?.success());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// All are joined in one step, the user namespace first: a process that may join it may also join the others that
    /// belong to it. This is done after the steps that need our own rights (limits, priority). The root directory, the user and
    /// the working directory are set later: they are looked up in the new namespaces, and so is the program.
    ///
    /// - [`Mount`](Namespace::Mount): the child's root and working directory are those of the namespace.
    /// - [`User`](Namespace::User): the child has all capabilities there, and none outside. [`uid`](super::unix::CommandExt::uid) and
    ///   [`gid`](super::unix::CommandExt::gid) count as the namespace has them.
    /// - [`Pid`](Namespace::Pid): the program's own children have their pids there. The program itself does not, since a
    ///   process never changes its pid. So run a shell.
    ///
    /// There is no option for new namespaces. Each kind needs more than its flag: a user namespace its maps before the
    /// program runs, a pid namespace a first process that reaps, a mount namespace its own `/proc`. unshare(1) has options for
    /// all that.
    ///
    /// The child runs [on a copy](Command#on-a-copy) of this process's memory until its `execve`. Another call replaces
    /// this one, and an empty list ends it.
    ///
    /// Spawning fails with
    /// - `EPERM` without `CAP_SYS_ADMIN` in the namespace, or for [`Mount`](Namespace::Mount) `CAP_SYS_CHROOT`;
    /// - `ESRCH` if the process has ended;
    /// - `EINVAL` if it is in the same [user namespace](Namespace::User) as this process; if a kind is one for children
    ///   alone; or if the kernel was built without it.
    #[doc(alias = "setns")]
    #[doc(alias = "nsenter")]
    pub fn join_namespaces_of(&mut self, process: Pidfd, kinds: &[Namespace]) -> &mut Command {
        self.before_closing();
        self.options.namespaces = match kinds {
            [] => None,
            kinds => Some((Arc::new(process.into()), kinds.to_vec())),
        };
        self
    }
}
