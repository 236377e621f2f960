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
    WithoutExtension,
    Basename,
    Directory,
    BasenameWithoutExtension,
}

/// What these characters alone make between braces looks like a placeholder of GNU parallel.
const MARKS: &[u8] = b"0123456789.+-/#%";

/// Splits a word; `whole` stands for the whole argument, as `{}` does unless another one was asked for. The error is a
/// placeholder that is not known.
pub(crate) fn parse(mut rest: &[u8], whole: &[u8]) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut text = Vec::new();
    while let Some((&first, tail)) = rest.split_first() {
        let found = match rest.strip_prefix(whole) {
            Some(after) => Some((Part::Value(Which::All, Form::Whole), after)),
            None if first == b'{' => in_braces(tail)?,
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
        for form in ["", ".", "/", "//", "/."] {
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

fn in_braces(tail: &[u8]) -> Result<Option<(Part, &[u8])>, String> {
    if tail.starts_with(b"=") && tail.windows(2).any(|two| two == b"=}") {
        return Err("{= =}: Perl expressions are not known".to_owned());
    }
    let Some(end) = tail.iter().position(|&byte| byte == b'}') else {
        return Ok(None);
    };
    let (inside, after) = (&tail[..end], &tail[end + 1..]);
    let is_range = || inside.windows(2).any(|two| two == b"..") && inside[0] != b'.' && inside[0] != b'/';
    if inside.is_empty() || !inside.iter().all(|byte| MARKS.contains(byte)) || is_range() {
        return Ok(None);
    }
    let part = match inside {
        b"#" => Some(Part::Number),
        b"%" => Some(Part::Slot),
        _ => value(inside),
    };
    let unknown = || format!("{{{}}}: this placeholder is not known", String::from_utf8_lossy(inside));
    Ok(Some((part.ok_or_else(unknown)?, after)))
}

fn value(inside: &[u8]) -> Option<Part> {
    let is_number = |byte: &u8| byte.is_ascii_digit() || *byte == b'-';
    let (number, form) = inside.split_at(inside.iter().take_while(|byte| is_number(byte)).count());
    let which = match number {
        b"" => Which::All,
        _ => Which::At(std::str::from_utf8(number).ok()?.parse().ok().filter(|&at| at != 0)?),
    };
    let form = match form {
        b"" => Form::Whole,
        b"." => Form::WithoutExtension,
        b"/" => Form::Basename,
        b"//" => Form::Directory,
        b"/." => Form::BasenameWithoutExtension,
        _ => return None,
    };
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
            Form::WithoutExtension => without_extension(path),
            Form::Basename => basename(path),
            Form::Directory => directory(path),
            Form::BasenameWithoutExtension => without_extension(basename(path)),
        }
    }
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
