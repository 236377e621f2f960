use crate::contenders::Contender;
use crate::measure::Sample;
use crate::syscalls::Syscalls;

/// One contender: a sample of each round, in order.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) contender: Contender,
    pub(crate) samples: Vec<Sample>,
    pub(crate) syscalls: Option<Syscalls>,
    /// With one child in flight.
    pub(crate) syscalls_alone: Option<Syscalls>,
}

impl Row {
    fn median_us(&self, children: usize, time: impl Fn(&Sample) -> std::time::Duration) -> f64 {
        median(self.samples.iter().map(|sample| time(sample).as_secs_f64() * 1e6 / children as f64))
    }

    /// Of CPU times. Each round is compared with itself, since noise hits neighbours alike.
    fn ratio_to(&self, other: &Row) -> f64 {
        let pairs = self.samples.iter().zip(&other.samples);
        median(pairs.map(|(ours, theirs)| ours.cpu.as_secs_f64() / theirs.cpu.as_secs_f64()))
    }
}

/// What the ratios are taken to.
const REFERENCES: [Contender; 3] = [Contender::AsyncProcess, Contender::Tokio, Contender::Floor];

pub(crate) fn print(rows: &[Row], children: usize) {
    println!();
    println!(
        "{:>13}  {:>9}  {:>9}  {:>9}   own CPU, as a multiple of{:>31}  {:>9}",
        "", "wall", "own CPU", "of it in", "syscalls", "one in"
    );
    print!("{:>13}  {:>9}  {:>9}  {:>9}", "contender", "µs/child", "µs/child", "helpers");
    for reference in REFERENCES {
        print!("  {:>13}", reference.name());
    }
    println!("  {:>9}  {:>9}", "/child", "flight");
    for row in rows {
        print_row(row, rows, children);
    }
    println!(
        "\nMedians of {} rounds. Helpers: threads other than the one that waits.",
        rows[0].samples.len()
    );
}

fn print_row(row: &Row, rows: &[Row], children: usize) {
    let wall = row.median_us(children, |sample| sample.wall);
    let cpu = row.median_us(children, |sample| sample.cpu);
    let helpers = row.median_us(children, Sample::other_threads);
    print!("{:>13}  {wall:>9.1}  {cpu:>9.1}  {helpers:>9.1}", row.contender.name());
    for reference in REFERENCES {
        let other = rows.iter().find(|other| other.contender == reference);
        let ratio = other.map_or_else(|| String::from("-"), |other| format!("{:.2}", row.ratio_to(other)));
        print!("  {ratio:>13}");
    }
    for syscalls in [&row.syscalls, &row.syscalls_alone] {
        let total =
            syscalls.as_ref().map_or_else(|| String::from("-"), |calls| format!("{:.2}", calls.total()));
        print!("  {total:>9}");
    }
    println!();
}

/// By name.
pub(crate) fn print_syscalls(rows: &[Row]) {
    if rows.iter().any(|row| row.syscalls.is_some()) {
        println!("\nSystem calls a child, in the parent with all its threads, while strace slows them;");
        println!("then the same with one child in flight:");
    }
    for row in rows {
        for (name, syscalls) in [(row.contender.name(), &row.syscalls), ("alone", &row.syscalls_alone)] {
            if let Some(syscalls) = syscalls {
                println!("{name:>13}: {}", list(syscalls));
            }
        }
    }
}

fn list(syscalls: &Syscalls) -> String {
    let names = syscalls.by_name().into_iter().map(|(name, count)| format!("{name} {count:.2}"));
    names.collect::<Vec<_>>().join(", ")
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 => (values[middle - 1] + values[middle]) / 2.0,
        _ => values[middle],
    }
}
