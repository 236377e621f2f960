//! Children in async-std: the set is a stream, shared by tasks on any of its threads.
//!
//! Run with: `cargo run --example in_async_std`

#[allow(unreachable_pub)]
mod burst;

use std::io;
use std::sync::{Arc, Mutex};

use async_std::task;
use burst::{Burst, TICK};
use childset::ChildSet;

async fn run() -> io::Result<()> {
    let set = ChildSet::new()?;
    let burst = Burst::new(500)?;
    burst.spawn(&set)?;

    // Each exit goes to one of those that await the set, and the stream ends for all when it is empty.
    let (set, burst) = (Arc::new(set), Arc::new(Mutex::new(burst)));
    let reapers = [(); 2].map(|()| {
        let (set, burst) = (Arc::clone(&set), Arc::clone(&burst));
        task::spawn(async move {
            while let Some(exited) = set.next().await {
                let exited = exited?;
                burst.lock().expect("no task panics").exited(exited.tag, &exited.exit);
            }
            io::Result::Ok(())
        })
    });
    while !burst.lock().expect("no task panics").tick()? {
        task::sleep(TICK).await;
    }
    for reaper in reapers {
        reaper.await?;
    }
    let burst = burst.lock().expect("no task panics");
    burst.report("async-std")
}

fn main() -> anyhow::Result<()> {
    Ok(task::block_on(run())?)
}
