//! Lengths of time, as coreutils reads them: by strtod(3) in the C locale, with a suffix.

use std::time::Duration;

/// `None` is no limit.
pub(crate) type Limit = Option<Duration>;

/// A number as it stands there.
struct Number {
    value: f64,
    /// It may be too small for its kind, which is not 0.
    is_zero: bool,
}

pub(crate) fn duration(text: &str) -> Result<Limit, String> {
    const INVALID: &str = "invalid time interval";
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let (number, suffix) = hexadecimal(text).or_else(|| decimal(text)).ok_or(INVALID)?;
    let unit = match suffix {
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        _ => return Err(INVALID.into()),
    };
    if number.value.is_nan() || number.value < 0.0 {
        return Err(INVALID.into());
    }
    if number.is_zero {
        return Ok(None);
    }
    // What is too long for the clock is no limit either.
    let duration = Duration::try_from_secs_f64(number.value * unit).ok();
    Ok(duration.map(|duration| duration.max(Duration::from_nanos(1))))
}

/// With what comes behind it.
fn decimal(text: &str) -> Option<(Number, &str)> {
    let suffix = text.char_indices().last().filter(|&(_, last)| matches!(last, 's' | 'm' | 'h' | 'd'));
    let (number, suffix) = text.split_at(suffix.map_or(text.len(), |(at, _)| at));
    let value = number.parse::<f64>().ok()?;
    let digits = number.split(['e', 'E']).next()?;
    let is_zero = value == 0.0 && !digits.contains(|c: char| ('1'..='9').contains(&c));
    Some((Number { value, is_zero }, suffix))
}

/// `0x`, digits with a point maybe, and an exponent of 2 maybe; `d` is a digit, and a suffix only behind an exponent.
fn hexadecimal(text: &str) -> Option<(Number, &str)> {
    let (sign, rest) = sign(text);
    let rest = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X"))?;
    let is_part = |c: char| c.is_ascii_hexdigit() || c == '.';
    let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
    let (digits, rest) = rest.split_at(end);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() + fraction.len() == 0 || fraction.contains('.') {
        return None;
    }
    let (exponent, rest) = exponent(rest);
    let is_zero = !digits.contains(|c: char| c != '0' && c != '.');
    // Digit by digit, each at its own place: the value may be infinite or 0 only where the number is.
    let places = (0..whole.len() as i64).rev().chain((1..).map(|place: i64| -place));
    let digits = whole.chars().chain(fraction.chars()).filter_map(|digit| digit.to_digit(16));
    let value = digits.zip(places).filter(|&(digit, _)| digit > 0).map(|(digit, place)| {
        let exponent = (4 * place).saturating_add(exponent).clamp(-2000, 2000) as i32;
        // In two steps: one factor alone may not be a number of this kind.
        f64::from(digit) * 2f64.powi(exponent / 2) * 2f64.powi(exponent - exponent / 2)
    });
    Some((Number { value: if is_zero { 0.0 } else { sign as f64 * value.sum::<f64>() }, is_zero }, rest))
}

/// 1 where there is none.
fn sign(text: &str) -> (i64, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// 0 where there is none.
fn exponent(text: &str) -> (i64, &str) {
    let found = text.strip_prefix(['p', 'P']).and_then(|rest| {
        let (sign, digits) = sign(rest);
        let (digits, rest) =
            digits.split_at(digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len()));
        let is_there = !digits.is_empty();
        is_there.then(|| (sign * digits.parse::<i64>().unwrap_or(i64::MAX / 2), rest))
    });
    found.unwrap_or((0, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let seconds = |text| duration(text).unwrap().map(|duration| duration.as_secs_f64());
        for (text, wanted) in [
            ("1", Some(1.0)),
            ("1s", Some(1.0)),
            ("+1.", Some(1.0)),
            (".5", Some(0.5)),
            (" 2", Some(2.0)),
            ("\t2", Some(2.0)),
            ("0.5m", Some(30.0)),
            ("2h", Some(7200.0)),
            ("1.5d", Some(129600.0)),
            ("1e3s", Some(1000.0)),
            ("1e-30", Some(1e-9)),
            ("1e-400", Some(1e-9)),
            ("0.01E-400d", Some(1e-9)),
            ("0e-400", None),
            ("0", None),
            ("-0", None),
            ("0.0h", None),
            ("inf", None),
            ("infinitym", None),
            ("InFd", None),
            ("99999999999999999999d", None),
            ("0x10", Some(16.0)),
            ("0X1.8p1", Some(3.0)),
            ("+0x.8s", Some(0.5)),
            ("0x1d", Some(29.0)),
            ("0x1p0d", Some(86400.0)),
            ("0x1m", Some(60.0)),
            ("0xA.p-1", Some(5.0)),
            ("0x0.00000000000000000000000000000001p+124", Some(0.0625)),
            ("0x1p-2000", Some(1e-9)),
            ("0x1p-99999999999999999999", Some(1e-9)),
            ("0x1p2000", None),
            ("0x0p5", None),
            ("-0x0", None),
        ] {
            assert_eq!(seconds(text), wanted, "{text}");
        }
        for text in [
            "", "s", "-1", "nan", "1 s", "1ms", "1D", "1ss", "one", "1ä", "0x", "0x.", "0xs", "0x1p",
            "0x1p+", "0x1g", "0x1.2.3", "-0x1", "0x1ms", "- 1", "1x", "\u{a0}1", "1,5",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
