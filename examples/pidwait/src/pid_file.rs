//! The file into which a daemon has written its pid.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{fcntl_lock, flock, FlockOperation};
use rustix::io::{dup, Errno};

/// More than a pid has.
const MOST: u64 = 256;

/// The number with which the file begins.
pub(crate) fn read(path: &Path, is_locked: bool) -> Result<u32, String> {
    let file = open(path).map_err(|error| error.to_string())?;
    if is_locked && !has_lock(&file) {
        return Err("it is not locked".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let word = line.split(u8::is_ascii_whitespace).find(|word| !word.is_empty()).unwrap_or_default();
    let pid = std::str::from_utf8(word).ok().and_then(|word| word.parse().ok());
    pid.filter(|&pid| pid > 0).ok_or_else(|| "it does not begin with a pid".to_owned())
}

fn open(path: &Path) -> io::Result<File> {
    match path.as_os_str() == "-" {
        true => Ok(dup(io::stdin())?.into()),
        false => File::open(path),
    }
}

/// Whether somebody has it for writing, by flock(2) or by fcntl(2).
fn has_lock(file: &File) -> bool {
    let shared = FlockOperation::NonBlockingLockShared;
    flock(file, shared) == Err(Errno::WOULDBLOCK)
        || matches!(fcntl_lock(file, shared), Err(Errno::ACCESS | Errno::AGAIN))
}
