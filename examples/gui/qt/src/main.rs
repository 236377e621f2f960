//! Runs commands side by side, and shows in a table how each ends.
//!
//! Qt's loop watches the one descriptor of the `ChildSet` by a `QSocketNotifier`, made by a shim of C++ that the
//! `cc` crate compiles. `QProcess`, in comparison, has two pipes and two notifiers for each child, and its SIGCHLD
//! handler. Closing the window ends what still runs.
//!
//! Run with:
//!
//! ```sh
//! cargo run --manifest-path examples/gui/qt/Cargo.toml -- 'make -C lib' 'sleep 3; exit 4' 'cargo test 2>test.log'
//! cargo run --release --manifest-path examples/gui/qt/Cargo.toml -- --burst 500
//! ```

mod ui;

use std::cell::RefCell;
use std::io;
use std::time::Duration;

use anyhow::Result;
use burst::{Burst, TICK};
use childset::{ChildSet, Command, Exit, Signal, Stdio};
use clap::Parser;

use ui::{Column, Notifier, Table, Timer, Ui};

/// How many exits to take before other events have their turn. The notifier is level-triggered.
const BATCH: usize = 32;
/// How long the commands that are left have to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(2);

const GREEN: u32 = 0x2e7d32;
const RED: u32 = 0xc62828;

/// Runs commands side by side.
#[derive(Parser)]
struct Options {
    /// Instead: have N children end at once, and tell how long the loop stood still
    #[arg(long, value_name = "N", conflicts_with = "commands")]
    burst: Option<u16>,
    /// Commands for sh
    #[arg(required_unless_present = "burst")]
    commands: Vec<String>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let ui = Ui::new();
    let set = ChildSet::new()?;
    match options.burst {
        Some(count) => run_burst(&ui, &set, count.into())?,
        None => run(&ui, &set, &options.commands)?,
    }
    let mut shutdown = set.shutdown(GRACE);
    while shutdown.wait()?.is_some() {}
    Ok(())
}

fn run(ui: &Ui, set: &ChildSet<usize>, commands: &[String]) -> Result<()> {
    let table = Table::new(ui, commands.len());
    for (row, command) in commands.iter().enumerate() {
        start(set, &table, row, command, Stdio::null());
    }
    let error = RefCell::new(Ok(()));
    let notifier = Notifier::new(ui, set, || take_exits(set, &table, &error, |_, _| ()));
    ui.run();
    drop(notifier);
    Ok(error.into_inner()?)
}

fn start(set: &ChildSet<usize>, table: &Table<'_>, row: usize, command: &str, stdin: impl Into<Stdio>) {
    let mut shell = Command::new("sh");
    // If this program is killed, nobody is left to look at the table.
    shell.args(["-c", command]).stdin(stdin).parent_death_signal(Signal::KILL);
    table.set(row, Column::Command, command);
    match set.spawn(&mut shell, row) {
        Ok(_) => table.set(row, Column::Status, "running"),
        Err(error) => show_error(table, row, &error.error),
    }
}

/// Takes what exits there are, up to a bound, and shows them.
fn take_exits(
    set: &ChildSet<usize>,
    table: &Table<'_>,
    trouble: &RefCell<io::Result<()>>,
    mut act: impl FnMut(usize, &io::Result<Exit>),
) {
    for _ in 0..BATCH {
        match set.try_wait() {
            Ok(Some(exited)) => {
                show(table, exited.tag, &exited.exit);
                act(exited.tag, &exited.exit);
            }
            Ok(None) => return,
            Err(error) => {
                *trouble.borrow_mut() = Err(error);
                return ui::quit();
            }
        }
    }
}

fn show(table: &Table<'_>, row: usize, exit: &io::Result<Exit>) {
    match exit {
        Ok(exit) => {
            table.set(row, Column::Status, &exit.status().to_string());
            table.colour(row, if exit.success() { GREEN } else { RED });
            if let Some((user, system)) = exit.user_time().zip(exit.system_time()) {
                table.set(row, Column::Time, &format!("{:.3} s", (user + system).as_secs_f64()));
            }
        }
        Err(error) => show_error(table, row, error),
    }
}

fn show_error(table: &Table<'_>, row: usize, error: &io::Error) {
    table.set(row, Column::Status, &error.to_string());
    table.colour(row, RED);
}

fn run_burst(ui: &Ui, set: &ChildSet<usize>, count: usize) -> Result<()> {
    let table = Table::new(ui, count);
    let burst = RefCell::new(Burst::new(count)?);
    for row in 0..count {
        let stdin = burst.borrow().stdin()?;
        start(set, &table, row, Burst::script(row), stdin);
    }
    let trouble = RefCell::new(Ok(()));
    let notifier = Notifier::new(ui, set, || {
        take_exits(set, &table, &trouble, |row, exit| burst.borrow_mut().exited(row, exit));
    });
    let mut is_reported = false;
    let timer = Timer::new(ui, TICK, || {
        if is_reported {
            return;
        }
        let ticked = burst.borrow_mut().tick();
        let ticked = ticked.and_then(|is_over| match is_over {
            true => {
                is_reported = true;
                burst.borrow().report("qt")?;
                report_table(&table, count);
                Ok(())
            }
            false => Ok(()),
        });
        if ticked.is_err() {
            *trouble.borrow_mut() = ticked;
            ui::quit();
        }
    });
    ui.run();
    drop((timer, notifier));
    Ok(trouble.into_inner()?)
}

/// Prints how many rows the table has of each status that it shows.
fn report_table(table: &Table<'_>, rows: usize) {
    let mut shown = std::collections::BTreeMap::<_, usize>::new();
    for row in 0..rows {
        *shown.entry(table.get(row, Column::Status)).or_default() += 1;
    }
    let shown: Vec<_> = shown.iter().map(|(status, count)| format!("{count} {status}")).collect();
    println!("qt: {}", shown.join(", "));
}
