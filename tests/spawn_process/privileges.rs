//! Users and cgroups: what takes a privilege, and what fails without it.

use std::fs::File;
use std::io::Read;
use std::process::Stdio as StdStdio;

use childset::unix::CommandExt;
use childset::{ChildSet, Command, Containment, Forked, Signal, Stdio};

use crate::common::{self, check_leaks, errno};
use crate::text;

/// Each step that takes a privilege says that it failed.
pub(crate) fn not_root() {
    if !common::may_be_ordinary() {
        return;
    }
    common::give_up_root(65534);
    assert_eq!(text(Command::new("echo").arg("it works")), "it works\n");
    type Change = fn(&mut Command);
    let changes: [(Change, &str, i32); 7] = [
        (
            |command| {
                command.uid(0);
            },
            "setuid",
            libc::EPERM,
        ),
        (
            |command| {
                command.gid(0);
            },
            "setgid",
            libc::EPERM,
        ),
        (
            |command| {
                command.groups(&[0]);
            },
            "setgroups",
            libc::EPERM,
        ),
        (
            |command| {
                command.chroot("/");
            },
            "chroot",
            libc::EPERM,
        ),
        (
            |command| {
                command.nice(-20);
            },
            "setpriority",
            libc::EACCES,
        ),
        (
            |command| {
                command.scheduler(libc::SCHED_FIFO, 1);
            },
            "sched_setscheduler",
            libc::EPERM,
        ),
        (
            |command| {
                let hard = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum.unwrap();
                command.rlimit(childset::Resource::NOFILE, 10, hard + 1);
            },
            "setrlimit",
            libc::EPERM,
        ),
    ];
    for (change, name, expected) in changes {
        check_leaks(|| {
            for by_std in [false, true] {
                let mut command = Command::new("true");
                if by_std {
                    common::make_by_std(&mut command);
                }
                change(&mut command);
                let error = command.spawn().unwrap_err();
                assert_eq!(errno(&error), expected, "{name}: {error}");
                assert!(error.to_string().contains(name), "{error}");
            }
        });
    }
    // Setting what it has is allowed.
    assert_eq!(text(Command::new("id").arg("-u").uid(65534)), "65534\n");
}

pub(crate) fn cgroup() {
    let path = match common::new_cgroup() {
        Ok(path) => path,
        Err(why) => return common::skipped(why),
    };
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let result = std::panic::catch_unwind(|| {
        let directory = || File::open(&path).unwrap();
        let told = text(Command::new("cat").arg("/proc/self/cgroup").cgroup(directory()));
        assert!(told.lines().any(|line| line.starts_with("0::") && line.ends_with(&name)), "{told}");

        // What left the process group and the session is in it all the same.
        let mut command = Command::new("sh");
        command.args(["-c", "exec 3<&0; setsid cat <&3 & echo; wait"]).cgroup(directory());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take();
        child.stdout.as_ref().unwrap().blocking().read_exact(&mut [0]).unwrap();
        let expected = Containment::Cgroup;
        assert_eq!(child.kill_tree().unwrap(), expected);
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL));
        // End of file: nobody is left.
        assert_eq!(child.stdout.take().unwrap().blocking().read_to_end(&mut Vec::new()).unwrap(), 0);
        drop(stdin);
        assert_eq!(child.kill_tree().unwrap(), expected, "that nobody is left is no error");
        // Later ones are not killed by that (Linux 6.18 does so).
        let told = text(Command::new("cat").arg("/proc/self/cgroup").cgroup(directory()));
        assert!(told.contains(&name), "{told}");

        // A copy of this process has no business with it.
        let child = Command::new("sleep").arg("60").cgroup(directory()).spawn().unwrap();
        let refused =
            || u8::from(Forked::from_io_error(&child.kill_tree().unwrap_err()) != Some(Forked::Object));
        assert_eq!(common::in_copy(refused), 0);
        assert_eq!(child.try_wait().unwrap(), None);
        child.kill().unwrap();
        child.wait().unwrap();
        // The root of all has no `cgroup.kill`: there it is the child alone.
        let root = path.ancestors().take_while(|path| path.join("cgroup.procs").exists()).last().unwrap();
        if !root.join("cgroup.kill").exists() {
            let mut command = Command::new("sleep");
            let child = command.arg("60").cgroup(File::open(root).unwrap()).spawn().unwrap();
            assert_eq!(child.kill_tree().unwrap(), Containment::Process);
            assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL));
        }

        // A set keeps it with the child, whoever made that.
        let set = ChildSet::new().unwrap();
        let held = || {
            let mut command = Command::new("cat");
            command.stdin(Stdio::piped()).stdout(Stdio::null()).cgroup(directory());
            command
        };
        let keys = [set.spawn(&mut held(), ()).unwrap(), set.insert(held().spawn().unwrap(), ()).unwrap()];
        for key in keys {
            let (child, ()) = set.remove(key).unwrap();
            assert_eq!(child.kill_tree().unwrap(), expected);
            assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL));
        }

        let error = Command::new("true").cgroup(File::open("/").unwrap()).spawn().unwrap_err();
        // As `clone3` says it, or as it is found to have no `cgroup.procs`.
        assert!([libc::EBADF, libc::ENOENT].contains(&errno(&error)), "{error}");
        // By `fork`, it enters the cgroup itself.
        let mut by_std = Command::new("cat");
        common::make_by_std(&mut by_std);
        by_std.arg("/proc/self/cgroup").cgroup(directory()).stdout(Stdio::piped());
        let output = by_std.spawn().unwrap().wait_with_output().unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains(name), "{output:?}");
        // With a `Stdio` of std's, too.
        let mut with_stdio = Command::new("cat");
        with_stdio.arg("/proc/self/cgroup").cgroup(directory()).stdin(StdStdio::null());
        assert!(text(&mut with_stdio).contains(name));
    });
    common::remove_cgroup(&path);
    result.unwrap();
}

/// The child enters it by itself.
pub(crate) fn cgroup_without_clone3() {
    match common::seccomp::filter(libc::SYS_clone3, Some(libc::ENOSYS), None) {
        Ok(()) => cgroup(),
        Err(error) => common::skipped(format_args!("seccomp filters are refused: {error}")),
    }
}
