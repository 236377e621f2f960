//! Numbers as a person reads them.

use std::time::Duration;

/// `0.3 s`, `12 s`, `3:07`, `2:03:59`.
pub fn elapsed(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0..10) => format!("{:.1} s", (time.as_millis() / 100) as f64 / 10.0),
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes}:{seconds:02}"),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// `12 kB`, `3.4 MB`, `560 MB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes / 1000),
        1_000_000..100_000_000 => format!("{:.1} MB", (bytes / 100_000) as f64 / 10.0),
        100_000_000..10_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{} GB", bytes / 1_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (milliseconds, text) in [
            (0, "0.0 s"),
            (999, "0.9 s"),
            (9_999, "9.9 s"),
            (59_999, "59 s"),
            (187_000, "3:07"),
            (7_439_000, "2:03:59"),
        ] {
            assert_eq!(elapsed(Duration::from_millis(milliseconds)), text);
        }
    }

    #[test]
    fn sizes() {
        for (bytes, text) in [
            (0, "0 kB"),
            (999_999, "999 kB"),
            (1_000_000, "1.0 MB"),
            (100_000_000, "100 MB"),
            (1 << 40, "1099 GB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
