//! Reaping what is not ours: processes that others made and left to us.
//!
//! They are in no `ChildSet`, and SIGCHLD alone reports their end. `wait(-1)` would reap them, but services, too,
//! whose resource use would be lost then. So we look at a zombie first, without taking it, and reap it only if it is no
//! service. One that is a service hides the others from the look, and so the set is asked first. A zombie keeps its pid
//! until we, its parent, reap it: between the look and the reaping, the pid cannot become another's.

use std::io;

use rustix::process::{waitpid, Pid, WaitOptions};

use crate::zombie;

/// How many are reaped before services and signals have their turn.
const BATCH: usize = 256;

/// What the look has found in the end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Left {
    /// No zombie; SIGCHLD will tell of the next.
    Nothing,
    /// A zombie: of a service, or there were too many for one turn.
    Zombie,
}

/// Reaps strangers, and adds them to the count.
pub(crate) fn reap(count: &mut u64, is_service: impl Fn(u32) -> bool) -> io::Result<Left> {
    for _ in 0..BATCH {
        match zombie::find()? {
            None => return Ok(Left::Nothing),
            Some(pid) if is_service(pid) => return Ok(Left::Zombie),
            Some(pid) => {
                waitpid(Pid::from_raw(pid as i32), WaitOptions::NOHANG)?;
                *count += 1;
            }
        }
    }
    Ok(Left::Zombie)
}
