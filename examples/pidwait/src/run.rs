//! Waiting for the ends of many processes.

use std::cell::Cell;
use std::io::{self, Write};
use std::time::Duration;

use anyhow::{Context, Result};
use async_executor::LocalExecutor;
use async_io::Timer;
use childset::{AsyncPidfdExt, State};
use futures_lite::future::or;

use crate::find::{parent, Found};
use crate::options::{Options, Until};
use crate::report::{complain, told};

/// Waits for all; returns those that are left when the time is over.
pub(crate) async fn for_all<'a>(found: &'a [Found], options: &Options) -> Result<Vec<&'a Found>> {
    let ended = vec![Cell::new(false); found.len()];
    // Dropped last: it holds the tasks, and they what is above.
    let executor = LocalExecutor::new();
    let mut ends = Vec::new();
    let mut zombies = Vec::new();
    for (process, ended) in found.iter().zip(&ended) {
        ends.push(executor.spawn(async move {
            let result = end_of(process, options).await;
            ended.set(true);
            result.with_context(|| format!("waiting for {process}"))
        }));
        if let Some(after) = options.zombie_after {
            zombies.push(executor.spawn(name_zombie(process, after)));
        }
    }
    let all = async {
        for end in ends {
            end.await?;
        }
        Ok(())
    };
    let time_is_over = async {
        match options.timeout {
            Some(timeout) => drop(Timer::after(timeout).await),
            None => std::future::pending().await,
        }
        Ok(())
    };
    executor.run(or::<Result<()>, _, _>(all, time_is_over)).await?;
    Ok(found.iter().zip(&ended).filter(|(_, ended)| !ended.get()).map(|(process, _)| process).collect())
}

async fn end_of(process: &Found, options: &Options) -> Result<()> {
    let exit = match options.until {
        Until::Exited => {
            process.pidfd.exited().await?;
            process.pidfd.get_ref().try_wait()
        }
        Until::Reaped => {
            let exit = process.pidfd.exit().await;
            process.pidfd.reaped().await?;
            exit.map(Some)
        }
    };
    let told = told(exit)?;
    if options.status {
        writeln!(io::stdout(), "{process}: {told}")?;
    }
    Ok(())
}

/// Waits for the zombie, and until it has been one for too long.
async fn name_zombie(process: &Found, after: Duration) -> io::Result<()> {
    process.pidfd.exited().await?;
    let collected = async { process.pidfd.reaped().await };
    let waited = async {
        Timer::after(after).await;
        Ok(())
    };
    or(collected, waited).await?;
    let parent = parent(process).unwrap_or_else(|| "its parent".to_owned());
    // It is still the zombie's, since a number is free only after the reaping.
    if process.pidfd.get_ref().state()? == State::Zombie {
        let seconds = after.as_secs_f64();
        complain(format_args!("{process} is a zombie: {parent} has not collected it for {seconds} s"));
    }
    Ok(())
}
