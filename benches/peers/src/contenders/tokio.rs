use std::io;
use std::process::ExitStatus;

use anyhow::Result;
use tokio::process::Command;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use crate::load::{check, Load};

pub(super) fn run(load: &Load) -> Result<()> {
    Builder::new_current_thread().enable_io().build()?.block_on(async {
        let mut running = JoinSet::new();
        for _ in 0..load.at_first() {
            spawn(&mut running, load)?;
        }
        let mut later = load.later();
        while let Some(joined) = running.join_next().await {
            check(joined??.success())?;
            if later > 0 {
                later -= 1;
                spawn(&mut running, load)?;
            }
        }
        Ok(())
    })
}

fn spawn(running: &mut JoinSet<io::Result<ExitStatus>>, load: &Load) -> io::Result<()> {
    let mut child = Command::new(&load.program).spawn()?;
    running.spawn(async move { child.wait().await });
    Ok(())
}
