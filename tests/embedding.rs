//! What the guide `childset::embedding` says, on real loops, each in a process of one thread.

#![allow(unsafe_code)]

mod common;

use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use calloop::generic::Generic;
use calloop::timer::{TimeoutAction, Timer};
use calloop::{EventLoop, Mode, PostAction};
use childset::{ChildSet, Pidfd};
use common::{check_leaks, kernel, readable, reap_all_dropped, threads, until_ended, zombies};
use mio::unix::SourceFd;
use mio::Token;
use polling::{Event, Events, PollMode, Poller};
use rustix::event::epoll;

const NOW: Duration = Duration::ZERO;

/// More than one batch of events in the set.
const MANY: usize = 40;

const TESTS: &[(&str, fn())] = &[
    ("level_reports_until_all_are_taken", || alone(level_reports_until_all_are_taken)),
    ("edge_reports_once_and_is_drained", || alone(edge_reports_once_and_is_drained)),
    ("edge_stalls_if_one_is_left", || alone(edge_stalls_if_one_is_left)),
    ("try_wait_may_raise_an_edge", || alone(try_wait_may_raise_an_edge)),
    ("oneshot_reports_what_is_left_when_armed_again", || {
        alone(oneshot_reports_what_is_left_when_armed_again);
    }),
    ("a_wake_up_may_find_nothing", || alone(a_wake_up_may_find_nothing)),
    ("a_dead_child_wakes_the_loop_when_inserted", || alone(a_dead_child_wakes_the_loop_when_inserted)),
    ("timers_run_between_bounded_batches", || alone(timers_run_between_bounded_batches)),
    ("a_callback_spawns_into_its_set", || alone(a_callback_spawns_into_its_set)),
    ("four_loops_nest_above_a_set", || alone(four_loops_nest_above_a_set)),
    ("a_set_is_dropped_by_its_source", || alone(a_set_is_dropped_by_its_source)),
    ("a_set_dropped_while_registered_is_silent", || alone(a_set_dropped_while_registered_is_silent)),
    ("a_set_outlives_its_loop", || alone(a_set_outlives_its_loop)),
    ("the_guide_names_tests_that_exist", the_guide_names_tests_that_exist),
    ("the_guide_shows_lines_of_programs", the_guide_shows_lines_of_programs),
];

fn main() {
    common::main_with(TESTS, |_, test| {
        // The descriptor by which dropped children are watched is made once. `warm_up` would start async-io's thread.
        let set = ended(0);
        let stdin = insert_held(&set, 0);
        drop(set);
        drop(stdin);
        reap_all_dropped();
        test();
    });
}

/// Runs a test that leaves nothing behind: no descriptor, no zombie, and at no time a second thread.
fn alone(test: fn()) {
    assert_eq!(threads(), 1);
    check_leaks(test);
    assert_eq!(threads(), 1);
}

/// Children that have ended, tagged 0, 1 ...
fn ended(count: usize) -> ChildSet<usize> {
    let set = ChildSet::new().unwrap();
    (0..count).for_each(|tag| insert_ended(&set, tag));
    set
}

fn insert_ended(set: &ChildSet<usize>, tag: usize) {
    let child = Command::new("true").spawn().unwrap();
    until_ended(Pidfd::from_child(&child).unwrap());
    set.insert(child, tag).unwrap();
}

/// A child that lives until the pipe is dropped. It runs its program already, and so has no copy of our descriptors.
fn insert_held(set: &ChildSet<usize>, tag: usize) -> ChildStdin {
    let mut shell = Command::new("sh");
    shell.args(["-c", "echo; read line"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = shell.spawn().unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
    let stdin = child.stdin.take().unwrap();
    set.insert(child, tag).unwrap();
    stdin
}

fn drain(set: &ChildSet<usize>) -> Vec<usize> {
    std::iter::from_fn(|| set.try_wait().unwrap()).map(|exited| exited.tag).collect()
}

/// A calloop that takes some exits at each wake-up; its data are the numbers taken.
fn calloop_taking(
    set: Rc<ChildSet<usize>>,
    (mode, then): (Mode, PostAction),
    most: usize,
) -> EventLoop<'static, Vec<usize>> {
    let event_loop = EventLoop::try_new().unwrap();
    let source = Generic::new(set, calloop::Interest::READ, mode);
    event_loop
        .handle()
        .insert_source(source, move |_, set, taken: &mut Vec<usize>| {
            assert_eq!(threads(), 1);
            taken.push(std::iter::from_fn(|| set.try_wait().unwrap()).take(most).count());
            Ok(then)
        })
        .unwrap();
    event_loop
}

/// A mio loop with a set in it, edge-triggered as always.
struct Mio(mio::Poll, mio::Events);

impl Mio {
    fn with(set: &ChildSet<usize>) -> Mio {
        let poll = mio::Poll::new().unwrap();
        poll.registry().register(&mut SourceFd(&set.as_raw_fd()), Token(0), mio::Interest::READABLE).unwrap();
        Mio(poll, mio::Events::with_capacity(8))
    }

    /// Whether the set is reported at once, or within the time.
    fn reports(&mut self, timeout: Duration) -> bool {
        let start = Instant::now();
        loop {
            match self.0.poll(&mut self.1, Some(timeout.saturating_sub(start.elapsed()))) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                result => break result.unwrap(),
            }
        }
        assert_eq!(threads(), 1);
        !self.1.is_empty()
    }
}

fn reports(poller: &Poller, timeout: Duration) -> bool {
    let mut events = Events::new();
    poller.wait(&mut events, Some(timeout)).unwrap();
    assert_eq!(threads(), 1);
    !events.is_empty()
}

/// Whatever the loop leaves untaken, level-triggered or armed again after each batch.
fn level_reports_until_all_are_taken() {
    for rule in [(Mode::Level, PostAction::Continue), (Mode::OneShot, PostAction::Reregister)] {
        let set = Rc::new(ended(MANY));
        let stdin = insert_held(&set, MANY);
        let mut event_loop = calloop_taking(Rc::clone(&set), rule, 3);
        let mut taken = Vec::new();
        for _ in 0..MANY {
            event_loop.dispatch(NOW, &mut taken).unwrap();
        }
        assert_eq!(taken, [&[3; MANY / 3][..], &[MANY % 3]].concat(), "no wake-up without an exit");
        drop(stdin);
        event_loop.dispatch(None, &mut taken).unwrap();
        assert_eq!((taken.last(), set.len()), (Some(&1), 0));
    }
}

fn edge_reports_once_and_is_drained() {
    let set = Rc::new(ended(MANY));
    let stdin = insert_held(&set, MANY);
    let mut event_loop = calloop_taking(Rc::clone(&set), (Mode::Edge, PostAction::Continue), usize::MAX);
    let mut taken = Vec::new();
    for _ in 0..MANY {
        event_loop.dispatch(NOW, &mut taken).unwrap();
    }
    // Taking may raise an edge by itself: a wake-up that finds nothing.
    assert_eq!((taken[0], taken.iter().sum::<usize>()), (MANY, MANY));
    drop(stdin);
    while !set.is_empty() {
        event_loop.dispatch(None, &mut taken).unwrap();
    }
    assert_eq!(taken.last(), Some(&1));

    let set = ended(MANY);
    let stdin = insert_held(&set, MANY);
    let mut mio = Mio::with(&set);
    assert!(mio.reports(NOW));
    assert_eq!(drain(&set).len(), MANY);
    drop(stdin);
    while !set.is_empty() {
        assert!(mio.reports(Duration::from_secs(60)));
        drain(&set);
    }
}

/// The drain rule. A child leaves the set before it is reaped, since its reaping may make an edge, and that would
/// hide the stall.
fn edge_stalls_if_one_is_left() {
    let set = ended(MANY);
    let child = Command::new("true").spawn().unwrap();
    until_ended(Pidfd::from_child(&child).unwrap());
    let first = set.insert(child, MANY).unwrap();
    let mut mio = Mio::with(&set);
    assert!(mio.reports(NOW));
    set.remove(first).unwrap().0.wait().unwrap();
    assert!(!mio.reports(NOW), "stalled");
    assert!(readable(&set, NOW), "although there are more");
    // What gets it out of that is the next end of a child; then all must be taken.
    insert_ended(&set, MANY);
    assert!(mio.reports(NOW));
    assert_eq!(drain(&set).len(), MANY + 1);
}

/// It hides a stall. Both outcomes are permitted but on 6.18, where the edge was seen: the kernel reports on a pidfd
/// that its process was reaped.
fn try_wait_may_raise_an_edge() {
    let set = ended(MANY);
    let mut mio = Mio::with(&set);
    for left in (0..MANY).rev() {
        let reported = mio.reports(NOW);
        assert!(reported || (left < MANY - 1 && kernel() != (6, 18)));
        set.try_wait().unwrap().unwrap();
    }
}

fn oneshot_reports_what_is_left_when_armed_again() {
    let set = ended(MANY);
    let stdin = insert_held(&set, MANY);
    let poller = Poller::new().unwrap();
    // SAFETY: it is deleted below, before the set is dropped.
    unsafe { poller.add(&set, Event::readable(0)).unwrap() };
    for _ in 0..MANY {
        assert!(reports(&poller, NOW));
        set.try_wait().unwrap().unwrap();
        assert!(!reports(&poller, NOW), "silent until it is armed again");
        poller.modify(&set, Event::readable(0)).unwrap();
    }
    assert!(!reports(&poller, NOW), "armed, and nothing is left");
    drop(stdin);
    assert!(reports(&poller, Duration::from_secs(60)));
    assert_eq!(drain(&set), [MANY]);
    poller.delete(&set).unwrap();
}

fn a_wake_up_may_find_nothing() {
    let set = ended(1);
    let mut mio = Mio::with(&set);
    assert!(mio.reports(NOW));
    set.wait(None).unwrap().unwrap();
    assert!(set.try_wait().unwrap().is_none());
}

fn a_dead_child_wakes_the_loop_when_inserted() {
    let set = ended(0);
    let mut mio = Mio::with(&set);
    assert!(!mio.reports(NOW));
    insert_ended(&set, 0);
    assert!(mio.reports(NOW));
    assert_eq!(drain(&set), [0]);
}

/// Exits between two turns of a timer that is always due.
fn timers_run_between_bounded_batches() {
    const BATCH: usize = 16;
    let children = common::times(200).max(2 * BATCH);
    for most in [BATCH, usize::MAX] {
        let set = Rc::new(ended(children));
        let mut event_loop = calloop_taking(Rc::clone(&set), (Mode::Level, PostAction::Continue), most);
        let turn = |_, _: &mut (), taken: &mut Vec<usize>| {
            taken.push(0);
            TimeoutAction::ToDuration(NOW)
        };
        event_loop.handle().insert_source(Timer::immediate(), turn).unwrap();
        let mut taken = Vec::new();
        while !set.is_empty() {
            event_loop.dispatch(NOW, &mut taken).unwrap();
        }
        let in_a_row = taken.split(|&exits| exits == 0).map(|exits| exits.iter().sum::<usize>());
        assert_eq!(in_a_row.max(), Some(most.min(children)));
    }
}

fn a_callback_spawns_into_its_set() {
    let set = Rc::new(ended(1));
    let mut event_loop = EventLoop::<Vec<usize>>::try_new().unwrap();
    let source = Generic::new(Rc::clone(&set), calloop::Interest::READ, Mode::Level);
    let take = |_, set: &mut calloop::generic::NoIoDrop<Rc<ChildSet<usize>>>, tags: &mut Vec<usize>| {
        let tag = set.try_wait()?.unwrap().tag;
        tags.push(tag);
        if tag < 9 {
            set.spawn(&mut childset::Command::new("true"), tag + 1)?;
        }
        Ok(PostAction::Continue)
    };
    event_loop.handle().insert_source(source, take).unwrap();
    let mut tags = Vec::new();
    while !set.is_empty() {
        event_loop.dispatch(None, &mut tags).unwrap();
    }
    assert_eq!(tags, (0..10).collect::<Vec<_>>());
}

fn four_loops_nest_above_a_set() {
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
fn a_set_is_dropped_by_its_source() {
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
fn a_set_dropped_while_registered_is_silent() {
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

fn a_set_outlives_its_loop() {
    let set = Rc::new(ended(3));
    let event_loop = calloop_taking(Rc::clone(&set), (Mode::Level, PostAction::Continue), 1);
    drop(event_loop);
    assert_eq!(Rc::strong_count(&set), 1);
    for _ in 0..3 {
        assert!(set.wait(None).unwrap().unwrap().exit.unwrap().success());
    }
}

/// Those in parentheses, except paths, which lead out of the package.
fn the_guide_names_tests_that_exist() {
    let guide = include_str!("../src/embedding.rs");
    let mut names: Vec<_> = guide.split("(`").skip(1).map(|rest| rest.split_once("`)").unwrap().0).collect();
    names.retain(|name| !name.contains('/'));
    assert!(names.len() > 10, "{names:?}");
    let tests = [
        include_str!("embedding.rs"),
        include_str!("embedding_threads.rs"),
        include_str!("dropped.rs"),
        include_str!("dropped_calls.rs"),
        include_str!("loops.rs"),
        include_str!("set/descriptor.rs"),
        include_str!("stream/streams.rs"),
        include_str!("traced/set.rs"),
    ]
    .concat();
    let defines =
        |name: &str| ['\n', ' '].iter().any(|before| tests.contains(&format!("{before}fn {name}()")));
    names.retain(|name| !defines(name));
    assert!(names.is_empty(), "{names:?}");
}

/// A block of code that is not compiled names the program that it is from, and each of its lines stands there.
fn the_guide_shows_lines_of_programs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !root.join("examples/gui").exists() {
        return common::skipped("the programs with windows are not in the package");
    }
    let guide = include_str!("../src/embedding/loops.rs").lines();
    let mut guide = guide.filter_map(|line| line.strip_prefix("//!").map(str::trim));
    let mut shown = 0;
    while let Some(line) = guide.next() {
        let Some(language) = line.strip_prefix("```").filter(|language| !language.is_empty()) else {
            continue;
        };
        let path = language.split_once(" (").unwrap().1.strip_suffix(')').unwrap();
        let program = std::fs::read_to_string(root.join(path)).expect(path);
        let lines: Vec<_> = program.lines().map(str::trim).collect();
        for line in guide.by_ref().take_while(|line| *line != "```") {
            assert!(lines.contains(&line), "{path} has no line\n{line}");
            shown += 1;
        }
    }
    assert!(shown > 20, "{shown}");
}
