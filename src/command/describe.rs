//! What is printed of a command: in error texts, and by `Debug`.

use std::ffi::{CStr, OsStr};
use std::fmt::{Debug, DebugStruct};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use super::options::Options;
use super::resource::Resource;
use crate::child::Unit;
use crate::pidfd::{Namespace, Signal};
use crate::sys::plan::Step;

/// How many bytes of a string are shown.
const BYTES_SHOWN: usize = 200;

/// How many groups are shown.
const GROUPS_SHOWN: usize = 16;

/// A string of any length, in quotes; of a long one the beginning, and its length.
pub(super) fn quoted(bytes: &[u8]) -> String {
    if bytes.len() <= BYTES_SHOWN {
        return format!("{:?}", OsStr::from_bytes(bytes));
    }
    // No character is cut, which has up to four bytes.
    let end = (BYTES_SHOWN - 3..=BYTES_SHOWN).rev().find(|&index| bytes[index] & 0xc0 != 0x80);
    let start = OsStr::from_bytes(&bytes[..end.unwrap_or(BYTES_SHOWN)]);
    format!("{start:?}… ({} bytes)", bytes.len())
}

/// What a step that failed was to do: completes "cannot".
pub(super) fn describe(step: &Step) -> String {
    let path = |path: &CStr| quoted(path.to_bytes());
    match step {
        Step::SetSid => "start a session (setsid)".into(),
        Step::ControllingTerminal => "make the terminal the controlling one (TIOCSCTTY)".into(),
        Step::SetPgid(group) => format!("join process group {group} (setpgid)"),
        Step::Foreground => "put its process group into the foreground (tcsetpgrp)".into(),
        Step::SetRlimit(resource, limit) => {
            let resource = Resource::from(*resource);
            format!("set {resource} to {} and {} (setrlimit)", limit.rlim_cur, limit.rlim_max)
        }
        Step::SetNice(nice) => format!("set the nice value to {nice} (setpriority)"),
        Step::SetScheduler(policy, priority) => {
            format!("set scheduling policy {policy} with priority {priority} (sched_setscheduler)")
        }
        Step::Umask(mask) => format!("set the file mode mask to {mask:o} (umask)"),
        Step::JoinNamespaces(flags) => {
            let kinds: Vec<_> = Namespace::of_flags(*flags).map(|kind| kind.to_string()).collect();
            format!("join the namespaces {} of a process (setns)", kinds.join(", "))
        }
        Step::Chroot(root) => format!("make {} the root directory (chroot)", path(root)),
        Step::SetGroups(groups) if groups.len() > GROUPS_SHOWN => {
            format!("set {} supplementary groups (setgroups)", groups.len())
        }
        Step::SetGroups(groups) => format!("set the supplementary groups to {groups:?} (setgroups)"),
        Step::DropGroups(_) => "drop the supplementary groups (setgroups)".into(),
        Step::SetGid(gid) => format!("set the group id to {gid} (setgid)"),
        Step::SetUid(uid) => format!("set the user id to {uid} (setuid)"),
        Step::Chdir(directory) => format!("enter the working directory {} (chdir)", path(directory)),
        Step::Fchdir => "enter the working directory, a descriptor (fchdir)".into(),
        Step::NoNewPrivs => "give up new privileges (PR_SET_NO_NEW_PRIVS)".into(),
        Step::DefaultDisposition(signal) => {
            format!("reset {} to its default (sigaction)", Signal::from(*signal))
        }
        Step::SignalMask(_) => "set the signal mask (sigprocmask)".into(),
    }
}

/// Adds what was set of the options, under the names of the methods that set it.
pub(super) fn add_options(f: &mut DebugStruct<'_, '_>, options: &Options) {
    let fds: Vec<_> = options.fds.iter().map(|(number, source)| (*number, source.as_raw_fd())).collect();
    let number = |fd: &Option<Arc<OwnedFd>>| fd.as_ref().map(|fd| fd.as_raw_fd());
    let closed: Vec<_> = options.close.iter().map(|&(first, last)| first..=last).collect();
    add_some(f, "search_path", options.search_path.as_ref());
    add_some(f, "shell_fallback", options.no_shell.then_some(false));
    add(f, "setsid", &options.session);
    add_some(f, "controlling_terminal", number(&options.controlling_terminal));
    add_some(f, "process_group", options.process_group);
    add_some(f, "foreground", number(&options.foreground));
    add(f, "rlimits", &options.rlimits);
    add_some(f, "nice", options.nice);
    add_some(f, "scheduler", options.scheduler);
    if let Some(mask) = options.umask {
        f.field("umask", &format_args!("{mask:#o}"));
    }
    let namespaces = options.namespaces.as_ref().map(|(process, kinds)| (process.as_raw_fd(), kinds));
    add_some(f, "join_namespaces_of", namespaces);
    add_some(f, "chroot", options.chroot.as_ref());
    add_some(f, "groups", options.groups.as_ref());
    add_some(f, "gid", options.gid);
    add_some(f, "uid", options.uid);
    add_some(f, "current_dir_fd", number(&options.directory_fd));
    add_some(f, "from_fd", number(&options.program_fd));
    add(f, "no_new_privs", &options.no_new_privs);
    add_some(f, "parent_death_signal", options.parent_death_signal);
    add(f, "kill_with_parent", &options.kill_with_parent);
    add(f, "autoreap", &options.autoreap);
    add(f, "default_signals", &options.default_dispositions);
    add(f, "signal_mask", &options.signal_mask);
    add_some(f, "cgroup", options.cgroup.as_ref().map(|cgroup| cgroup.as_fd().as_raw_fd()));
    add_some(f, "unit", (options.unit != Unit::Process).then_some(options.unit));
    add(f, "fds", &fds);
    add(f, "inherit_fds", &options.inherit_fds);
    add(f, "close_fds", &closed);
}

/// Adds a field that is not empty, in one line.
pub(super) fn add<T: Debug + Default + PartialEq>(f: &mut DebugStruct<'_, '_>, name: &str, value: &T) {
    add_some(f, name, (*value != T::default()).then_some(value));
}

pub(super) fn add_some<T: Debug>(f: &mut DebugStruct<'_, '_>, name: &str, value: Option<T>) {
    if let Some(value) = value {
        f.field(name, &format_args!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_string_is_shortened_between_characters() {
        assert_eq!(quoted(b"a \"b\"\xff"), r#""a \"b\"\xFF""#);
        let long = |text: &str| quoted(text.repeat(100).as_bytes());
        assert_eq!(long("ab"), format!("{:?}", "ab".repeat(100)));
        assert_eq!(long("abc"), format!("{:?}… (300 bytes)", &"abc".repeat(100)[..200]));
        assert_eq!(long("aé"), format!("{:?}… (300 bytes)", &"aé".repeat(100)[..199]));
        assert_eq!(long("𝄞"), format!("{:?}… (400 bytes)", "𝄞".repeat(50)));
        assert_eq!(long("a𝄞"), format!("{:?}… (500 bytes)", "a𝄞".repeat(40)));
        assert_eq!(long("ab𝄞"), format!("{:?}… (600 bytes)", "ab𝄞".repeat(33) + "ab"));
        assert_eq!(quoted(&[0xff; 201]), format!("\"{}\"… (201 bytes)", r"\xFF".repeat(200)));
        assert_eq!(quoted(&[0x80; 201]), format!("\"{}\"… (201 bytes)", r"\x80".repeat(200)));
    }

    #[test]
    fn a_long_list_of_groups_is_counted() {
        let set = |count: u32| describe(&Step::SetGroups((0..count).collect()));
        assert_eq!(set(3), "set the supplementary groups to [0, 1, 2] (setgroups)");
        assert_eq!(set(65_537), "set 65537 supplementary groups (setgroups)");
    }
}
