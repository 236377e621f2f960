//! Cgroups of version 2.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where cgroups of version 2 are mounted.
pub(crate) fn cgroup_mount() -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let mount = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"))?;
    mount.split(' ').nth(1).map(PathBuf::from)
}

/// A new cgroup below ours in the version 2 hierarchy, or why there is none.
pub(crate) fn new_cgroup() -> Result<PathBuf, String> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let mount = cgroup_mount().ok_or("no cgroup v2 is mounted")?;
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let own = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or("").to_owned();
    let path = mount.join(own).join(format!("childset-{}-{number}", std::process::id()));
    std::fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

/// Kills all in it; `ENOENT` before Linux 5.14.
pub(crate) fn kill_cgroup(path: &Path) -> io::Result<()> {
    File::options().write(true).open(path.join("cgroup.kill"))?.write_all(b"1")
}

/// Removes it, once the kernel has emptied it: a moment after the last process was killed.
pub(crate) fn remove_cgroup(path: &Path) {
    while std::fs::read_to_string(path.join("cgroup.events")).unwrap().contains("populated 1") {
        std::thread::yield_now();
    }
    std::fs::remove_dir(path).unwrap();
}
