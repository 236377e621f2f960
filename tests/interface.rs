//! The table of the whole pidfd interface in the docs of `Pidfd`, against the kernel's header: nothing of
//! `<linux/pidfd.h>` is missing there, and nothing there is invented.
//!
//! `CHILDSET_TEST_PIDFD_H` names another header than that of this system (Debian's linux-libc-dev).

mod common;

use std::collections::BTreeSet;
use std::fs;

const TABLE: &str = include_str!("../src/pidfd/interface.md");

/// In other headers.
const ELSEWHERE: [&str; 2] = ["PIDFD_SELF_THREAD", "PIDFD_SELF_THREAD_GROUP"];

/// What came last (Linux 7.1): a header that has it has all of the table.
const LAST: &str = "PIDFD_INFO_COREDUMP_CODE";

fn header() -> Option<String> {
    let path = std::env::var("CHILDSET_TEST_PIDFD_H").unwrap_or("/usr/include/linux/pidfd.h".into());
    let text = fs::read_to_string(&path);
    if let Err(error) = &text {
        common::skipped(format_args!("{path}: {error}; Debian's package linux-libc-dev has it"));
    }
    text.ok()
}

/// The names in backticks of the first column: those of the header are constants, or fields.
fn in_table() -> BTreeSet<&'static str> {
    let rows = TABLE.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.flat_map(|row| row.split(" | ").next().unwrap().split('`').step_by(2)).collect()
}

/// The constants of the header, and the fields of its structure.
fn in_header(text: &str) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("#define") => names.extend(words.next().filter(|name| *name != "_LINUX_PIDFD_H")),
            Some("__u32" | "__u64" | "__s32") => {
                names.extend(words.next().and_then(|name| name.split(';').next()));
            }
            _ => {}
        }
    }
    names
}

fn is_constant(name: &str) -> bool {
    name.starts_with("PIDFD_") || name.starts_with("PIDFS_")
}

#[test]
fn the_table_has_all_of_the_header() {
    let Some(text) = header() else { return };
    let table = in_table();
    let names = in_header(&text);
    assert!(names.contains("PIDFD_NONBLOCK"), "{names:?}");
    let missing: Vec<_> = names.iter().filter(|name| !table.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_header_has_all_of_the_table() {
    let Some(text) = header() else { return };
    let names = in_header(&text);
    if !names.contains(LAST) {
        return common::skipped("the header is older than Linux 7.1");
    }
    let constants = in_table().into_iter().filter(|name| is_constant(name) && !ELSEWHERE.contains(name));
    let invented: Vec<_> = constants.filter(|name| !names.contains(name)).collect();
    assert!(invented.is_empty(), "{invented:?}");
}

#[test]
fn each_row_says_from_when_and_by_what() {
    for row in TABLE.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        assert_eq!(cells.len(), 4, "{row}");
        assert!(!cells[2].is_empty(), "{row}");
        let is_version = |version: &str| {
            let number = version.split_once('.');
            number.is_some_and(|(major, minor)| major.parse::<u32>().is_ok() && minor.parse::<u32>().is_ok())
        };
        assert!(cells[1].split(", ").all(is_version), "{row}");
    }
}
