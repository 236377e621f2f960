//! The pattern: an extended regular expression for bytes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use regex_lite::{Error, Regex, RegexBuilder};

use crate::ere::translate;

pub(crate) struct Pattern {
    /// If it is text: for what is text, too.
    text: Option<Regex>,
    /// For the rest. Each byte is the character with its number.
    bytes: Regex,
}

impl Pattern {
    pub(crate) fn new(pattern: &OsStr, exact: bool, ignore_case: bool) -> Result<Pattern, Error> {
        let build = |pattern: &str| {
            let pattern = translate(pattern);
            let build = |pattern: &str| {
                let mut builder = RegexBuilder::new(pattern);
                // A point is any character.
                builder.case_insensitive(ignore_case).dot_matches_new_line(true).build()
            };
            // Alone first, since what is wrong with it might be right in parentheses.
            let alone = build(&pattern)?;
            match exact {
                true => build(&format!("^(?:{pattern})$")),
                false => Ok(alone),
            }
        };
        let text = pattern.to_str().map(build).transpose()?;
        Ok(Pattern { text, bytes: build(&characters(pattern.as_bytes()))? })
    }

    pub(crate) fn matches(&self, name: &[u8]) -> bool {
        match (&self.text, std::str::from_utf8(name)) {
            (Some(regex), Ok(text)) => regex.is_match(text),
            _ => self.bytes.is_match(&characters(name)),
        }
    }
}

fn characters(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &[u8], exact: bool, name: &[u8]) -> bool {
        Pattern::new(OsStr::from_bytes(pattern), exact, false).unwrap().matches(name)
    }

    #[test]
    fn text_is_text_and_bytes_are_bytes() {
        assert!(matches("^.$".as_bytes(), false, "ä".as_bytes()));
        assert!(matches(b"^a.b$", false, b"a\xffb") && !matches(b"^ab$", false, b"a\xffb"));
        assert!(matches(b"\xff", false, b"a\xffb") && !matches(b"\xff", false, b"a\xfeb"));
        assert!(matches("ä".as_bytes(), false, "\u{e4}x".as_bytes()));
        assert!(matches("ä".as_bytes(), false, &["ä".as_bytes(), b"\xff"].concat()));
        assert!(matches(b"a|b", true, b"b") && !matches(b"a|b", true, b"bc"));
        assert!(Pattern::new(OsStr::new("a)(b"), true, false).is_err());
        assert!(matches(b"^a.b[^c]$", false, b"a\nb\n"));
        assert!(matches(br"^[\.]+[[]$", false, br".\[") && !matches(br"^[\.]$", false, b"x"));
        assert!(matches("^[ä-ö]{,2}$".as_bytes(), false, "ö".as_bytes()));
        assert!(matches(br"\<b\>", false, b"a b") && !matches(br"\<b\>", false, b"ab"));
    }
}
