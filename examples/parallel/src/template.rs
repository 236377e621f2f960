//! The command with its placeholders.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::launch::Job;
use crate::placeholder::{parse, Form, Part, Syntax, Which};
use crate::quote::{quote_word, quoted_length, Invocation};

/// What makes a single word a line for a shell.
const SHELL: &[u8] = b" \t\n|&;<>()$`\\\"'*?[]#~!{}=";

/// A command whose placeholders are found once, and filled in for each job.
#[derive(Clone, Debug, Default)]
pub(crate) struct Template {
    words: Vec<Vec<Part>>,
    /// The words are a line for a shell: one word, or cut at blanks.
    is_line: bool,
    /// A word with a placeholder stands once for each argument, with all that is around the placeholder.
    is_repeated: bool,
}

impl Template {
    /// Without a command, each argument is a line for a shell.
    pub(crate) fn new(command: &[OsString], syntax: Syntax<'_>) -> Result<Template, String> {
        if command.is_empty() {
            return Ok(Template { words: vec![vec![Part::Line]], is_line: true, ..Template::default() });
        }
        let words = command.iter().map(|word| parse(word.as_bytes(), syntax));
        let words: Vec<_> = words.collect::<Result<_, _>>()?;
        let is_for_shell = |part: &Part| match part {
            Part::Text(text) => text.iter().any(|byte| SHELL.contains(byte)),
            _ => false,
        };
        let is_line = words.len() == 1 && words[0].iter().any(is_for_shell);
        Ok(Template { words, is_line, is_repeated: false })
    }

    /// Appends the argument unless there is a placeholder.
    pub(crate) fn or_append(mut self) -> Template {
        if self.is_constant() {
            let value = Part::Value(Which::All, Form::Whole);
            match self.is_line {
                true => {
                    self.words[0].extend([Part::Text(b" ".to_vec()), value]);
                    self.words.truncate(1);
                }
                false => self.words.push(vec![value]),
            }
        }
        self
    }

    /// Repeats what is around a placeholder with each argument.
    pub(crate) fn repeated(mut self) -> Template {
        self.is_repeated = true;
        if self.is_line {
            self.words = cut_at_blanks(std::mem::take(&mut self.words));
        }
        self
    }

    /// How long the command is without arguments, at most.
    pub(crate) fn length(&self) -> usize {
        self.parts().map(text_length).sum::<usize>() + self.words.len()
    }

    /// How much longer it is with these.
    pub(crate) fn length_of(&self, row: &[OsString]) -> usize {
        let quoted = |value: &[u8]| quoted_length(value) + 1;
        let of_word = |word: &Vec<Part>| -> usize {
            let values = word.iter().map(|part| match part {
                Part::Value(Which::All, form) => row.iter().map(|value| quoted(form.of(value))).sum(),
                Part::Line => row.iter().map(|value| value.len() + 1).sum(),
                _ => 0,
            });
            let values: usize = values.sum();
            let around: usize = word.iter().map(text_length).sum();
            if self.is_repeated && values > 0 {
                values + around * row.len()
            } else {
                values
            }
        };
        self.words.iter().map(of_word).sum()
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
        let mut words = Vec::with_capacity(self.words.len());
        if self.is_line {
            self.repeat(job, |parts, arguments| words.push(line(parts, arguments, job, quote_word)));
            return Invocation::Line(words.join(&b' '));
        }
        let mut words = Vec::with_capacity(self.words.len());
        self.repeat(job, |parts, arguments| expand_word(parts, arguments, job, &mut words));
        Invocation::Program(words)
    }

    /// Each word with the arguments that it stands for.
    fn repeat(&self, job: &Job, mut act: impl FnMut(&[Part], &[OsString])) {
        for word in &self.words {
            let has_all = word.iter().any(|part| matches!(part, Part::Value(Which::All, _)));
            match self.is_repeated && has_all {
                true => job.arguments.chunks(1).for_each(|one| act(word, one)),
                false => act(word, &job.arguments),
            }
        }
    }

    /// As one text, in which nothing is quoted.
    pub(crate) fn text(&self, job: &Job) -> Vec<u8> {
        let plain =
            |parts: &Vec<Part>| line(parts, &job.arguments, job, |value, line| line.extend_from_slice(value));
        let words = self.words.iter().map(plain);
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

fn text_length(part: &Part) -> usize {
    match part {
        Part::Text(text) => text.len(),
        // What numbers take.
        Part::Number | Part::Slot => 20,
        Part::Value(..) | Part::Line => 0,
    }
}

fn cut_at_blanks(words: Vec<Vec<Part>>) -> Vec<Vec<Part>> {
    let mut cut = vec![Vec::new()];
    for part in words.into_iter().flatten() {
        let Part::Text(text) = part else {
            cut.last_mut().into_iter().for_each(|word: &mut Vec<Part>| word.push(part.clone()));
            continue;
        };
        for (index, piece) in text.split(|&byte| byte == b' ').enumerate() {
            if index > 0 {
                cut.push(Vec::new());
            }
            if let (Some(word), false) = (cut.last_mut(), piece.is_empty()) {
                word.push(Part::Text(piece.to_vec()));
            }
        }
    }
    cut
}

fn line(parts: &[Part], arguments: &[OsString], job: &Job, quote: impl Fn(&[u8], &mut Vec<u8>)) -> Vec<u8> {
    let mut line = Vec::new();
    let values = |line: &mut Vec<u8>, which: Which, form: Form, quote: &dyn Fn(&[u8], &mut Vec<u8>)| {
        for (index, argument) in which.of(arguments).iter().enumerate() {
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
fn expand_word(parts: &[Part], arguments: &[OsString], job: &Job, words: &mut Vec<OsString>) {
    // Where there are none, as with `-n 0`, there is no word either.
    if arguments.is_empty() && matches!(parts, [Part::Value(Which::All, _)]) {
        return;
    }
    let mut word = Vec::new();
    for part in parts {
        let Part::Value(which, form) = part else {
            word.append(&mut line(std::slice::from_ref(part), arguments, job, |_, _| ()));
            continue;
        };
        for (index, argument) in which.of(arguments).iter().enumerate() {
            if index > 0 {
                words.push(OsString::from_vec(std::mem::take(&mut word)));
            }
            word.extend_from_slice(form.of(argument));
        }
    }
    words.push(OsString::from_vec(word));
}
