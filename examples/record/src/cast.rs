//! The format asciicast v2: a header, and then an event a line.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Instant, SystemTime};

use anyhow::{ensure, Context, Result};
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Header {
    pub(crate) version: u32,
    pub(crate) width: u16,
    pub(crate) height: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timestamp: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) command: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) env: BTreeMap<String, String>,
}

/// The time in seconds since the start, what it is (`o` for output, `i` for input, `r` for a new size), and its text.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Event(pub(crate) f64, pub(crate) String, pub(crate) String);

/// A recording that is being written.
pub(crate) struct Recording {
    file: BufWriter<File>,
    start: Instant,
    output: Text,
    input: Text,
}

/// Bytes that become text. A character may come in two parts.
#[derive(Default)]
struct Text(Vec<u8>);

impl Text {
    /// What is whole. What is no UTF-8 becomes the replacement character, since the format has nothing else for it.
    fn add(&mut self, bytes: &[u8]) -> String {
        self.0.extend_from_slice(bytes);
        let mut text = String::new();
        loop {
            match std::str::from_utf8(&self.0) {
                Ok(rest) => {
                    text.push_str(rest);
                    self.0.clear();
                    return text;
                }
                Err(error) => {
                    let (whole, rest) = self.0.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(whole));
                    let Some(length) = error.error_len() else {
                        self.0 = rest.to_vec();
                        return text;
                    };
                    text.push(char::REPLACEMENT_CHARACTER);
                    self.0 = rest[length..].to_vec();
                }
            }
        }
    }
}

impl Recording {
    pub(crate) fn create(
        path: &Path,
        overwrite: bool,
        width: u16,
        height: u16,
        command: &str,
    ) -> Result<Recording> {
        let mut options = File::options();
        options.write(true).truncate(overwrite).create(overwrite).create_new(!overwrite);
        let file = options.open(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                anyhow::anyhow!("{} is there already: -f replaces it", path.display())
            }
            _ => anyhow::Error::new(error).context(format!("cannot write {}", path.display())),
        })?;
        let variables = ["SHELL", "TERM"].into_iter();
        let env = variables.filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?))).collect();
        let timestamp = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok();
        let header = Header {
            version: 2,
            width,
            height,
            timestamp: timestamp.map(|time| time.as_secs()),
            command: Some(command.to_owned()),
            env,
        };
        let (output, input) = Default::default();
        let mut recording = Recording { file: BufWriter::new(file), start: Instant::now(), output, input };
        recording.line(&header)?;
        Ok(recording)
    }

    pub(crate) fn output(&mut self, bytes: &[u8]) -> Result<()> {
        let text = self.output.add(bytes);
        self.event("o", text)
    }

    pub(crate) fn input(&mut self, bytes: &[u8]) -> Result<()> {
        let text = self.input.add(bytes);
        self.event("i", text)
    }

    pub(crate) fn size(&mut self, width: u16, height: u16) -> Result<()> {
        self.event("r", format!("{width}x{height}"))
    }

    fn event(&mut self, what: &str, text: String) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        // In microseconds, as others write it.
        let time = self.start.elapsed().as_micros() as f64 / 1e6;
        self.line(&Event(time, what.to_owned(), text))
    }

    fn line(&mut self, line: &impl Serialize) -> Result<()> {
        serde_json::to_writer(&mut self.file, line).context("cannot write the recording")?;
        self.file.write_all(b"\n").context("cannot write the recording")
    }

    /// Writes what is buffered: a full disk is an error here at the latest.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.file.flush().context("cannot write the recording")
    }
}

/// Reads the header of a recording.
pub(crate) fn header(line: &str) -> Result<Header> {
    let header: Header =
        serde_json::from_str(line).context("it does not begin with a header of asciicast")?;
    ensure!(header.version == 2, "it is asciicast of version {}, and only 2 is known here", header.version);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[test]
    fn characters_are_whole() {
        let mut text = Text::default();
        assert_eq!(text.add(b"a\xc3"), "a");
        assert_eq!(text.add(b"\xa9b"), "éb");
        assert_eq!(text.add(b"\xff\xfe!"), "\u{fffd}\u{fffd}!");
        assert_eq!(text.add(b"\xf0\x9d\x84"), "");
        assert_eq!(text.add(b"\x9e"), "𝄞");
        assert_eq!(text.add(b"\xc3("), "\u{fffd}(");
    }
}
