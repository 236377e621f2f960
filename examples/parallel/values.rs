//! What options have for values.

use std::str::FromStr;
use std::time::Duration;

/// What failed jobs lead to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Halt {
    Never,
    Soon { failed: u64 },
    Now { failed: u64 },
}

pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_string())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("not a length of time above 0".to_string()),
    }
}

impl FromStr for Halt {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Halt, &'static str> {
        const EXPECTED: &str = "expected never, soon,fail=N or now,fail=N, with N from 1";
        if text == "never" {
            return Ok(Halt::Never);
        }
        let (when, failed) = text.split_once(",fail=").ok_or(EXPECTED)?;
        let failed = failed.parse().ok().filter(|&failed| failed > 0).ok_or(EXPECTED)?;
        match when {
            "soon" => Ok(Halt::Soon { failed }),
            "now" => Ok(Halt::Now { failed }),
            _ => Err(EXPECTED),
        }
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

/// What ends a record, where `\n`, `\r`, `\t`, `\0` and `\\` stand for what they do in C.
pub(crate) fn record_end(text: &str) -> Result<RecordEnd, String> {
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
        false => Ok(RecordEnd(bytes)),
    }
}

/// Never empty.
#[derive(Clone, Debug)]
pub(crate) struct RecordEnd(pub(crate) Vec<u8>);
