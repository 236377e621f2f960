use std::io;
use std::process::ExitStatus;

use anyhow::Result;
use async_process::Command;
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::load::{check, Load};

/// Under the same `block_on` as childset.
pub(super) fn run(load: &Load) -> Result<()> {
    async_io::block_on(async {
        let mut running = FuturesUnordered::new();
        for _ in 0..load.at_first() {
            running.push(spawn(load)?);
        }
        let mut later = load.later();
        while let Some(status) = running.next().await {
            check(status?.success())?;
            if later > 0 {
                later -= 1;
                running.push(spawn(load)?);
            }
        }
        Ok(())
    })
}

fn spawn(load: &Load) -> io::Result<impl std::future::Future<Output = io::Result<ExitStatus>>> {
    let mut child = Command::new(&load.program).spawn()?;
    Ok(async move { child.status().await })
}
