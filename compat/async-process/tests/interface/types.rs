//! What the types are: where they may go, and what they borrow.

use std::ffi::OsStr;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::Path;

use async_process::unix::CommandExt;
use async_process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use futures_lite::future::block_on;
use futures_lite::{AsyncRead, AsyncWrite};

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
