//! `exec`: it replaces this process, or leaves it as it was.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd};

use childset::unix::CommandExt;
use childset::{Command, Signal};

use crate::common::{self, errno, handle};
use crate::{text, WAYS};

pub(crate) fn exec() {
    let error = Command::new("sh").args(["-c", r#"echo "exec'd $1""#, "sh", "a  b"]).exec();
    panic!("{error}");
}

pub(crate) fn exec_with_everything() {
    common::open_stdio();
    let _open = File::open("/dev/null").unwrap();
    // Not close-on-exec. SAFETY: the descriptor is new.
    let _inherited = unsafe { File::from_raw_fd(libc::dup(2)) };
    let mut command = Command::new("sh");
    command.args(["-c", "ls /proc/self/fd; ulimit -n; umask; cat <&9; exec $0 -c 'echo last'"]).arg0("sh");
    let (reader, mut writer) = common::pipe();
    writer.write_all(b"1\n").unwrap();
    command.fd(9, reader).umask(0o022).rlimit(childset::Resource::NOFILE, 20, 20);
    panic!("{}", command.exec());
}

pub(crate) fn failed_exec() {
    let error = Command::new("/no/such/program").exec();
    assert_eq!((errno(&error), error.kind()), (libc::ENOENT, io::ErrorKind::NotFound));
    assert!(error.to_string().contains("/no/such/program"), "{error}");
    let error = Command::new("true").current_dir("/no/such/directory").exec();
    assert!(error.to_string().contains("/no/such/directory"), "{error}");
    // Nothing was done before it failed: this process can still spawn.
    assert_eq!(text(Command::new("echo").arg("hello")), "hello\n");
}

/// Signals and descriptors are as before, so that a program may try another one, or go on.
pub(crate) fn failed_exec_changes_nothing() {
    common::open_stdio();
    handle(libc::SIGUSR1);
    // SAFETY: ignoring signals, and a set that is initialized.
    unsafe {
        libc::signal(libc::SIGHUP, libc::SIG_IGN);
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGWINCH);
        libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
    }
    // SAFETY: the descriptor is new.
    let inherited = unsafe { File::from_raw_fd(libc::dup(2)) };
    let closed = File::open("/dev/null").unwrap();
    let state = || {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let signals: Vec<_> = status
            .lines()
            .filter(|line| line.starts_with("Sig") && !line.starts_with("SigQ"))
            .map(String::from)
            .collect();
        let flags = [0, 1, 2, inherited.as_raw_fd(), closed.as_raw_fd()].map(|number| {
            // SAFETY: asking for a number.
            unsafe { libc::fcntl(number, libc::F_GETFD) }
        });
        (signals, flags, common::fds())
    };
    let before = state();
    assert_eq!(before.1, [0, 0, 0, 0, libc::FD_CLOEXEC]);
    for way in WAYS {
        for change in [
            |command: &mut Command| {
                command.args(["a"]);
            },
            |command| {
                command.default_signals(&[Signal::HUP, Signal::PIPE, Signal::USR1]);
            },
            |command| {
                command.signal_mask(&[Signal::TERM]);
            },
            |command| {
                command.current_dir("/no/such/directory");
            },
            |command| {
                command.close_fds(0..).inherit_fds(true);
            },
            |command| {
                command.search_path("/none:/no/such");
            },
        ] as [fn(&mut Command); 6]
        {
            let mut command = Command::new("no-such-program");
            way(&mut command);
            change(&mut command);
            assert_eq!(errno(&command.exec()), libc::ENOENT);
            drop(command);
            assert_eq!(state(), before);
        }
    }
    // It still fails a write, where the default would end it.
    let (reader, mut writer) = common::pipe();
    drop(reader);
    assert_eq!(writer.write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}

/// A closure that has panicked in this process may run again.
pub(crate) fn exec_after_a_panic() {
    let code = common::in_copy(|| {
        let mut panics = true;
        let mut command = Command::new("true");
        let act = move || match std::mem::take(&mut panics) {
            true => std::panic::resume_unwind(Box::new(0)),
            false => Err(io::Error::from_raw_os_error(libc::EXDEV)),
        };
        // SAFETY: this process has one thread.
        unsafe { command.pre_exec(act) };
        let mut exec = || command.exec();
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(&mut exec)).is_err());
        u8::from(errno(&exec()) != libc::EXDEV)
    });
    assert_eq!(code, 0);
}

/// The shell that runs it is tried after the user was changed, and the change is not made again.
pub(crate) fn exec_of_a_script_as_another_user() {
    if !common::is_root() {
        return println!("65534");
    }
    let place = common::Dir::new();
    let script = place.path().join("script");
    fs::write(&script, "id -u\n").unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for way in WAYS {
        let mut command = Command::new(&script);
        way(command.uid(65534).gid(65534).groups(&[7]));
        // SAFETY: this process has one thread.
        match unsafe { libc::fork() } {
            0 => {
                eprintln!("{}", command.exec());
                // SAFETY: the end of the copy.
                unsafe { libc::_exit(99) };
            }
            pid => assert_eq!(common::reap_by_pid(pid as u32), 0),
        }
    }
}
