//! The command with its placeholders, and how to show it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// A command whose placeholders are found once, and filled in for each job.
#[derive(Debug)]
pub(crate) struct Template {
    words: Vec<Vec<Part>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(Vec<u8>),
    Argument,
    WithoutExtension,
    Basename,
    Number,
}

const PLACEHOLDERS: [(&[u8], Part); 4] = [
    (b"{}", Part::Argument),
    (b"{.}", Part::WithoutExtension),
    (b"{/}", Part::Basename),
    (b"{#}", Part::Number),
];

impl Template {
    pub(crate) fn new(command: &[OsString]) -> Template {
        Template { words: command.iter().map(|word| parse(word.as_bytes())).collect() }
    }

    /// Appends the argument unless there is a placeholder.
    pub(crate) fn or_append(mut self) -> Template {
        if self.is_constant() {
            self.words.push(vec![Part::Argument]);
        }
        self
    }

    /// Whether all jobs have the same command.
    pub(crate) fn is_constant(&self) -> bool {
        self.words.iter().flatten().all(|part| matches!(part, Part::Text(_)))
    }

    pub(crate) fn expand(&self, argument: &OsStr, number: u64) -> Vec<OsString> {
        self.words.iter().map(|parts| expand_word(parts, argument.as_bytes(), number)).collect()
    }

    /// The first word, if it is the same for each job.
    pub(crate) fn program(&self) -> Option<&OsStr> {
        match self.words.first()?.as_slice() {
            [Part::Text(text)] => Some(OsStr::from_bytes(text)),
            _ => None,
        }
    }
}

fn parse(mut rest: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut text = Vec::new();
    while let Some((&first, tail)) = rest.split_first() {
        match PLACEHOLDERS.iter().find(|(placeholder, _)| rest.starts_with(placeholder)) {
            Some((placeholder, part)) => {
                if !text.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                }
                parts.push(part.clone());
                rest = &rest[placeholder.len()..];
            }
            None => {
                text.push(first);
                rest = tail;
            }
        }
    }
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    parts
}

fn expand_word(parts: &[Part], argument: &[u8], number: u64) -> OsString {
    let mut word = Vec::new();
    for part in parts {
        match part {
            Part::Text(text) => word.extend_from_slice(text),
            Part::Argument => word.extend_from_slice(argument),
            Part::WithoutExtension => word.extend_from_slice(without_extension(argument)),
            Part::Basename => word.extend_from_slice(basename(argument)),
            Part::Number => word.extend_from_slice(number.to_string().as_bytes()),
        }
    }
    OsString::from_vec(word)
}

/// As GNU parallel has it: also a name that starts with its only dot loses it.
fn without_extension(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|&byte| byte == b'.' || byte == b'/') {
        Some(at) if path[at] == b'.' => &path[..at],
        _ => path,
    }
}

fn basename(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}

/// Appends the words, so that a shell would read them as they are.
pub(crate) fn quote(words: &[OsString], line: &mut Vec<u8>) {
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            line.push(b' ');
        }
        quote_word(word.as_bytes(), line);
    }
}

/// As [`quote`], for people: in one line, whatever the words hold.
pub(crate) fn display(words: &[OsString]) -> String {
    let mut line = Vec::new();
    quote(words, &mut line);
    String::from_utf8_lossy(&line).replace(|c: char| c.is_control(), "?")
}

fn quote_word(word: &[u8], line: &mut Vec<u8>) {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_@%+:,./-".contains(byte);
    if !word.is_empty() && word.iter().all(is_plain) {
        line.extend_from_slice(word);
        return;
    }
    line.push(b'\'');
    for &byte in word {
        match byte {
            b'\'' => line.extend_from_slice(b"'\\''"),
            _ => line.push(byte),
        }
    }
    line.push(b'\'');
}
