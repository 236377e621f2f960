//! Ten thousand children in one set, 64 at a time.

mod common;

use std::collections::HashMap;
use std::process::Command;

use childset::ChildSet;

const AT_ONCE: usize = 64;

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Our children in any state, zombies included: of all threads of this process.
fn children() -> usize {
    let me = Some(std::process::id().to_string());
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .filter(|&pid| common::stat(pid, 4) == me)
        .count()
}

fn spawn(set: &ChildSet<usize>, tag: usize, spawned: &mut HashMap<u32, usize>) {
    let child = Command::new("sh").args(["-c", &format!("exit {}", tag % 251)]).spawn().unwrap();
    spawned.insert(child.id(), tag);
    set.insert(child, tag).unwrap();
}

#[test]
fn ten_thousand_children() {
    let children_in_all = common::times(10_000);
    let before = descriptors();
    let mut seen = vec![false; children_in_all];
    {
        let set = ChildSet::new().unwrap();
        let mut spawned = HashMap::new();
        let mut started = 0;
        loop {
            while started < children_in_all && set.len() < AT_ONCE {
                spawn(&set, started, &mut spawned);
                started += 1;
            }
            // The three ways in turn: they mix.
            #[cfg(feature = "async-io")]
            let exited = match started % 3 {
                0 => futures_lite::future::block_on(set.next()).transpose().unwrap(),
                1 => set.try_wait().unwrap().or_else(|| set.wait(None).unwrap()),
                _ => set.wait(None).unwrap(),
            };
            #[cfg(not(feature = "async-io"))]
            let exited = match started % 2 {
                0 => set.try_wait().unwrap().or_else(|| set.wait(None).unwrap()),
                _ => set.wait(None).unwrap(),
            };
            let Some(exited) = exited else { break };
            assert_eq!(exited.exit.unwrap().code(), Some((exited.tag % 251) as i32));
            assert_eq!(spawned.remove(&exited.pid.unwrap()), Some(exited.tag));
            assert!(!std::mem::replace(&mut seen[exited.tag], true), "tag {} twice", exited.tag);
        }
    }
    assert!(seen.iter().all(|&seen| seen));
    assert_eq!(children(), 0);
    let pidfds = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .filter(|link| link.to_str().is_some_and(|link| link.contains("pidfd")))
        .count();
    assert_eq!(pidfds, 0);
    // async-io keeps an epoll instance, an eventfd and a timerfd.
    assert!(descriptors() <= before + 3, "{before} descriptors before, {} after", descriptors());
}
