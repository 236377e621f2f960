//! Placeholders in a word of the command, as GNU parallel writes them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    Text(Vec<u8>),
    Value(Which, Form),
    /// All arguments as they are: they are the shell line.
    Line,
    Number,
    Slot,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Which {
    All,
    /// From 1; from the end if negative; never 0.
    At(i32),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Form {
    Whole,
    Basename,
    Directory,
    /// Without so many of them, if it has as many.
    WithoutExtensions(usize),
    BasenameWithoutExtensions(usize),
    /// The last ones, without the first one's dot.
    Extensions(usize),
    /// What is before the last slash.
    BeforeBasename,
}

/// Which placeholders there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Syntax<'a> {
    /// What stands for the whole argument, as `{}` does unless another one was asked for.
    pub(crate) whole: &'a OsStr,
    /// Those of `--plus`, too.
    pub(crate) plus: bool,
}

const FORMS: [(&str, Form); 5] = [
    ("", Form::Whole),
    (".", Form::WithoutExtensions(1)),
    ("/", Form::Basename),
    ("//", Form::Directory),
    ("/.", Form::BasenameWithoutExtensions(1)),
];

const FORMS_OF_PLUS: [(&str, Form); 8] = [
    ("..", Form::WithoutExtensions(2)),
    ("...", Form::WithoutExtensions(3)),
    ("/..", Form::BasenameWithoutExtensions(2)),
    ("/...", Form::BasenameWithoutExtensions(3)),
    ("+.", Form::Extensions(1)),
    ("+..", Form::Extensions(2)),
    ("+...", Form::Extensions(3)),
    ("+/", Form::BeforeBasename),
];

/// What these characters alone make between braces looks like a placeholder of GNU parallel.
const MARKS: &[u8] = b"0123456789.+-/#%";

/// With `--plus`, GNU parallel has more that start with these, and these words.
const MARKS_OF_PLUS: &[u8] = b":#%^,/";
const WORDS_OF_PLUS: [&[u8]; 9] =
    [b"0%", b"0#", b"uniq", b"choose_k", b"slot", b"host", b"sshlogin", b"hgrp", b"agrp"];

/// Splits a word. The error is a placeholder that is not known.
pub(crate) fn parse(mut rest: &[u8], syntax: Syntax<'_>) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut text = Vec::new();
    while let Some((&first, tail)) = rest.split_first() {
        let found = match rest.strip_prefix(syntax.whole.as_bytes()) {
            Some(after) => Some((Part::Value(Which::All, Form::Whole), after)),
            None if first == b'{' => in_braces(tail, syntax.plus)?,
            None => None,
        };
        match found {
            Some((part, after)) => {
                if !text.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                }
                parts.push(part);
                rest = after;
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
    Ok(parts)
}

/// Writes placeholders that have names by their numbers: `{name.}` as `{1.}`.
pub(crate) fn by_number(word: &OsStr, names: &[OsString]) -> OsString {
    let mut word = word.as_bytes().to_vec();
    for (index, name) in names.iter().enumerate() {
        for (form, _) in FORMS {
            let named = [b"{", name.as_bytes(), form.as_bytes(), b"}"].concat();
            let numbered = format!("{{{}{form}}}", index + 1).into_bytes();
            let mut from = 0;
            while let Some(at) = word[from..].windows(named.len()).position(|window| window == named) {
                let at = from + at;
                word.splice(at..at + named.len(), numbered.iter().copied());
                from = at + numbered.len();
            }
        }
    }
    OsString::from_vec(word)
}

fn forms(plus: bool) -> impl Iterator<Item = (&'static str, Form)> {
    let more = if plus { &FORMS_OF_PLUS[..] } else { &[] };
    FORMS.iter().chain(more).copied()
}

fn in_braces(tail: &[u8], plus: bool) -> Result<Option<(Part, &[u8])>, String> {
    if tail.starts_with(b"=") && tail.windows(2).any(|two| two == b"=}") {
        return Err("{= =}: Perl expressions are not known".to_owned());
    }
    let Some(end) = tail.iter().position(|&byte| byte == b'}') else {
        return Ok(None);
    };
    let (inside, after) = (&tail[..end], &tail[end + 1..]);
    let part = match inside {
        b"#" => Some(Part::Number),
        b"%" => Some(Part::Slot),
        b"" => None,
        _ => value(inside, plus),
    };
    if let Some(part) = part {
        return Ok(Some((part, after)));
    }
    let is_range = || inside.windows(2).any(|two| two == b"..") && inside[0] != b'.' && inside[0] != b'/';
    let is_of_marks = !inside.is_empty() && inside.iter().all(|byte| MARKS.contains(byte)) && !is_range();
    let is_of_plus =
        plus && (inside.len() > 1 && MARKS_OF_PLUS.contains(&inside[0]) || WORDS_OF_PLUS.contains(&inside));
    match is_of_marks || is_of_plus {
        true => Err(format!("{{{}}}: this placeholder is not known", String::from_utf8_lossy(inside))),
        false => Ok(None),
    }
}

fn value(inside: &[u8], plus: bool) -> Option<Part> {
    let is_number = |byte: &u8| byte.is_ascii_digit() || *byte == b'-';
    let (number, form) = inside.split_at(inside.iter().take_while(|byte| is_number(byte)).count());
    let which = match number {
        b"" => Which::All,
        _ => Which::At(std::str::from_utf8(number).ok()?.parse().ok().filter(|&at| at != 0)?),
    };
    let (_, form) = forms(plus).find(|(text, _)| text.as_bytes() == form)?;
    Some(Part::Value(which, form))
}

impl Which {
    /// None where there are fewer.
    pub(crate) fn of(self, arguments: &[OsString]) -> &[OsString] {
        let at = match self {
            Which::All => return arguments,
            Which::At(at) if at > 0 => Some(at as usize - 1),
            Which::At(at) => arguments.len().checked_sub(at.unsigned_abs() as usize),
        };
        at.and_then(|at| arguments.get(at..=at)).unwrap_or_default()
    }
}

impl Form {
    pub(crate) fn of(self, argument: &OsString) -> &[u8] {
        let path = argument.as_bytes();
        match self {
            Form::Whole => path,
            Form::Basename => basename(path),
            Form::Directory => directory(path),
            Form::WithoutExtensions(count) => without_extensions(path, count),
            Form::BasenameWithoutExtensions(count) => without_extensions(basename(path), count),
            Form::Extensions(count) => extensions(path, count),
            Form::BeforeBasename => {
                path.iter().rposition(|&byte| byte == b'/').map_or(b"", |slash| &path[..slash])
            }
        }
    }
}

/// As GNU parallel has it: also a name that starts with its only dot loses it.
fn without_extensions(path: &[u8], count: usize) -> &[u8] {
    dot(path, count).map_or(path, |at| &path[..at])
}

/// As GNU parallel has it: a single one may be a directory's.
fn extensions(path: &[u8], count: usize) -> &[u8] {
    let at = match count {
        1 => path.iter().rposition(|&byte| byte == b'.'),
        _ => dot(path, count),
    };
    at.map_or(b"", |at| &path[at + 1..])
}

/// Where the last so many extensions start.
fn dot(path: &[u8], count: usize) -> Option<usize> {
    let name = path.len() - basename(path).len();
    let dots = path.iter().enumerate().skip(name).filter(|(_, &byte)| byte == b'.');
    dots.map(|(at, _)| at).rev().nth(count - 1)
}

fn basename(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}

/// As dirname(1) has it.
fn directory(path: &[u8]) -> &[u8] {
    let without_slashes = |path: &[u8]| path.iter().rposition(|&byte| byte != b'/').map_or(0, |at| at + 1);
    let name = &path[..without_slashes(path)];
    let Some(slash) = name.iter().rposition(|&byte| byte == b'/') else {
        return if name.is_empty() && !path.is_empty() { b"/" } else { b"." };
    };
    match without_slashes(&name[..slash]) {
        0 => b"/",
        end => &name[..end],
    }
}
