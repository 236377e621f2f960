//! Records a terminal session, as util-linux's `script` and asciinema do, and plays it.
//!
//! The command runs on a pseudoterminal of its own. Keys, the size of the window and job control pass through, and so does
//! the exit code. What the screen shows goes to a file in the format asciicast v2, which asciinema and its players read.
//! One thread: a single `poll` waits for the keys, the screen, signals, and the end of the command.
//!
//! Run with:
//!
//! ```sh
//! cd examples/record
//! cargo run --release -- session.cast
//! cargo run --release -- session.cast -- top -d 1
//! cargo run --release -- play session.cast
//! ```

mod cast;
mod options;
mod play;
mod run;
mod screen;

use std::process::ExitCode;

use options::{Action, Options};

/// Of `record` itself having failed.
const TROUBLE: u8 = 125;

fn main() -> ExitCode {
    let options = match Options::from_command_line() {
        Ok(options) => options,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(TROUBLE) } else { ExitCode::SUCCESS };
        }
    };
    let done = match &options.action {
        Some(Action::Play(play)) => play::play(play).map(|()| 0),
        None => run::record(&options.record),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("record: {error:#}");
            ExitCode::from(TROUBLE)
        }
    }
}
