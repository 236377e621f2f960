//! Signals that arrive while children are spawned: handlers of this process never run in a child, and no child
//! is lost or hangs.

#![allow(unsafe_code)]

mod common;

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicUsize, Ordering};
use std::thread;

use childset::unix::CommandExt;
use childset::{Child, ChildSet, Command, Stdio};
use common::check_leaks;

const SIGNALS: [i32; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGUSR1];

const TESTS: &[(&str, fn())] = &[
    ("storm_on_the_group", storm_on_the_group),
    ("storm_without_clone3", storm_without_clone3),
    ("storm_on_this_process", storm_on_this_process),
    ("stopped_and_continued", stopped_and_continued),
];

fn main() {
    common::main_warm(TESTS);
}

/// How often the handler ran in this process, and in others: in memory that copies of it share.
struct Runs {
    ours: AtomicUsize,
    others: AtomicUsize,
}

static RUNS: AtomicPtr<Runs> = AtomicPtr::new(std::ptr::null_mut());

/// This process.
static ME: AtomicI32 = AtomicI32::new(0);

fn runs() -> &'static Runs {
    // SAFETY: `handle` has put it there, and it is never unmapped.
    unsafe { &*RUNS.load(Ordering::Relaxed) }
}

extern "C" fn handler(_: i32) {
    // SAFETY: asking for a number. Not libc's `getpid`, which some C libraries cache.
    let pid = unsafe { libc::syscall(libc::SYS_getpid) } as i32;
    let count = if pid == ME.load(Ordering::Relaxed) { &runs().ours } else { &runs().others };
    count.fetch_add(1, Ordering::Relaxed);
}

fn handle(signals: &[i32]) {
    ME.store(std::process::id() as i32, Ordering::Relaxed);
    let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    // SAFETY: new memory of zeros, which are a valid `Runs`.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), size_of::<Runs>(), access, flags, -1, 0) };
    assert_ne!(page, libc::MAP_FAILED);
    RUNS.store(page.cast(), Ordering::Relaxed);
    for &signal in signals {
        // SAFETY: the handler calls what may be called in one, and writes atomics.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as extern "C" fn(i32) as libc::sighandler_t;
            action.sa_flags = libc::SA_RESTART;
            assert_eq!(libc::sigaction(signal, &action, std::ptr::null_mut()), 0);
        }
    }
}

fn only_we_ran_it() {
    if common::sanitizer().as_deref() == Some("thread") {
        return common::skipped("the thread sanitizer runs handlers later, in whoever uses our memory then");
    }
    assert!(runs().ours.load(Ordering::Relaxed) > 0, "the storm reached nobody");
    assert_eq!(runs().others.load(Ordering::Relaxed), 0, "it ran in a child");
}

/// Each way to a child: on our memory, on a copy, by `fork`, by `std`.
const WAYS: [fn(&mut Command); 4] = [
    |_| {},
    |command| {
        command.gid(rustix::process::getgid().as_raw());
    },
    |command| {
        common::make_by_std(command);
    },
    |command| {
        command.stderr(std::process::Stdio::inherit());
    },
];

/// Spawns while `storm` runs in a thread of its own, and then waits for all.
fn spawn_during(storm: impl Fn() + Sync, prepare: impl Fn(&mut Command), calm: impl Fn()) {
    let done = AtomicBool::new(false);
    let children = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                storm();
                thread::yield_now();
            }
        });
        let children: Vec<Child> = (0..common::times(500))
            .map(|_| {
                let mut command = Command::new("true");
                prepare(&mut command);
                command.stdin(Stdio::null()).spawn().unwrap()
            })
            .collect();
        done.store(true, Ordering::Relaxed);
        children
    });
    calm();
    let set = ChildSet::new().unwrap();
    let count = children.len();
    for child in children {
        set.insert(child, ()).unwrap();
    }
    let mut ended = 0;
    while let Some(exited) = set.wait(None).unwrap() {
        let exit = exited.exit.unwrap();
        let by_storm = exit.signal().is_some_and(|signal| SIGNALS.contains(&signal.as_raw()));
        assert!(exit.code() == Some(0) || by_storm, "{exit:?}");
        ended += 1;
    }
    assert_eq!(ended, count);
    only_we_ran_it();
}

/// A process group of our own, so that the storm reaches our children and nobody else.
fn lead_a_group() -> i32 {
    // SAFETY: it changes only the group of this process; a leader of a session is one already.
    unsafe {
        libc::setpgid(0, 0);
        libc::getpgrp()
    }
}

fn storm_on_the_group() {
    let group = lead_a_group();
    assert_eq!(group as u32, std::process::id());
    handle(&SIGNALS);
    let storm = || {
        for signal in SIGNALS {
            // SAFETY: a signal to our own group.
            unsafe { libc::kill(-group, signal) };
        }
    };
    for way in WAYS {
        check_leaks(|| spawn_during(storm, way, || {}));
    }
}

/// Where `clone3`, which would reset the handlers, is refused.
fn storm_without_clone3() {
    match common::seccomp::filter(libc::SYS_clone3, Some(libc::ENOSYS), None) {
        Ok(()) => storm_on_the_group(),
        Err(error) => common::skipped(format_args!("seccomp filters are refused: {error}")),
    }
}

/// Signals to this process alone reach no child, though it may run on our memory.
fn storm_on_this_process() {
    handle(&SIGNALS);
    check_leaks(|| {
        let storm = || {
            // SAFETY: a signal to ourselves, which we handle.
            unsafe { libc::kill(libc::getpid(), libc::SIGUSR1) };
        };
        spawn_during(
            storm,
            |command| {
                command.process_group(0);
            },
            || {},
        );
    });
}

/// A child stops, for it has the default, while this process handles the signal; when it goes on, so do we.
fn stopped_and_continued() {
    let group = lead_a_group();
    // In an orphaned process group SIGTSTP stops nobody: there must be a relative in another group of the
    // session.
    let ours = std::process::id();
    // SAFETY: asking for numbers.
    let orphaned = unsafe { libc::getsid(0) } as u32 == ours;
    handle(&[libc::SIGTSTP, libc::SIGUSR1]);
    if orphaned {
        println!("the process group is orphaned: nobody stops");
    }
    check_leaks(|| {
        let storm = || {
            // SAFETY: signals to our own group.
            unsafe {
                libc::kill(-group, libc::SIGTSTP);
                libc::kill(-group, libc::SIGCONT);
            }
        };
        // What stopped last goes on.
        let calm = || {
            // SAFETY: as above.
            unsafe { libc::kill(-group, libc::SIGCONT) };
        };
        spawn_during(storm, |_| {}, calm);
    });
}
