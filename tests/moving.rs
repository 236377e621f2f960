//! Each difference that the guide `childset::moving` names. What does not compile is in the guide itself.

use std::io;
use std::os::fd::OwnedFd;

use childset::{Child, Command, ExitStatus, Signal, Stdio};
use futures_lite::{future, AsyncWriteExt};

/// Whether a type converts into another one, found out where both are known.
struct Converts<T, U>(std::marker::PhantomData<(T, U)>);

trait DoesNot {
    const YES: bool = false;
}

impl<T, U> DoesNot for Converts<T, U> {}

impl<T: Into<U>, U> Converts<T, U> {
    const YES: bool = true;
}

mod driver {
    mod ours {
        pub(super) fn driver() -> bool {
            true
        }
    }

    /// Would not compile if the crate had a `driver`, too.
    pub(super) fn is_missing() -> bool {
        #[allow(unused_imports)]
        use childset::*;
        use ours::*;
        driver()
    }
}

#[test]
#[allow(clippy::assertions_on_constants)]
fn different_types() {
    assert!(driver::is_missing());
    assert!(Converts::<&str, String>::YES);
    assert!(!Converts::<std::process::Command, Command>::YES);
    assert!(Converts::<std::process::Stdio, Stdio>::YES);
    assert!(!Converts::<Stdio, std::process::Stdio>::YES);
    // They need no `mut`.
    let _: fn(&Child) -> io::Result<()> = Child::kill;
    let _: fn(&Child) -> io::Result<Option<ExitStatus>> = Child::try_status;
}

#[test]
fn descriptors_are_not_inherited() {
    use std::os::fd::AsRawFd;

    // Above 2, where the numbers below are free.
    let null = std::fs::File::open("/dev/null").unwrap();
    let mut copies = vec![rustix::io::dup(&null).unwrap()];
    while copies.last().unwrap().as_raw_fd() < 3 {
        copies.push(rustix::io::dup(&null).unwrap());
    }
    let null = copies.pop().unwrap();
    let mut command = Command::new("test");
    command.arg("-e").arg(format!("/proc/self/fd/{}", null.as_raw_fd()));
    assert!(!future::block_on(command.status()).unwrap().success());
    assert!(future::block_on(command.inherit_fds(true).status()).unwrap().success());
}

#[test]
fn waiting_leaves_standard_input_open() {
    let cat = || Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    future::block_on(async {
        let mut child = cat();
        let mut status = Box::pin(child.status());
        assert!(future::poll_once(&mut status).await.is_none());
        assert!(child.wait_timeout(std::time::Duration::from_millis(50)).unwrap().is_none());
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"still open").await.unwrap();
        drop(stdin);
        assert!(status.await.unwrap().success());
        assert_eq!(child.output().await.unwrap().stdout, b"still open");

        // Those that nobody can write to are closed.
        let mut command = Command::new("cat");
        assert!(command.stdin(Stdio::piped()).stdout(Stdio::null()).status().await.unwrap().success());
        assert!(command.wait().unwrap().success());
        assert_eq!(cat().output().await.unwrap().stdout, b"");
    });
}

#[test]
fn output_does_not_wait_for_ever() {
    let mut command = Command::new("sh");
    // What is left behind says its pid, so that it can be ended.
    command.args(["-c", "sleep 1000 & echo $!"]);
    let output = future::block_on(command.output()).unwrap();
    let pid = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
}

#[test]
fn errors_say_more() {
    let error = Command::new("/no/such/program").spawn().unwrap_err();
    assert_eq!(error.raw_os_error(), None);
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(error.to_string().contains("/no/such/program"));
    assert_eq!(childset::SpawnError::raw_os_error(&error), Some(libc::ENOENT));
    assert_eq!(childset::SpawnError::into_os_error(error).raw_os_error(), Some(libc::ENOENT));
}

#[test]
fn the_shell_runs_scripts() {
    use std::os::unix::fs::PermissionsExt;

    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("script");
    std::fs::write(&script, "exit 7").unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = Command::new(&script);
    assert_eq!(future::block_on(command.status()).unwrap().code(), Some(7));
    assert!(future::block_on(command.shell_fallback(false).status()).is_err());
}

#[test]
fn stdio_of_std_serves_once() {
    let mut command = Command::new("true");
    command.stdin(std::process::Stdio::null());
    assert!(future::block_on(command.status()).unwrap().success());
    assert_eq!(command.spawn().unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn pipes_block_until_they_are_awaited() {
    fn is_nonblocking(fd: impl std::os::fd::AsFd) -> bool {
        rustix::fs::fcntl_getfl(fd).unwrap().contains(rustix::fs::OFlags::NONBLOCK)
    }
    future::block_on(async {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        assert!(!is_nonblocking(&stdin));
        stdin.write_all(b"").await.unwrap();
        stdin.write_all(b"\n").await.unwrap();
        assert!(is_nonblocking(&stdin));
        assert!(!is_nonblocking(std::os::fd::OwnedFd::try_from(stdin).unwrap()));
        assert!(child.status().await.unwrap().success());
    });
}

#[test]
fn close_closes() {
    future::block_on(async {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.close().await.unwrap();
        assert!(child.status().await.unwrap().success());
        let error = stdin.write_all(b"x").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    });
}

#[test]
fn no_thread_of_its_own() {
    future::block_on(async {
        let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        assert!(Command::new("true").status().await.unwrap().success());
        drop(child);
    });
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    // One may be gone by now.
    let names =
        threads.filter_map(|thread| std::fs::read_to_string(thread.unwrap().path().join("comm")).ok());
    let names: Vec<_> = names.collect();
    assert!(names.iter().any(|name| name == "async-io\n"), "{names:?}");
    assert!(!names.iter().any(|name| name == "async-process\n"), "{names:?}");
}

#[test]
fn the_id_stays() {
    let child = Command::new("true").spawn().unwrap();
    let (id, handle) = (child.id(), child.handle());
    assert!(future::block_on(child.status()).unwrap().success());
    assert_eq!(child.id(), id);
    assert_eq!(handle.send_signal(Signal::TERM).unwrap_err().kind(), io::ErrorKind::NotFound);
}

/// Tokio panics where there is none.
#[test]
fn no_runtime_is_needed() {
    let child = Command::new("true").spawn().unwrap();
    assert!(future::block_on(child.status()).unwrap().success());
    drop(Command::new("true").spawn().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(runtime.block_on(Command::new("true").status()).unwrap().success());
}

#[test]
fn status_keeps_piped_output() {
    let mut yes = Box::pin(Command::new("yes").stdout(Stdio::piped()).kill_on_drop(true).status());
    let late = async {
        async_io::Timer::after(std::time::Duration::from_millis(300)).await;
        None
    };
    let ended = future::block_on(future::or(async { Some((&mut yes).await) }, late));
    assert!(ended.is_none(), "{ended:?}");
}

#[test]
fn output_respects_what_is_set() {
    future::block_on(async {
        let mut command = Command::new("sh");
        command.args(["-c", "cat; echo out; echo err >&2"]).stderr(Stdio::null());
        // Nothing is read from this process's input.
        let output = command.output().await.unwrap();
        assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"out\n"[..], &b""[..]));
        let output = command.stdout(Stdio::null()).output().await.unwrap();
        assert_eq!(output.stdout, b"");
    });
}

/// All three, and those that were awaited before.
#[test]
fn pipes_become_those_of_tokio() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::unix::pipe::{Receiver, Sender};

    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    runtime.block_on(async {
        let mut command = Command::new("sh");
        command.args(["-c", "read line; echo \"$line\" >&2; cat"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        futures_lite::AsyncWriteExt::write_all(&mut stdin, b"one\n").await.unwrap();
        let mut stdin = Sender::from_owned_fd(OwnedFd::try_from(stdin).unwrap()).unwrap();
        let stdout = OwnedFd::try_from(child.stdout.take().unwrap()).unwrap();
        let mut stdout = Receiver::from_owned_fd(stdout).unwrap();
        let stderr = OwnedFd::try_from(child.stderr.take().unwrap()).unwrap();
        let mut stderr = Receiver::from_owned_fd(stderr).unwrap();

        let mut told = [0; 4];
        stderr.read_exact(&mut told).await.unwrap();
        assert_eq!(&told, b"one\n");
        // More than a pipe holds, both ways at once: nothing blocks the runtime.
        let big = vec![7; 1 << 20];
        let writes = async {
            stdin.write_all(&big).await.unwrap();
            drop(stdin);
        };
        let mut all = Vec::new();
        let (_, read) = future::zip(writes, stdout.read_to_end(&mut all)).await;
        assert_eq!(read.unwrap(), big.len());
        assert_eq!(all, big);
        assert!(child.status().await.unwrap().success());
    });
}

/// Those in parentheses, unless they are paths.
#[test]
fn the_guide_names_tests_that_exist() {
    let guide = include_str!("../src/moving.rs");
    let mut names: Vec<_> = guide.split("(`").skip(1).map(|rest| rest.split_once("`)").unwrap().0).collect();
    names.retain(|name| !name.contains('/'));
    assert!(names.len() > 10, "{names:?}");
    names.retain(|name| !include_str!("moving.rs").contains(&format!("\nfn {name}()")));
    assert!(names.is_empty(), "{names:?}");
}
