//! While 2,000 children are reaped, timers keep running and windows are redrawn; and while a window redraws all the time,
//! children are reaped: with a bound for each wake, and the priority of redrawing. Without the one or the other they are not.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use childset::{Child, ChildSet, Command};
use childset_glib::{next, watch, BATCH, PRIORITY};
use glib::{ControlFlow, MainContext, MainLoop, Priority};
use rustix::event::{poll, PollFd, PollFlags};
use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};

const MANY: usize = 2000;
/// For the other lessons fewer do.
const SOME: usize = 500;
/// With a window that redraws all the time: a frame takes so long, and this many are enough to see that no exit comes.
const FRAMED: usize = 600;
const FRAME: Duration = Duration::from_millis(25);
const FRAMES: usize = 40;
/// How long the program is busy with each exit, at least: so 32 of them take longer than a timer's interval.
const WORK: Duration = Duration::from_micros(100);
const INTERVAL: Duration = Duration::from_millis(1);
/// `GDK_PRIORITY_REDRAW`.
const REDRAW: i32 = 120;

/// One thread, without the test harness's: the main loop is that of the process.
fn main() {
    // A pidfd each.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let descriptors = count("/proc/self/fd");

    println!("all in one wake: nothing else runs");
    let seen = with_source(SOME, Priority::DEFAULT, usize::MAX);
    assert_eq!((seen.ticks.get(), seen.redraws.get()), (0, 0));

    println!("bounded, at the default priority: timers run, nothing is redrawn");
    let seen = with_source(SOME, Priority::DEFAULT, BATCH);
    // Between the first wake and the last, at least one is due before each.
    assert!(seen.ticks.get() >= SOME.div_ceil(BATCH) - 2, "{} ticks", seen.ticks.get());
    assert_eq!(seen.redraws.get(), 0);

    println!("bounded, as redrawing: timers run, and each redraw comes after at most one more wake");
    let seen = with_source(MANY, PRIORITY, BATCH);
    let wakes = MANY.div_ceil(BATCH);
    assert!(seen.ticks.get() >= wakes - 2, "{} ticks", seen.ticks.get());
    assert!(seen.redraws.get() >= wakes / 2 - 1, "{} redraws", seen.redraws.get());

    println!("awaited, as redrawing: each exit is followed by a redraw");
    let seen = awaited(SOME, PRIORITY);
    // A tick may not be due after a single exit, but is after ten.
    assert!(seen.ticks.get() >= SOME / 10 - 2, "{} ticks", seen.ticks.get());
    assert_eq!(seen.redraws.get(), SOME - 1);

    println!("below redrawing, and a window that always redraws: no exit comes");
    let seen = with_animation(FRAMED, Priority::DEFAULT_IDLE);
    assert_eq!((seen.exits.get(), seen.redraws.get()), (0, FRAMES));

    println!(
        "as redrawing, and a window that always redraws: a frame for each wake, and a wake for each frame"
    );
    let seen = with_animation(FRAMED, PRIORITY);
    assert_eq!(seen.exits.get(), FRAMED);
    let wakes = FRAMED.div_ceil(BATCH);
    assert!((wakes - 1..=wakes + 1).contains(&seen.redraws.get()), "{} frames", seen.redraws.get());

    println!("a future that is dropped loses nothing");
    dropped_future();

    assert_eq!(count("/proc/self/task"), 1);
    // GLib keeps an eventfd for each main loop's context, from before the first run on.
    assert!(count("/proc/self/fd") <= descriptors + 1);
    println!("ok");
}

/// What else the loop does, up to the last exit.
#[derive(Default)]
struct Seen {
    children: usize,
    exits: Cell<usize>,
    ticks: Cell<usize>,
    redraws: Cell<usize>,
    redraw_queued: Cell<bool>,
}

impl Seen {
    /// Shows the exit, as a window does: the redraw is for later, and once for all that has changed by then.
    fn exited(self: &Rc<Seen>) {
        std::thread::sleep(WORK);
        self.exits.set(self.exits.get() + 1);
        if self.exits.get() < self.children && !self.redraw_queued.replace(true) {
            let seen = Rc::clone(self);
            glib::idle_add_local_full(Priority::from(REDRAW), move || {
                seen.redraw_queued.set(false);
                seen.redraws.set(seen.redraws.get() + usize::from(seen.exits.get() < seen.children));
                ControlFlow::Break
            });
        }
    }

    fn start_timer(self: &Rc<Seen>) {
        let seen = Rc::clone(self);
        glib::timeout_add_local(INTERVAL, move || {
            if seen.exits.get() == seen.children {
                return ControlFlow::Break;
            }
            seen.ticks.set(seen.ticks.get() + 1);
            ControlFlow::Continue
        });
    }
}

fn with_source(children: usize, priority: impl Into<Priority>, batch: usize) -> Rc<Seen> {
    let set = Rc::new(set_of_zombies(children));
    let seen = Rc::new(Seen { children, ..Seen::default() });
    let main_loop = MainLoop::new(None, false);
    let watch = {
        let (seen, main_loop) = (Rc::clone(&seen), main_loop.clone());
        watch(&set, priority, batch, move |exited| {
            assert!(exited.unwrap().exit.unwrap().success());
            seen.exited();
            if seen.exits.get() == children {
                main_loop.quit();
            }
        })
    };
    seen.start_timer();
    main_loop.run();
    drop(watch);
    finish();
    seen
}

/// A window whose next frame is always due. It ends with the last exit, or after the frames that should have been enough.
fn with_animation(children: usize, priority: impl Into<Priority>) -> Rc<Seen> {
    let set = Rc::new(set_of_zombies(children));
    let seen = Rc::new(Seen { children, ..Seen::default() });
    let main_loop = MainLoop::new(None, false);
    let frames = {
        let (seen, main_loop) = (Rc::clone(&seen), main_loop.clone());
        glib::idle_add_local_full(Priority::from(REDRAW), move || {
            std::thread::sleep(FRAME);
            seen.redraws.set(seen.redraws.get() + 1);
            if seen.redraws.get() == FRAMES {
                main_loop.quit();
            }
            ControlFlow::Continue
        })
    };
    let watch = {
        let (seen, main_loop) = (Rc::clone(&seen), main_loop.clone());
        watch(&set, priority, BATCH, move |exited| {
            assert!(exited.unwrap().exit.unwrap().success());
            seen.exits.set(seen.exits.get() + 1);
            if seen.exits.get() == children {
                main_loop.quit();
            }
        })
    };
    main_loop.run();
    drop(watch);
    frames.remove();
    seen
}

fn awaited(children: usize, priority: i32) -> Rc<Seen> {
    let set = set_of_zombies(children);
    let seen = Rc::new(Seen { children, ..Seen::default() });
    seen.start_timer();
    MainContext::default().block_on(async {
        while let Some(exited) = next(&set, priority).await.unwrap() {
            assert!(exited.exit.unwrap().success());
            seen.exited();
        }
    });
    assert_eq!(seen.exits.get(), children);
    finish();
    seen
}

fn dropped_future() {
    use std::future::{poll_fn, Future};
    use std::task::Poll;

    let set = set_of_zombies(1);
    MainContext::default().block_on(async {
        let mut first = Box::pin(next(&set, PRIORITY));
        poll_fn(|context| {
            assert!(first.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
        drop(first);
        assert!(next(&set, PRIORITY).await.unwrap().unwrap().exit.unwrap().success());
        assert!(next(&set, PRIORITY).await.unwrap().is_none());
    });
}

/// Lets the sources that are left end.
fn finish() {
    let context = MainContext::default();
    std::thread::sleep(2 * INTERVAL);
    while context.pending() {
        context.iteration(false);
    }
}

/// Children that have ended, every one, before the loop sees the set.
fn set_of_zombies(count: usize) -> ChildSet<()> {
    let set = ChildSet::new().unwrap();
    let command = Command::new("true").prepare().unwrap();
    let children: Vec<Child> = (0..count).map(|_| command.spawn().unwrap()).collect();
    for child in children {
        let mut fds = [PollFd::new(child.pidfd(), PollFlags::IN)];
        while poll(&mut fds, None).is_err_and(|error| error == rustix::io::Errno::INTR) {}
        set.insert(child, ()).map_err(io::Error::from).unwrap();
    }
    set
}

fn count(directory: &str) -> usize {
    std::fs::read_dir(directory).unwrap().count()
}
