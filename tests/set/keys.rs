//! Keys: what they name, and what is removed by them.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::sync::Barrier;

use childset::{ChildSet, Gone, Signal};

use crate::common::{self, exiting};
use crate::{is_readable, zombie};

#[test]
fn keys_are_never_reused() {
    let set = ChildSet::new().unwrap();
    let mut keys = HashSet::new();
    for _ in 0..50 {
        let key = set.insert(exiting(0), ()).unwrap();
        assert!(keys.insert(key));
        assert_eq!(set.wait(None).unwrap().unwrap().key, key);
        for &old in &keys {
            assert!(set.remove(old).is_none());
            let error = set.send_signal(old, 0).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert_eq!(Gone::from_io_error(&error), Some(Gone::NotInSet));
        }
    }
}

#[test]
fn a_removed_zombie_does_not_come_out() {
    let set = ChildSet::new().unwrap();
    let key = set.insert(zombie(4), "removed").unwrap();
    set.insert(zombie(5), "stays").unwrap();
    assert!(is_readable(&set));
    let (child, tag) = set.remove(key).unwrap();
    assert_eq!(tag, "removed");
    assert_eq!(set.try_wait().unwrap().unwrap().tag, "stays");
    assert!(set.try_wait().unwrap().is_none());
    assert!(!is_readable(&set));
    assert_eq!(child.wait().unwrap().code(), Some(4));
}

/// Each child is either removed or comes out, while one thread removes and two take.
#[test]
fn remove_races_with_taking() {
    let children = common::times(300);
    let set = ChildSet::new().unwrap();
    let start = Barrier::new(3);
    let (removed, taken) = std::thread::scope(|scope| {
        let takers = [0, 1].map(|_| {
            scope.spawn(|| {
                let mut taken = Vec::new();
                start.wait();
                while !set.is_empty() {
                    if let Some(exited) = set.wait(None).unwrap() {
                        assert_eq!(exited.exit.unwrap().code(), Some(exited.tag as i32 % 256));
                        taken.push(exited.tag);
                    }
                }
                taken
            })
        });
        let keys: Vec<_> =
            (0..children).map(|tag| set.insert(exiting(tag as i32 % 256), tag).unwrap()).collect();
        start.wait();
        let mut removed = Vec::new();
        for key in keys.into_iter().rev() {
            if let Some((child, tag)) = set.remove(key) {
                assert_eq!(child.wait().unwrap().code(), Some(tag as i32 % 256));
                removed.push(tag);
            }
        }
        (removed, takers.map(|taker| taker.join().unwrap()).concat())
    });
    let mut all = [removed, taken].concat();
    all.sort();
    assert_eq!(all, (0..children).collect::<Vec<_>>());
}

#[test]
fn a_key_names_nothing_in_another_set() {
    let (one, two) = (ChildSet::new().unwrap(), ChildSet::new().unwrap());
    let mine = one.insert(common::held(), 1).unwrap();
    let strange = two.insert(common::held(), 2).unwrap();
    assert_ne!(mine, strange);
    assert!(!one.contains(strange) && one.pid(strange).is_none() && one.handle(strange).is_none());
    assert!(one.take_stdin(strange).is_none() && one.take_stdout(strange).is_none());
    assert!(one.take_stderr(strange).is_none() && one.remove(strange).is_none());
    for error in [one.send_signal(strange, Signal::KILL), one.send_signal_to_group(strange, Signal::KILL)] {
        assert_eq!(Gone::from_io_error(&error.unwrap_err()), Some(Gone::NotInSet));
    }
    assert_eq!((one.len(), one.keys()), (1, vec![mine]));
    drop((one.take_stdin(mine).unwrap(), two.take_stdin(strange).unwrap()));
    let exited = one.wait(None).unwrap().unwrap();
    assert_eq!((exited.key, exited.tag, exited.exit.unwrap().success()), (mine, 1, true));
    assert_eq!(two.wait(None).unwrap().unwrap().key, strange);
}

#[test]
fn keys_name_what_is_in_the_set() {
    let set = ChildSet::new().unwrap();
    let held: Vec<_> = (0..3).map(|_| common::held()).collect();
    let pids: Vec<_> = held.iter().map(|child| Some(child.id())).collect();
    let keys: Vec<_> = held.into_iter().map(|child| set.insert(child, ()).unwrap()).collect();
    let mut listed = set.keys();
    listed.sort();
    let mut expected = keys.clone();
    expected.sort();
    assert_eq!(listed, expected);
    assert!(keys.iter().zip(&pids).all(|(key, pid)| set.contains(*key) && set.pid(*key) == *pid));
    let (child, ()) = set.remove(keys[1]).unwrap();
    assert!(!set.contains(keys[1]) && set.pid(keys[1]).is_none() && set.handle(keys[1]).is_none());
    assert!(set.take_stdin(keys[1]).is_none() && set.keys().len() == 2);
    drop(child);
    for key in [keys[0], keys[2]] {
        drop(set.take_stdin(key).unwrap());
        assert!(
            set.take_stdin(key).is_none() && set.take_stdout(key).is_none() && set.take_stderr(key).is_none()
        );
    }
    while let Some(exited) = set.wait(None).unwrap() {
        assert!(exited.exit.unwrap().success() && exited.child.stdin.is_none());
    }
    common::reap_all_dropped();
}
