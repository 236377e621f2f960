/// How much of everything.
#[derive(Debug)]
pub(crate) struct Scale {
    pub(crate) rounds: u32,
    pub(crate) children: usize,
    pub(crate) in_flight: &'static [usize],
    /// Of the program that a distribution ships, of which each costs more.
    pub(crate) true_children: usize,
    pub(crate) true_in_flight: &'static [usize],
    pub(crate) busy_children: usize,
    /// Of which each takes 20 ms.
    pub(crate) slow_children: usize,
    pub(crate) outstanding: &'static [usize],
    /// Each with a pipe as standard output.
    pub(crate) piped: &'static [usize],
    pub(crate) batch: usize,
    pub(crate) latencies: usize,
    pub(crate) idle_ms: u64,
    pub(crate) parent_rounds: u32,
    pub(crate) parent_mib: &'static [usize],
    /// Children whose system calls are counted.
    pub(crate) traced: usize,
    /// And whose instructions are: each may take 30 µs, in a virtual machine that is left at each.
    pub(crate) stepped: usize,
    /// One at a time.
    pub(crate) alone: usize,
}

impl Scale {
    pub(crate) const FULL: Scale = Scale {
        rounds: 5,
        children: 4000,
        in_flight: &[1, 16, 256],
        true_children: 1000,
        true_in_flight: &[1, 16, 256],
        busy_children: 1000,
        slow_children: 100,
        outstanding: &[0, 100, 1000, 10_000],
        piped: &[9000],
        batch: 300,
        latencies: 1000,
        idle_ms: 1000,
        parent_rounds: 5,
        parent_mib: &[10, 1024, 4096],
        traced: 400,
        stepped: 16,
        alone: 8,
    };

    pub(crate) const QUICK: Scale = Scale {
        rounds: 3,
        children: 300,
        in_flight: &[1, 16, 256],
        true_children: 100,
        true_in_flight: &[16],
        busy_children: 100,
        slow_children: 32,
        outstanding: &[0, 100, 1000],
        piped: &[900],
        batch: 60,
        latencies: 60,
        idle_ms: 200,
        parent_rounds: 1,
        parent_mib: &[10, 512],
        traced: 64,
        stepped: 4,
        alone: 2,
    };

    /// Only what is counted.
    pub(crate) const GUARD: Scale = Scale { traced: 200, stepped: 32, alone: 10, ..Scale::QUICK };
}
