//! Shows a recording.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::cast::{header, Event};
use crate::options::Play;

pub(crate) fn play(options: &Play) -> Result<()> {
    let name = options.file.display();
    let file = File::open(&options.file).with_context(|| format!("cannot read {name}"))?;
    let mut lines = BufReader::new(file).lines();
    let first =
        lines.next().unwrap_or_else(|| Ok(String::new())).with_context(|| format!("cannot read {name}"))?;
    header(&first).with_context(|| name.to_string())?;
    let (start, mut due, mut before) = (Instant::now(), Duration::ZERO, 0.0);
    for (number, line) in lines.enumerate() {
        let line = line.with_context(|| format!("cannot read {name}"))?;
        if line.trim().is_empty() {
            continue;
        }
        let Event(time, what, text) =
            serde_json::from_str(&line).with_context(|| format!("{name}, line {}", number + 2))?;
        let pause = (time - before).clamp(0.0, options.idle.unwrap_or(f64::MAX)) / options.speed;
        before = time;
        due += Duration::try_from_secs_f64(pause).unwrap_or(Duration::ZERO);
        if what == "o" {
            thread::sleep(due.saturating_sub(start.elapsed()));
            match show(&text) {
                // Nobody looks any more.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                shown => shown.context("cannot write to the terminal")?,
            }
        }
    }
    Ok(())
}

fn show(text: &str) -> io::Result<()> {
    let mut screen = io::stdout().lock();
    screen.write_all(text.as_bytes())?;
    screen.flush()
}
