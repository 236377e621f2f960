//! No thread but async-io's, whatever is done. Alone in its process, whose threads it counts.

use std::fs;

use async_process::{Command, Stdio};
use futures_lite::future::block_on;

fn threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let mut names: Vec<_> =
        tasks.map(|task| fs::read_to_string(task.unwrap().path().join("comm")).unwrap()).collect();
    names.sort();
    names
}

#[test]
fn no_thread_but_that_of_async_io() {
    let before = threads();
    block_on(async {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        drop(Command::new("cat").stdin(Stdio::piped()).kill_on_drop(true).spawn().unwrap());
        drop(Command::new("true").spawn().unwrap());
        assert!(Command::new("true").status().await.unwrap().success());
        assert_eq!(Command::new("echo").output().await.unwrap().stdout, b"\n");
        assert!(child.status().await.unwrap().success());
    });
    let mut with_reactor = before;
    with_reactor.push("async-io\n".to_owned());
    with_reactor.sort();
    assert_eq!(threads(), with_reactor);
}
