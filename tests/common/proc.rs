//! What `/proc` says of a process or a thread.

/// A field of `/proc/PID/stat`, numbered as in proc_pid_stat(5), from 3 on. `None`: there is none of this number.
pub(crate) fn stat(id: u32, field: usize) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name in parentheses may contain anything.
    let fields = stat.rsplit(')').next().unwrap();
    Some(fields.split_whitespace().nth(field - 3).unwrap().to_owned())
}

/// Processor time of a process, in ticks of 1/100 s.
pub(crate) fn ticks(pid: u32) -> u64 {
    [14, 15].iter().map(|&field| stat(pid, field).unwrap().parse::<u64>().unwrap()).sum()
}

/// Waits until its state is this letter of proc_pid_stat(5). `Z` is also a process whose first thread alone has ended.
pub(crate) fn until_state(id: u32, state: &str) {
    while stat(id, 3).expect("it is there") != state {
        std::thread::yield_now();
    }
}
