//! Programs in the words of async-process 2.5's documentation, with this crate in its place. `moving` has the differences.

#![cfg(feature = "async-io")]

use childset as async_process;

use async_process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Output, Stdio};
use futures_lite::io::BufReader;
use futures_lite::{future, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, StreamExt};
use std::io;

#[test]
fn spawn_and_status() -> io::Result<()> {
    future::block_on(async {
        let out = Command::new("echo").arg("hello").arg("world").output().await?;
        assert_eq!(out.stdout, b"hello world\n");
        assert!(out.status.success());

        let mut child: Child = Command::new("sh").arg("-c").arg("exit 3").spawn()?;
        println!("{}", child.id());
        println!("{:?}", child.status().await?);
        assert_eq!(child.try_status()?.unwrap().code(), Some(3));
        let _: Option<ChildStdin> = child.stdin.take();
        let _: Option<ChildStdout> = child.stdout.take();
        let _: Option<ChildStderr> = child.stderr.take();
        Ok(())
    })
}

#[test]
fn lines_as_a_stream() -> io::Result<()> {
    future::block_on(async {
        let mut child =
            Command::new("sh").args(["-c", "echo one; echo two"]).stdout(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut all = Vec::new();
        while let Some(line) = lines.next().await {
            all.push(line?);
        }
        assert_eq!(all, ["one", "two"]);
        assert!(child.status().await?.success());
        Ok(())
    })
}

#[test]
fn child_output() -> io::Result<()> {
    future::block_on(async {
        let child = Command::new("sh")
            .args(["-c", "echo out; echo err >&2"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let out: Output = child.output().await?;
        assert_eq!((out.stdout, out.stderr), (b"out\n".to_vec(), b"err\n".to_vec()));
        Ok(())
    })
}

#[test]
fn a_pipeline() -> io::Result<()> {
    future::block_on(async {
        let mut ls = Command::new("echo").arg("one two").stdout(Stdio::piped()).spawn()?;
        let stdio: Stdio = ls.stdout.take().unwrap().into_stdio().await?;
        let wc = Command::new("wc").arg("-w").stdin(stdio).output().await?;
        assert_eq!(String::from_utf8_lossy(&wc.stdout).trim(), "2");
        assert!(ls.status().await?.success());

        // The reverse: into a child's standard input, and its standard error.
        let mut last = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = last.stdin.take().unwrap().into_stdio().await?;
        assert!(Command::new("echo").arg("x").stdout(stdin).status().await?.success());
        assert_eq!(last.output().await?.stdout, b"x\n");
        let mut first = Command::new("sh").args(["-c", "echo e >&2"]).stderr(Stdio::piped()).spawn()?;
        let stderr = first.stderr.take().unwrap().into_stdio().await?;
        assert_eq!(Command::new("cat").stdin(stderr).output().await?.stdout, b"e\n");
        first.status().await?;
        Ok(())
    })
}

/// With the traits of `std` in scope, too.
mod both_traits {
    use super::{future, Command, Stdio};
    use futures_lite::{AsyncReadExt, AsyncWriteExt};
    use std::io::{Read, Write};

    #[test]
    fn are_not_ambiguous() {
        future::block_on(async {
            let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let (stdin, stdout) = (child.stdin.as_mut().unwrap(), child.stdout.as_mut().unwrap());
            let mut told = [0; 7];
            stdin.write_all(b"awaited").await.unwrap();
            stdout.read_exact(&mut told).await.unwrap();
            assert_eq!(&told, b"awaited");
            stdin.blocking().write_all(b"blocked").unwrap();
            stdout.blocking().read_exact(&mut told).unwrap();
            assert_eq!(&told, b"blocked");
            stdin.close().await.unwrap();
            assert_eq!(stdout.read(&mut told).await.unwrap(), 0);
            assert!(child.status().await.unwrap().success());
        });
    }
}

#[test]
fn talk() -> io::Result<()> {
    future::block_on(async {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"hello").await?;
        stdin.flush().await?;
        stdin.close().await?;
        drop(stdin);
        let mut told = String::new();
        child.stdout.take().unwrap().read_to_string(&mut told).await?;
        assert_eq!(told, "hello");
        assert!(child.status().await?.success());
        Ok(())
    })
}

#[test]
fn kill_and_drop() -> io::Result<()> {
    use std::os::unix::process::ExitStatusExt;

    future::block_on(async {
        let child = Command::new("sleep").arg("60").spawn()?;
        assert_eq!(child.try_status()?, None);
        child.kill()?;
        assert_eq!(child.status().await?.signal(), Some(9));
        child.kill()?;

        drop(Command::new("sleep").arg("60").kill_on_drop(true).reap_on_drop(true).spawn()?);
        let child = Command::new("true").reap_on_drop(false).kill_on_drop(false).spawn()?;
        child.status().await?;
        Ok(())
    })
}

#[test]
fn settings() -> io::Result<()> {
    future::block_on(async {
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .args(vec!["echo $A$B$C; pwd".to_string()])
            .env("A", "1")
            .envs([("B", "2"), ("C", "3")])
            .env_remove("C")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        println!("{command:?}");
        assert_eq!(command.output().await?.stdout, b"12\n/\n");
        command.env_clear();
        assert_eq!(command.output().await?.stdout, b"\n/\n");
        Ok(())
    })
}

/// async-process converts from the standard library's types.
#[test]
fn conversions() -> io::Result<()> {
    use std::os::unix::io::{AsFd, AsRawFd, OwnedFd};

    future::block_on(async {
        let file = std::fs::File::open("/dev/null")?;
        assert!(Command::new("cat").stdin(file).stdout(Stdio::null()).status().await?.success());
        let stdio: Stdio = Stdio::from(std::process::Stdio::null());
        assert!(Command::new("cat").stdin(stdio).stdout(Stdio::null()).status().await?.success());
        assert!(Command::new("true").stdin(std::process::Stdio::null()).status().await?.success());

        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        assert!(child.stdin.as_ref().unwrap().as_fd().as_raw_fd() > 2);
        assert!(child.stdout.as_ref().unwrap().as_raw_fd() > 2);
        let stdin: OwnedFd = child.stdin.take().unwrap().try_into()?;
        drop(stdin);
        assert!(child.status().await?.success());

        fn is_send_and_sync<T: Send + Sync + Unpin>() {}
        is_send_and_sync::<Child>();
        is_send_and_sync::<ChildStdin>();
        is_send_and_sync::<ChildStdout>();
        is_send_and_sync::<ChildStderr>();
        is_send_and_sync::<Command>();
        is_send_and_sync::<Stdio>();
        Ok(())
    })
}

#[test]
fn futures_are_send_and_static() {
    fn is_send<T: Send + 'static>(future: T) -> T {
        future
    }
    let mut command = Command::new("true");
    let status = is_send(command.status());
    let output = is_send(command.output());
    drop(command);
    assert!(future::block_on(status).unwrap().success());
    assert!(future::block_on(output).unwrap().status.success());
    // An error comes when it is awaited.
    let error = future::block_on(Command::new("/no/such/program").status()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[test]
#[allow(unsafe_code)]
fn unix_extensions() {
    use async_process::unix::CommandExt;

    let mut command = Command::new("bash");
    command.args(["-c", "test $0 = name"]).arg0("name");
    if rustix::process::geteuid().is_root() {
        command.uid(0).gid(0);
    }
    // SAFETY: the closure does nothing.
    unsafe { command.pre_exec(|| Ok(())) };
    assert!(future::block_on(command.status()).unwrap().success());
    let error = Command::new("/no/such/program").exec();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[test]
fn exit_status_is_that_of_std() -> io::Result<()> {
    let status: async_process::ExitStatus = future::block_on(Command::new("false").status())?;
    assert_eq!(status.code(), Some(1));
    Ok(())
}
