//! `--results`: what each job writes, in files of its own.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use std::ffi::{OsStr, OsString};

use crate::launch::Job;

pub(super) struct Results([File; 2]);

impl Results {
    /// Makes the files anew, as GNU parallel names them.
    pub(super) fn create(directory: &Path, names: &[OsString], job: &Job) -> io::Result<Results> {
        let directory = place(directory, names, job);
        fs::create_dir_all(&directory)?;
        fs::write(directory.join("seq"), job.number.to_string())?;
        Ok(Results([File::create(directory.join("stdout"))?, File::create(directory.join("stderr"))?]))
    }

    pub(super) fn write(&mut self, stream: super::Stream, bytes: &[u8]) -> io::Result<()> {
        self.0[stream as usize].write_all(bytes)
    }
}

/// Arguments are by their names in the header, or else by their numbers.
fn place(directory: &Path, names: &[OsString], job: &Job) -> PathBuf {
    let mut path = directory.to_owned();
    if job.arguments.is_empty() {
        path.push(job.number.to_string());
    }
    for (index, argument) in job.arguments.iter().enumerate() {
        match names.get(index) {
            Some(known) => path.push(name(known)),
            None => path.push((index + 1).to_string()),
        }
        path.push(name(argument));
    }
    path
}

/// One component, whatever the argument is.
fn name(argument: &OsStr) -> OsString {
    let bytes = argument.as_bytes();
    let mut name = Vec::with_capacity(bytes.len());
    if matches!(bytes, b"" | b"." | b"..") {
        name.push(b'\\');
    }
    for &byte in bytes {
        match byte {
            b'/' => name.extend_from_slice(b"\\_"),
            b'\\' => name.extend_from_slice(b"\\\\"),
            b'\t' => name.extend_from_slice(b"\\t"),
            other => name.push(other),
        }
    }
    OsString::from_vec(name)
}
