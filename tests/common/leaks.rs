//! What a test must not leave: descriptors, zombies, threads.

use std::io;
use std::time::Duration;

use super::{held, sanitizer, stat, waitpid};

/// How many descriptors this process has open.
pub(crate) fn fds() -> usize {
    // One is that of the directory itself.
    std::fs::read_dir("/proc/self/fd").unwrap().count() - 1
}

/// How many threads this process has. One of the thread sanitizer's, which comes with the first, is not counted.
pub(crate) fn threads() -> usize {
    let all = std::fs::read_dir("/proc/self/task").unwrap().count();
    let watched = all > 1 && sanitizer().as_deref() == Some("thread");
    all - usize::from(watched)
}

/// How many children of this process are zombies.
pub(crate) fn zombies() -> usize {
    let me = std::process::id().to_string();
    let is_zombie = |&id: &u32| stat(id, 3).as_deref() == Some("Z") && stat(id, 4).as_ref() == Some(&me);
    let entries = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name());
    entries.filter_map(|name| name.to_str()?.parse().ok()).filter(is_zombie).count()
}

/// Runs a test, which must leave neither a descriptor open nor a zombie behind.
///
/// Where it drops a running child or awaits, [`warm_up`] comes before: some descriptors are made once.
pub(crate) fn check_leaks<R>(test: impl FnOnce() -> R) -> R {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| drop(block_once()));
    let before = (fds(), zombies());
    let result = test();
    assert_eq!((fds(), zombies()), before, "descriptors and zombies, now and before");
    result
}

/// Has the crate open the descriptor that it keeps once it has blocked, if it can.
pub(crate) fn block_once() -> io::Result<()> {
    let set = childset::ChildSet::new()?;
    let inserted = set.insert(childset::Pidfd::open(std::process::id())?, ());
    inserted.map_err(|error| error.error)?;
    set.wait(Some(Duration::from_millis(50))).map(drop)
}

/// Has the crate, and async-io's reactor, open the descriptors that they keep for good.
pub(crate) fn warm_up() {
    let mut child = childset::Child::try_from(held()).unwrap();
    let stdin = child.stdin.take();
    drop(child);
    drop(stdin);
    reap_all_dropped();
    #[cfg(feature = "async-io")]
    {
        use futures_lite::future::{block_on, poll_once};
        // One that is not over before it is looked at.
        block_on(poll_once(async_io::Timer::after(Duration::from_secs(3600))));
    }
}

/// Waits until every dropped child was reaped.
pub(crate) fn reap_all_dropped() {
    while childset::reap_dropped() > 0 {
        std::thread::yield_now();
    }
}

/// No child of ours is left, in whatever state.
pub(crate) fn no_child_is_left() {
    assert_eq!(waitpid(-1, libc::WNOHANG).unwrap_err().raw_os_error(), Some(libc::ECHILD));
}

/// As [`no_child_is_left`], where the kernel may be about to remove one that it reaps.
pub(crate) fn no_child_is_coming() {
    assert_eq!(waitpid(-1, 0).unwrap_err().raw_os_error(), Some(libc::ECHILD));
}
