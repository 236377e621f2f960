//! How long to wait before a service is started again.

use std::time::Duration;

use serde::Deserialize;

use crate::config::values::{seconds, Seconds};

/// Each start in a row waits longer, up to a cap, and a random part less, lest services that failed together come back
/// together.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Backoff {
    first: Seconds,
    cap: Seconds,
    factor: Factor,
    jitter: Part,
    /// A run that lasted so long starts a new row; restarts are counted within one.
    reset_after: Seconds,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff {
            first: seconds(0.1),
            cap: seconds(60.0),
            factor: Factor(2.0),
            jitter: Part(0.2),
            reset_after: seconds(10.0),
        }
    }
}

/// At least 1.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
struct Factor(f64);

impl TryFrom<f64> for Factor {
    type Error = &'static str;

    fn try_from(factor: f64) -> Result<Factor, Self::Error> {
        match factor >= 1.0 && factor.is_finite() {
            true => Ok(Factor(factor)),
            false => Err("expected a number of at least 1"),
        }
    }
}

/// From 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
struct Part(f64);

impl TryFrom<f64> for Part {
    type Error = &'static str;

    fn try_from(part: f64) -> Result<Part, Self::Error> {
        match (0.0..=1.0).contains(&part) {
            true => Ok(Part(part)),
            false => Err("expected a number from 0 to 1"),
        }
    }
}

/// Where a service is in its row of restarts.
#[derive(Debug, Default)]
pub(crate) struct Row(pub(crate) u32);

impl Row {
    /// After a run of this length.
    pub(crate) fn ended(&mut self, backoff: &Backoff, ran: Duration) {
        if ran >= backoff.reset_after.0 {
            self.0 = 0;
        }
    }

    /// How many starts this row has had.
    pub(crate) fn restarts(&self) -> u64 {
        self.0.into()
    }

    /// The delay before the next start. `random` is below 1.
    pub(crate) fn next(&mut self, backoff: &Backoff, random: f64) -> Duration {
        // Infinite at worst, and then it is the cap; but 0 times infinity would not be a number.
        let factor = backoff.factor.0.powf(self.0.into()).min(f64::MAX);
        let grown = backoff.first.0.as_secs_f64() * factor;
        self.0 = self.0.saturating_add(1);
        let delay = grown.min(backoff.cap.0.as_secs_f64());
        Duration::try_from_secs_f64(delay * (1.0 - backoff.jitter.0 * random)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backoff(text: &str) -> Backoff {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn grows_up_to_the_cap_and_starts_anew_after_a_long_run() {
        let backoff = backoff("first = '1s'\ncap = '10s'\nfactor = 3\njitter = 0.5\nreset_after = '5s'");
        let mut row = Row::default();
        let mut next = |ran, random| {
            row.ended(&backoff, Duration::from_secs(ran));
            row.next(&backoff, random).as_secs_f64()
        };
        assert_eq!([next(0, 0.0), next(4, 0.0), next(0, 0.0), next(0, 0.0)], [1.0, 3.0, 9.0, 10.0]);
        assert_eq!(next(0, 0.5), 7.5);
        assert_eq!([next(5, 0.0), next(0, 0.0)], [1.0, 3.0]);
    }

    #[test]
    fn never_overflows() {
        for text in ["first = '0s'\nfactor = 1e300", "first = '1s'\nfactor = 1e300\ncap = '1s'\njitter = 0"] {
            let (backoff, mut row) = (backoff(text), Row(u32::MAX - 1));
            let delays = [(); 3].map(|()| row.next(&backoff, 0.99).as_secs());
            assert!(delays == [0; 3] || delays == [1; 3], "{delays:?}");
        }
    }

    #[test]
    fn bad_values() {
        for text in
            ["factor = 0.9", "factor = inf", "jitter = 1.1", "jitter = nan", "first = '1'", "last = '1s'"]
        {
            assert!(toml::from_str::<Backoff>(text).is_err(), "{text}");
        }
    }
}
