//! What a whole cgroup has used.

use std::time::Duration;

use super::{Child, Shared};

/// What all processes of a child's cgroup have used until now: given by [`Child::tree_usage`] and
/// [`ChildHandle::tree_usage`](crate::ChildHandle::tree_usage).
///
/// A part that this kernel, or the controllers of the cgroup, do not count is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TreeUsage {
    /// CPU time in user mode.
    pub user_time: Option<Duration>,
    /// CPU time in the kernel.
    pub system_time: Option<Duration>,
    /// The most memory that was in use at one time, in bytes (Linux 5.19, the controller `memory`).
    pub peak_memory: Option<u64>,
    /// How many processes the kernel has killed for want of memory (the controller `memory`).
    pub oom_kills: Option<u64>,
}

impl Child {
    /// What all processes of the child's cgroup have used until now, those that have ended included. `None` if it was not
    /// made in a cgroup: see [`Unit::Cgroup`](crate::Unit::Cgroup) and [`Command::cgroup`](crate::Command::cgroup).
    ///
    /// Memory is counted where the controller `memory` is enabled for the cgroup, in `cgroup.subtree_control` of the one
    /// above it. See cgroups(7). Once the cgroup was removed, all parts are `None`; the one that was made for the child stays
    /// as long as the `Child`, its set or a handle.
    ///
    /// ```
    /// # use childset::{Command, Unit};
    /// # use std::time::Duration;
    /// let mut command = Command::new("sh");
    /// let line = "i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done";
    /// match command.args(["-c", line]).unit(Unit::Cgroup).spawn() {
    ///     Ok(child) => {
    ///         child.wait()?;
    ///         let usage = child.tree_usage().expect("it has a cgroup");
    ///         assert!(usage.user_time.unwrap() > Duration::ZERO);
    ///     }
    ///     // Not everybody may make one.
    ///     Err(error) => println!("{error}"),
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn tree_usage(&self) -> Option<TreeUsage> {
        self.shared.tree_usage()
    }
}

impl Shared {
    pub(super) fn tree_usage(&self) -> Option<TreeUsage> {
        let cgroup = self.cgroup()?;
        let time = |key| cgroup.number("cpu.stat", Some(key)).map(Duration::from_micros);
        Some(TreeUsage {
            user_time: time("user_usec"),
            system_time: time("system_usec"),
            peak_memory: cgroup.number("memory.peak", None),
            oom_kills: cgroup.number("memory.events", Some("oom_kill")),
        })
    }
}
