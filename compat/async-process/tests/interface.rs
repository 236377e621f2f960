//! What async-process 2.5 does, and this crate does likewise: `.ci/compat` runs the same tests with both.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::future::Future;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt as _, ExitStatusExt};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::Path;
use std::time::{Duration, Instant};

use async_process::unix::CommandExt;
use async_process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use futures_lite::future::{block_on, poll_once};
use futures_lite::io::BufReader;
use futures_lite::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, FutureExt, StreamExt};

fn is_thread_safe<T: Send + Sync + Unpin>() {}
fn is_unwind_safe<T: UnwindSafe + RefUnwindSafe>() {}
fn is_end<T: AsFd + AsRawFd + TryInto<OwnedFd, Error = io::Error> + std::fmt::Debug>() {}
fn may_go_anywhere<F: Future + Send + 'static>(future: F) -> F {
    future
}

#[test]
fn types() {
    is_thread_safe::<Child>();
    is_thread_safe::<ChildStdin>();
    is_thread_safe::<ChildStdout>();
    is_thread_safe::<ChildStderr>();
    is_thread_safe::<Command>();
    is_unwind_safe::<Child>();
    is_unwind_safe::<ChildStdin>();
    is_unwind_safe::<ChildStdout>();
    is_unwind_safe::<ChildStderr>();
    is_end::<ChildStdin>();
    is_end::<ChildStdout>();
    is_end::<ChildStderr>();
    fn reads<T: AsyncRead>() {}
    fn writes<T: AsyncWrite>() {}
    reads::<ChildStdout>();
    reads::<ChildStderr>();
    writes::<ChildStdin>();
    let _: Option<async_process::Stdio> = None::<std::process::Stdio>;
    let _: Option<async_process::Output> = None::<std::process::Output>;
    let _: Option<async_process::ExitStatus> = None::<std::process::ExitStatus>;
    let _: fn(std::process::Command) -> Command = From::from;
    // What takes `&mut self` there must not take less here: a caller may have given the reference away.
    let _: fn(&mut Child) -> io::Result<()> = Child::kill;
    let _: fn(&mut Child) -> io::Result<Option<std::process::ExitStatus>> = Child::try_status;
    let _: fn(&Child) -> u32 = Child::id;
    let _: fn(&mut Command) -> io::Result<Child> = Command::spawn;
    let _: fn(&mut Command) -> io::Error = CommandExt::exec;
}

#[test]
fn futures_outlive_what_made_them() {
    let mut command = Command::new("true");
    let (status, output) = (may_go_anywhere(command.status()), may_go_anywhere(command.output()));
    let mut child = command.spawn().unwrap();
    let (of_child, output_of_child) =
        (may_go_anywhere(child.status()), may_go_anywhere(command.spawn().unwrap().output()));
    drop((command, child));
    drop(may_go_anywhere(async_process::driver()));
    block_on(async {
        assert!(status.await.unwrap().success() && of_child.await.unwrap().success());
        assert!(output.await.unwrap().status.success() && output_of_child.await.unwrap().status.success());
    });
}

#[test]
fn driver_never_ends() {
    let mut driver = Box::pin(async_process::driver());
    assert!(block_on(poll_once(&mut driver)).is_none());
    let output = async { Command::new("echo").arg("x").output().await.unwrap().stdout };
    assert_eq!(block_on(output.or(async { match driver.await {} })), b"x\n");
}

#[test]
fn status_closes_standard_input() {
    block_on(async {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        assert_eq!(child.try_status().unwrap(), None);
        assert!(child.stdin.is_some());
        assert!(child.status().await.unwrap().success());
        assert!(child.stdin.is_none());
        assert!(Command::new("cat").stdin(Stdio::piped()).status().await.unwrap().success());

        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.as_mut().unwrap().write_all(b"kept").await.unwrap();
        assert_eq!(child.output().await.unwrap().stdout, b"kept");
    });
}

#[test]
fn output_waits_for_whoever_writes() {
    let mut command = Command::new("sh");
    command.args(["-c", "(sleep 0.6; echo late) & echo early"]);
    assert_eq!(block_on(command.output()).unwrap().stdout, b"early\nlate\n");
}

#[test]
fn lines() {
    block_on(async {
        let mut command = Command::new("sh");
        command.args(["-c", "echo 1; echo 2 >&2"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap()).lines();
        let err = BufReader::new(child.stderr.take().unwrap()).lines();
        assert_eq!(out.map(|line| line.unwrap()).collect::<Vec<_>>().await, ["1"]);
        assert_eq!(err.map(|line| line.unwrap()).collect::<Vec<_>>().await, ["2"]);
        assert!(child.status().await.unwrap().success());
    });
}

fn is_nonblocking(fd: impl AsFd) -> bool {
    rustix::fs::fcntl_getfl(fd).unwrap().contains(rustix::fs::OFlags::NONBLOCK)
}

#[test]
fn pipes_do_not_block() {
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    assert!(is_nonblocking(&stdin) && is_nonblocking(&stdout));
    let stdin: OwnedFd = stdin.try_into().unwrap();
    let stdout = OwnedFd::try_from(stdout).unwrap();
    assert!(is_nonblocking(&stdin) && is_nonblocking(&stdout));
    drop(stdin);
    assert!(block_on(child.status()).unwrap().success());
}

/// The other process of a pipeline must get a pipe that blocks.
#[test]
fn pipeline() {
    block_on(async {
        let mut first = Command::new("sh")
            .args(["-c", "sleep 0.1; echo out; echo err >&2"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out: Stdio = first.stdout.take().unwrap().into_stdio().await.unwrap();
        let err: Stdio = first.stderr.take().unwrap().into_stdio().await.unwrap();
        assert_eq!(Command::new("cat").stdin(out).output().await.unwrap().stdout, b"out\n");
        assert_eq!(Command::new("cat").stdin(err).output().await.unwrap().stdout, b"err\n");
        assert!(first.status().await.unwrap().success());

        let mut last = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdin = last.stdin.take().unwrap().into_stdio().await.unwrap();
        assert!(Command::new("echo").arg("x").stdout(stdin).status().await.unwrap().success());
        assert_eq!(last.output().await.unwrap().stdout, b"x\n");
    });
}

#[test]
fn closing_a_pipe_leaves_it_open() {
    block_on(async {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"a").await.unwrap();
        stdin.close().await.unwrap();
        stdin.write_all(b"b").await.unwrap();
        drop(stdin);
        assert_eq!(child.output().await.unwrap().stdout, b"ab");
    });
}

#[test]
fn again_with_the_same_streams() {
    let path = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new("echo");
    command.arg("x").stdout(File::options().append(true).open(&path).unwrap());
    for _ in 0..3 {
        assert!(block_on(command.status()).unwrap().success());
        assert_eq!(block_on(command.output()).unwrap().stdout, b"");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "x\n".repeat(6));

    // `output` does not set what a later `spawn` inherits.
    let mut command = Command::new("sh");
    command.args(["-c", "echo x; echo y >&2"]).stderr(Stdio::piped());
    assert_eq!(block_on(command.output()).unwrap().stdout, b"x\n");
    let child = command.spawn().unwrap();
    assert!(child.stdin.is_none() && child.stdout.is_none() && child.stderr.is_some());
    assert_eq!(block_on(child.output()).unwrap().stderr, b"y\n");
}

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

#[test]
fn getters() {
    let mut command = Command::new("a");
    command.arg("b").args(["c"]).env("K", "v").env_remove("L").current_dir("/");
    assert_eq!(command.get_program(), "a");
    assert_eq!(command.get_args().collect::<Vec<_>>(), ["b", "c"]);
    let (k, l, v) = (OsStr::new("K"), OsStr::new("L"), OsStr::new("v"));
    assert!(command.get_envs().eq([(k, Some(v)), (l, None)]));
    assert_eq!(command.get_current_dir(), Some(Path::new("/")));
    assert_eq!(Command::new("a").get_current_dir(), None);
}

#[test]
fn printed() {
    let mut command = Command::new("sh");
    command.args(["-c", "exit 7"]).kill_on_drop(true).stdin(Stdio::null());
    assert_eq!(format!("{command:?}"), r#""sh" "-c" "exit 7""#);
    let whole = format!("{command:#?}");
    for part in ["stdin: true", "stdout: false", "kill_on_drop: true", "reap_on_drop: true"] {
        assert!(whole.contains(part), "{whole}");
    }
    let child = Command::new("true").spawn().unwrap();
    assert_eq!(format!("{child:?}"), "Child { stdin: None, stdout: None, stderr: None }");
}

/// A child that sleeps, and holds the pipe open until it ends.
fn sleeper(set: impl FnOnce(&mut Command) -> &mut Command) -> (Child, File) {
    let (ours, theirs) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let mut command = Command::new("sleep");
    command.arg("60").stdout(theirs);
    (set(&mut command).spawn().unwrap(), ours.into())
}

/// Returns when the child has ended.
fn until_ended(mut pipe: File) {
    assert_eq!(pipe.read(&mut [0]).unwrap(), 0);
}

fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

#[test]
fn kill() {
    let (mut child, pipe) = sleeper(|command| command);
    child.kill().unwrap();
    until_ended(pipe);
    assert_eq!(block_on(child.status()).unwrap().signal(), Some(9));
    child.kill().unwrap();
    assert_eq!(child.try_status().unwrap().unwrap().signal(), Some(9));
}

#[test]
fn dropped() {
    let (child, pipe) = sleeper(|command| command.kill_on_drop(true));
    drop(child);
    until_ended(pipe);

    // Without, it goes on.
    let (child, pipe) = sleeper(|command| command);
    let id = child.id();
    drop(child);
    assert!(matches!(state(id), Some('S' | 'R' | 'D')));
    let pid = rustix::process::Pid::from_raw(id as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    until_ended(pipe);
    // And is reaped.
    let start = Instant::now();
    while state(id).is_some() {
        assert!(start.elapsed() < Duration::from_secs(20), "a zombie is left");
        std::thread::yield_now();
    }

    // Who waits has it still.
    let (mut child, pipe) = sleeper(|command| command.kill_on_drop(true));
    let id = child.id();
    let mut status = Box::pin(child.status());
    assert!(block_on(poll_once(&mut status)).is_none());
    drop(child);
    assert!(matches!(state(id), Some('S' | 'R' | 'D')));
    drop(status);
    until_ended(pipe);
}

#[test]
fn dropped_without_reaping() {
    let (child, pipe) = sleeper(|command| command.kill_on_drop(true).reap_on_drop(false));
    let id = child.id();
    drop(child);
    until_ended(pipe);
    let pid = rustix::process::Pid::from_raw(id as i32).unwrap();
    let options = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
    // Whoever waits for it reaps it: nobody else has.
    rustix::process::waitid(rustix::process::WaitId::Pid(pid), options).unwrap().unwrap();
    let (_, status) =
        rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty()).unwrap().unwrap();
    assert_eq!(status.terminating_signal(), Some(9));
}
