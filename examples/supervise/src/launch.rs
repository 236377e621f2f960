//! The command of a service.

use std::io;

use childset::unix::CommandExt;
use childset::{Command, Stdio};

use crate::cgroup::Cgroup;
use crate::config::Service;

/// It leads a process group, so that its children are reached, too; and it does not outlive us, as far as the kernel can
/// see to that.
pub(crate) fn command(service: &Service, cgroup: Option<&Cgroup>) -> io::Result<Command> {
    let mut command = Command::new(&service.command[0]);
    command.args(&service.command[1..]).stdin(Stdio::null()).process_group(0).kill_with_parent(true);
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
