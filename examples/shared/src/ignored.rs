//! Signals that whoever started this program has it ignore.

use std::fs;

/// The signals that are ignored. What `nohup`, or a shell that runs something in the background, has ignored is to stay
/// so.
#[derive(Clone, Copy, Debug)]
pub struct Ignored(u64);

impl Ignored {
    /// To be called before anything else changes them. None where `/proc` does not say.
    pub fn now() -> Ignored {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        Ignored(mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0))
    }

    /// Whether the signal is one of them.
    pub fn has(self, signal: i32) -> bool {
        self.0 >> (signal - 1) & 1 != 0
    }
}
