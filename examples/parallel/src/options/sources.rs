//! Where arguments come from.

use std::ffi::OsString;

use super::Options;

#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) from: From,
    /// To the one before, by `+`.
    pub(crate) linked: bool,
}

#[derive(Debug)]
pub(crate) enum From {
    List(Vec<OsString>),
    /// `-` is standard input.
    File(OsString),
}

impl Options {
    /// Takes the sources out of the command line; the command is what comes before.
    pub(super) fn split(&mut self, words: Vec<OsString>) -> Result<Vec<OsString>, String> {
        let mut command = Vec::new();
        let mut separator: Option<&str> = None;
        let mut lacks_file = false;
        for word in words {
            let is_separator = [":::", ":::+", "::::", "::::+"].iter().any(|other| word == *other);
            if lacks_file && is_separator {
                break;
            }
            lacks_file = word == "::::" || word == "::::+";
            match word.to_str() {
                Some(list @ (":::" | ":::+")) => {
                    let linked = list.ends_with('+');
                    self.sources.push(Source { from: From::List(Vec::new()), linked });
                    separator = Some(if linked { ":::+" } else { ":::" });
                }
                Some("::::") => separator = Some("::::"),
                Some("::::+") => separator = Some("::::+"),
                _ => match (separator, self.sources.last_mut()) {
                    (None, _) => command.push(word),
                    (Some(":::" | ":::+"), Some(Source { from: From::List(list), .. })) => list.push(word),
                    (Some(separator), _) => {
                        let linked = separator.ends_with('+');
                        self.sources.push(Source { from: From::File(word), linked });
                    }
                },
            }
        }
        if self.pipe && (!self.sources.is_empty() || separator.is_some()) {
            return Err("with --pipe there are no arguments, and so no ::: and no -a".to_owned());
        }
        if self.sources.first().is_some_and(|first| first.linked) {
            return Err("there is no list before the first one to link it to".to_owned());
        }
        if lacks_file {
            return Err("there is no file after ::::".to_owned());
        }
        Ok(command)
    }
}
