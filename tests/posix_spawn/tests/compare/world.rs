//! Where a call is made: a process of its own, with files, directories and descriptors that are always the same.

use std::fmt::Write;
use std::fs::{self, File};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{symlink, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::call::{Call, Implementation};

/// A call that hangs is ended after this time.
const HANGS_AFTER_SECONDS: u32 = 30;

/// What came of the call: error or status, what the child reported and wrote, and the files there are then.
pub(crate) fn outcome(prepare: fn(&mut Call), implementation: Implementation) -> String {
    let base = std::env::temp_dir().join(format!("posix-spawn-{}", std::process::id()));
    let _ = fs::remove_dir_all(&base);
    let world = base.join("world");
    fs::create_dir_all(&world).unwrap();
    // SAFETY: this process has one thread.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: touches no memory.
        unsafe { libc::alarm(HANGS_AFTER_SECONDS) };
        let done = std::panic::catch_unwind(|| observe(&world, prepare, implementation));
        // SAFETY: ends the process, of which nothing more is wanted.
        unsafe { libc::_exit(if done.is_ok() { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: writes to the integer alone.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    assert_eq!(status, 0, "the process that makes the call");
    let outcome = fs::read_to_string(base.join("outcome")).unwrap();
    fs::remove_dir_all(&base).unwrap();
    outcome
}

fn observe(world: &Path, prepare: fn(&mut Call), implementation: Implementation) {
    furnish(world);
    let report = world.with_file_name("report");
    let mut call = Call {
        program: "bin/prog".to_owned(),
        search: false,
        actions: Default::default(),
        attributes: Default::default(),
        argv: vec!["zero".to_owned(), "one".to_owned()],
        envp: vec![format!("REPORT={}", report.display()), "B=2".to_owned(), "A=1".to_owned()],
    };
    prepare(&mut call);
    let result = implementation(&call);
    // The one that the crate keeps, once it has blocked on a child, is no leak of the call.
    let kept = usize::from(fs::read_dir("/proc/self/fd").unwrap().any(|fd| {
        fs::read_link(fd.unwrap().path()).is_ok_and(|link| link.as_os_str() == "anon_inode:[eventpoll]")
    }));
    let open = fs::read_dir("/proc/self/fd").unwrap().count() - 1 - kept;
    let mut outcome = match result {
        Ok(status) => format!("{status}\n"),
        Err(errno) => format!("error {errno}\n"),
    };
    outcome += &fs::read_to_string(report).unwrap_or_default();
    writeln!(outcome, "left open {open}").unwrap();
    list(world, world, &mut outcome);
    fs::write(world.with_file_name("outcome"), outcome).unwrap();
}

/// Files, and the descriptors: 0 is `/dev/null`, 1 and 2 are `out` and `err`, 5 is `file`, 6 as well but
/// close-on-exec, 7 is the directory `dir`; all others are closed.
fn furnish(world: &Path) {
    // SAFETY: of the descriptors above 2 this process has no owner that uses them.
    unsafe { libc::close_range(3, u32::MAX, 0) };
    // SAFETY: touches no memory.
    unsafe { libc::umask(0o027) };
    std::env::set_current_dir(world).unwrap();
    for directory in ["bin", "dir", "dir/bin", "empty", "denied", "format", "directory/prog", "locked"] {
        fs::create_dir_all(directory).unwrap();
        fs::set_permissions(directory, PermissionsExt::from_mode(0o755)).unwrap();
    }
    for program in ["bin/prog", "dir/bin/prog", "dir/only-here", "here"] {
        symlink(env!("CARGO_BIN_EXE_reporter"), program).unwrap();
    }
    write("file", "0123456789", 0o644);
    write("out", "", 0o644);
    write("err", "", 0o644);
    write("denied/prog", "#!/bin/sh\n", 0o644);
    write("format/prog", "echo \"$0 $*\" >\"$REPORT\"; exit 3\n", 0o755);
    write("script", "#!/bin/sh\necho \"$0 $*\" >\"$REPORT\"\necho out\necho err >&2\nexit 3\n", 0o755);
    write("interpreter", "#!/no/such/interpreter\n", 0o755);
    write("garbage", "\x7fELF and no more", 0o755);
    fs::set_permissions("locked", PermissionsExt::from_mode(0o600)).unwrap();
    std::env::set_var("PATH", "/usr/bin:/bin");
    dispose_of_the_c_librarys_signals(libc::SIG_IGN);

    place(File::open("/dev/null").unwrap(), 0, 0);
    place(File::options().append(true).open("out").unwrap(), 1, 0);
    place(File::options().append(true).open("err").unwrap(), 2, 0);
    place(File::open("file").unwrap(), 5, 0);
    place(File::options().read(true).write(true).open("file").unwrap(), 6, libc::O_CLOEXEC);
    place(File::open("dir").unwrap(), 7, 0);
}

/// 32 and 33, which the C library keeps for itself. Its posix_spawn has the child ignore them unless this process
/// has their defaults, and so the two agree only where they are ignored before.
pub(crate) fn dispose_of_the_c_librarys_signals(handler: usize) {
    for signal in [32, 33] {
        // The kernel's `struct sigaction`: handler, flags, restorer and mask.
        let action = [handler, 0, 0, 0];
        let no_old = std::ptr::null_mut::<usize>();
        // SAFETY: the action lives during the call, which writes nothing.
        let done = unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, action.as_ptr(), no_old, 8) };
        assert_eq!(done, 0);
    }
}

fn write(path: &str, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// Puts a file under a number, other than the lowest free one.
pub(crate) fn place(file: File, number: RawFd, flags: i32) {
    // SAFETY: whoever owned what was there uses it no more.
    let placed = unsafe { libc::dup3(file.as_raw_fd(), number, flags) };
    assert_eq!(placed, number, "{}", std::io::Error::last_os_error());
}

fn list(world: &Path, directory: &Path, outcome: &mut String) {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let name = path.strip_prefix(world).unwrap().display();
        writeln!(outcome, "owner {name} {}", metadata.uid()).unwrap();
        write!(outcome, "file {name} {:o}", metadata.mode()).unwrap();
        match metadata.is_file() {
            true => writeln!(outcome, " {:?}", fs::read_to_string(&path).unwrap()).unwrap(),
            false => writeln!(outcome).unwrap(),
        }
        if metadata.is_dir() {
            list(world, &path, outcome);
        }
    }
}
