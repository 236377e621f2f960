//! Ten lines: run some commands at once, and tell of each as it ends.
//!
//! Run with: `cargo run --example exits`

use childset::{ChildSet, Command};
use futures_lite::{future::block_on, StreamExt};

fn main() -> std::io::Result<()> {
    let mut set = ChildSet::new()?;
    for line in ["sleep 0.3", "true", "sleep 0.1; exit 7", "kill -9 $$"] {
        set.spawn(Command::new("sh").args(["-c", line]), line)?;
    }
    block_on(async {
        while let Some(exited) = set.try_next().await? {
            println!("{:>20}: {}", exited.tag, exited.exit?.status());
        }
        Ok(())
    })
}
