//! What a joblog says is done.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};

/// The numbers of the jobs that are not to be run; none where there is no joblog yet.
pub(crate) fn done(joblog: &Path, failed_again: bool) -> Result<HashSet<u64>> {
    let log = match fs::read(joblog) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(HashSet::new()),
        log => log.with_context(|| format!("cannot read the joblog {}", joblog.display()))?,
    };
    let mut done = HashSet::new();
    // The last line of a job counts. One that was cut short says nothing.
    for line in log.split(|&byte| byte == b'\n') {
        let line = String::from_utf8_lossy(line);
        let fields: Vec<_> = line.splitn(9, '\t').collect();
        let [number, _, _, _, _, _, code, signal, _] = fields[..] else {
            continue;
        };
        let Ok(number) = number.parse() else {
            continue;
        };
        match failed_again && (code, signal) != ("0", "0") {
            true => done.remove(&number),
            false => done.insert(number),
        };
    }
    Ok(done)
}
