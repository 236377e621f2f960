//! What process groups use, while they run.

use std::collections::HashMap;
use std::fs::{self, ReadDir};
use std::io;
use std::time::Duration;

/// What all processes of a group use together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// CPU time until now: that of the processes that are there, and of those that they have waited for.
    pub cpu: Duration,
    /// The memory that they have in use at this moment, in bytes. What several share counts for each.
    pub memory: u64,
    /// How many there are, zombies included.
    pub processes: usize,
}

/// A look at all processes of the system, in steps, so that a loop has its turns between them.
#[derive(Debug)]
pub struct Look {
    processes: ReadDir,
    groups: HashMap<u32, Used>,
}

impl Look {
    /// Nothing is seen yet.
    ///
    /// # Errors
    /// There is no `/proc`.
    pub fn new() -> io::Result<Look> {
        Ok(Look { processes: fs::read_dir("/proc")?, groups: HashMap::new() })
    }

    /// Looks at some more entries of `/proc`. Gives what each group uses once all were looked at, by the group's number.
    pub fn step(&mut self, entries: usize) -> Option<HashMap<u32, Used>> {
        for _ in 0..entries {
            let Some(entry) = self.processes.next() else {
                return Some(std::mem::take(&mut self.groups));
            };
            // A process that has ended meanwhile is passed over.
            let Some((group, used)) = entry.ok().and_then(|entry| {
                entry
                    .file_name()
                    .to_str()
                    .filter(|name| name.starts_with(|first: char| first.is_ascii_digit()))?;
                read(&fs::read_to_string(entry.path().join("stat")).ok()?)
            }) else {
                continue;
            };
            let sum = self.groups.entry(group).or_default();
            sum.cpu += used.cpu;
            sum.memory += used.memory;
            sum.processes += 1;
        }
        None
    }
}

/// The group of a process, and what it uses: from its `stat`, see proc_pid_stat(5).
fn read(stat: &str) -> Option<(u32, Used)> {
    // The name before it may contain anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<_> = fields.split(' ').collect();
    let number = |number: usize| fields.get(number - 3)?.trim_end().parse::<u64>().ok();
    let ticks = number(14)? + number(15)? + number(16)? + number(17)?;
    let cpu = Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64);
    let memory = number(24)? * rustix::param::page_size() as u64;
    Some((number(5)?.try_into().ok()?, Used { cpu, memory, processes: 1 }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use childset::{Command, Stdio, Unit};
    use std::io::{Read, Write};

    #[test]
    fn a_name_may_be_anything() {
        let stat =
            format!("7 (a) R 1 2) S 1 42 42 0 -1 0 0 0 0 0 1 2 3 4 {} 100 0 0\n", "0 ".repeat(6).trim_end());
        let (group, used) = read(&stat).unwrap();
        assert_eq!((group, used.memory), (42, 100 * rustix::param::page_size() as u64));
        assert_eq!(used.cpu, Duration::from_secs_f64(10.0 / rustix::param::clock_ticks_per_second() as f64));
        assert_eq!(read("7 (a) S 1 2"), None);
    }

    #[test]
    fn a_group_is_summed() {
        let mut command = Command::new("sh");
        command.args(["-c", "cat | cat | cat"]).unit(Unit::ProcessGroup);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // Once one byte has come through, all are there.
        child.stdin.as_ref().unwrap().blocking().write_all(b"x").unwrap();
        child.stdout.as_ref().unwrap().blocking().read_exact(&mut [0]).unwrap();
        let mut look = Look::new().unwrap();
        let groups = std::iter::repeat_with(|| look.step(7)).find_map(|groups| groups).unwrap();
        let used = groups[&child.id()];
        // Some shells replace themselves by the last command.
        assert!((3..=4).contains(&used.processes), "{used:?}");
        assert!(used.memory > 300_000, "{used:?}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
