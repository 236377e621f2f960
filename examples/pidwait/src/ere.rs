//! POSIX extended regular expressions, regex(7), as our engine writes them.
//!
//! They differ in bracket expressions: a backslash is a character like any other there, and so is a second `[`.

use std::iter::Peekable;
use std::str::Chars;

/// What the engine refuses is left as it is, for its message.
pub(crate) fn translate(pattern: &str) -> String {
    let mut out = String::new();
    let mut rest = pattern.chars().peekable();
    while let Some(first) = rest.next() {
        match first {
            '\\' => match rest.next() {
                // As GNU has them: the ends of words, and of all.
                Some('`') => out.push_str("\\A"),
                Some('\'') => out.push_str("\\z"),
                Some(letter) if letter.is_ascii_alphabetic() && !"wWsSbB".contains(letter) => {
                    out.push(letter)
                }
                Some(other) => out.extend(['\\', other]),
                None => out.push('\\'),
            },
            '[' => match bracket(&mut rest) {
                Some(class) => out.push_str(&class),
                None => return pattern.into(),
            },
            '{' if rest.peek() == Some(&',') => out.push_str("{0"),
            other => out.push(other),
        }
    }
    out
}

/// From behind its `[`; none if it has no end, or a character that has a name of several.
fn bracket(rest: &mut Peekable<Chars>) -> Option<String> {
    let mut out = String::from("[");
    out.extend(rest.next_if_eq(&'^'));
    let mut is_first = true;
    loop {
        let start = match rest.next()? {
            ']' if !is_first => {
                out.push(']');
                return Some(out);
            }
            '[' if rest.next_if_eq(&':').is_some() => {
                out.push_str(&format!("[:{}:]", named(rest, ':')?));
                is_first = false;
                continue;
            }
            other => character(other, rest)?,
        };
        is_first = false;
        push(&mut out, start);
        let mut ahead = rest.clone();
        if ahead.next() == Some('-') && ahead.next().is_some_and(|end| end != ']') {
            rest.next();
            let end = rest.next()?;
            out.push('-');
            push(&mut out, character(end, rest)?);
        }
    }
}

/// `[.x.]` and `[=x=]` are x.
fn character(first: char, rest: &mut Peekable<Chars>) -> Option<char> {
    let kind = (first == '[').then(|| rest.next_if(|next| matches!(next, '.' | '='))).flatten();
    let Some(kind) = kind else {
        return Some(first);
    };
    let name = named(rest, kind)?;
    let mut name = name.chars();
    name.next().filter(|_| name.next().is_none())
}

/// What stands before the end, such as `:]`.
fn named(rest: &mut Peekable<Chars>, kind: char) -> Option<String> {
    let mut name = String::new();
    loop {
        match rest.next()? {
            end if end == kind && !name.is_empty() && rest.next_if_eq(&']').is_some() => return Some(name),
            other => name.push(other),
        }
    }
}

fn push(out: &mut String, character: char) {
    out.extend(character.is_ascii_punctuation().then_some('\\'));
    out.push(character);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_and_escapes() {
        for (pattern, wanted) in [
            ("a.b*(c|d)$", "a.b*(c|d)$"),
            (r"a\.b\\", r"a\.b\\"),
            (r"[\.]", r"[\\\.]"),
            (r"[a\]", r"[a\\]"),
            ("[]a]", r"[\]a]"),
            ("[^]a]", r"[^\]a]"),
            ("[[]", r"[\[]"),
            ("[a-z-]", r"[a-z\-]"),
            ("[-a]", r"[\-a]"),
            ("[*--]", r"[\*-\-]"),
            ("[a^&&~]", r"[a\^\&\&\~]"),
            ("[[:digit:]x]", "[[:digit:]x]"),
            ("[^[:space:][:alpha:]]", "[^[:space:][:alpha:]]"),
            ("[[.-.]a[=b=]]", r"[\-ab]"),
            ("[[.a.]-c]", "[a-c]"),
            ("[[...]]", r"[\.]"),
            ("a{,3}", "a{0,3}"),
            ("a{2,}", "a{2,}"),
            (r"\d\w", r"d\w"),
            (r"\`a\'", r"\Aa\z"),
            ("[a", "[a"),
            ("[[.hyphen.]]", "[[.hyphen.]]"),
            ("[[:digit", "[[:digit"),
            ("a\\", "a\\"),
        ] {
            assert_eq!(translate(pattern), wanted, "{pattern}");
        }
    }
}
