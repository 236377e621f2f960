//! `/proc/PID/stat`.

/// What `/proc/PID/stat` says of a process.
#[derive(Clone, Debug, PartialEq)]
pub struct Stat {
    /// Any bytes, at most 15.
    pub name: Vec<u8>,
    /// A letter.
    pub state: u8,
    /// The pid of the parent.
    pub parent: u32,
    /// The process group.
    pub group: u32,
    /// The session.
    pub session: u32,
    /// A device number as the kernel has it; 0 is none.
    pub terminal: u32,
    /// In ticks since the system's start.
    pub started: u64,
}

impl Stat {
    /// `None` where it is not as proc_pid_stat(5) has it.
    pub fn parse(stat: &[u8]) -> Option<Stat> {
        // The name is in parentheses, and may contain any.
        let start = stat.iter().position(|&byte| byte == b'(')? + 1;
        let end = stat.iter().rposition(|&byte| byte == b')')?;
        let name = stat.get(start..end)?.to_vec();
        let fields: Vec<_> = std::str::from_utf8(&stat[end + 1..]).ok()?.split_ascii_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<i64>().ok();
        Some(Stat {
            name,
            state: *fields.first()?.as_bytes().first()?,
            parent: number(1)? as u32,
            group: number(2)? as u32,
            session: number(3)? as u32,
            terminal: number(4)? as u32,
            started: number(19)? as u64,
        })
    }

    /// Whether it has ended, reaped or not.
    pub fn is_dead(&self) -> bool {
        matches!(self.state, b'Z' | b'X')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name() {
        for name in ["sh", "", "a b", ") R 1 (", "(", "\n"] {
            let line = format!("7 ({name}) S 1 2 3 1025 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 99 0 0");
            let stat = Stat::parse(line.as_bytes()).unwrap();
            assert_eq!((stat.name, stat.state, stat.parent), (name.as_bytes().to_vec(), b'S', 1));
            assert_eq!((stat.group, stat.session, stat.terminal, stat.started), (2, 3, 1025, 99));
        }
        assert_eq!(Stat::parse(b"7 (sh) S 1 2"), None);
        assert!(Stat::parse(&std::fs::read("/proc/self/stat").unwrap()).is_some());
    }
}
