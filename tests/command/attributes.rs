//! User, session, limits, signals, root directory: what Linux offers.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::thread;

use childset::unix::CommandExt;
use childset::{Command, Resource, Signal, SpawnError, Stdio};

use crate::{both_ways, errno, output, sh, text, New};
#[cfg(target_arch = "x86_64")]
use crate::{common::Dir, script};

/// Fields of `/proc/PID/stat`, numbered as in proc(5).
fn stat(command: &mut Command) -> BTreeMap<usize, i64> {
    let line = text(command);
    let fields = line.rsplit(')').next().unwrap().split_whitespace().enumerate();
    fields.filter_map(|(index, field)| Some((index + 3, field.parse().ok()?))).collect()
}

/// The signals in a line of `/proc/PID/status`, from a command that prints it.
fn signals(command: &mut Command, name: &str) -> Vec<Signal> {
    let status = text(command);
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let bits = u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap();
    (1..=64).filter(|signal| bits & 1 << (signal - 1) != 0).map(Signal::from).collect()
}

#[test]
fn user_and_groups() {
    if !crate::common::is_root() {
        return;
    }
    // Groups to be dropped, of this thread alone.
    // SAFETY: two numbers are read.
    assert_eq!(unsafe { libc::syscall(libc::SYS_setgroups, 2, [4u32, 27].as_ptr()) }, 0);
    both_ways(|new| {
        let ids = |command: &mut Command| text(command);
        let mut id = sh(new, "echo $(id -u) $(id -g) $(id -G)");
        assert_eq!(ids(id.uid(65534).gid(65534).groups(&[])), "65534 65534 65534");
        let mut id = sh(new, "echo $(id -u) $(id -g) $(id -G)");
        // The groups of root are gone too.
        assert_eq!(ids(id.uid(65534).gid(65533)), "65534 65533 65533");
        let mut id = sh(new, "echo $(id -u) $(id -g) $(id -G)");
        assert_eq!(ids(id.uid(65534).gid(65533).groups(&[7, 8])), "65534 65533 65533 7 8");
        let mut id = sh(new, "echo $(id -u) $(id -g) $(id -G)");
        assert_eq!(ids(id.gid(65533).groups(&[9])), "0 65533 65533 9");
        // It cannot go back.
        let status = text(new("grep").args(["^Uid\\|^Gid", "/proc/self/status"]).uid(1).gid(2));
        assert_eq!(status, "Uid:\t1\t1\t1\t1\nGid:\t2\t2\t2\t2");
    });
    assert!(rustix::process::geteuid().is_root() && rustix::process::getuid().is_root());
}

#[test]
fn ids_of_more_than_16_bits() {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap();
    if !crate::common::is_root() || !map.trim_end().ends_with(" 4294967295") {
        return crate::common::skipped("it takes a root who has all ids");
    }
    both_ways(|new| {
        let mut id = sh(new, "echo $(id -u) $(id -g) $(id -G)");
        id.uid(70001).gid(70002).groups(&[1000, 1001, 1002, 70003]);
        assert_eq!(text(&mut id), "70001 70002 70002 1000 1001 1002 70003");
        let mut id = sh(new, "echo $(id -u) $(id -g) $(id -G)");
        assert_eq!(text(id.uid(70001).gid(70002)), "70001 70002 70002");
    });
}

#[test]
fn session_and_process_group() {
    // SAFETY: asking for numbers.
    let (our_group, our_session) = unsafe { (i64::from(libc::getpgid(0)), i64::from(libc::getsid(0))) };
    both_ways(|new| {
        let stat_of = |change: &dyn Fn(&mut Command)| {
            let mut command = new("cat");
            command.arg("/proc/self/stat");
            change(&mut command);
            let pid: i64 = text(&mut command).split(' ').next().unwrap().parse().unwrap();
            let fields = stat(&mut command);
            // Two spawns: they differ in their pid.
            assert!(pid > 0);
            (fields[&5], fields[&6])
        };
        assert_eq!(stat_of(&|_| {}), (our_group, our_session));
        let (group, session) = stat_of(&|command| {
            command.setsid(true);
        });
        assert!(group == session && session != our_session);
        let (group, session) = stat_of(&|command| {
            command.process_group(0);
        });
        assert!(group != our_group && session == our_session);

        let mut leader =
            new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0).spawn().unwrap();
        let (group, _) = stat_of(&|command| {
            command.process_group(leader.id() as i32);
        });
        assert_eq!(group, i64::from(leader.id()));
        drop(leader.stdin.take());
        assert!(leader.wait().unwrap().success());
        let error = new("true").process_group(leader.id() as i32).spawn().unwrap_err();
        assert_eq!(errno(&error), libc::EPERM, "{error}");
    });
}

#[test]
fn file_mode_mask() {
    both_ways(|new| {
        assert_eq!(text(sh(new, "umask").umask(0o027)), "0027");
        assert_eq!(text(sh(new, "umask").umask(0)), "0000");
    });
}

#[test]
fn resource_limits() {
    both_ways(|new| {
        let limit = Resource::NOFILE;
        assert_eq!(text(sh(new, "ulimit -Sn; ulimit -Hn").rlimit(limit, 20, 30)), "20\n30");
        assert_eq!(text(sh(new, "ulimit -n").rlimit(limit, 5, 5).rlimit(limit, 40, 40)), "40");
        let core = Resource::CORE;
        assert_eq!(text(sh(new, "ulimit -n; ulimit -c").rlimit(limit, 20, 20).rlimit(core, 0, 0)), "20\n0");
        // The descriptors of the child are in place before its limit is.
        let mut command = sh(new, "cat /proc/self/fd/50");
        command.fd(50, File::open("/proc/self/comm").unwrap()).rlimit(limit, 10, 10);
        assert!(output(&mut command).status.success());
        assert_eq!(text(sh(new, "true").rlimit(limit, 4, 4)), "");
    });
}

#[test]
fn priority_and_scheduler() {
    both_ways(|new| {
        let mut command = new("cat");
        command.arg("/proc/self/stat");
        assert_eq!(stat(command.nice(7))[&19], 7);
        for policy in [libc::SCHED_BATCH, libc::SCHED_IDLE, libc::SCHED_OTHER] {
            assert_eq!(stat(command.scheduler(policy, 0))[&41], policy.into());
        }
    });
}

/// What takes a privilege is done before that is given up.
#[test]
fn another_user_with_what_takes_a_privilege() {
    if !crate::common::is_root() {
        return;
    }
    let hard = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    both_ways(|new| {
        let as_other = |mut command: Command| {
            command.uid(65534).gid(65534);
            command
        };
        let mut command = as_other(new("cat"));
        command.arg("/proc/self/stat").nice(-5).stdout(Stdio::null());
        match command.spawn() {
            Ok(_) => assert_eq!(stat(&mut command)[&19], -5),
            // Root of a container may not either.
            Err(error) => assert!(Command::new("true").nice(-5).spawn().is_err(), "{error}"),
        }
        let mut command = as_other(new("cat"));
        command.arg("/proc/self/stat").scheduler(libc::SCHED_FIFO, 3).stdout(Stdio::null());
        match command.spawn() {
            Ok(_) => assert_eq!(stat(&mut command)[&41], libc::SCHED_FIFO.into()),
            Err(error) => {
                assert!(Command::new("true").scheduler(libc::SCHED_FIFO, 3).spawn().is_err(), "{error}")
            }
        }
        let higher = hard.unwrap_or(u64::MAX - 1) + 1;
        let mut command = as_other(sh(new, "ulimit -Hn"));
        command.rlimit(Resource::NOFILE, 20, higher).stdout(Stdio::null());
        match command.spawn() {
            Ok(_) => assert_eq!(text(&mut command), higher.to_string()),
            Err(error) => {
                let without = Command::new("true").rlimit(Resource::NOFILE, 20, higher).spawn();
                assert!(without.is_err(), "{error}");
            }
        }
    });
}

#[test]
fn signal_mask() {
    let status = |new: New| {
        let mut command = new("cat");
        command.arg("/proc/self/status");
        command
    };
    both_ways(|new| {
        assert_eq!(signals(&mut status(new), "SigBlk"), []);
        let some = [Signal::HUP, Signal::USR1, Signal::TERM, Signal::from(64)];
        assert_eq!(signals(status(new).signal_mask(&some), "SigBlk"), some);
        assert_eq!(signals(status(new).signal_mask(&some).signal_mask(&[]), "SigBlk"), []);
        // One that this thread blocks is not blocked in the child.
        thread::scope(|scope| {
            scope.spawn(|| {
                // SAFETY: the sets are initialized, and the mask is this thread's.
                unsafe {
                    let mut set = std::mem::zeroed();
                    libc::sigfillset(&mut set);
                    libc::pthread_sigmask(libc::SIG_SETMASK, &set, std::ptr::null_mut());
                }
                assert_eq!(signals(&mut status(new), "SigBlk"), []);
            });
        });
        for none in [0, -1, 65, i32::MAX, i32::MIN] {
            let error = status(new).signal_mask(&[Signal::TERM, none.into()]).spawn().unwrap_err();
            assert_eq!(SpawnError::from_io_error(&error).unwrap().errno(), libc::EINVAL);
            assert!(error.to_string().contains(&format!("block signal {none}:")), "{error}");
        }
    });
}

/// `std`'s runtime ignores SIGPIPE in this process.
#[test]
fn signal_dispositions() {
    let ignored = |command: &mut Command| signals(command.arg("/proc/self/status"), "SigIgn");
    both_ways(|new| {
        assert!(!ignored(&mut new("cat")).contains(&Signal::PIPE));
        assert!(ignored(new("cat").default_signals(&[])).contains(&Signal::PIPE));
        assert!(!ignored(new("cat").default_signals(&[Signal::PIPE, Signal::HUP])).contains(&Signal::PIPE));
        assert!(ignored(new("cat").default_signals(&[Signal::HUP])).contains(&Signal::PIPE));
        // None is caught.
        assert_eq!(signals(new("cat").arg("/proc/self/status"), "SigCgt"), []);
    });
}

#[test]
fn no_new_privileges() {
    both_ways(|new| {
        let line = |forbid| text(new("grep").args(["NoNewPrivs", "/proc/self/status"]).no_new_privs(forbid));
        assert_eq!(line(true), "NoNewPrivs:\t1");
        assert_eq!(
            line(false),
            fs::read_to_string("/proc/thread-self/status")
                .unwrap()
                .lines()
                .find(|line| line.starts_with("NoNewPrivs"))
                .unwrap()
        );
    });
}

/// A program without a library that ends with code 7.
#[cfg(target_arch = "x86_64")]
fn tiny_program() -> Vec<u8> {
    let code: [u8; 12] = [0xb8, 60, 0, 0, 0, 0xbf, 7, 0, 0, 0, 0x0f, 0x05];
    let address: u64 = 0x40_0000;
    let size = (64 + 56 + code.len()) as u64;
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut push = |bytes: &[u8]| elf.extend_from_slice(bytes);
    push(&[2, 0, 62, 0, 1, 0, 0, 0]);
    push(&(address + 64 + 56).to_le_bytes());
    push(&64u64.to_le_bytes());
    push(&[0; 8]);
    push(&[0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    push(&[1, 0, 0, 0, 5, 0, 0, 0]);
    for number in [0, address, address, size, size, 0x1000] {
        push(&number.to_le_bytes());
    }
    push(&code);
    elf
}

#[test]
#[cfg(target_arch = "x86_64")]
fn root_directory() {
    if !rustix::process::geteuid().is_root() {
        return crate::common::skipped("it takes root");
    }
    let has_users = crate::common::is_root();
    let directory = Dir::new();
    script(&directory, "bin/tiny", 0o755, "");
    fs::write(directory.path().join("bin/tiny"), tiny_program()).unwrap();
    both_ways(|new| {
        let code =
            |command: &mut Command| command.chroot(directory.path()).spawn().unwrap().wait().unwrap().code();
        assert_eq!(code(&mut new("/bin/tiny")), Some(7));
        // The search too is in the new root, and the working directory.
        assert_eq!(code(new("tiny").env("PATH", "/sbin:/bin")), Some(7));
        assert_eq!(code(new("./tiny").current_dir("/bin")), Some(7));
        assert_eq!(code(&mut new("bin/tiny")), Some(7));
        if has_users {
            assert_eq!(code(new("bin/tiny").uid(65534).gid(65534)), Some(7));
        }
        let error = new("sh").chroot(directory.path()).spawn().unwrap_err();
        assert_eq!(errno(&error), libc::ENOENT);
        assert_eq!(text(sh(new, "pwd").chroot("/")), "/");
    });
    assert!(File::open("/proc/self/exe").is_ok());
}
