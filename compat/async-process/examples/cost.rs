//! What children cost the process that has them: `.ci/compat` runs it with async-process and with this crate.
//!
//! Run with: `cargo run --release --example cost -- [children]`

use std::fs;
use std::io;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use async_process::{Command, Stdio};
use futures_lite::future::{block_on, Future};

/// The CPU time of this process, in user mode and in the kernel: in nanoseconds, of all its threads.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

async fn measure<F: Future<Output = io::Result<()>>>(
    name: &str,
    count: u32,
    run: impl Fn() -> F,
) -> io::Result<()> {
    run().await?;
    let (before, start) = (cpu(), Instant::now());
    for _ in 0..count {
        run().await?;
    }
    let (own, all) = ((cpu() - before) / count, start.elapsed() / count);
    println!("{name:<8} {:>4} µs own CPU time, {:>5} µs in all, a child", own.as_micros(), all.as_micros());
    Ok(())
}

fn main() -> io::Result<()> {
    let count =
        std::env::args().nth(1).map_or(1000, |count| count.parse::<NonZeroU32>().expect("a number").get());
    block_on(async {
        measure("status", count, || async { Command::new("true").status().await.map(drop) }).await?;
        measure("output", count, || async { Command::new("true").output().await.map(drop) }).await?;
        measure("piped", count, || async {
            Command::new("true").stdout(Stdio::piped()).spawn()?.output().await.map(drop)
        })
        .await?;
        let threads = fs::read_dir("/proc/self/task")?.count();
        println!("{threads} threads");
        Ok(())
    })
}
