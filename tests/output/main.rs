//! What a child wrote, when it is taken to be all, and how a child is ended.

#![allow(unsafe_code)]

#[cfg(feature = "async-io")]
mod awaited;
#[path = "../common/mod.rs"]
mod common;
mod end;
mod ended;
mod input;

#[cfg(feature = "async-io")]
use std::future::IntoFuture;
use std::time::Duration;

use childset::{Captured, Child, Command, Signal, Stdio};

/// The same awaited, and with this thread blocked.
fn both(mut make: impl FnMut() -> Child, input: &[u8], check: impl Fn(Captured)) {
    check(make().capture().input(input).wait().unwrap());
    #[cfg(feature = "async-io")]
    check(futures_lite::future::block_on(make().capture().input(input).into_future()).unwrap());
}

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Ends what a child left behind, as far as it stayed in its group.
struct Group(childset::Pidfd);

impl Group {
    fn of(child: &Child) -> Group {
        Group(child.pidfd().try_clone().unwrap())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = self.0.send_signal_to_group(Signal::KILL);
    }
}

/// With processes left behind, which no kernel before 6.9 lets us end by the pidfd of their leader.
fn both_and_clean(make: impl Fn() -> Child, input: &[u8], check: impl Fn(Captured)) {
    let groups = std::cell::RefCell::new(Vec::new());
    let make = || {
        let child = make();
        groups.borrow_mut().push(Group::of(&child));
        child
    };
    both(make, input, check);
}

/// As long as it takes on a loaded machine, and less than what is waited for if something is wrong.
const LONG: Duration = Duration::from_secs(30);
