use std::io::{self, Read, Write};

use super::pipe::{ChildStderr, ChildStdin, ChildStdout};

/// An end of a pipe with `std`'s [`Read`] or [`Write`], whose calls block: made by [`ChildStdin::blocking`],
/// [`ChildStdout::blocking`] and [`ChildStderr::blocking`].
///
/// The ends themselves have the traits of futures-lite alone. With both, `write_all` would be ambiguous wherever both
/// `std::io::Write` and `AsyncWriteExt` are in scope. Awaiting and blocking calls may alternate.
///
/// ```
/// # use childset::{Command, Stdio};
/// use std::io::{BufRead, BufReader, Write};
///
/// let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
/// let (stdin, stdout) = (cat.stdin.take().unwrap(), cat.stdout.take().unwrap());
/// let mut lines = BufReader::new(stdout.blocking()).lines();
/// writeln!(stdin.blocking(), "hello")?;
/// assert_eq!(lines.next().unwrap()?, "hello");
/// drop(stdin);
/// assert!(lines.next().is_none());
/// # std::io::Result::Ok(())
/// ```
///
/// It borrows. What is to be kept or given to a thread can become the type of `std`, which blocks:
///
/// ```
/// # use childset::{Command, Stdio};
/// # use std::io::Read;
/// let mut echo = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
/// let mut stdout = std::process::ChildStdout::from(echo.stdout.take().unwrap());
/// let reader = std::thread::spawn(move || {
///     let mut text = String::new();
///     stdout.read_to_string(&mut text).map(|_| text)
/// });
/// assert_eq!(reader.join().unwrap()?, "hello\n");
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Blocking<'a, P>(pub(super) &'a P);

impl Write for Blocking<'_, ChildStdin> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0 .0.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Blocking<'_, ChildStdout> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0 .0.read(buffer)
    }
}

impl Read for Blocking<'_, ChildStderr> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0 .0.read(buffer)
    }
}
