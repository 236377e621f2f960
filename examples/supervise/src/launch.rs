//! The command of a service.

use std::fs::File;
use std::io;

use childset::unix::CommandExt;
use childset::{Command, Stdio};

use crate::cgroup::Cgroup;
use crate::config::values::Plain;
use crate::config::Service;
use crate::state::hold;

/// It leads a process group, so that its children are reached, too.
pub(crate) fn command(service: &Service, cgroup: Option<&Cgroup>) -> io::Result<Command> {
    let mut command = Command::new(&service.command[0]);
    command.args(&service.command[1..]).stdin(Stdio::null());
    prepare(command, service, cgroup)
}

/// The same by way of `supervise`, the program behind the descriptor: see [`hold`].
pub(crate) fn held(
    service: &Service,
    cgroup: Option<&Cgroup>,
    exe: &File,
    page: usize,
) -> io::Result<Command> {
    let mut command = Command::from_fd(exe.try_clone()?);
    command.arg(hold::ARGUMENT).arg(page.to_string()).args(&service.command);
    prepare(command, service, cgroup)
}

/// What looks whether it is ready, as the user and in the directory that it has. It does not outlive us.
pub(crate) fn check(service: &Service, cgroup: Option<&Cgroup>, words: &[Plain]) -> io::Result<Command> {
    let mut command = Command::new(&words[0].0);
    command.args(words[1..].iter().map(|word| &word.0)).stdin(Stdio::null());
    command.kill_with_parent(true).kill_on_drop(true);
    prepare(command, service, cgroup)
}

fn prepare(mut command: Command, service: &Service, cgroup: Option<&Cgroup>) -> io::Result<Command> {
    command.process_group(0);
    if let Some(account) = &service.account {
        command.uid(account.uid).gid(account.gid).groups(&account.groups);
        command.envs(account.environment.iter().map(|(key, value)| (key, value)));
    } else if let Some(gid) = service.gid {
        command.gid(gid);
    }
    command.envs(service.environment.iter().map(|(key, value)| (key, value)));
    if let Some(directory) = &service.directory {
        command.current_dir(directory);
    }
    for &(resource, limit) in &service.limits.0 {
        command.rlimit(resource, limit, limit);
    }
    if let Some(cgroup) = cgroup {
        command.cgroup(cgroup.open()?);
    }
    Ok(command)
}
