use std::io;

use childset::unix::CommandExt as _;
use childset::{Command, Signal};

use crate::error;
use crate::parent;

/// Gives the child's effective ids the values of the real ones.
pub const RESETIDS: i32 = 0x01;
/// Sets the process group.
pub const SETPGROUP: i32 = 0x02;
/// Resets signals to their defaults.
pub const SETSIGDEF: i32 = 0x04;
/// Sets the signal mask.
pub const SETSIGMASK: i32 = 0x08;
/// Sets the scheduling priority.
pub const SETSCHEDPARAM: i32 = 0x10;
/// Sets the scheduling policy, and the priority.
pub const SETSCHEDULER: i32 = 0x20;
/// Without effect for glibc since 2.24, and here.
pub const USEVFORK: i32 = 0x40;
/// Starts a session.
pub const SETSID: i32 = 0x80;

const KNOWN: i32 = 0xff;

/// `posix_spawnattr_t`: what the flags say is set in the child; the rest is inherited.
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    pub(crate) flags: i32,
    pgroup: i32,
    sigdefault: Vec<i32>,
    sigmask: Vec<i32>,
    priority: i32,
    policy: i32,
}

impl Attributes {
    /// No flag is set.
    pub fn new() -> Attributes {
        Attributes::default()
    }

    /// See posix_spawnattr_setflags(3): `EINVAL` for one that is not known.
    pub fn setflags(&mut self, flags: i32) -> io::Result<()> {
        match flags & !KNOWN {
            0 => self.flags = flags,
            _ => return Err(error(libc::EINVAL)),
        }
        Ok(())
    }

    /// See posix_spawnattr_setpgroup(3).
    pub fn setpgroup(&mut self, pgroup: i32) {
        self.pgroup = pgroup;
    }

    /// See posix_spawnattr_setsigdefault(3).
    pub fn setsigdefault(&mut self, signals: &[i32]) {
        self.sigdefault = signals.to_vec();
    }

    /// See posix_spawnattr_setsigmask(3).
    pub fn setsigmask(&mut self, signals: &[i32]) {
        self.sigmask = signals.to_vec();
    }

    /// See posix_spawnattr_setschedparam(3).
    pub fn setschedparam(&mut self, priority: i32) {
        self.priority = priority;
    }

    /// See posix_spawnattr_setschedpolicy(3).
    pub fn setschedpolicy(&mut self, policy: i32) {
        self.policy = policy;
    }

    /// The flags.
    pub fn flags(&self) -> i32 {
        self.flags
    }

    /// The process group.
    pub fn pgroup(&self) -> i32 {
        self.pgroup
    }

    /// The signals to reset.
    pub fn sigdefault(&self) -> &[i32] {
        &self.sigdefault
    }

    /// The signals to block.
    pub fn sigmask(&self) -> &[i32] {
        &self.sigmask
    }

    /// The scheduling priority.
    pub fn schedparam(&self) -> i32 {
        self.priority
    }

    /// The scheduling policy.
    pub fn schedpolicy(&self) -> i32 {
        self.policy
    }

    pub(crate) fn has(&self, flag: i32) -> bool {
        self.flags & flag != 0
    }

    pub(crate) fn apply(&self, command: &mut Command) {
        command.setsid(self.has(SETSID));
        if self.has(SETPGROUP) {
            command.process_group(self.pgroup);
        }
        if self.has(SETSCHEDULER) {
            command.scheduler(self.policy, self.priority);
        } else if self.has(SETSCHEDPARAM) {
            command.scheduler(parent::policy_of_children(), self.priority);
        }
        if self.has(RESETIDS) {
            let ids = parent::real_ids();
            command.uid(ids.uid).gid(ids.gid);
            if let Some(groups) = ids.groups {
                // The builder drops them otherwise when root gives up its rights.
                command.groups(&groups);
            }
        }
        // These two always have their default, and the kernel takes no call about them.
        let changeable = |&signal: &i32| ![libc::SIGKILL, libc::SIGSTOP].contains(&signal);
        let reset: Vec<Signal> = match self.has(SETSIGDEF) {
            true => self.sigdefault.iter().copied().filter(changeable).map(Signal::from).collect(),
            false => Vec::new(),
        };
        command.default_signals(&reset);
        let blocked = match self.has(SETSIGMASK) {
            true => self.sigmask.clone(),
            false => parent::signal_mask(),
        };
        command.signal_mask(&blocked.into_iter().map(Signal::from).collect::<Vec<_>>());
    }
}
