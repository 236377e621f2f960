//! The user that a service runs as.

use std::ffi::CString;

use nix::unistd::{getgrouplist, Gid, Group, Uid, User};
use serde::Deserialize;

/// A user or a group, as the file names it.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a name or a number")]
pub(crate) enum Id {
    Number(u32),
    Name(String),
}

/// What to change to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    pub(crate) environment: Vec<(&'static str, String)>,
}

impl Account {
    /// Looks the user up, with its groups and its home. A number need not be known, but then the group must be given.
    pub(crate) fn of(user: &Id, group: Option<u32>) -> Result<Account, String> {
        let found = match user {
            Id::Number(number) => User::from_uid(Uid::from_raw(*number)),
            Id::Name(name) => User::from_name(name),
        };
        let found = found.map_err(|error| format!("cannot look the user up: {error}"))?;
        match (found, user) {
            (Some(user), _) => Account::known(user, group),
            (None, &Id::Number(uid)) => match group {
                Some(gid) => Ok(Account { uid, gid, groups: vec![gid], environment: Vec::new() }),
                None => Err(format!("user {uid} is not known, so its group must be given")),
            },
            (None, Id::Name(name)) => Err(format!("there is no user \"{name}\"")),
        }
    }

    fn known(user: User, group: Option<u32>) -> Result<Account, String> {
        let gid = group.unwrap_or(user.gid.as_raw());
        let name = CString::new(user.name.clone()).map_err(|error| error.to_string())?;
        let groups = getgrouplist(&name, Gid::from_raw(gid))
            .map_err(|error| format!("cannot look the groups of {} up: {error}", user.name))?;
        let home = user.dir.to_string_lossy().into_owned();
        Ok(Account {
            uid: user.uid.as_raw(),
            gid,
            groups: groups.into_iter().map(Gid::as_raw).collect(),
            environment: vec![("HOME", home), ("LOGNAME", user.name.clone()), ("USER", user.name)],
        })
    }
}

pub(crate) fn group(group: &Id) -> Result<u32, String> {
    match group {
        Id::Number(number) => Ok(*number),
        Id::Name(name) => match Group::from_name(name) {
            Ok(Some(group)) => Ok(group.gid.as_raw()),
            Ok(None) => Err(format!("there is no group \"{name}\"")),
            Err(error) => Err(format!("cannot look the group up: {error}")),
        },
    }
}
