//! Sets and loops that end before each other, and loops in loops.

use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use calloop::generic::Generic;
use calloop::{EventLoop, Mode, PostAction};
use polling::{Event, PollMode, Poller};
use rustix::event::epoll;

use crate::common::{self, readable, reap_all_dropped, zombies};
use crate::edge::reports;
use crate::{calloop_taking, drain, ended, insert_ended, insert_held, NOW};

pub(crate) fn four_loops_nest_above_a_set() {
    let set = ended(0);
    let mut below = set.as_fd().try_clone_to_owned().unwrap();
    let mut loops = Vec::new();
    let above = |below: &OwnedFd| {
        let above = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&above, below, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
        Ok(above)
    };
    for _ in 0..4 {
        let above = above(&below).unwrap();
        loops.push(std::mem::replace(&mut below, above));
    }
    let outermost = below;
    // Linux 5.10 takes the fifth, and then no child.
    if common::kernel() >= (6, 1) {
        assert_eq!(above(&outermost).err(), Some(rustix::io::Errno::LOOP));
    }
    assert!(!readable(&outermost, NOW));
    insert_ended(&set, 0);
    assert!(readable(&outermost, NOW));
    assert_eq!(drain(&set), [0]);
    assert!(!readable(&outermost, NOW));
}

/// Removing the source deregisters the set, then drops it: what ended is reaped at once, the others when they end.
pub(crate) fn a_set_is_dropped_by_its_source() {
    let set = ended(3);
    let stdin = insert_held(&set, 3);
    let mut event_loop = EventLoop::<()>::try_new().unwrap();
    let handle = event_loop.handle();
    let source = Generic::new(set, calloop::Interest::READ, Mode::Level);
    let token = handle.insert_source(source, |_, _, ()| panic!("the set is gone")).unwrap();
    handle.remove(token);
    assert_eq!((zombies(), childset::reap_dropped()), (0, 1));
    event_loop.dispatch(NOW, &mut ()).unwrap();
    drop(stdin);
    reap_all_dropped();
}

/// Its pidfds are closed, so that nothing is ready in it any more, even if a copy of its descriptor lives on: as in
/// a process that is being spawned. The number of the descriptor is free for another set.
pub(crate) fn a_set_dropped_while_registered_is_silent() {
    let modes = [PollMode::Level, PollMode::Edge, PollMode::Oneshot];
    for (mode, copied) in modes.into_iter().flat_map(|mode| [(mode, false), (mode, true)]) {
        let poller = Poller::new().unwrap();
        let set = ended(3);
        let stdin = insert_held(&set, 3);
        // SAFETY: the kernel deletes it when the last copy of the descriptor is closed.
        unsafe { poller.add_with_mode(&set, Event::readable(0), mode).unwrap() };
        let copy = copied.then(|| set.as_fd().try_clone_to_owned().unwrap());
        drop(set);
        assert_eq!(zombies(), 0);
        assert!(!reports(&poller, NOW));
        drop(stdin);
        reap_all_dropped();
        assert!(!reports(&poller, NOW));

        let set = ended(1);
        // SAFETY: it is deleted below.
        unsafe { poller.add_with_mode(&set, Event::readable(1), mode).unwrap() };
        assert!(reports(&poller, NOW));
        assert_eq!(drain(&set), [0]);
        poller.delete(&set).unwrap();
        drop(copy);
    }
}

pub(crate) fn a_set_outlives_its_loop() {
    let set = Rc::new(ended(3));
    let event_loop = calloop_taking(Rc::clone(&set), (Mode::Level, PostAction::Continue), 1);
    drop(event_loop);
    assert_eq!(Rc::strong_count(&set), 1);
    for _ in 0..3 {
        assert!(set.wait(None).unwrap().unwrap().exit.unwrap().success());
    }
}
