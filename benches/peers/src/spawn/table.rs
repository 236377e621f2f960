use std::time::Duration;

use anyhow::Result;

use super::cost::Cost;
use super::{Programs, Setting, Spawner};
use crate::options::Common;
use crate::progress;
use crate::table::median;

/// One contender: for each setting, in order, the costs of each round.
#[derive(Debug)]
pub(super) struct Row {
    spawner: Spawner,
    costs: Vec<Vec<Cost>>,
}

type Which = (&'static str, fn(&Cost) -> Duration);

const WHICH: [Which; 3] =
    [("wall", |cost| cost.wall), ("own CPU", |cost| cost.own), ("own and child's CPU", Cost::both)];

pub(super) fn measure(settings: &[Setting], common: &Common, programs: &Programs) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = common
        .spawners()
        .into_iter()
        .map(|spawner| Row { spawner, costs: vec![Vec::new(); settings.len()] })
        .collect();
    for round in 1..=common.rounds {
        for (index, setting) in settings.iter().enumerate() {
            // Each is the first in turn: that one follows another setting.
            rows.rotate_left(1);
            for row in &mut rows {
                let name = row.spawner.name();
                progress(&format!("round {round} of {}: {name}, {setting:?}", common.rounds));
                row.costs[index].push(row.spawner.start(setting, programs, &[])?);
            }
        }
    }
    progress("");
    rows.sort_by_key(|row| Spawner::ALL.iter().position(|&spawner| spawner == row.spawner));
    Ok(rows)
}

/// In µs a spawn.
pub(super) fn print(rows: &[Row], settings: &[String]) {
    print!("{:>16}", "µs a spawn:");
    let width = 11 * settings.len();
    for (name, _) in WHICH {
        print!("{name:>width$} ");
    }
    print!("\n{:>16}", "");
    for _ in WHICH {
        for setting in settings {
            print!("{setting:>11}");
        }
        print!(" ");
    }
    println!();
    for row in rows {
        print!("{:>16}", row.spawner.name());
        for (_, time) in WHICH {
            for costs in &row.costs {
                let one = |cost: &Cost| time(cost).as_secs_f64() * 1e6;
                print!("{:>11.1}", median(costs.iter().map(one)));
            }
            print!(" ");
        }
        println!();
    }
    println!(
        "Medians of {} rounds; in each, wall is the median spawn, CPU the mean.",
        rows[0].costs[0].len()
    );
}

pub(super) fn print_spawn_ratios(rows: &[Row], settings: &[String]) {
    print_growth(rows, settings);
    let last = settings.len() - 1;
    let others = [Spawner::Tokio, Spawner::Std, Spawner::AsyncProcess, Spawner::Floor, Spawner::FloorCopy];
    for other in others {
        print_ratio(rows, (other, last), (Spawner::Childset, last), settings);
    }
}

/// From the first setting to the last.
pub(super) fn print_growth(rows: &[Row], settings: &[String]) {
    println!("Ratios ({}; each round compared with itself):", WHICH.map(|(name, _)| name).join(", "));
    for row in rows {
        print_ratio(rows, (row.spawner, settings.len() - 1), (row.spawner, 0), settings);
    }
}

fn print_ratio(rows: &[Row], of: (Spawner, usize), to: (Spawner, usize), settings: &[String]) {
    let find = |(spawner, setting): (Spawner, usize)| {
        rows.iter().find(|row| row.spawner == spawner).map(|row| &row.costs[setting])
    };
    if let (Some(these), Some(those)) = (find(of), find(to)) {
        let name = |(spawner, setting): (Spawner, usize)| format!("{} {}", spawner.name(), settings[setting]);
        print!("{:>28} / {:<22}", name(of), name(to));
        for (_, time) in WHICH {
            let pairs = these.iter().zip(those);
            print!("{:>8.2}", median(pairs.map(|(a, b)| time(a).as_secs_f64() / time(b).as_secs_f64())));
        }
        println!();
    }
}
