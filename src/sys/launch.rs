//! Making a process that carries out a [`Plan`], without waiting for its `execve`.
//!
//! Until then the child runs beside us, on our memory, and at first on our descriptor table. What it needs stays: its
//! stack, its plan and its report until it has left the memory; its descriptors until it has left the table.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::child::{run, Birth};
use super::clone::{self, dumps_end_all, not_made, CloneArgs};
use super::origin::{Origin, PerProcess};
use super::plan::{Failure, Plan, Stage};
use super::raw::{call, on_new_stack};
use super::report::Report;
use super::signal::Blocked;
use super::stack::Stack;
use crate::sync::lock;

/// What a child on its way takes along: it owns all that its plan borrows.
pub(crate) trait Cargo: Send + Sync {
    /// Called in the child: it allocates nothing, and takes no lock.
    fn plan(&self) -> Plan<'_>;

    /// Gives up the descriptors. The child has its own.
    fn release(&self);

    /// What a failure of the child is to those who wait for it.
    fn explain(&self, failure: Failure) -> io::Error;
}

/// A child that nobody waits for, on its way to `execve`.
struct Flight {
    /// Neither 0 nor the highest one.
    number: u32,
    origin: Origin,
    /// Where the child is. At first its pid, by `CLONE_PARENT_SETTID`; 0 once it has left our memory, by
    /// `CLONE_CHILD_CLEARTID`.
    place: AtomicU32,
    /// Whether the descriptors were given up.
    released: AtomicBool,
    report: Report,
    /// Nobody will ask what it failed at.
    is_forgotten: AtomicBool,
    /// Taken only by `drop`.
    stack: Mutex<Option<Stack>>,
    parent: Option<u32>,
    is_guarded: bool,
    cargo: Arc<dyn Cargo>,
}

/// Dropped when the child has left our memory, or was never made.
impl Drop for Flight {
    fn drop(&mut self) {
        let stack = self.stack.get_mut().unwrap_or_else(PoisonError::into_inner);
        stack.take().into_iter().for_each(Stack::give_back);
    }
}

/// What a child failed at on its way.
#[derive(Clone)]
pub(crate) struct Failed {
    pub(crate) failure: Failure,
    cargo: Arc<dyn Cargo>,
}

impl Failed {
    pub(crate) fn explain(&self) -> io::Error {
        self.cargo.explain(self.failure)
    }
}

/// In `place`: the child has a descriptor table of its own. No pid is as high.
const LEFT_TABLE: u32 = u32::MAX;

static FLIGHTS: PerProcess<Flights> = PerProcess::new(|| Flights(Mutex::default()));

struct Flights(Mutex<Log>);

#[derive(Default)]
struct Log {
    /// Those of this process whose children have not left its memory, as far as is known.
    on_way: VecDeque<Arc<Flight>>,
    /// What became of the others, by their numbers, until their children are forgotten. Nothing stands for success.
    failed: BTreeMap<u32, Failed>,
}

/// How many are in `on_way`, and in `failed`: lets every call of the crate ask for free. A copy of this process may find a number that is not
/// its own, and has it set right by looking once.
static NUMBER: AtomicUsize = AtomicUsize::new(0);
static FAILED: AtomicUsize = AtomicUsize::new(0);

/// How many may be on their way at once.
const MOST: usize = 64;

/// Makes a process that does what the plan of its cargo says, and returns when it exists: its descriptor, its pid, and the
/// number by which it is known what it [`failed`] at. The caller has to [`forget`] that number.
pub(crate) fn launch(
    cargo: Arc<dyn Cargo>,
    cgroup: Option<BorrowedFd<'_>>,
) -> Result<(OwnedFd, u32, u32), Failure> {
    static AT_FORK: AtomicBool = AtomicBool::new(false);
    if !AT_FORK.swap(true, Ordering::Relaxed) {
        act_before_forks();
    }
    let flights = FLIGHTS.get();
    settle();
    flights.make_room();
    let stack = Stack::take().map_err(not_made)?;
    let (start, size) = (stack.start() as u64, stack.size() as u64);
    let plan = cargo.plan();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let flight = Arc::new(Flight {
        number: NEXT.fetch_add(1, Ordering::Relaxed) % (u32::MAX - 1) + 1,
        origin: Origin::here(),
        place: AtomicU32::new(0),
        released: AtomicBool::new(false),
        report: Report::default(),
        is_forgotten: AtomicBool::new(false),
        stack: Mutex::new(Some(stack)),
        parent: plan.noticed_parent(),
        is_guarded: dumps_end_all(),
        cargo: Arc::clone(&cargo),
    });
    let mut pidfd: RawFd = -1;
    let place = flight.place.as_ptr() as u64;
    let mut args = clone::clone_args(
        &Plan { cgroup, ..plan },
        clone::flags(&plan) & !(libc::CLONE_VFORK as u64),
        &mut pidfd,
    );
    (args.stack, args.stack_size) = (start, size);
    (args.child_tid, args.parent_tid) = (place, place);
    args.flags |= (libc::CLONE_VM | libc::CLONE_PARENT_SETTID | libc::CLONE_CHILD_CLEARTID) as u64;
    let args = [&args as *const CloneArgs as usize, size_of::<CloneArgs>(), 0];
    let blocked = flight.is_guarded.then(Blocked::all);
    // SAFETY: the stack is aligned, and this child's own until `settle` finds that the child has left our memory; so long
    // the flight stays, too, with all that its plan borrows: it is in the list. The child makes raw system calls, and
    // writes to its stack, its report, its place and the places of its own that the plan names. No signal handler runs
    // in it (`CLONE_CLEAR_SIGHAND`).
    let pid = unsafe { on_new_stack(libc::SYS_clone3, args, board, Arc::as_ptr(&flight).cast_mut().cast()) };
    drop(blocked);
    if pid < 0 {
        return Err(Failure { stage: Stage::Clone, errno: -pid as i32 });
    }
    if plan.first_unneeded.is_none() {
        // The kernel has copied the table.
        flight.release();
    }
    let number = flight.number;
    flights.add(flight);
    // SAFETY: the kernel made this descriptor for us.
    Ok((unsafe { OwnedFd::from_raw_fd(pidfd) }, pid as u32, number))
}

/// The entry of a child on a stack of its own.
///
/// # Safety
/// In a new process. `flight` is a `Flight`, which stays until this process has left our memory.
unsafe extern "C" fn board(flight: *mut ()) -> ! {
    // SAFETY: the caller's promise.
    unsafe {
        let flight = &*(flight as *const Flight);
        let birth = Birth {
            plan: &flight.cargo.plan(),
            report: &flight.report,
            place: Some(&flight.place),
            has_handlers: false,
            joins_cgroup: false,
            closes_late: false,
            is_guarded: flight.is_guarded,
            parent: flight.parent,
        };
        run(&birth)
    }
}

/// In the child: says that it has left the shared table.
pub(super) fn say_left_table(place: &AtomicU32) {
    place.store(LEFT_TABLE, Ordering::Release);
    wake_all(place);
}

/// Also in the child.
fn wake_all(place: &AtomicU32) {
    let args = [place.as_ptr() as usize, libc::FUTEX_WAKE as usize, i32::MAX as usize, 0, 0];
    // SAFETY: the address is that of a live word, which only serves to find those who wait.
    let _ = unsafe { call(libc::SYS_futex, args) };
}

/// Waits until the child of this flight has its own descriptors, and closes ours: from then on, ends of file are seen.
pub(crate) fn until_released(number: u32) {
    if NUMBER.load(Ordering::Acquire) > 0 {
        let log = lock(&FLIGHTS.get().0);
        let flight = log.on_way.iter().find(|flight| flight.number == number).cloned();
        drop(log);
        if let Some(flight) = flight {
            flight.until_released(None);
        }
    }
}

/// Waits until all children on their way have their own descriptors, and closes ours: for callers that are about to close
/// the last ones that they know of.
pub(crate) fn until_all_released() {
    if NUMBER.load(Ordering::Acquire) > 0 {
        let list: Vec<_> = lock(&FLIGHTS.get().0).on_way.iter().cloned().collect();
        list.iter().for_each(|flight| flight.until_released(None));
    }
}

/// Gives up what children on their way no longer need: called by whatever spawns, watches, takes or drops a child.
#[inline]
pub(crate) fn settle() {
    if NUMBER.load(Ordering::Acquire) > 0 {
        FLIGHTS.get().settle();
    }
}

/// What a child failed at on its way, if it has ended. Nothing if it failed at nothing.
pub(crate) fn failed(number: u32) -> Option<Failed> {
    settled()?.failed.get(&number).cloned()
}

/// Whether the child has not left our memory.
pub(crate) fn is_on_its_way(number: u32) -> bool {
    settled().is_some_and(|log| log.on_way.iter().any(|flight| flight.number == number))
}

/// Nobody will ask what this one failed at.
pub(crate) fn forget(number: u32) {
    let Some(mut log) = settled() else {
        return;
    };
    if log.failed.remove(&number).is_none() {
        log.on_way.iter().filter(|flight| flight.number == number).for_each(|flight| {
            flight.is_forgotten.store(true, Ordering::Relaxed);
        });
    }
    FAILED.store(log.failed.len(), Ordering::Release);
}

/// What is known by now; `None` if that is nothing.
fn settled() -> Option<MutexGuard<'static, Log>> {
    if NUMBER.load(Ordering::Acquire) == 0 && FAILED.load(Ordering::Acquire) == 0 {
        return None;
    }
    let mut log = lock(&FLIGHTS.get().0);
    log.settle();
    Some(log)
}

impl Log {
    /// Gives up what is no longer needed.
    fn settle(&mut self) {
        let failed = &mut self.failed;
        self.on_way.retain(|flight| {
            let has_left = flight.settle();
            if has_left && !flight.is_forgotten.load(Ordering::Relaxed) {
                let failure = flight.report.read();
                let entry = |failure| (flight.number, Failed { failure, cargo: Arc::clone(&flight.cargo) });
                failed.extend(failure.map(entry));
            }
            !has_left
        });
        NUMBER.store(self.on_way.len(), Ordering::Release);
        FAILED.store(self.failed.len(), Ordering::Release);
    }
}

impl Flights {
    fn settle(&self) {
        // A thread that has it does the same, or will be followed by others.
        if let Ok(mut log) = self.0.try_lock() {
            log.settle();
        }
    }

    fn add(&self, flight: Arc<Flight>) {
        let mut log = lock(&self.0);
        log.on_way.push_back(flight);
        NUMBER.store(log.on_way.len(), Ordering::Release);
    }

    /// Waits for the oldest until there are few enough.
    fn make_room(&self) {
        while NUMBER.load(Ordering::Acquire) >= MOST {
            let oldest = {
                let log = lock(&self.0);
                NUMBER.store(log.on_way.len(), Ordering::Release);
                log.on_way.front().cloned()
            };
            if let Some(oldest) = oldest {
                oldest.wait_while(|place| place != 0, None);
            }
            self.settle();
        }
    }
}

impl Flight {
    /// Gives up the descriptors if they are no longer needed. True if the child has left our memory.
    fn settle(&self) -> bool {
        let place = self.place.load(Ordering::Acquire);
        if place == 0 || place == LEFT_TABLE {
            self.release();
        }
        place == 0
    }

    fn release(&self) {
        if !self.released.swap(true, Ordering::AcqRel) {
            self.cargo.release();
        }
    }

    fn until_released(&self, deadline: Option<Instant>) {
        // A copy of this process has nothing to do with it.
        if self.released.load(Ordering::Acquire) || !self.origin.is_here() {
            return;
        }
        if self.wait_while(|place| place != 0 && place != LEFT_TABLE, deadline) {
            self.release();
        }
    }

    /// False if the deadline has passed first.
    fn wait_while(&self, is_waiting: impl Fn(u32) -> bool, deadline: Option<Instant>) -> bool {
        loop {
            let place = self.place.load(Ordering::Acquire);
            if !is_waiting(place) {
                if place == 0 {
                    // The kernel wakes one alone.
                    wake_all(&self.place);
                }
                return true;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return false;
            }
            let left = left.map(|left| libc::timespec {
                tv_sec: left.as_secs() as _,
                tv_nsec: left.subsec_nanos() as _,
            });
            let left = left.as_ref().map_or(std::ptr::null(), |left| left as *const libc::timespec);
            // SAFETY: a live word, and a time that is there or null. Not a private futex: the kernel's is none.
            unsafe { libc::syscall(libc::SYS_futex, self.place.as_ptr(), libc::FUTEX_WAIT, place, left) };
        }
    }
}

/// A copy of this process must not keep ends of pipes that are only there for a child. Others would wait for the end of
/// file in vain.
fn act_before_forks() {
    // SAFETY: the handler is a function of this program, which allocates little and waits for no long.
    unsafe { libc::pthread_atfork(Some(before_fork), None, None) };
}

/// How long a fork may wait for children that do not get as far as to leave the table: those that were stopped.
const FORK_WAITS: Duration = Duration::from_secs(1);

extern "C" fn before_fork() {
    if NUMBER.load(Ordering::Acquire) == 0 {
        return;
    }
    let flights = FLIGHTS.get();
    // A fork in a signal handler may have interrupted the holder.
    let log = (0..1000).find_map(|_| {
        let log: Option<MutexGuard<'_, _>> = flights.0.try_lock().ok();
        if log.is_none() {
            std::thread::yield_now();
        }
        log
    });
    let deadline = Instant::now() + FORK_WAITS;
    log.iter().flat_map(|log| log.on_way.iter()).for_each(|flight| flight.until_released(Some(deadline)));
}
