//! What options have for values.

use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

use rustix::process::{getrlimit, Resource};

/// How many jobs run at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Jobs {
    Number(usize),
    /// More or less than there are processors.
    Beyond(isize),
    Percent(f64),
    Most,
}

impl FromStr for Jobs {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Jobs, &'static str> {
        const EXPECTED: &str = "expected a number, +N, -N, N% or 0, which is as many as possible";
        if let Some(percent) = text.strip_suffix('%') {
            let percent = percent.parse().ok().filter(|&percent: &f64| percent > 0.0);
            return percent.map(Jobs::Percent).ok_or(EXPECTED);
        }
        if text.starts_with(['+', '-']) {
            return text.parse().map(Jobs::Beyond).map_err(|_| EXPECTED);
        }
        match text.parse() {
            Ok(0) => Ok(Jobs::Most),
            Ok(number) => Ok(Jobs::Number(number)),
            Err(_) => Err(EXPECTED),
        }
    }
}

impl Jobs {
    /// On this machine.
    pub(crate) fn number(self) -> usize {
        self.number_of(std::thread::available_parallelism().map_or(1, NonZeroUsize::get))
    }

    pub(crate) fn needs_processors(self) -> bool {
        matches!(self, Jobs::Beyond(_) | Jobs::Percent(_))
    }

    /// On one with so many processors; at least 1.
    pub(crate) fn number_of(self, processors: usize) -> usize {
        let number = match self {
            Jobs::Number(number) => number,
            Jobs::Beyond(more) => processors.saturating_add_signed(more),
            Jobs::Percent(percent) => (processors as f64 * percent / 100.0) as usize,
            // A job needs three descriptors, and we a few.
            Jobs::Most => getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX).min(40_000) as usize / 4,
        };
        number.max(1)
    }
}

/// What ended jobs lead to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Halt {
    Never,
    When { now: bool, why: Why, amount: Amount },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Why {
    Fail,
    Success,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Amount {
    Number(u64),
    /// Of all jobs.
    Percent(f64),
}

impl FromStr for Halt {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Halt, &'static str> {
        const EXPECTED: &str =
            "expected never, or soon or now with ,fail= ,success= or ,done= and a number from 1 or a percentage";
        let text = match text {
            "never" | "0" => return Ok(Halt::Never),
            "1" => "soon,fail=1",
            "2" => "now,fail=1",
            "-1" => "soon,success=1",
            "-2" => "now,success=1",
            text => text,
        };
        let (when, rest) = match text.split_once(',') {
            Some(parts) => parts,
            None if text.ends_with('%') => ("soon", text),
            None => return Err(EXPECTED),
        };
        let now = match when {
            "soon" => false,
            "now" => true,
            _ => return Err(EXPECTED),
        };
        let (why, amount) = rest.split_once('=').unwrap_or(("fail", rest));
        let why = match why {
            "fail" => Why::Fail,
            "success" => Why::Success,
            "done" => Why::Done,
            _ => return Err(EXPECTED),
        };
        let amount = match amount.strip_suffix('%') {
            Some(percent) => {
                let percent = percent.parse().ok().filter(|percent| (0.0..=100.0).contains(percent));
                Amount::Percent(percent.filter(|&percent| percent > 0.0).ok_or(EXPECTED)?)
            }
            None => Amount::Number(amount.parse().ok().filter(|&number| number > 0).ok_or(EXPECTED)?),
        };
        Ok(Halt::When { now, why, amount })
    }
}

/// When a job takes too long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Timeout {
    After(Duration),
    /// So many times the median of those that succeeded.
    Medians(f64),
}

impl FromStr for Timeout {
    type Err = String;

    fn from_str(text: &str) -> Result<Timeout, String> {
        let Some(percent) = text.strip_suffix('%') else {
            return time(text).map(Timeout::After);
        };
        let percent = percent.parse().ok().filter(|&percent: &f64| percent > 0.0 && percent.is_finite());
        percent.map(|percent| Timeout::Medians(percent / 100.0)).ok_or("not a percentage above 0".to_string())
    }
}

/// Seconds, or numbers with the suffixes s, m, h and d, which are added.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let mut seconds = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(['s', 'm', 'h', 'd']).unwrap_or(rest.len());
        let number: f64 = rest[..end].parse().map_err(|_| "not a number".to_string())?;
        let unit = match rest.as_bytes().get(end) {
            Some(b'm') => 60.0,
            Some(b'h') => 3600.0,
            Some(b'd') => 86400.0,
            _ => 1.0,
        };
        seconds += number * unit;
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("not a length of time above 0".to_string()),
    }
}

/// A number of bytes, with a suffix as GNU parallel has them.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    let unit = match text.chars().last() {
        Some('k' | 'K') => 1 << 10,
        Some('m' | 'M') => 1 << 20,
        Some('g' | 'G') => 1 << 30,
        _ => 1,
    };
    let digits = if unit > 1 { &text[..text.len() - 1] } else { text };
    let number = digits.parse::<usize>().ok().and_then(|number| number.checked_mul(unit));
    number
        .filter(|&size| size > 0)
        .ok_or_else(|| "not a size above 0, such as 512, 100k, 1M or 1G".to_string())
}

/// What ends or separates, where `\n`, `\r`, `\t`, `\0` and `\\` stand for what they do in C.
pub(crate) fn separator(text: &str) -> Result<Separator, String> {
    let mut bytes = Vec::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let plain = match character {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some('0') => '\0',
                Some('\\') => '\\',
                _ => return Err("after \\ comes one of n, r, t, 0 and \\".to_string()),
            },
            plain => plain,
        };
        bytes.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes());
    }
    match bytes.is_empty() {
        true => Err("it is empty".to_string()),
        false => Ok(Separator(bytes)),
    }
}

/// As [`separator`], and none at all.
pub(crate) fn end(text: &str) -> Result<Separator, String> {
    match text {
        "" => Ok(Separator(Vec::new())),
        text => separator(text),
    }
}

/// For GNU parallel it is a regular expression.
pub(crate) fn plain_separator(text: &str) -> Result<Separator, String> {
    let separator = separator(text)?;
    if separator.0.len() > 1 && text.contains(['[', '(', '{', '*', '+', '?', '|', '^', '$', '.']) {
        return Err("regular expressions are not known, only plain text".to_string());
    }
    Ok(separator)
}

pub(crate) fn delimiter(text: &str) -> Result<u8, String> {
    match separator(text)?.0[..] {
        [byte] => Ok(byte),
        _ => Err("it is longer than one byte".to_string()),
    }
}

/// Empty only as an [`end`].
#[derive(Clone, Debug)]
pub(crate) struct Separator(pub(crate) Vec<u8>);
