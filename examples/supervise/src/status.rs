//! The table of services.

use std::time::Duration;

use crate::live::Used;
use crate::unit::{State, Stopping, Unit};

const HEADER: [&str; 7] = ["SERVICE", "STATE", "PID", "RESTARTS", "LAST EXIT", "CPU TIME", "MAX RSS"];

/// In lines, each with its end.
pub(crate) fn table(units: &[Unit], strangers: u64) -> String {
    let rows: Vec<_> = std::iter::once(HEADER.map(String::from)).chain(units.iter().map(row)).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
            line += &format!("{cell:width$}  ");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text += &format!("strangers reaped: {strangers}\n");
    text
}

fn row(unit: &Unit) -> [String; 7] {
    let mut used = unit.used;
    let pid = unit.running().map(|running| running.pid);
    used.add(pid.map(Used::by).unwrap_or_default());
    let state = match &unit.state {
        State::Waiting(_) => "waiting",
        State::Running(running) => match running.stopping {
            Stopping::No => "running",
            Stopping::Asked(_) => "stopping",
            Stopping::Killed => "killed",
        },
        State::Done => "done",
        State::Failed => "failed",
    };
    [
        unit.service.name.clone(),
        state.into(),
        pid.map_or("-".into(), |pid| pid.to_string()),
        unit.restarts.to_string(),
        unit.last.clone().unwrap_or("-".into()),
        seconds(used.cpu),
        used.max_rss.map_or("-".into(), |bytes| format!("{:.1} MiB", bytes as f64 / (1 << 20) as f64)),
    ]
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
