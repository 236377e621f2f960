//! `log`: the file for what a service writes, and when the next one is begun.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::values::Plain;

/// A path alone, or a table with it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Log {
    pub(crate) file: PathBuf,
    /// In bytes: where the next line does not fit, the next file begins.
    pub(crate) size: u64,
    /// How many old files are kept.
    pub(crate) rotate: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    file: Plain,
    #[serde(default)]
    size: Size,
    #[serde(default = "rotate")]
    rotate: u32,
}

fn rotate() -> u32 {
    10
}

/// As logrotate has it: a number of bytes, or one with `k`, `M` or `G`, which are powers of 1024.
struct Size(u64);

/// Less would be files of a few lines.
const LEAST: u64 = 4096;

impl Default for Size {
    fn default() -> Size {
        Size(1 << 20)
    }
}

impl Size {
    fn new<E: Error>(bytes: Option<u64>) -> Result<Size, E> {
        match bytes {
            Some(0) => Ok(Size(u64::MAX)),
            Some(bytes) if bytes >= LEAST => Ok(Size(bytes)),
            Some(_) => Err(E::custom("expected at least 4k, or 0 for a file without an end")),
            None => Err(E::custom("expected a number of bytes, such as 100000, \"100k\", \"10M\" or \"1G\"")),
        }
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = Size;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of bytes, such as 100000 or \"10M\"")
    }

    fn visit_i64<E: Error>(self, bytes: i64) -> Result<Size, E> {
        Size::new(u64::try_from(bytes).ok())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Size, E> {
        let unit = |letter| match letter {
            'k' | 'K' => Some(1 << 10),
            'm' | 'M' => Some(1 << 20),
            'g' | 'G' => Some(1 << 30),
            _ => None,
        };
        let (number, unit) = match text.char_indices().last().and_then(|(at, last)| Some((at, unit(last)?))) {
            Some((at, unit)) => (&text[..at], unit),
            None => (text, 1),
        };
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse::<u64>().ok().filter(|_| is_number);
        Size::new(number.and_then(|number| number.checked_mul(unit)))
    }
}

impl<'de> Deserialize<'de> for Log {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Log, D::Error> {
        deserializer.deserialize_any(LogVisitor)
    }
}

/// Not an untagged enum, whose errors would not name the key.
struct LogVisitor;

impl<'de> Visitor<'de> for LogVisitor {
    type Value = Log;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a path, or { file = \"PATH\", size = \"1M\", rotate = 10 }")
    }

    fn visit_str<E: Error>(self, file: &str) -> Result<Log, E> {
        let file = Plain::try_from(file.to_owned()).map_err(E::custom)?;
        Log::new(Table { file, size: Size::default(), rotate: rotate() })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Log, A::Error> {
        Log::new(Table::deserialize(MapAccessDeserializer::new(map))?)
    }
}

impl Log {
    fn new<E: Error>(table: Table) -> Result<Log, E> {
        let file = PathBuf::from(table.file.0);
        match file.file_name() {
            Some(_) => Ok(Log { file, size: table.size.0, rotate: table.rotate }),
            None => Err(E::custom("expected the path of a file")),
        }
    }

    /// Whether both have a file that is the same, old ones included.
    pub(super) fn clashes(&self, other: &Log) -> bool {
        let is_old = |of: &Log, file: &Log| {
            let rest = file.file.as_os_str().as_bytes().strip_prefix(of.file.as_os_str().as_bytes());
            let number = rest.and_then(|rest| rest.strip_prefix(b"."));
            number.is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
        };
        self.file == other.file || is_old(self, other) || is_old(other, self)
    }
}
