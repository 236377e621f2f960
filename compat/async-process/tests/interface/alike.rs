//! What a command of `std` and one of ours do alike.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use async_process::unix::CommandExt;
use async_process::{Command, Stdio};
use futures_lite::future::block_on;

/// It may have what only `std` knows.
#[test]
fn made_from_a_command_of_std() {
    let mut std = std::process::Command::new("sh");
    std.args(["-c", "echo $0 $A; test $(ps -o pgid= -p $$) = $$; echo $?"]).arg0("name").process_group(0);
    std.env_clear().env("A", "1").env("PATH", std::env::var_os("PATH").unwrap());
    // Its streams were not set by the caller of this one.
    std.stdout(Stdio::null());
    let mut command = Command::from(std);
    assert_eq!(command.arg("name").output_text(), "name 1\n0\n");
    assert_eq!(command.get_envs().count(), 2);
}

trait OutputText {
    fn output_text(&mut self) -> String;
}

impl OutputText for Command {
    fn output_text(&mut self) -> String {
        String::from_utf8(block_on(self.output()).unwrap().stdout).unwrap()
    }
}

/// What a command of `std` and one of ours say, that have the same settings. Ours twice: with a stream of the caller's,
/// and without.
macro_rules! alike {
    ($program:expr) => {
        alike!($program, |command| command.args([""; 0]))
    };
    ($program:expr, |$command:ident| $set:expr) => {{
        let by_std = {
            let mut $command = std::process::Command::new($program);
            $set;
            said($command.stdin(Stdio::null()).output())
        };
        let mut $command = Command::new($program);
        $set;
        assert_eq!(said(block_on($command.output())), by_std);
        assert_eq!(said(block_on($command.stdin(Stdio::null()).output())), by_std);
        by_std
    }};
}

type Said = Result<(Option<i32>, String), (Option<i32>, io::ErrorKind)>;

fn said(output: io::Result<async_process::Output>) -> Said {
    match output {
        Ok(output) => Ok((output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())),
        Err(error) => Err((error.raw_os_error(), error.kind())),
    }
}

fn executable(directory: &Path, name: &str, text: impl AsRef<[u8]>) -> String {
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn errors() {
    const ENOENT: i32 = 2;
    const E2BIG: i32 = 7;
    const ENOEXEC: i32 = 8;
    const EACCES: i32 = 13;
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let script = executable(directory, "script", "echo script\n");
    let empty = executable(directory, "empty", "");
    let strange = executable(directory, "strange", b"\x7fELF\x02\x01\x01\0of another processor");
    let errno = |said: Said| said.unwrap_err().0;
    assert_eq!(errno(alike!("/no/such/program")), Some(ENOENT));
    assert_eq!(errno(alike!("no-such-program")), Some(ENOENT));
    assert_eq!(errno(alike!("")), Some(ENOENT));
    assert_eq!(errno(alike!("/etc/passwd")), Some(EACCES));
    assert_eq!(errno(alike!("true", |command| command.current_dir("/no/such"))), Some(ENOENT));
    assert_eq!(errno(alike!("true", |command| command.arg("x".repeat(1 << 20)))), Some(E2BIG));
    for file in [&script, &empty, &strange] {
        assert_eq!(errno(alike!(file)), Some(ENOEXEC));
        assert_eq!(errno(alike!(file, |command| command.env("PATH", "/nowhere"))), Some(ENOEXEC));
    }
    for said in [
        alike!("a\0b"),
        alike!("true", |command| command.arg("a\0b")),
        alike!("true", |command| command.env("A", "a\0b")),
        alike!("true", |command| command.env("a\0b", "A")),
        alike!("true", |command| command.current_dir("/\0")),
        alike!("true", |command| command.arg0("a\0b")),
    ] {
        assert_eq!(said, Err((None, io::ErrorKind::InvalidInput)));
    }
    assert!(block_on(Command::new("/no/such/program").status()).is_err());
    assert_eq!(Command::new("/no/such/program").exec().raw_os_error(), Some(ENOENT));
}

#[test]
fn programs_are_found_alike() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    executable(directory, "script", "echo script $0\n");
    executable(directory, "program", "#!/bin/sh\necho program $0 $A\n");
    let ran = |said: Said, text: &str| assert!(said.unwrap().1.starts_with(text));
    ran(alike!("./program", |command| command.current_dir(directory)), "program");
    ran(alike!("program", |command| command.env("PATH", directory).env("A", "1")), "program");
    // execvp(3) of the GNU C library has the shell run it.
    #[cfg(target_env = "gnu")]
    ran(alike!("script", |command| command.env("PATH", directory)), "script");
    ran(alike!("sh", |command| command.env_clear().args(["-c", "echo $0"]).arg0("name")), "name");
    assert!(alike!("program", |command| command.env_remove("PATH")).is_err());
    assert!(alike!("program", |command| command.env("PATH", "").current_dir(directory)).is_ok());
}

#[test]
fn environments_are_alike() {
    let lines = |said: Said| said.unwrap().1.lines().count();
    let all = lines(alike!("env", |command| command.env("A", "1")));
    assert_eq!(lines(alike!("env", |command| command.env("A", "1").env_remove("A"))), all - 1);
    const ENV: &str = "/usr/bin/env";
    assert_eq!(lines(alike!(ENV, |command| command.env("A", "1").env_clear())), 0);
    assert_eq!(
        lines(alike!(ENV, |command| command.env_clear().env("B", "2").env("A", "").env_remove("B"))),
        1
    );
    assert_eq!(lines(alike!(ENV, |command| command.env_clear().envs([("C", "="), ("D", "\u{e4}")]))), 2);
}

#[test]
fn signals_and_descriptors_are_alike() {
    let file = File::open("/dev/null").unwrap();
    let inherited = rustix::io::dup(&file).unwrap();
    // The mask, and signals 1 to 28 of those that are ignored: the GNU C library has 32 and 33 to itself. A shell ignores some
    // in what it runs in the background. Of `SIGPIPE`, which Rust ignores, the child has the default.
    let own = fs::read_to_string("/proc/self/status").unwrap();
    let own = own.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
    let ignored = u64::from_str_radix(own, 16).unwrap() & 0xfff_ffff & !(1 << 12);
    let script = r"/^SigBlk/p; s/^SigIgn:.*\(.......\)$/\1/p";
    let status = alike!("sed", |command| command.args(["-n", script, "/proc/self/status"]));
    assert_eq!(status.unwrap().1, format!("SigBlk:\t{:016x}\n{ignored:07x}\n", 0));
    let exists = |fd: RawFd| format!("/proc/self/fd/{fd}");
    let has = |fd: RawFd| alike!("test", |command| command.args(["-e", &exists(fd)])).unwrap().0 == Some(0);
    assert!(has(inherited.as_raw_fd()) && !has(file.as_raw_fd()));
}

#[test]
fn identity_is_alike() {
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let (uid, gid) = if uid == 0 { (1234, 4321) } else { (uid, gid) };
    let said = alike!("id", |command| command.gid(gid).uid(uid));
    if rustix::process::getuid().is_root() {
        assert_eq!(said.unwrap().1, "uid=1234 gid=4321 groups=4321\n");
    }
}
