//! The command with its placeholders.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::launch::Job;
use crate::placeholder::{parse, Form, Part, Which};
use crate::quote::{quote_word, Invocation};

/// What makes a single word a line for a shell.
const SHELL: &[u8] = b" \t\n|&;<>()$`\\\"'*?[]#~!{}=";

/// A command whose placeholders are found once, and filled in for each job.
#[derive(Debug, Default)]
pub(crate) struct Template {
    words: Vec<Vec<Part>>,
    /// The words are one, and a line for a shell.
    is_line: bool,
}

impl Template {
    /// Without a command, each argument is a line for a shell. `whole` is `{}`, or what stands for it.
    pub(crate) fn new(command: &[OsString], whole: &OsStr) -> Result<Template, String> {
        if command.is_empty() {
            return Ok(Template { words: vec![vec![Part::Line]], is_line: true });
        }
        let words = command.iter().map(|word| parse(word.as_bytes(), whole.as_bytes()));
        let words: Vec<_> = words.collect::<Result<_, _>>()?;
        let is_for_shell = |part: &Part| match part {
            Part::Text(text) => text.iter().any(|byte| SHELL.contains(byte)),
            _ => false,
        };
        let is_line = words.len() == 1 && words[0].iter().any(is_for_shell);
        Ok(Template { words, is_line })
    }

    /// Appends the argument unless there is a placeholder.
    pub(crate) fn or_append(mut self) -> Template {
        if self.is_constant() {
            let value = Part::Value(Which::All, Form::Whole);
            match self.is_line {
                true => self.words[0].extend([Part::Text(b" ".to_vec()), value]),
                false => self.words.push(vec![value]),
            }
        }
        self
    }

    /// Whether all jobs have the same command.
    fn is_constant(&self) -> bool {
        self.parts().all(|part| matches!(part, Part::Text(_)))
    }

    pub(crate) fn is_line(&self) -> bool {
        self.is_line
    }

    /// The furthest argument that is asked for by its number.
    pub(crate) fn furthest(&self) -> i32 {
        let at = |part: &Part| match part {
            Part::Value(Which::At(at), _) => *at,
            _ => 0,
        };
        self.parts().map(at).max_by_key(|at| at.unsigned_abs()).unwrap_or(0)
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        self.words.iter().flatten()
    }

    pub(crate) fn expand(&self, job: &Job) -> Invocation {
        if self.is_line {
            return Invocation::Line(line(&self.words[0], job, quote_word));
        }
        let mut words = Vec::with_capacity(self.words.len());
        self.words.iter().for_each(|parts| expand_word(parts, job, &mut words));
        Invocation::Program(words)
    }

    /// As one text, in which nothing is quoted.
    pub(crate) fn text(&self, job: &Job) -> Vec<u8> {
        let words =
            self.words.iter().map(|parts| line(parts, job, |value, line| line.extend_from_slice(value)));
        words.collect::<Vec<_>>().join(&b' ')
    }

    /// The first word, if it is the same for each job.
    pub(crate) fn program(&self) -> Option<&OsStr> {
        match self.words.first()?.as_slice() {
            [Part::Text(text)] if !self.is_line => Some(OsStr::from_bytes(text)),
            _ => None,
        }
    }
}

fn line(parts: &[Part], job: &Job, quote: impl Fn(&[u8], &mut Vec<u8>)) -> Vec<u8> {
    let mut line = Vec::new();
    let values = |line: &mut Vec<u8>, which: Which, form: Form, quote: &dyn Fn(&[u8], &mut Vec<u8>)| {
        for (index, argument) in which.of(&job.arguments).iter().enumerate() {
            if index > 0 {
                line.push(b' ');
            }
            quote(form.of(argument), line);
        }
    };
    for part in parts {
        match part {
            Part::Text(text) => line.extend_from_slice(text),
            Part::Value(which, form) => values(&mut line, *which, *form, &quote),
            Part::Line => {
                values(&mut line, Which::All, Form::Whole, &|value, line| line.extend_from_slice(value));
            }
            Part::Number => line.extend_from_slice(job.number.to_string().as_bytes()),
            Part::Slot => line.extend_from_slice(job.slot.to_string().as_bytes()),
        }
    }
    line
}

/// Where one placeholder stands for several arguments, one word becomes several.
fn expand_word(parts: &[Part], job: &Job, words: &mut Vec<OsString>) {
    let mut word = Vec::new();
    for part in parts {
        let Part::Value(which, form) = part else {
            word.append(&mut line(std::slice::from_ref(part), job, |_, _| ()));
            continue;
        };
        for (index, argument) in which.of(&job.arguments).iter().enumerate() {
            if index > 0 {
                words.push(OsString::from_vec(std::mem::take(&mut word)));
            }
            word.extend_from_slice(form.of(argument));
        }
    }
    words.push(OsString::from_vec(word));
}
