//! Children in smol: the set is a stream, and a task takes what comes out of it.
//!
//! Run with: `cargo run --example in_smol`

#[allow(unreachable_pub)]
mod burst;

use std::cell::RefCell;
use std::io;

use burst::{Burst, TICK};
use childset::ChildSet;
use smol::stream::StreamExt;
use smol::{LocalExecutor, Timer};

fn main() -> anyhow::Result<()> {
    let set = ChildSet::new()?;
    let burst = RefCell::new(Burst::new(500)?);
    burst.borrow().spawn(&set)?;

    let executor = LocalExecutor::new();
    smol::block_on(executor.run(async {
        // The stream lets other tasks run between the exits, however many children are ready.
        let reaper = executor.spawn(async {
            while let Some(exited) = set.next().await {
                let exited = exited?;
                burst.borrow_mut().exited(exited.tag, &exited.exit);
            }
            io::Result::Ok(())
        });
        let mut ticks = Timer::interval(TICK);
        while !burst.borrow_mut().tick()? {
            ticks.next().await;
        }
        reaper.await
    }))?;
    let burst = burst.borrow();
    Ok(burst.report("smol")?)
}
