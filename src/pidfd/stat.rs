//! `/proc/PID/stat`: see proc_pid_stat(5).

use std::fs;
use std::io;
use std::str::FromStr;

use super::unsupported;

/// Whether the numbers in `/proc` are those of this process's pid namespace.
///
/// # Errors
/// They are others ([`Unsupported`](io::ErrorKind::Unsupported)), or it is not mounted (`ENOENT`).
pub(crate) fn check_proc() -> io::Result<()> {
    let own = fs::read_link("/proc/self")?;
    match own.to_str() == Some(&std::process::id().to_string()) {
        true => Ok(()),
        false => Err(unsupported("/proc is that of another pid namespace")),
    }
}

/// A field by its number there, from the third on. The second one is a name, which may hold anything.
pub(crate) fn field<T: FromStr>(stat: &[u8], number: usize) -> Option<T> {
    let name_end = stat.iter().rposition(|&byte| byte == b')')?;
    let fields = std::str::from_utf8(&stat[name_end + 1..]).ok()?;
    fields.split_ascii_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn fields_of_a_process_with_a_strange_name() {
        let stat = b"4711 (a) R 1 (\xff) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 987654 20 21\n";
        assert_eq!((field(stat, 6), field(stat, 22)), (Some(3), Some(987654)));
        assert_eq!(field::<u64>(b"4711 (a", 22), None);
    }
}
