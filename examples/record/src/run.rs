//! Runs a command on a pseudoterminal, and passes everything through.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use childset::{Child, Command, Pty, Signal, Unit};
use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::termios::{tcsetattr, OptionalActions};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH};
use signal_hook::low_level::pipe;

use crate::cast::Recording;
use crate::options::Record;
use crate::screen::{self, Raw};

/// How long after the end of the command its screen is still shown, if somebody else holds the terminal.
const GRACE: Duration = Duration::from_millis(300);

/// What stands between our terminal and the command.
struct Session<'a> {
    options: &'a Record,
    recording: Recording,
    controller: OwnedFd,
    /// Keys that the command has not taken yet.
    keys: Vec<u8>,
    /// Whether more keys may come.
    has_keys: bool,
    /// Whether anybody has the command's terminal open.
    has_screen: bool,
    resized: UnixStream,
    ended: UnixStream,
}

/// Returns the exit code.
pub(crate) fn record(options: &Record) -> Result<u8> {
    let (rows, columns) = screen::size();
    let command = command(options);
    let shown = command.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let path = options.file.as_deref().context("no file")?;
    let pty = Pty::open().context("cannot open a pseudoterminal")?;
    pty.set_size(rows, columns)?;
    if let Some(attributes) = screen::attributes() {
        tcsetattr(&pty.terminal, OptionalActions::Now, &attributes)?;
    }
    let recording = Recording::create(path, options.overwrite, columns, rows, &shown)?;
    // Before there is anything to be restored.
    let (resized, ended) = (signals(&[SIGWINCH])?, signals(&[SIGHUP, SIGINT, SIGQUIT, SIGTERM])?);
    let Pty { controller, terminal } = pty;
    let child = start(&command, terminal)?;
    rustix::io::ioctl_fionbio(&controller, true)?;
    let mut session = Session {
        options,
        recording,
        controller,
        keys: Vec::new(),
        has_keys: true,
        has_screen: true,
        resized,
        ended,
    };
    let raw = Raw::new().context("cannot set the terminal")?;
    let passed = session.pass(&child);
    // What is left of the session when its leader has ended, or when the recording fails, is told that the terminal is gone.
    drop(raw);
    let flushed = session.recording.flush();
    drop(session);
    if passed.is_err() {
        child.wait_terminated(Duration::from_secs(1))?;
    }
    let exit = child.wait()?;
    passed.and(flushed)?;
    Ok(exit.code().or_else(|| Some(128 + exit.signal()?.as_raw())).unwrap_or(255) as u8)
}

fn command(options: &Record) -> Vec<OsString> {
    if !options.command.is_empty() {
        return options.command.clone();
    }
    vec![std::env::var_os("SHELL").filter(|shell| !shell.is_empty()).unwrap_or_else(|| "/bin/sh".into())]
}

fn start(words: &[OsString], terminal: OwnedFd) -> Result<Child> {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).unit(Unit::Session).kill_on_drop(true);
    command.stdin(terminal.try_clone()?).stdout(terminal.try_clone()?).stderr(terminal.try_clone()?);
    // A recorder that was started with signals ignored or blocked passes none of that on.
    command.default_signals(&[
        Signal::PIPE,
        Signal::HUP,
        Signal::INT,
        Signal::QUIT,
        Signal::TERM,
        Signal::TSTP,
    ]);
    Ok(command.controlling_terminal(terminal).spawn()?)
}

/// Becomes readable when one of the signals comes.
fn signals(signals: &[i32]) -> io::Result<UnixStream> {
    let (reading, writing) = UnixStream::pair()?;
    reading.set_nonblocking(true)?;
    for &signal in signals {
        pipe::register(signal, writing.try_clone()?)?;
    }
    Ok(reading)
}

impl Session<'_> {
    /// Until the command has ended and its screen was shown.
    fn pass(&mut self, child: &Child) -> Result<()> {
        let mut deadline = None;
        loop {
            let has_ended = child.try_wait()?.is_some();
            if has_ended {
                deadline = deadline.or(Some(Instant::now() + GRACE));
            }
            let is_over = deadline.is_some_and(|deadline| deadline <= Instant::now());
            if has_ended && (!self.has_screen || is_over) {
                return Ok(());
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            self.step(child, has_ended, left)?;
        }
    }

    fn step(&mut self, child: &Child, has_ended: bool, left: Option<Duration>) -> Result<()> {
        let if_wanted = |wanted, flags| if wanted { flags } else { PollFlags::empty() };
        let screen =
            if_wanted(self.has_screen, PollFlags::IN) | if_wanted(!self.keys.is_empty(), PollFlags::OUT);
        // No more keys are read than the command takes.
        let keys = if_wanted(self.has_keys && self.keys.is_empty(), PollFlags::IN);
        let (stdin, exit) = (rustix::stdio::stdin(), if_wanted(!has_ended, PollFlags::IN));
        let mut fds = [
            PollFd::new(&self.controller, screen),
            PollFd::new(&stdin, keys),
            PollFd::new(&self.resized, PollFlags::IN),
            PollFd::new(&self.ended, PollFlags::IN),
            PollFd::new(child.pidfd(), exit),
        ];
        // What is at its end is left out: it would be reported all the time.
        let count = if self.has_screen || !self.keys.is_empty() { 0 } else { 1 };
        let timeout = left
            .map(|left| Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) });
        match poll(&mut fds[count..], timeout.as_ref()) {
            Err(Errno::INTR) => return Ok(()),
            result => result?,
        };
        let [screen, keys, resized, ended, _] = fds.each_ref().map(PollFd::revents);
        if !screen.is_empty() {
            self.show()?;
            self.type_keys()?;
        }
        if !keys.is_empty() {
            self.read_keys()?;
        }
        if !resized.is_empty() && drain(&self.resized) {
            self.resize()?;
        }
        if !ended.is_empty() && drain(&self.ended) {
            // The kernel sends SIGHUP to the command, too, once we have gone; it may have a reason to go gently.
            child.handle().send_signal_to_group(Signal::HUP).or_else(|_| child.kill())?;
        }
        Ok(())
    }

    /// Shows what the command has written.
    fn show(&mut self) -> Result<()> {
        let mut buffer = [0; 16 * 1024];
        match rustix::io::read(&self.controller, &mut buffer) {
            // Nobody has the terminal open.
            Ok(0) | Err(Errno::IO) => self.has_screen = false,
            Ok(count) => {
                write_all(&buffer[..count]).context("cannot write to the terminal")?;
                self.recording.output(&buffer[..count])?;
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn read_keys(&mut self) -> Result<()> {
        let mut buffer = [0; 4096];
        match rustix::io::read(rustix::stdio::stdin(), &mut buffer) {
            // The end of input is a key on a terminal.
            Ok(0) | Err(Errno::IO) => {
                self.has_keys = false;
                self.keys.push(0x04);
            }
            Ok(count) => {
                self.keys.extend_from_slice(&buffer[..count]);
                if self.options.keys {
                    self.recording.input(&buffer[..count])?;
                }
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        self.type_keys()
    }

    fn type_keys(&mut self) -> Result<()> {
        match rustix::io::write(&self.controller, &self.keys) {
            Ok(count) => drop(self.keys.drain(..count)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            // Nobody reads them.
            Err(Errno::IO) => self.keys.clear(),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn resize(&mut self) -> Result<()> {
        use rustix::termios::{tcsetwinsize, Winsize};
        let (rows, columns) = screen::size();
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.controller, size)?;
        self.recording.size(columns, rows)
    }
}

/// Whether anything was in it.
fn drain(from: &UnixStream) -> bool {
    let mut any = false;
    while rustix::io::read(from, &mut [0; 64]).is_ok_and(|count| count > 0) {
        any = true;
    }
    any
}

/// Our terminal may be non-blocking: it is shared with others.
fn write_all(mut bytes: &[u8]) -> io::Result<()> {
    let screen = rustix::stdio::stdout();
    while !bytes.is_empty() {
        match rustix::io::write(screen, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let _ = poll(&mut [PollFd::new(&screen, PollFlags::OUT)], None);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
