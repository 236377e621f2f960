//! Whether the files are there that a service needs. They may come before it is started, so that only `--check` asks.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rustix::fs::{access, open, Access, Mode, OFlags};
use rustix::io::Errno;

pub(crate) fn directory(path: &str) -> Result<(), String> {
    match Path::new(path).is_dir() {
        true => Ok(()),
        false => Err(format!("there is no directory {path:?}")),
    }
}

/// As the service would look for it: in the `PATH` that it has, or from its directory.
pub(crate) fn program(name: &str, path: Option<&str>, directory: Option<&str>) -> Result<(), String> {
    let base = directory.map_or_else(PathBuf::new, PathBuf::from);
    let is_there = |file: &Path| {
        let file = base.join(file);
        file.is_file() && access(&file, Access::EXEC_OK).is_ok()
    };
    let found = match name.contains('/') {
        true => is_there(Path::new(name)),
        false => {
            let path = path.map(OsString::from).or_else(|| env::var_os("PATH"));
            let path = path.unwrap_or_else(|| "/bin:/usr/bin".into());
            env::split_paths(&path).any(|directory| is_there(&Path::new(".").join(directory).join(name)))
        }
    };
    match found {
        true => Ok(()),
        false => Err(format!("there is no program {name:?}")),
    }
}

/// A file that can be made, or that is one of those that we write; with its directory, in which files are renamed.
pub(crate) fn log(file: &Path) -> Result<(), String> {
    let parent = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !parent.is_dir() {
        return Err(format!("there is no directory {parent:?}"));
    }
    // A file without a name, where there is such a thing: also a full disk is found.
    match open(parent, OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC, Mode::RUSR) {
        Err(Errno::OPNOTSUPP | Errno::ISDIR) => access(parent, Access::WRITE_OK | Access::EXEC_OK),
        result => result.map(drop),
    }
    .map_err(|error| format!("no file can be made in {parent:?}: {error}"))?;
    match file.symlink_metadata() {
        Ok(metadata) if !metadata.is_file() => Err(format!("{file:?} is no regular file")),
        Ok(_) => access(file, Access::READ_OK | Access::WRITE_OK)
            .map_err(|error| format!("{file:?} cannot be written: {error}")),
        Err(_) => Ok(()),
    }
}
