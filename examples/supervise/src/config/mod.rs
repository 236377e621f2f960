//! The file: what it may say, and whether it makes sense.

mod files;
pub(crate) mod limits;
pub(crate) mod log;
pub(crate) mod ready;
pub(crate) mod user;
pub(crate) mod values;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use childset::Signal;
use serde::Deserialize;
use toml::Spanned;

use crate::backoff::Backoff;
use limits::Limits;
use log::Log;
use ready::{Ready, When};
use user::{Account, Id};
use values::{seconds, Plain, Seconds, SignalName};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    stop_within: Option<Seconds>,
    service: Vec<Spanned<Raw>>,
}

/// A service as it stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: Spanned<String>,
    command: Spanned<Vec<Plain>>,
    directory: Option<Spanned<Plain>>,
    #[serde(default)]
    environment: BTreeMap<Spanned<String>, Plain>,
    user: Option<Spanned<Id>>,
    group: Option<Spanned<Id>>,
    #[serde(default)]
    limits: Limits,
    cgroup: Option<Spanned<PathBuf>>,
    restart: Option<Spanned<Restart>>,
    #[serde(default)]
    essential: bool,
    max_restarts: Option<u64>,
    #[serde(default)]
    backoff: Backoff,
    #[serde(default)]
    stop: Stop,
    #[serde(default)]
    after: Vec<Spanned<String>>,
    ready: Option<Spanned<Ready>>,
    start_within: Option<Seconds>,
    watchdog: Option<Spanned<Seconds>>,
    log: Option<Spanned<Log>>,
}

/// When a service that has ended is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Restart {
    #[default]
    Always,
    /// Unless it ended with 0.
    OnFailure,
    Never,
}

/// How a service is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Stop {
    signal: SignalName,
    grace: Seconds,
}

impl Default for Stop {
    fn default() -> Stop {
        Stop { signal: SignalName(Signal::TERM), grace: seconds(10.0) }
    }
}

impl Stop {
    pub(crate) fn signal(&self) -> Signal {
        self.signal.0
    }

    /// Until SIGKILL.
    pub(crate) fn grace(&self) -> Duration {
        self.grace.0
    }
}

/// What the file says.
#[derive(Debug)]
pub(crate) struct Config {
    /// In the order of the file.
    pub(crate) services: Vec<Service>,
    /// For all to be stopped.
    pub(crate) stop_within: Option<Duration>,
}

/// A service that could be started.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Service {
    pub(crate) name: String,
    /// At least one word.
    pub(crate) command: Vec<String>,
    pub(crate) directory: Option<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) account: Option<Account>,
    /// Without a user.
    pub(crate) gid: Option<u32>,
    pub(crate) limits: Limits,
    pub(crate) cgroup: Option<PathBuf>,
    pub(crate) restart: Restart,
    /// When it ends, all ends.
    pub(crate) essential: bool,
    pub(crate) max_restarts: Option<u64>,
    pub(crate) backoff: Backoff,
    pub(crate) stop: Stop,
    /// The names of those that must be ready before it is started.
    pub(crate) after: Vec<String>,
    pub(crate) ready: Ready,
    /// It is killed if it is not ready by then.
    pub(crate) start_within: Option<Duration>,
    /// It is killed if it has said nothing for so long.
    pub(crate) watchdog: Option<Duration>,
    /// For what it writes to standard output and standard error.
    pub(crate) log: Option<Log>,
}

impl Service {
    /// Whether it has a socket to speak to us.
    pub(crate) fn speaks(&self) -> bool {
        self.ready == Ready::When(When::Notify) || self.watchdog.is_some()
    }

    /// Whether a process that was started as this one is what it would be as the other one.
    pub(crate) fn has_same_process(&self, other: &Service) -> bool {
        // All that only matters to us is made the same.
        let other = Service {
            restart: self.restart,
            essential: self.essential,
            max_restarts: self.max_restarts,
            backoff: self.backoff,
            stop: self.stop,
            after: self.after.clone(),
            start_within: self.start_within,
            // Another file is for the same pipe.
            log: self.log.clone().filter(|_| other.log.is_some()).or_else(|| other.log.clone()),
            ..other.clone()
        };
        *self == other
    }

    /// One that still runs, and that the file does not name any more.
    pub(crate) fn forgotten(name: String) -> Service {
        Service {
            name,
            command: vec![String::new()],
            directory: None,
            environment: Vec::new(),
            account: None,
            gid: None,
            limits: Limits::default(),
            cgroup: None,
            restart: Restart::Never,
            essential: false,
            max_restarts: None,
            backoff: Backoff::default(),
            stop: Stop::default(),
            after: Vec::new(),
            ready: Ready::default(),
            start_within: None,
            watchdog: None,
            log: None,
        }
    }
}

/// Where the file is wrong, and why.
#[derive(Debug, PartialEq)]
pub(crate) struct BadFile {
    /// From 1.
    line: usize,
    reason: String,
}

impl fmt::Display for BadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl std::error::Error for BadFile {}

/// Reads the services, in the order of the file.
///
/// With `files`, also what is in the file system must be right.
pub(crate) fn parse(text: &str, files: bool) -> Result<Config, BadFile> {
    let bad = |span: Option<Range<usize>>, reason: String| {
        let start = span.map_or(0, |span| span.start).min(text.len());
        let line = text.as_bytes()[..start].iter().filter(|&&byte| byte == b'\n').count() + 1;
        BadFile { line, reason: reason.trim_end().replace('\n', ", ") }
    };
    let file: File = toml::from_str(text).map_err(|error| {
        let message = error.message();
        let key = error.span().and_then(|span| key_before(text, span.start));
        let key = key.filter(|key| !message.contains(&format!("`{key}`")));
        bad(error.span(), key.map_or_else(|| message.into(), |key| format!("{key}: {message}")))
    })?;
    if file.service.is_empty() {
        return Err(bad(None, "there is no service".into()));
    }
    let mut names = HashSet::new();
    let (mut services, mut places, mut logs) = (Vec::new(), Vec::new(), Vec::new());
    for raw in file.service {
        let mut raw = raw.into_inner();
        places.push(std::mem::take(&mut raw.after));
        if let Some(log) = &raw.log {
            let clash = logs.iter().find(|other: &&Log| other.clashes(log.get_ref()));
            if let Some(other) = clash {
                let reason = format!("log: {:?} is that of another service, too", other.file);
                return Err(bad(Some(log.span()), reason));
            }
            logs.push(log.get_ref().clone());
        }
        let service = check(raw, files).map_err(|(span, reason)| bad(Some(span), reason))?;
        let (span, service) = service;
        if !names.insert(service.name.clone()) {
            return Err(bad(Some(span), format!("name: there are two services \"{}\"", service.name)));
        }
        services.push(service);
    }
    for (service, places) in services.iter_mut().zip(&places) {
        service.after = places.iter().map(|place| place.get_ref().clone()).collect();
    }
    ready::check_order(&services, &places).map_err(|(span, reason)| bad(Some(span), reason))?;
    Ok(Config { services, stop_within: file.stop_within.map(|within| within.0) })
}

/// With the place of its name.
fn check(raw: Raw, files: bool) -> Result<(Range<usize>, Service), (Range<usize>, String)> {
    let at = raw.name.span();
    let name = raw.name.into_inner();
    if name.len() > 255 {
        return Err((at, "name: it has at most 255 bytes".into()));
    }
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err((at, "name: it has at least one character, and no space".into()));
    }
    let span = raw.command.span();
    let command: Vec<_> = raw.command.into_inner().into_iter().map(|word| word.0).collect();
    if command.first().is_none_or(String::is_empty) {
        return Err((span, "command: it has no program".into()));
    }
    let mut environment = Vec::new();
    for (key, value) in raw.environment {
        if key.get_ref().is_empty() || key.get_ref().contains(['=', '\0']) {
            return Err((
                key.span(),
                format!("environment: {:?} cannot be the name of a variable", key.get_ref()),
            ));
        }
        environment.push((key.into_inner(), value.0));
    }
    let gid = match &raw.group {
        Some(group) => {
            Some(user::group(group.get_ref()).map_err(|reason| (group.span(), format!("group: {reason}")))?)
        }
        None => None,
    };
    let account = match &raw.user {
        Some(user) => Some(
            Account::of(user.get_ref(), gid).map_err(|reason| (user.span(), format!("user: {reason}")))?,
        ),
        None => None,
    };
    if let Some(cgroup) = raw.cgroup.as_ref().filter(|cgroup| !is_below_mount(cgroup.get_ref())) {
        let reason =
            "cgroup: expected the absolute path of a directory in the cgroup v2 file system, without \"..\"";
        return Err((cgroup.span(), reason.into()));
    }
    let restart = match (&raw.restart, raw.essential) {
        (Some(restart), true) if *restart.get_ref() != Restart::Never => {
            return Err((restart.span(), "restart: an essential service is never started again".into()));
        }
        (_, true) => Restart::Never,
        (restart, false) => restart.as_ref().map(|restart| *restart.get_ref()).unwrap_or_default(),
    };
    let bad_ready =
        raw.ready.as_ref().and_then(|ready| Some((ready.span(), ready.get_ref().fault(restart)?)));
    if let Some((span, reason)) = bad_ready {
        return Err((span, format!("ready: {reason}")));
    }
    if let Some(watchdog) = raw.watchdog.as_ref().filter(|watchdog| watchdog.get_ref().0.is_zero()) {
        return Err((watchdog.span(), "watchdog: expected more than nothing".into()));
    }
    let directory = raw.directory.map(|directory| (directory.span(), directory.into_inner().0));
    if files {
        if let Some((span, directory)) = &directory {
            files::directory(directory).map_err(|reason| (span.clone(), format!("directory: {reason}")))?;
        }
        let path = environment.iter().find(|(key, _)| key == "PATH").map(|(_, path)| path.as_str());
        let directory = directory.as_ref().map(|(_, directory)| directory.as_str());
        files::program(&command[0], path, directory)
            .map_err(|reason| (span, format!("command: {reason}")))?;
        if let Some(log) = &raw.log {
            files::log(&log.get_ref().file).map_err(|reason| (log.span(), format!("log: {reason}")))?;
        }
    }
    Ok((
        at,
        Service {
            name,
            command,
            directory: directory.map(|(_, directory)| directory),
            environment,
            account,
            gid,
            limits: raw.limits,
            cgroup: raw.cgroup.map(Spanned::into_inner),
            restart,
            essential: raw.essential,
            max_restarts: raw.max_restarts,
            backoff: raw.backoff,
            stop: raw.stop,
            // Its places are looked at once all are known.
            after: Vec::new(),
            ready: raw.ready.map(Spanned::into_inner).unwrap_or_default(),
            start_within: raw.start_within.map(|within| within.0),
            watchdog: raw.watchdog.map(|watchdog| watchdog.into_inner().0),
            log: raw.log.map(Spanned::into_inner),
        },
    ))
}

/// The key whose value, or a part of it, starts here.
fn key_before(text: &str, start: usize) -> Option<&str> {
    let mut before = text.get(..start)?;
    loop {
        before = before[..before.rfind('=')?].trim_end();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let (rest, key) = before.split_at(before.rfind(|c| !is_plain(c)).map_or(0, |at| at + 1));
        // Not one within a string.
        if !key.is_empty() && (rest.is_empty() || rest.ends_with([' ', '\t', '\n', ',', '{', '.'])) {
            return Some(key);
        }
    }
}

/// The directory itself need not be there: its nearest ancestor counts.
fn is_below_mount(cgroup: &Path) -> bool {
    const CGROUP2_MAGIC: u64 = 0x6367_7270;
    let is_plain = cgroup.is_absolute() && !cgroup.components().any(|part| part.as_os_str() == "..");
    let nearest = cgroup.ancestors().find(|path| path.is_dir());
    let is_cgroup = |path| rustix::fs::statfs(path).is_ok_and(|statfs| statfs.f_type as u64 == CGROUP2_MAGIC);
    is_plain && nearest.is_some_and(is_cgroup)
}

#[cfg(test)]
mod tests;
