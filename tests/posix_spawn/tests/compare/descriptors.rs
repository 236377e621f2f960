//! The file actions on descriptors. See `world::furnish` for those that there are.

use crate::{Call, Case};

fn open(call: &mut Call, fd: i32, path: &str, flags: i32) {
    call.actions.addopen(fd, path, flags, 0o666).unwrap();
}

fn dup2(call: &mut Call, pairs: &[(i32, i32)]) {
    pairs.iter().for_each(|&(fd, newfd)| call.actions.adddup2(fd, newfd).unwrap());
}

fn close(call: &mut Call, fds: &[i32]) {
    fds.iter().for_each(|&fd| call.actions.addclose(fd).unwrap());
}

fn close_from(call: &mut Call, from: i32) {
    call.actions.addclosefrom_np(from).unwrap();
}

const NEW: i32 = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL;

pub(crate) const CASES: &[Case] = &[
    Case("dup2", |call| dup2(call, &[(5, 9)]), &["fd 5 WORLD/file *", "fd 9 WORLD/file *"]),
    Case("dup2 of a close-on-exec one", |call| dup2(call, &[(6, 9)]), &["!fd 6 *", "fd 9 WORLD/file *"]),
    Case("dup2 onto itself", |call| dup2(call, &[(6, 6)]), &["fd 6 WORLD/file *"]),
    Case("dup2 onto itself, which is inherited", |call| dup2(call, &[(5, 5)]), &["fd 5 WORLD/file *"]),
    Case("dup2 of a closed one", |call| dup2(call, &[(8, 9)]), &["error 9"]),
    Case("dup2 of a closed one onto itself", |call| dup2(call, &[(8, 8)]), &["error 9"]),
    Case("dup2 onto one in use", |call| dup2(call, &[(1, 5)]), &["fd 5 WORLD/out *"]),
    Case(
        "a chain of dup2",
        |call| dup2(call, &[(5, 0), (0, 1), (1, 8)]),
        &["fd 0 WORLD/file *", "fd 1 WORLD/file *", "fd 8 WORLD/file *"],
    ),
    Case(
        "1 and 2 swapped",
        |call| {
            dup2(call, &[(1, 9), (2, 1), (9, 2)]);
            close(call, &[9]);
        },
        &["fd 1 WORLD/err *", "fd 2 WORLD/out *", "!fd 9 *"],
    ),
    Case(
        "5 and 7 swapped by a number in use",
        |call| dup2(call, &[(5, 6), (7, 5), (6, 7)]),
        &["fd 5 WORLD/dir *", "fd 6 WORLD/file *", "fd 7 WORLD/file *"],
    ),
    Case(
        "three in a circle",
        |call| dup2(call, &[(0, 9), (1, 0), (2, 1), (9, 2)]),
        &["fd 0 WORLD/out *", "fd 1 WORLD/err *", "fd 2 /dev/null *"],
    ),
    Case(
        "a script whose 1 and 2 are swapped",
        |call| {
            call.program = "script".to_owned();
            dup2(call, &[(1, 9), (2, 1), (9, 2)]);
        },
        &["exit status: 3", "file out 100644 \"err\\n\"", "file err 100644 \"out\\n\""],
    ),
    Case(
        "dup2 onto a high number",
        |call| dup2(call, &[(5, 900), (900, 901)]),
        &["fd 900 WORLD/file *", "fd 901 WORLD/file *"],
    ),
    Case("close", |call| close(call, &[5]), &["!fd 5 *", "fd 7 *"]),
    Case("close 0, 1 and 2", |call| close(call, &[0, 1, 2]), &["!fd 0 *", "!fd 1 *", "!fd 2 *", "fd 5 *"]),
    Case("close what is closed", |call| close(call, &[8, 8]), &["exit status: 7"]),
    Case("close what is close-on-exec", |call| close(call, &[6]), &["!fd 6 *"]),
    Case(
        "close, then dup2 of it",
        |call| {
            close(call, &[5]);
            dup2(call, &[(5, 9)]);
        },
        &["error 9"],
    ),
    Case(
        "close, then dup2 onto it",
        |call| {
            close(call, &[5]);
            dup2(call, &[(7, 5)]);
        },
        &["fd 5 WORLD/dir *"],
    ),
    Case(
        "dup2, then close the first",
        |call| {
            dup2(call, &[(5, 9)]);
            close(call, &[5]);
        },
        &["!fd 5 *", "fd 9 WORLD/file *"],
    ),
    Case(
        "dup2 of what an action made close-on-exec no more",
        |call| {
            dup2(call, &[(6, 6), (6, 9)]);
        },
        &["fd 6 WORLD/file *", "fd 9 WORLD/file *"],
    ),
    Case("open", |call| open(call, 9, "file", libc::O_RDONLY), &["fd 9 WORLD/file *"]),
    Case("open as standard input", |call| open(call, 0, "file", libc::O_RDWR), &["fd 0 WORLD/file *"]),
    Case("open onto one in use", |call| open(call, 5, "out", libc::O_WRONLY), &["fd 5 WORLD/out *"]),
    Case(
        "open, then dup2, then close",
        |call| {
            open(call, 9, "file", libc::O_RDONLY);
            dup2(call, &[(9, 0), (9, 1)]);
            close(call, &[9]);
        },
        &["fd 0 WORLD/file *", "fd 1 WORLD/file *", "!fd 9 *"],
    ),
    Case(
        "close, then open",
        |call| {
            close(call, &[5]);
            open(call, 5, "err", libc::O_RDONLY);
        },
        &["fd 5 WORLD/err *"],
    ),
    Case(
        "a new file and its mode",
        |call| open(call, 9, "new", NEW),
        &["fd 9 WORLD/new *", "file new 100640*"],
    ),
    Case(
        "a file is truncated",
        |call| open(call, 1, "file", libc::O_WRONLY | libc::O_TRUNC),
        &["fd 1 WORLD/file *", "file file 100644 \"\""],
    ),
    Case("open a missing file", |call| open(call, 9, "missing", libc::O_RDONLY), &["error 2"]),
    Case("open a file that must be new", |call| open(call, 9, "file", NEW), &["error 17"]),
    Case("open a directory for writing", |call| open(call, 9, "dir", libc::O_WRONLY), &["error 21"]),
    Case(
        "open with flags",
        |call| open(call, 9, "file", libc::O_RDWR | libc::O_APPEND | libc::O_NONBLOCK),
        &["fd 9 WORLD/file flags *"],
    ),
    Case(
        "open as close-on-exec, with the lowest number",
        |call| {
            open(call, 3, "file", libc::O_RDONLY | libc::O_CLOEXEC);
        },
        &["exit status: 7", "!fd 3 *"],
    ),
    Case(
        "open as close-on-exec, with another number",
        |call| {
            open(call, 9, "file", libc::O_RDONLY | libc::O_CLOEXEC);
        },
        &["fd 9 WORLD/file *"],
    ),
    Case(
        "open as close-on-exec, with a number that was freed",
        |call| {
            close(call, &[1]);
            open(call, 5, "file", libc::O_RDONLY | libc::O_CLOEXEC);
            open(call, 1, "file", libc::O_RDONLY | libc::O_CLOEXEC);
        },
        &["!fd 1 *", "fd 5 *"],
    ),
    Case(
        "open as close-on-exec, then dup2 onto itself",
        |call| {
            open(call, 3, "file", libc::O_RDONLY | libc::O_CLOEXEC);
            dup2(call, &[(3, 3)]);
        },
        &["fd 3 WORLD/file *"],
    ),
    Case(
        "what was done before an error",
        |call| {
            open(call, 9, "new", NEW);
            dup2(call, &[(8, 0)]);
        },
        &["error 9", "file new *"],
    ),
    Case(
        "what was done before a missing program",
        |call| {
            open(call, 9, "new", NEW);
            call.program = "missing".to_owned();
        },
        &["error 2", "file new *"],
    ),
    Case(
        "open by the child's number",
        |call| {
            dup2(call, &[(5, 9)]);
            open(call, 10, "/dev/fd/9", libc::O_RDONLY);
            open(call, 11, "/proc/self/fd/10", libc::O_RDONLY);
        },
        &["fd 10 WORLD/file *", "fd 11 WORLD/file *"],
    ),
    Case(
        "open by the child's closed number",
        |call| {
            close(call, &[5]);
            open(call, 9, "/dev/fd/5", libc::O_RDONLY);
        },
        &["error 2"],
    ),
    Case(
        "open the child's standard output",
        |call| {
            dup2(call, &[(5, 1)]);
            open(call, 9, "/dev/stdout", libc::O_RDONLY);
        },
        &["fd 9 WORLD/file *"],
    ),
    Case("closefrom", |call| close_from(call, 3), &["fd 2 *", "!fd 5 *", "!fd 7 *"]),
    Case("closefrom 0", |call| close_from(call, 0), &["exit status: 7", "!fd *"]),
    Case(
        "closefrom, then open and dup2",
        |call| {
            close_from(call, 1);
            open(call, 1, "out", libc::O_WRONLY);
            dup2(call, &[(1, 2), (0, 20)]);
        },
        &["fd 1 WORLD/out *", "fd 2 WORLD/out *", "!fd 5 *", "!fd 7 *", "fd 20 /dev/null *"],
    ),
    Case(
        "closefrom, then dup2 of what it closed",
        |call| {
            close_from(call, 4);
            dup2(call, &[(5, 9)]);
        },
        &["error 9"],
    ),
    Case(
        "dup2 and open, then closefrom",
        |call| {
            dup2(call, &[(5, 20), (5, 3)]);
            open(call, 21, "file", libc::O_RDONLY);
            close_from(call, 6);
        },
        &["fd 3 WORLD/file *", "fd 5 *", "!fd 7 *", "!fd 20 *", "!fd 21 *"],
    ),
    Case(
        "closefrom twice",
        |call| {
            close_from(call, 6);
            dup2(call, &[(5, 9)]);
            close_from(call, 8);
        },
        &["fd 5 *", "!fd 7 *", "!fd 9 *"],
    ),
    Case(
        "a hundred of each",
        |call| {
            for fd in 10..110 {
                open(call, fd, "file", libc::O_RDONLY);
                dup2(call, &[(fd, fd + 100)]);
                if fd % 2 == 0 {
                    close(call, &[fd]);
                }
            }
        },
        &["!fd 108 *", "fd 109 WORLD/file *", "fd 208 WORLD/file *", "fd 209 WORLD/file *"],
    ),
    Case(
        "one file position",
        |call| {
            call.program = "/bin/sh".to_owned();
            call.argv = ["sh", "-c", "head -c 4 <&9 >/dev/null; head -c 3 <&8"].map(String::from).into();
            open(call, 9, "file", libc::O_RDONLY);
            dup2(call, &[(9, 8)]);
        },
        &["exit status: 0", "file out 100644 \"456\""],
    ),
];
