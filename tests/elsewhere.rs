//! The set's names for systems without pidfds (`examples/elsewhere`): each scenario, with the copy and with the real set.

// The lint does not know that a set reaps.
#![allow(clippy::zombie_processes)]

#[allow(dead_code, unreachable_pub)]
#[path = "../examples/elsewhere/polled.rs"]
mod polled;

macro_rules! scenarios {
    ($name:ident, $set:path) => {
        mod $name {
            use std::process::{Child, ChildStdin, Command, Stdio};
            use std::time::{Duration, Instant};

            use $set as ChildSet;

            fn exiting(code: i32) -> Child {
                Command::new("sh").args(["-c", &format!("exit {code}")]).spawn().unwrap()
            }

            /// A child that lives until the pipe is closed.
            fn held() -> (Child, ChildStdin) {
                let mut child =
                    Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
                let hold = child.stdin.take().unwrap();
                (child, hold)
            }

            #[test]
            fn an_empty_set_has_no_exit() {
                let set = ChildSet::<()>::new().unwrap();
                assert!(set.try_wait().unwrap().is_none());
                assert!(set.wait(None).unwrap().is_none());
                assert!(set.is_empty());
            }

            #[test]
            fn each_child_comes_out_once_with_its_tag_and_status() {
                let set = ChildSet::new().unwrap();
                let inserted: Vec<_> =
                    (0..20).map(|code| (set.insert(exiting(code), code).unwrap(), code)).collect();
                assert_eq!(set.len(), 20);
                let mut got = Vec::new();
                while let Some(exited) = set.wait(None).unwrap() {
                    assert_eq!(exited.exit.unwrap().code(), Some(exited.tag));
                    got.push((exited.key, exited.tag));
                }
                got.sort_by_key(|&(_, code)| code);
                assert_eq!(got, inserted);
                assert!(set.is_empty());
            }

            #[test]
            fn a_child_that_runs_is_not_taken() {
                let set = ChildSet::new().unwrap();
                let (child, hold) = held();
                set.insert(child, "held").unwrap();
                set.insert(exiting(0), "ended").unwrap();
                assert_eq!(set.wait(None).unwrap().unwrap().tag, "ended");
                assert!(set.try_wait().unwrap().is_none());
                let start = Instant::now();
                assert!(set.wait(Some(Duration::from_millis(50))).unwrap().is_none());
                assert!(start.elapsed() >= Duration::from_millis(50));
                assert_eq!(set.len(), 1);
                drop(hold);
                assert_eq!(set.wait(Some(Duration::MAX)).unwrap().unwrap().tag, "held");
            }

            #[test]
            fn a_child_is_killed_by_its_key() {
                let set = ChildSet::new().unwrap();
                let (child, hold) = held();
                let key = set.insert(child, ()).unwrap();
                set.kill_tree(key).unwrap();
                let exit = set.wait(None).unwrap().unwrap().exit.unwrap();
                assert_eq!(exit.to_string(), "signal: 9 (SIGKILL)");
                let error = set.kill_tree(key).unwrap_err();
                assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
                drop(hold);
            }

            #[test]
            fn a_child_is_removed_by_its_key_which_names_no_other() {
                let set = ChildSet::new().unwrap();
                let (child, hold) = held();
                let first = set.insert(child, "first").unwrap();
                let (mut child, tag) = set.remove(first).unwrap();
                assert_eq!(tag, "first");
                assert!(set.is_empty());
                let second = set.insert(exiting(0), "second").unwrap();
                assert_ne!(first, second);
                assert!(set.remove(first).is_none());
                assert_eq!(set.wait(None).unwrap().unwrap().key, second);
                drop(hold);
                assert!(super::waited(&mut child).success());
            }

            #[test]
            fn output_is_read_after_the_exit() {
                let set = ChildSet::new().unwrap();
                set.insert(Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn().unwrap(), ())
                    .unwrap();
                let child = set.wait(None).unwrap().unwrap().child;
                assert_eq!(child.wait_with_output().unwrap().stdout, b"hello\n");
            }

            #[test]
            fn a_thread_inserts_while_another_waits() {
                let set = ChildSet::new().unwrap();
                let (child, hold) = held();
                set.insert(child, 0).unwrap();
                std::thread::scope(|scope| {
                    let first = scope.spawn(|| set.wait(None).unwrap().unwrap().tag);
                    set.insert(exiting(0), 1).unwrap();
                    assert_eq!(first.join().unwrap(), 1);
                });
                drop(hold);
                assert_eq!(set.wait(None).unwrap().unwrap().tag, 0);
            }
        }
    };
}

scenarios!(copy, super::polled::ChildSet);
scenarios!(real, childset::ChildSet);

/// `wait` takes `&mut self` in std, and `&self` here.
trait Wait {
    fn waited(&mut self) -> std::process::ExitStatus;
}

impl Wait for std::process::Child {
    fn waited(&mut self) -> std::process::ExitStatus {
        self.wait().unwrap()
    }
}

impl Wait for childset::Child {
    fn waited(&mut self) -> std::process::ExitStatus {
        self.wait().unwrap().status()
    }
}

fn waited(child: &mut impl Wait) -> std::process::ExitStatus {
    child.waited()
}

/// A portable program copies one file, which needs nothing but std and is no longer than a page.
#[test]
fn the_copy_stands_alone() {
    let copy = include_str!("../examples/elsewhere/polled.rs");
    let code = copy.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    let uses: Vec<_> = code.clone().filter(|line| line.starts_with("use ")).collect();
    assert!(uses.iter().all(|line| line.starts_with("use std::")), "{uses:?}");
    assert!(code.count() <= 60);
}
