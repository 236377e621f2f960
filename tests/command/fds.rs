//! Descriptors by number, and none else.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use childset::{Command, SpawnError, Stdio};

use crate::common::{pipe, times, Dir};
use crate::{both_ways, errno, output, sh, text};

/// A file with this content, at its beginning, and its descriptor with this number at least.
fn file(directory: &Dir, content: &str, at_least: i32) -> OwnedFd {
    let path = directory.path().join(content);
    let mut file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(path).unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    rustix::io::fcntl_dupfd_cloexec(&file, at_least).unwrap()
}

#[test]
fn descriptors_by_number() {
    let directory = Dir::new();
    both_ways(|new| {
        let fd = |content| file(&directory, content, 3);
        let script = "cat <&3; echo; cat <&7; echo; cat <&9";
        let mut command = sh(new, script);
        command.fd(9, fd("nine")).fd(3, fd("three")).fd(7, fd("lost")).fd(7, fd("seven"));
        assert_eq!(text(&mut command), "three\nseven\nnine");
        let mut command = sh(new, "ls -x /proc/self/fd");
        command.stdin(Stdio::null()).stderr(Stdio::null());
        assert_eq!(text(command.fd(4, fd("x")).fd(8, fd("y"))), "0  1  2  3  4  8");
        // The first three are those of stdin, stdout and stderr; the last call counts.
        let (mut reader, writer) = pipe();
        let mut command = sh(new, "cat; echo out; echo err >&2");
        command.stdin(Stdio::null()).fd(0, fd("in")).fd(1, writer.try_clone().unwrap()).fd(2, writer);
        assert!(command.spawn().unwrap().wait().unwrap().success());
        drop(command);
        let mut told = String::new();
        reader.read_to_string(&mut told).unwrap();
        assert_eq!(told, "inout\nerr\n");
        assert_eq!(text(new("cat").fd(0, fd("lost")).stdin(Stdio::null())), "");
    });
}

#[test]
fn descriptors_whose_numbers_collide_with_sources() {
    let directory = Dir::new();
    both_ways(|new| {
        // Numbers that nobody else takes at this time.
        let (a, b, c) = (file(&directory, "a", 700), file(&directory, "b", 700), file(&directory, "c", 700));
        let numbers = [a.as_raw_fd(), b.as_raw_fd(), c.as_raw_fd()];
        // Each gets the number of another; dash knows one digit alone.
        let mut command = new("bash");
        let cat = |number| format!("cat /proc/self/fd/{number}; echo;");
        command.args(["-c", &(cat(numbers[0]) + &cat(numbers[1]) + &cat(numbers[2]))]);
        command.fd(numbers[1], a).fd(numbers[2], b).fd(numbers[0], c);
        assert_eq!(text(&mut command), "c\na\nb");
        assert_eq!(text(&mut command), "c\na\nb");

        // The number of its own source, and of the source of standard input.
        let (a, b) = (file(&directory, "a", 700), file(&directory, "b", 700));
        let (own, input) = (a.as_raw_fd(), b.as_raw_fd());
        let c = file(&directory, "c", 700);
        let mut command = sh(new, &(cat(own) + "cat; echo;" + &cat(input)));
        command.fd(own, a).stdin(b).fd(input, c);
        assert_eq!(text(&mut command), "a\nb\nc");

        // So many numbers are wanted that a free one, for a copy of a source, is among them.
        let a = file(&directory, "a", 700);
        let own = a.as_raw_fd();
        let mut command = sh(new, &cat(own));
        for number in 3..60 {
            command.fd(number, file(&directory, "b", 700));
        }
        assert_eq!(text(command.fd(own, a)), "a");
    });
}

#[test]
fn no_other_descriptor_is_inherited() {
    let open = File::open("/dev/null").unwrap();
    // Not close-on-exec; SAFETY: the descriptor is new.
    let open = unsafe { File::from_raw_fd(libc::dup(open.as_raw_fd())) };
    let number = open.as_raw_fd().to_string();
    both_ways(|new| {
        let quiet = |program| {
            let mut command = new(program);
            command.stdin(Stdio::null()).stderr(Stdio::null());
            command
        };
        assert_eq!(text(quiet("ls").arg("/proc/self/fd")), "0\n1\n2\n3");
        let inherited = text(quiet("ls").arg("/proc/self/fd").inherit_fds(true));
        assert!(inherited.lines().any(|line| line == number), "{number} in {inherited}");
        assert_eq!(text(quiet("ls").arg("/proc/self/fd").inherit_fds(true).inherit_fds(false)), "0\n1\n2\n3");
        // Both: all, and those with a number.
        let mut command = sh(new, "cat <&9");
        command.inherit_fds(true).fd(9, File::open("/proc/self/comm").unwrap());
        assert_eq!(output(&mut command).status.code(), Some(0));
    });
}

#[test]
fn impossible_numbers_of_descriptors() {
    both_ways(|new| {
        for number in [-1, i32::MIN, i32::MAX, i32::MAX - 1] {
            let error = new("true").fd(number, File::open("/dev/null").unwrap()).spawn().unwrap_err();
            let known = [libc::EBADF, libc::EINVAL, libc::EMFILE];
            let errno = SpawnError::raw_os_error(&error);
            assert!(errno.is_some_and(|errno| known.contains(&errno)), "{number}: {error:?}");
        }
    });
}

/// A set's or a child's own descriptors, and the pipes of the spawn itself, may have the number that is asked for.
#[test]
fn descriptors_whose_numbers_are_taken_by_us() {
    let directory = Dir::new();
    let path = directory.path().join("content");
    fs::write(&path, "content").unwrap();
    let content = || OpenOptions::new().read(true).write(true).open(&path).unwrap();
    both_ways(|new| {
        let mut held = Vec::new();
        // Around what is free now lie the pipes of the spawn, its pidfd, and std's own pipe.
        for number in 3..3 + times(40).max(12) as i32 {
            let mut command = sh(new, &format!("cat /proc/self/fd/{number}; echo err >&2; cat"));
            command.fd(number, content());
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let child = command.spawn().unwrap();
            child.stdin.as_ref().unwrap().blocking().write_all(b"input").unwrap();
            held.push(child);
            let error = new("/no/such/program").fd(number, content()).spawn().unwrap_err();
            assert_eq!(errno(&error), libc::ENOENT, "{number}");
        }
        for child in held {
            let output = child.wait_with_output().unwrap();
            assert_eq!((output.stdout, output.stderr), (b"contentinput".to_vec(), b"err\n".to_vec()));
        }
    });
    assert_eq!(fs::read(&path).unwrap(), b"content");
}

#[test]
fn ranges_of_descriptors_to_close() {
    use std::ops::Bound::{Excluded, Included, Unbounded};
    // Numbers that nobody else takes at this time, inherited unless closed.
    let open: Vec<i32> = (0..4)
        .map(|_| {
            let file = File::open("/dev/null").unwrap();
            // SAFETY: asking for a copy of a descriptor that is open.
            unsafe { libc::fcntl(file.as_raw_fd(), libc::F_DUPFD, 800) }
        })
        .collect();
    both_ways(|new| {
        let left = |range: (std::ops::Bound<i32>, std::ops::Bound<i32>)| {
            let listed = text(new("ls").arg("/proc/self/fd").inherit_fds(true).close_fds(range));
            open.iter().map(|fd| listed.lines().any(|line| line == fd.to_string())).collect::<Vec<_>>()
        };
        let [a, _, c, d] = open[..] else { unreachable!() };
        assert_eq!(left((Included(a), Excluded(a))), [true, true, true, true]);
        assert_eq!(left((Included(a), Excluded(c))), [false, false, true, true]);
        assert_eq!(left((Included(a), Included(c))), [false, false, false, true]);
        assert_eq!(left((Excluded(a), Excluded(d))), [true, false, false, true]);
        assert_eq!(left((Excluded(c), Unbounded)), [true, true, true, false]);
        assert_eq!(left((Included(-9), Excluded(c))), [false, false, true, true]);
        assert_eq!(left((Included(d), Included(a))), [true, true, true, true]);
        assert_eq!(left((Excluded(i32::MAX), Unbounded)), [true, true, true, true]);
        assert_eq!(left((Included(3), Excluded(i32::MIN))), [true, true, true, true]);
    });
    for fd in open {
        // SAFETY: made above, and used no more.
        unsafe { libc::close(fd) };
    }
}

/// What the crate has open is close-on-exec: children that others make see nothing of it.
#[test]
fn a_child_of_std_sees_no_descriptor_of_ours() {
    let seen = || -> Vec<String> {
        let output = std::process::Command::new("ls").args(["-l", "/proc/self/fd"]).output().unwrap();
        let listed = String::from_utf8(output.stdout).unwrap();
        let targets = listed.lines().filter_map(|line| Some(line.rsplit_once(" -> ")?.1.to_owned()));
        targets
            .filter(|target| {
                ["pipe:", "pidfd", "eventpoll", "eventfd"].iter().any(|kind| target.contains(kind))
            })
            .collect()
    };
    let mut before = seen();
    let mut child = Command::new("cat");
    child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let set = childset::ChildSet::new().unwrap();
    set.spawn(&mut child, ()).unwrap();
    let mut alone = child.spawn().unwrap();
    // One that std has made, whose pidfd comes in a message.
    child.stderr(std::process::Stdio::null());
    let mut by_std = child.spawn().unwrap();
    // Blocking takes another one.
    assert!(set.wait(Some(std::time::Duration::from_millis(1))).unwrap().is_none());
    // What this process was itself given is there as before; the two pipes of `ls` are new.
    let mut now = seen();
    before.retain(|target| now.iter().position(|other| other == target).map(|at| now.remove(at)).is_none());
    assert_eq!((before.len(), now.len()), (2, 2), "{before:?}, {now:?}");
    drop((alone.stdin.take(), by_std.stdin.take()));
    assert!(alone.wait().unwrap().success() && by_std.wait().unwrap().success());
    set.send_signal_to_all(childset::Signal::KILL).unwrap();
    assert!(set.wait(None).unwrap().is_some());
}
