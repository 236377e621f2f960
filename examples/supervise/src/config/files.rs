//! Whether the files are there that a service needs. They may come before it is started, so that only `--check` asks.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rustix::fs::{access, Access};

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
