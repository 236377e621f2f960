//! The control socket: whoever may write to it asks for a line, and is answered, perhaps later. Nobody is waited for.
//!
//! The answer is `ok` or `error: …` in its first line, then what was asked for, to the end of the stream.

pub(crate) mod client;

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use anyhow::{bail, Context, Result};
use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::fs::Mode;
use rustix::process::umask;

/// How many are spoken with at a time; others wait until they are accepted.
const MOST: usize = 32;
/// The longest line that is a request.
const LINE: usize = 1024;

pub(crate) struct Control {
    listener: UnixListener,
    path: PathBuf,
    clients: Vec<Client>,
    next: u64,
}

struct Client {
    id: u64,
    stream: UnixStream,
    state: State,
}

enum State {
    /// What it has said so far.
    Asking(Vec<u8>),
    /// For us.
    Waiting,
    /// What is left to be said.
    Answering(Vec<u8>),
    Over,
}

/// Who asked, and what.
pub(crate) struct Request {
    pub(crate) client: u64,
    pub(crate) line: String,
}

impl Control {
    /// In place of one that nobody listens at.
    pub(crate) fn listen(path: &Path) -> Result<Control> {
        let name = || format!("control socket {}", path.display());
        match UnixStream::connect(path) {
            Ok(_) => bail!("{}: somebody listens there", name()),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                fs::remove_file(path).with_context(name)?;
            }
            Err(_) => {}
        }
        // Never anybody else's, not even for a moment.
        let before = umask(Mode::from_raw_mode(0o177));
        let listener = UnixListener::bind(path);
        umask(before);
        let listener = listener.with_context(name)?;
        listener.set_nonblocking(true).with_context(name)?;
        Ok(Control { listener, path: path.to_owned(), clients: Vec::new(), next: 0 })
    }

    /// What to wait for.
    pub(crate) fn wants(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let listener = (self.clients.len() < MOST).then_some((self.listener.as_fd(), PollFlags::IN));
        let clients = self.clients.iter().map(|client| {
            let flags = match client.state {
                State::Asking(_) => PollFlags::IN,
                // One that has gone is heard of anyway.
                State::Waiting | State::Over => PollFlags::empty(),
                State::Answering(_) => PollFlags::OUT,
            };
            (client.stream.as_fd(), flags)
        });
        listener.into_iter().chain(clients)
    }

    /// Reads and writes what can be; the lines that are whole now.
    pub(crate) fn turn(&mut self) -> Vec<Request> {
        while self.clients.len() < MOST {
            let Ok((stream, _)) = self.listener.accept() else {
                break;
            };
            if stream.set_nonblocking(true).is_ok() {
                self.clients.push(Client { id: self.next, stream, state: State::Asking(Vec::new()) });
                self.next += 1;
            }
        }
        let requests = self.clients.iter_mut().filter_map(Client::turn).collect();
        self.clients.retain(|client| !matches!(client.state, State::Over));
        requests
    }

    /// Unless the client has gone.
    pub(crate) fn answer(&mut self, client: u64, answer: String) {
        if let Some(client) = self.clients.iter_mut().find(|it| it.id == client) {
            client.state = State::Answering(answer.into_bytes());
            client.turn();
        }
        self.clients.retain(|client| !matches!(client.state, State::Over));
    }
}

impl Client {
    fn turn(&mut self) -> Option<Request> {
        loop {
            let result = match &mut self.state {
                State::Asking(line) => {
                    let mut buffer = [0; LINE];
                    let result = self.stream.read(&mut buffer);
                    line.extend_from_slice(&buffer[..*result.as_ref().unwrap_or(&0)]);
                    if let Some(end) = line.iter().position(|&byte| byte == b'\n') {
                        let line = String::from_utf8_lossy(&line[..end]).trim().to_owned();
                        self.state = State::Waiting;
                        return Some(Request { client: self.id, line });
                    }
                    match line.len() > LINE {
                        true => Ok(0),
                        false => result,
                    }
                }
                State::Waiting if has_gone(&self.stream) => Ok(0),
                State::Waiting => return None,
                State::Answering(rest) if rest.is_empty() => Ok(0),
                State::Answering(rest) => {
                    let result = self.stream.write(rest);
                    rest.drain(..*result.as_ref().unwrap_or(&0));
                    result
                }
                State::Over => return None,
            };
            match result {
                Ok(0) => self.state = State::Over,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.state = State::Over,
            }
        }
    }
}

/// For good: one that only has nothing more to say waits for its answer.
fn has_gone(stream: &UnixStream) -> bool {
    let mut fds = [PollFd::new(stream, PollFlags::empty())];
    poll(&mut fds, Some(&Timespec::default())).is_ok_and(|count| count > 0)
}

impl Drop for Control {
    fn drop(&mut self) {
        let _: io::Result<()> = fs::remove_file(&self.path);
    }
}
