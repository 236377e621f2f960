use std::ffi::{c_char, c_int, CString};
use std::io;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::{progress, Scale};
use crate::programs;
use crate::table::Table;

const IN_FLIGHT: usize = 16;

const CALLS: [&str; 7] =
    ["fcntl: copies", "clone3", "epoll_ctl: add", "epoll_wait", "waitid", "epoll_ctl: delete", "close"];

// SAFETY: as c/kernel.c defines it: 0 or -errno, and a number for each of `CALLS`. For one thread.
unsafe extern "C" {
    fn kernel_parts(
        program: *const c_char,
        kind: c_int,
        children: c_int,
        in_flight: c_int,
        nanoseconds: *mut f64,
    ) -> c_int;
}

/// CPU time of the parent in each system call, in microseconds a child.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Parts {
    kind: Kind,
    rounds: Vec<[f64; CALLS.len()]>,
}

/// Which calls: as c/kernel.c numbers them.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Kind {
    Floor,
    Spawn,
    Launch,
}

/// All in turn, in C: so nothing but the kernel's part is measured.
pub(crate) fn run(scale: &Scale, rounds: u32) -> Result<Vec<Parts>> {
    progress("the kernel's part");
    let program = CString::new(programs::CHILD)?;
    let mut all = [Kind::Floor, Kind::Spawn, Kind::Launch].map(|kind| Parts { kind, rounds: Vec::new() });
    for _ in 0..rounds {
        for Parts { kind, rounds } in &mut all {
            let mut parts = [0.0; CALLS.len()];
            let (kind, children, in_flight) = (*kind as c_int, scale.children as c_int, IN_FLIGHT as c_int);
            // SAFETY: the string ends with NUL, and there is room for each number.
            match unsafe { kernel_parts(program.as_ptr(), kind, children, in_flight, parts.as_mut_ptr()) } {
                0 => rounds.push(parts.map(|nanoseconds| nanoseconds / 1000.0)),
                error => return Err(io::Error::from_raw_os_error(-error).into()),
            }
        }
    }
    progress("");
    print(&all);
    Ok(all.into())
}

fn print(all: &[Parts]) {
    println!(
        "\nThe kernel's part: µs of the parent's CPU time in each system call a child, {IN_FLIGHT} in flight"
    );
    let heads: Vec<&str> = [""].into_iter().chain(CALLS).chain(["together"]).collect();
    let mut table = Table::new(&heads);
    for parts in all {
        let medians: Vec<f64> = (0..CALLS.len()).filter_map(|call| parts.median(call)).collect();
        let together: f64 = medians.iter().sum();
        let cells = medians.iter().chain([&together]).map(|value| format!("{value:.2}"));
        let label = match parts.kind {
            Kind::Floor => "c-wait-copy",
            Kind::Spawn => "as childset spawns",
            Kind::Launch => "as childset launches",
        };
        table.row(label, cells);
    }
    table.print();
}

impl Parts {
    fn median(&self, call: usize) -> Option<f64> {
        crate::results::median(self.rounds.iter().map(|round| round[call]))
    }
}
