//! Spawning while other threads hold the allocator's lock, from many threads, and without allocating.

#![allow(unsafe_code)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use childset::{ChildSet, Command, Stdio};
use common::check_leaks;

/// The system's allocator behind a lock that a thread can hold, counting what each thread allocates.
struct Counting;

/// Spun on, since a lock of `std`'s might allocate.
static LOCKED: AtomicBool = AtomicBool::new(false);

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

fn acquire() {
    while LOCKED.swap(true, Ordering::Acquire) {
        thread::yield_now();
    }
}

fn release() {
    LOCKED.store(false, Ordering::Release);
}

// SAFETY: all is passed on to `System`; the lock and the counter do not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        acquire();
        // SAFETY: the caller's promise.
        let memory = unsafe { System.alloc(layout) };
        release();
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        acquire();
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) };
        release();
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const TESTS: &[(&str, fn())] = &[
    ("allocations", allocations),
    ("allocator_locked_by_another_thread", allocator_locked_by_another_thread),
    ("environment_that_cannot_be_read", environment_that_cannot_be_read),
    ("one_prepared_for_many_threads", one_prepared_for_many_threads),
    ("failures_in_many_threads", failures_in_many_threads),
];

fn main() {
    common::main_warm(TESTS);
}

fn count(act: impl FnOnce()) -> usize {
    let before = COUNT.with(Cell::get);
    act();
    COUNT.with(Cell::get) - before
}

fn allocations() {
    let plain = Command::new("true").stdin(Stdio::null()).prepare().unwrap();
    let mut piped = Command::new("true");
    piped.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).nice(19).umask(0);
    let piped = piped.prepare().unwrap();
    let set = ChildSet::new().unwrap();
    let take_all = || {
        while let Some(exited) = set.wait(None).unwrap() {
            assert!(exited.exit.unwrap().success());
        }
    };
    for prepared in [&plain, &piped] {
        // The set grows to its size first.
        for _ in 0..20 {
            set.spawn(prepared, ()).unwrap();
        }
        take_all();
        for _ in 0..20 {
            let spawned = count(|| assert!(set.spawn(prepared, ()).is_ok()));
            assert!(spawned <= 1, "{spawned} allocations of a spawn into the set");
        }
        take_all();
        for _ in 0..20 {
            let mut child = None;
            let spawned = count(|| child = Some(prepared.spawn().unwrap()));
            assert!(spawned <= 1, "{spawned} allocations of a spawn");
            let child = child.unwrap();
            assert_eq!(count(|| assert!(child.wait().unwrap().success())), 0);
        }
    }
}

/// The child needs nothing that a thread of its parent may hold: while the lock is held, it starts and runs.
fn allocator_locked_by_another_thread() {
    // What the crate makes once is made before the lock is held.
    assert!(Command::new("true").spawn().unwrap().wait().unwrap().success());
    let (mut reader, writer) = common::pipe();
    let prepared = Command::new("echo").arg("hello").stdin(Stdio::null()).stdout(writer).prepare().unwrap();
    let missing = Command::new("true").current_dir("/no/such").prepare().unwrap();
    let (begin, begun) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let holder = scope.spawn(move || {
            begun.recv().unwrap();
            acquire();
            // The child's whole life happens while we hold it, unless the spawning thread waits for us: for
            // what it allocates itself, after the child was made.
            use std::io::Read;
            let mut told = [0; 6];
            let result = reader.read_exact(&mut told);
            release();
            result.unwrap();
            assert_eq!(&told, b"hello\n");
        });
        begin.send(()).unwrap();
        while !LOCKED.load(Ordering::Relaxed) && !holder.is_finished() {
            thread::yield_now();
        }
        assert!(prepared.spawn().unwrap().wait().unwrap().success());
    });
    // A thread that takes the lock again and again meets each moment of a spawn.
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                acquire();
                for _ in 0..100 {
                    std::hint::spin_loop();
                }
                release();
                thread::yield_now();
            }
        });
        for _ in 0..common::times(200) {
            missing.spawn().unwrap_err();
            // By `std`, whose child has a copy of the lock: it must not need it either.
            let mut by_std = Command::new("true");
            common::make_by_std(&mut by_std);
            assert!(by_std.spawn().unwrap().wait().unwrap().success());
            assert!(Command::new("true").spawn().unwrap().wait().unwrap().success());
        }
        done.store(true, Ordering::Relaxed);
    });
}

/// The page with a variable in it.
static PAGE: AtomicUsize = AtomicUsize::new(0);

extern "C" fn let_read(_: i32) {
    // SAFETY: the page is one of ours.
    unsafe { libc::mprotect(PAGE.load(Ordering::Relaxed) as *mut _, 4096, libc::PROT_READ) };
}

/// Another thread may have freed a variable at the moment of `execve`. A copy of the environment serves then.
fn environment_that_cannot_be_read() {
    extern "C" {
        static mut environ: *const *const libc::c_char;
    }
    let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    for by_std in [false, true] {
        // SAFETY: new memory, and a handler that makes it readable when we read it; the kernel just fails. This process
        // has no other thread that knows the environment, which is leaked.
        unsafe {
            let page = libc::mmap(std::ptr::null_mut(), 4096, access, flags, -1, 0);
            assert_ne!(page, libc::MAP_FAILED);
            page.cast::<[u8; 9]>().write(*b"FREED=no\0");
            PAGE.store(page as usize, Ordering::Relaxed);
            let handler = let_read as extern "C" fn(i32) as libc::sighandler_t;
            assert_ne!(libc::signal(libc::SIGSEGV, handler), libc::SIG_ERR);
            assert_eq!(libc::mprotect(page, 4096, libc::PROT_NONE), 0);
            let variables =
                Box::leak(Box::new([page.cast_const().cast(), c"A=1".as_ptr(), std::ptr::null()]));
            environ = variables.as_ptr();
        }
        let mut command = Command::new("/usr/bin/env");
        if by_std {
            common::make_by_std(&mut command);
        }
        let output = command.stdout(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "FREED=no\nA=1\n");
    }
}

fn one_prepared_for_many_threads() {
    let mut command = Command::new("sh");
    command
        .args(["-c", "cat; exit 4"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .fd(5, std::fs::File::open("/dev/null").unwrap());
    let prepared = command.prepare().unwrap();
    check_leaks(|| {
        thread::scope(|scope| {
            for thread in 0..8 {
                let prepared = &prepared;
                scope.spawn(move || {
                    for round in 0..common::times(25) {
                        let input = format!("{thread} {round}");
                        let output = prepared.spawn().unwrap().wait_with_input(input.as_str()).unwrap();
                        assert_eq!(output.stdout, input.as_bytes());
                        assert_eq!(output.status.code(), Some(4));
                    }
                });
            }
        });
    });
}

fn failures_in_many_threads() {
    let bad_step = Command::new("true").current_dir("/no/such").prepare().unwrap();
    let missing = Command::new("/no/such/program").stdin(Stdio::piped()).prepare().unwrap();
    check_leaks(|| {
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..common::times(200) {
                        let error = bad_step.spawn().unwrap_err();
                        assert!(error.to_string().contains("chdir"), "{error}");
                        let error = missing.spawn().unwrap_err();
                        assert!(error.to_string().contains("program"), "{error}");
                    }
                });
            }
        });
    });
    common::no_child_is_left();
}
