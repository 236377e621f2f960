//! Jobs in a terminal, with what they write: ratatui, and a loop of one's own around poll(2).
//!
//! The loop waits for four descriptors: the keyboard, all exits (a `ChildSet`), all output (an epoll instance of the
//! pipes), and the signals that ask the program to end. There is no thread, and no runtime.
//!
//! Keys: up and down select, `n` types a new command, `s` stops the selected one, and kills it when pressed again, `r` runs
//! it again, page up and down scroll, `q` quits. A job is a process group. Quitting, SIGTERM, SIGINT and SIGHUP end all of
//! them; after kill -9, what the shells have started lives on.
//!
//! Run with:
//!
//! ```sh
//! cargo run --manifest-path examples/ratatui/Cargo.toml -- 'make -j2' 'ping -c 60 example.org'
//! ```

mod jobs;
mod view;

use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::Result;
use common::{Descriptors, EndSignals};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind};
use ratatui::DefaultTerminal;
use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use jobs::Jobs;
use view::View;

fn main() -> Result<()> {
    let mut jobs = Jobs::new(Descriptors::raise()?)?;
    std::env::args().skip(1).for_each(|command| jobs.add(command));
    let signals = EndSignals::new()?;
    let mut terminal = ratatui::init();
    let result = run(&mut terminal, &mut jobs, &signals);
    ratatui::restore();
    jobs.end()?;
    result
}

fn run(terminal: &mut DefaultTerminal, jobs: &mut Jobs, signals: &EndSignals) -> Result<()> {
    let mut view = View::default();
    loop {
        terminal.draw(|frame| view.draw(frame, jobs))?;
        wait(jobs, signals)?;
        // Crossterm reads more than one key at once: what it has read is no longer seen by poll(2).
        while event::poll(Duration::ZERO)? {
            if let Event::Key(key) = event::read()? {
                if key.kind == KeyEventKind::Press && !press(key.code, &mut view, jobs) {
                    return Ok(());
                }
            }
        }
        jobs.take_exits()?;
        jobs.read()?;
        if signals.take() {
            return Ok(());
        }
    }
}

/// Waits for any of the four, and for the next second, while a time is shown that changes.
fn wait(jobs: &Jobs, signals: &EndSignals) -> Result<()> {
    let stdin = rustix::stdio::stdin();
    let fds = [stdin.as_fd(), jobs.exits(), jobs.outputs(), signals.as_fd()];
    let mut fds = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
    match poll(&mut fds, Some(&Timespec { tv_sec: 1, tv_nsec: 0 })) {
        // A signal: the terminal may have another size.
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// False if that was the last key.
fn press(key: KeyCode, view: &mut View, jobs: &mut Jobs) -> bool {
    if let Some(typed) = &mut view.typed {
        match key {
            KeyCode::Char(character) => typed.push(character),
            KeyCode::Backspace => drop(typed.pop()),
            KeyCode::Esc => view.typed = None,
            KeyCode::Enter => {
                let command = view.typed.take().unwrap_or_default();
                if !command.trim().is_empty() {
                    jobs.add(command);
                    view.select(jobs.all().len() - 1);
                }
            }
            _ => {}
        }
        return true;
    }
    match key {
        KeyCode::Char('q') => return false,
        KeyCode::Char('n') => view.typed = Some(String::new()),
        KeyCode::Char('s') => jobs.stop(view.selected),
        KeyCode::Char('r') => jobs.restart(view.selected),
        KeyCode::Up => view.select(view.selected.saturating_sub(1)),
        KeyCode::Down => view.select((view.selected + 1).min(jobs.all().len().saturating_sub(1))),
        KeyCode::PageUp => view.back += 10,
        KeyCode::PageDown => view.back = view.back.saturating_sub(10),
        _ => {}
    }
    true
}
