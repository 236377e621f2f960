//! The descriptor of a set: readable exactly while an exit can be taken.

use std::collections::HashSet;
use std::os::fd::AsFd;

use childset::ChildSet;
use rustix::event::epoll;

use crate::common::held_by_pipe;
use crate::{is_readable, wait_readable, zombie};

/// Other tests' children may interrupt it.
fn wait_for_event(epoll: &impl AsFd) {
    let mut events = Vec::with_capacity(4);
    while events.is_empty() {
        match epoll::wait(epoll, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn readable_exactly_while_an_exit_can_be_taken() {
    let set = ChildSet::new().unwrap();
    let (child, hold) = held_by_pipe();
    set.insert(child, 0).unwrap();
    assert!(!is_readable(&set));

    set.insert(zombie(1), 1).unwrap();
    set.insert(zombie(2), 2).unwrap();
    assert!(is_readable(&set));
    assert!(set.try_wait().unwrap().is_some());
    assert!(is_readable(&set), "one is left");
    assert!(is_readable(&set), "level-triggered");
    assert!(set.try_wait().unwrap().is_some());
    assert!(!is_readable(&set));
    assert!(set.try_wait().unwrap().is_none());

    drop(hold);
    wait_readable(&set);
    assert_eq!(set.try_wait().unwrap().unwrap().tag, 0);
    assert!(!is_readable(&set));
}

/// All are zombies before the registration, so that one edge is all that the outer loop gets.
#[test]
fn an_edge_triggered_loop_that_drains_gets_all() {
    let set = ChildSet::new().unwrap();
    for tag in 0..50 {
        set.insert(zombie(0), tag).unwrap();
    }
    let outer = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
    epoll::add(&outer, &set, epoll::EventData::new_u64(0), flags).unwrap();
    let mut tags = HashSet::new();
    while tags.len() < 50 {
        wait_for_event(&outer);
        while let Some(exited) = set.try_wait().unwrap() {
            assert!(tags.insert(exited.tag));
        }
    }
    // A new child makes a new edge.
    let (child, hold) = held_by_pipe();
    set.insert(child, 50).unwrap();
    drop(hold);
    wait_for_event(&outer);
    assert_eq!(set.try_wait().unwrap().unwrap().tag, 50);
}

#[test]
fn a_set_can_be_nested_in_other_epoll_instances() {
    let set = ChildSet::new().unwrap();
    let inner = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let outer = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let data = epoll::EventData::new_u64(0);
    epoll::add(&inner, &set, data, epoll::EventFlags::IN).unwrap();
    epoll::add(&outer, &inner, data, epoll::EventFlags::IN).unwrap();
    assert!(!is_readable(&outer));
    set.insert(zombie(0), ()).unwrap();
    assert!(is_readable(&outer));
    assert!(set.try_wait().unwrap().is_some());
    assert!(!is_readable(&outer));
}
