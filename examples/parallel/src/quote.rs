//! What a job runs, and how to show it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Invocation {
    /// A program with its words; at least one.
    Program(Vec<OsString>),
    /// What a shell reads.
    Line(Vec<u8>),
}

impl Invocation {
    /// Appends what a shell would run it by.
    pub(crate) fn quote(&self, line: &mut Vec<u8>) {
        let words = match self {
            Invocation::Program(words) => words,
            Invocation::Line(text) => return line.extend_from_slice(text),
        };
        for (index, word) in words.iter().enumerate() {
            if index > 0 {
                line.push(b' ');
            }
            quote_word(word.as_bytes(), line);
        }
    }

    /// As [`quote`](Invocation::quote), for people: in one line, whatever the words hold.
    pub(crate) fn display(&self) -> String {
        let mut line = Vec::new();
        self.quote(&mut line);
        shared::printable(&line)
    }

    /// What runs it.
    pub(crate) fn program<'a>(&'a self, shell: &'a OsStr) -> &'a OsStr {
        match self {
            Invocation::Program(words) => &words[0],
            Invocation::Line(_) => shell,
        }
    }
}

pub(crate) fn quote_word(word: &[u8], line: &mut Vec<u8>) {
    if is_plain(word) {
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

/// How much [`quote_word`] appends.
pub(crate) fn quoted_length(word: &[u8]) -> usize {
    match is_plain(word) {
        true => word.len(),
        false => word.len() + 2 + 3 * word.iter().filter(|&&byte| byte == b'\'').count(),
    }
}

fn is_plain(word: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_@%+:,./-".contains(byte);
    !word.is_empty() && word.iter().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::{quote_word, quoted_length};

    #[test]
    fn the_length_is_known_without_quoting() {
        for word in ["", "a/b.c", "a b", "it's", "'''", "\n", "ä"] {
            let mut line = Vec::new();
            quote_word(word.as_bytes(), &mut line);
            assert_eq!(quoted_length(word.as_bytes()), line.len(), "{word:?}");
        }
    }
}
