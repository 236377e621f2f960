//! What jobs leave behind.

use std::time::{Duration, Instant};

use childset::{Child, Signal};

/// What is left of the units of jobs that have ended: processes in the background. Dropping it kills them.
#[derive(Debug, Default)]
pub struct Rest(Vec<Child>);

impl Rest {
    /// Keeps a child that has ended, if anything is left of its unit.
    pub fn keep(&mut self, child: Child) {
        if is_left(&child) {
            // So there are never many that are of no use.
            self.0.retain(is_left);
            self.0.push(child);
        }
    }

    /// Asks them to end.
    pub fn terminate(&self) {
        for child in &self.0 {
            // Nobody may be left, which is what is wanted.
            let _ = child.send_signal_to_group(Signal::TERM);
        }
    }

    /// Waits until nobody is left, or until the deadline.
    pub fn wait(&self, deadline: Instant) {
        for child in &self.0 {
            let _ = child.wait_unit_gone(deadline.saturating_duration_since(Instant::now()));
        }
    }
}

/// Before Linux 6.9 nothing reaches the group of a leader that was reaped.
fn is_left(child: &Child) -> bool {
    !child.wait_unit_gone(Duration::ZERO).unwrap_or(true)
}

impl Drop for Rest {
    fn drop(&mut self) {
        for child in &self.0 {
            let _ = child.kill_tree();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use childset::{Command, Stdio, Unit};
    use std::io::Read;

    #[test]
    fn what_is_left_is_killed() {
        let mut rest = Rest::default();
        let mut command = Command::new("sh");
        command.stdout(Stdio::piped()).unit(Unit::ProcessGroup);
        let mut child = command.args(["-c", "trap '' TERM; sleep 1000 &"]).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        child.wait().unwrap();
        if child.send_signal_to_group(0).is_err() {
            return; // Linux before 6.9.
        }
        rest.keep(child);
        rest.terminate();
        assert_eq!(rest.0.len(), 1);
        drop(rest);
        assert_eq!(stdout.blocking().read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn what_has_ended_whole_costs_nothing() {
        let mut rest = Rest::default();
        let child = Command::new("true").unit(Unit::ProcessGroup).spawn().unwrap();
        child.wait().unwrap();
        rest.keep(child);
        assert!(rest.0.is_empty());
    }
}
