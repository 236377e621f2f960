//! Where jobs run: here, or on hosts that ssh reaches.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use anyhow::{bail, Context, Result};
use childset::{Child, Command, Stdio};
use shared::complain;

use crate::remote::ssh;
use crate::values::Jobs;

/// Never empty.
pub(crate) struct Hosts(Vec<Host>);

struct Host {
    name: OsString,
    slots: usize,
    busy: usize,
    /// It does not answer: nothing is started there any more.
    is_down: bool,
}

/// What `-S` names.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) slots: Option<usize>,
    pub(crate) name: OsString,
}

impl Login {
    /// `[N/]HOST`.
    pub(crate) fn parse(text: &[u8]) -> Login {
        let number = text.iter().position(|&byte| byte == b'/').and_then(|slash| {
            let slots = std::str::from_utf8(&text[..slash]).ok()?.parse().ok()?;
            Some((slots, &text[slash + 1..]))
        });
        let (slots, name) = number.map_or((None, text), |(slots, name)| (Some(slots), name));
        Login { slots, name: OsString::from_vec(name.to_vec()) }
    }
}

pub(crate) fn is_here(name: &OsStr) -> bool {
    name == ":"
}

impl Hosts {
    /// Asks those hosts for the number of their processors whose slots depend on it.
    pub(crate) fn new(logins: &[Login], jobs: Jobs, command: &[OsString]) -> Result<Hosts> {
        if logins.is_empty() {
            let host = Host { name: ":".into(), slots: jobs.number(), busy: 0, is_down: false };
            return Ok(Hosts(vec![host]));
        }
        let asked: Vec<_> = logins
            .iter()
            .map(|login| {
                let is_known = login.slots.is_some() || is_here(&login.name) || !jobs.needs_processors();
                (!is_known).then(|| ask(&login.name, command)).transpose()
            })
            .collect::<Result<_>>()?;
        let mut hosts = Vec::new();
        for (login, asked) in logins.iter().zip(asked) {
            let slots = match (login.slots, asked) {
                (Some(slots), _) => Some(slots.max(1)),
                (None, None) => Some(jobs.number()),
                (None, Some(child)) => answer(child).map(|processors| jobs.number_of(processors)),
            };
            let host = Host {
                name: login.name.clone(),
                slots: slots.unwrap_or(0),
                busy: 0,
                is_down: slots.is_none(),
            };
            if host.is_down {
                complain("parallel", format_args!("{} does not answer", host.name.to_string_lossy()));
            }
            hosts.push(host);
        }
        if hosts.iter().all(|host| host.is_down) {
            bail!("no host answers");
        }
        Ok(Hosts(hosts))
    }

    /// Of those that answer, together.
    pub(crate) fn slots(&self) -> usize {
        self.0.iter().filter(|host| !host.is_down).map(|host| host.slots).sum()
    }

    /// Takes a slot where the most are free.
    pub(crate) fn take(&mut self) -> usize {
        let free = |host: &Host| if host.is_down { 0 } else { host.slots.saturating_sub(host.busy) };
        // Of several, the first one.
        let most = self.0.iter().enumerate().rev().max_by_key(|(_, host)| free(host));
        let index = most.map_or(0, |(index, _)| index);
        self.0[index].busy += 1;
        index
    }

    pub(crate) fn free(&mut self, index: usize) {
        self.0[index].busy -= 1;
    }

    pub(crate) fn name(&self, index: usize) -> &OsStr {
        &self.0[index].name
    }

    /// Gives the host's name if that is new.
    pub(crate) fn set_down(&mut self, index: usize) -> Option<String> {
        let host = &mut self.0[index];
        let is_new = !std::mem::replace(&mut host.is_down, true);
        is_new.then(|| shared::printable(host.name.as_bytes()))
    }
}

fn ask(host: &OsStr, command: &[OsString]) -> Result<Child> {
    let words = ssh(command, host, b"nproc");
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::piped());
    command.spawn().with_context(|| format!("cannot run {}", words[0].to_string_lossy()))
}

/// `None` if there is no number.
fn answer(mut child: Child) -> Option<usize> {
    let mut text = String::new();
    let read = child.stdout.take().map(|stdout| stdout.blocking().read_to_string(&mut text));
    let is_well = child.wait().is_ok_and(|exit| exit.success());
    read.filter(|read| read.is_ok() && is_well)?.ok()?;
    text.trim().parse().ok()
}
