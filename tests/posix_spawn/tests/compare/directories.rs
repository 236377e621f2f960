//! The file actions on the working directory.

use crate::{Call, Case};

fn chdir(call: &mut Call, path: &str) {
    call.actions.addchdir(path).unwrap();
}

fn fchdir(call: &mut Call, fd: i32) {
    call.actions.addfchdir(fd).unwrap();
}

fn open(call: &mut Call, fd: i32, path: &str, flags: i32) {
    call.actions.addopen(fd, path, flags, 0o666).unwrap();
}

pub(crate) const CASES: &[Case] = &[
    Case("chdir", |call| chdir(call, "dir"), &["directory WORLD/dir", "executed \"bin/prog\""]),
    Case(
        "chdir, step by step",
        |call| ["dir", "..", "bin", "../dir"].iter().for_each(|path| chdir(call, path)),
        &["directory WORLD/dir"],
    ),
    Case(
        "chdir /",
        |call| {
            call.program = std::env::current_dir().unwrap().join("bin/prog").display().to_string();
            chdir(call, "/");
        },
        &["directory /"],
    ),
    Case(
        "chdir to where the program is",
        |call| {
            call.program = "only-here".to_owned();
            chdir(call, "dir");
        },
        &["directory WORLD/dir", "executed \"only-here\""],
    ),
    Case("chdir away from the program", |call| chdir(call, "empty"), &["error 2"]),
    Case("chdir to a missing directory", |call| chdir(call, "missing"), &["error 2"]),
    Case("chdir to a file", |call| chdir(call, "file"), &["error 20"]),
    Case("chdir to nothing", |call| chdir(call, ""), &["error 2"]),
    Case(
        "PATH, relative to where the child is",
        |call| {
            call.program = "only-here".to_owned();
            call.search = true;
            std::env::set_var("PATH", "bin::/bin");
            chdir(call, "dir");
        },
        &["directory WORLD/dir", "executed \"only-here\""],
    ),
    Case(
        "open where the child is",
        |call| {
            chdir(call, "dir");
            open(call, 9, "new", libc::O_RDWR | libc::O_CREAT);
            chdir(call, "..");
            open(call, 10, "file", libc::O_RDONLY);
        },
        &["directory WORLD", "fd 9 WORLD/dir/new *", "fd 10 WORLD/file *", "file dir/new *"],
    ),
    Case(
        "open where the child is no more",
        |call| {
            chdir(call, "dir");
            open(call, 9, "file", libc::O_RDONLY);
        },
        &["error 2"],
    ),
    Case("fchdir", |call| fchdir(call, 7), &["directory WORLD/dir", "fd 7 WORLD/dir *"]),
    Case(
        "fchdir, then close",
        |call| {
            fchdir(call, 7);
            call.actions.addclose(7).unwrap();
        },
        &["directory WORLD/dir", "!fd 7 *"],
    ),
    Case(
        "fchdir, then closefrom",
        |call| {
            fchdir(call, 7);
            call.actions.addclosefrom_np(0).unwrap();
        },
        &["directory WORLD/dir", "!fd *"],
    ),
    Case(
        "fchdir to what an action opened",
        |call| {
            open(call, 9, "dir", libc::O_RDONLY | libc::O_DIRECTORY);
            fchdir(call, 9);
            open(call, 10, "bin", libc::O_PATH);
            fchdir(call, 10);
            call.program = "./prog".to_owned();
        },
        &["directory WORLD/dir/bin", "executed \"./prog\""],
    ),
    Case("fchdir to a closed one", |call| fchdir(call, 8), &["error 9"]),
    Case(
        "fchdir to what an action closed",
        |call| {
            call.actions.addclose(7).unwrap();
            fchdir(call, 7);
        },
        &["error 9"],
    ),
    Case("fchdir to a file", |call| fchdir(call, 5), &["error 20"]),
    Case(
        "fchdir to what dup2 put there",
        |call| {
            call.actions.adddup2(7, 5).unwrap();
            fchdir(call, 5);
        },
        &["directory WORLD/dir", "fd 5 WORLD/dir *"],
    ),
    Case(
        "a directory that is gone",
        |call| {
            std::fs::create_dir("gone").unwrap();
            crate::world::place(std::fs::File::open("gone").unwrap(), 12, libc::O_CLOEXEC);
            std::fs::remove_dir("gone").unwrap();
            fchdir(call, 12);
            call.program = std::env::current_dir().unwrap().join("bin/prog").display().to_string();
        },
        &["directory WORLD/gone (deleted)"],
    ),
    Case(
        "the umask is the child's",
        |call| {
            // SAFETY: touches no memory.
            unsafe { libc::umask(0o077) };
            open(call, 9, "new", libc::O_RDWR | libc::O_CREAT);
        },
        &["umask 77", "file new 100600*"],
    ),
];
