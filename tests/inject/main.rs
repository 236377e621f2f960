//! One system call that fails once, whichever it is: it may be reported once, and lasts no longer.

#![allow(clippy::type_complexity)]

#[cfg(feature = "async-io")]
mod asynchronous;
#[path = "../common/mod.rs"]
mod common;
mod events;
mod waits;

use std::io;

use childset::{Child, ChildStdin, Command, Stdio};
use events::{child_events, set_events, set_events_in_a_loop};
use waits::{dropped, set, traced};

/// A role, the system call that fails in it, and up to which one it is tried.
const CASES: &[(&str, (fn(), &str, u32))] = &[
    ("set_epoll_ctl", (set, "epoll_ctl:error=ENOMEM", 6)),
    ("set_epoll_wait", (set, "epoll_wait,epoll_pwait,epoll_pwait2:error=ENOMEM", 4)),
    ("set_waitid", (set, "waitid:error=ENOMEM", 5)),
    ("traced_epoll_ctl", (traced, "epoll_ctl:error=ENOMEM", 4)),
    ("set_events_epoll_create", (set_events, "epoll_create1:error=EMFILE", 4)),
    ("set_events_eventfd", (set_events, "eventfd2:error=EMFILE", 3)),
    ("set_events_timerfd", (set_events, "timerfd_create:error=EMFILE", 3)),
    ("set_events_epoll_ctl", (set_events, "epoll_ctl:error=ENOMEM", 12)),
    ("set_events_epoll_wait", (set_events, "epoll_wait,epoll_pwait,epoll_pwait2:error=ENOMEM", 12)),
    ("set_events_ioctl", (set_events, "ioctl:error=ENOMEM", 5)),
    ("set_events_poll", (set_events, "poll,ppoll:error=ENOMEM", 4)),
    ("set_events_settime", (set_events, "timerfd_settime:error=ENOMEM", 3)),
    ("set_events_waitid", (set_events, "waitid:error=ENOMEM", 4)),
    ("set_events_in_a_loop_epoll_ctl", (set_events_in_a_loop, "epoll_ctl:error=ENOMEM", 12)),
    (
        "set_events_in_a_loop_epoll_wait",
        (set_events_in_a_loop, "epoll_wait,epoll_pwait,epoll_pwait2:error=ENOMEM", 12),
    ),
    ("set_events_in_a_loop_ioctl", (set_events_in_a_loop, "ioctl:error=ENOMEM", 5)),
    ("set_events_in_a_loop_settime", (set_events_in_a_loop, "timerfd_settime:error=ENOMEM", 3)),
    ("child_events_ioctl", (child_events, "ioctl:error=ENOMEM", 5)),
    ("child_events_poll", (child_events, "poll,ppoll:error=ENOMEM", 5)),
    ("child_events_waitid", (child_events, "waitid:error=ENOMEM", 5)),
    ("dropped_waitid", (dropped, "waitid:error=ENOMEM", 5)),
    ("dropped_epoll_ctl", (dropped, "epoll_ctl:error=ENOMEM", 5)),
    #[cfg(feature = "async-io")]
    ("next_epoll_ctl", (asynchronous::next, "epoll_ctl:error=ENOMEM", 10)),
    #[cfg(feature = "async-io")]
    ("exit_epoll_ctl", (asynchronous::exit, "epoll_ctl:error=ENOMEM", 8)),
    #[cfg(feature = "async-io")]
    ("pipe_epoll_ctl", (asynchronous::pipe, "epoll_ctl:error=ENOMEM", 8)),
    #[cfg(feature = "async-io")]
    ("attended_epoll_ctl", (asynchronous::attended, "epoll_ctl:error=ENOMEM", 9)),
    #[cfg(feature = "async-io")]
    ("set_events_next_epoll_ctl", (asynchronous::set_events, "epoll_ctl:error=ENOMEM", 20)),
    #[cfg(feature = "async-io")]
    ("child_events_next_epoll_ctl", (asynchronous::child_events, "epoll_ctl:error=ENOMEM", 20)),
    #[cfg(feature = "async-io")]
    ("child_events_next_ioctl", (asynchronous::child_events, "ioctl:error=ENOMEM", 5)),
    #[cfg(feature = "async-io")]
    ("first_await_epoll_create", (asynchronous::exit, "epoll_create1:error=EMFILE", 3)),
    #[cfg(feature = "async-io")]
    ("first_await_eventfd", (asynchronous::exit, "eventfd2:error=EMFILE", 3)),
    #[cfg(feature = "async-io")]
    ("first_await_clone", (asynchronous::exit_of_std, "clone3,clone:error=EAGAIN", 3)),
];

fn main() {
    if let Some(role) = common::role() {
        if let Ok(pid) = role.parse() {
            return common::tracer(pid);
        }
        let (_, (run, ..)) = CASES.iter().find(|(name, _)| *name == role).expect("a role");
        common::end_after(60);
        return run();
    }
    common::main_with(CASES, |name, (_, injected, last)| {
        if !common::strace::works() {
            return;
        }
        for number in 1..=last {
            let injected = format!("{injected}:when={number}");
            if let Err(why) = common::strace::inject(&[&injected], name) {
                panic!("{injected}: {why}");
            }
        }
    });
}

/// Tries again once.
fn twice<R>(mut act: impl FnMut() -> io::Result<R>) -> R {
    act().or_else(|_| act()).unwrap()
}

fn held() -> (Child, ChildStdin) {
    let mut child = twice(|| Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn());
    let stdin = child.stdin.take().unwrap();
    (child, stdin)
}
