//! The names of a `ChildSet` on systems without pidfds: `polled.rs` is for copying.
//!
//! A program for several systems takes the crate on Linux, and the copy elsewhere. The rest of the program stays the same.
//!
//! ```text
//! [target.'cfg(target_os = "linux")'.dependencies]
//! childset = { version = "0.1", default-features = false }
//! ```
//!
//! ```
//! #[cfg(not(target_os = "linux"))]
//! mod polled;
//!
//! #[cfg(target_os = "linux")]
//! use childset::ChildSet;
//! #[cfg(not(target_os = "linux"))]
//! use polled::ChildSet;
//! ```
//!
//! The copy polls, as such programs do anyway. It sees an exit up to 10 ms late, and uses processor time for each child
//! while it waits. It has no descriptor, no stream and no units, and it kills a child alone. On Unix, a child that is
//! dropped stays a zombie, as in std.
//!
//! Run with: `cargo run --example elsewhere`. It uses the copy, on Linux, too.

#[allow(dead_code, unreachable_pub)]
mod polled;

use std::process::Command;
use std::time::Duration;

use polled::ChildSet;

fn main() -> std::io::Result<()> {
    let set = ChildSet::new()?;
    for arguments in [["cargo", "--version"], ["rustc", "--version"], ["sleep", "60"]] {
        let child = Command::new(arguments[0]).arg(arguments[1]).spawn()?;
        let key = set.insert(child, arguments)?;
        if arguments[0] == "sleep" {
            set.kill_tree(key)?;
        }
    }
    while let Some(exited) = set.wait(Some(Duration::from_secs(60)))? {
        println!("{}: {}", exited.tag.join(" "), exited.exit?);
    }
    Ok(())
}
