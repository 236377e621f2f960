//! Services with a log.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{file, start};

/// One that runs once.
pub(crate) fn job(log: &str, script: &str) -> String {
    format!(
        "[[service]]\nname = 'job'\nrestart = 'never'\nlog = {log}\ncommand = ['sh', '-c', '''{script}''']\n"
    )
}

pub(crate) fn run_in(text: &str) -> (TempDir, i32, String, String) {
    let (directory, path) = file(text);
    let (code, stdout, stderr) = start(&[], &[], &path).end();
    (directory, code, stdout, stderr)
}

/// The old files and the file, from the oldest on.
pub(crate) fn files(file: &Path) -> Vec<Vec<u8>> {
    let old = |number: u32| PathBuf::from(format!("{}.{number}", file.display()));
    let count = (1..).take_while(|&number| old(number).exists()).count() as u32;
    (1..=count).rev().map(old).chain([file.into()]).filter_map(|file| fs::read(file).ok()).collect()
}

pub(crate) fn numbers(most: u32) -> Vec<u8> {
    (1..=most).map(|number| format!("{number}\n")).collect::<String>().into_bytes()
}

pub(crate) fn until(what: impl Fn() -> bool) {
    while !what() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
