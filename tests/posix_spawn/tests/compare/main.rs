//! Makes each call twice, once by each implementation, and compares everything that comes of it.
//!
//! Each case also says what is to come of it, so that two implementations that fail alike are seen.

mod attributes;
mod call;
mod descriptors;
mod directories;
mod known;
mod programs;
mod world;

use std::panic::catch_unwind;

use call::{ours, the_c_library, Call};

/// A name, the call, and lines of the outcome; one that begins with `!` is none of them.
struct Case(&'static str, fn(&mut Call), &'static [&'static str]);

/// The same where the two are known to differ: with the lines for ours, and those for the C library.
struct Differing(&'static str, fn(&mut Call), &'static [&'static str], &'static [&'static str]);

fn main() {
    // In a pid namespace that was entered from outside, our group has no number until we lead one.
    // SAFETY: touches no memory.
    unsafe {
        if libc::getpgrp() == 0 {
            assert_eq!(libc::setpgid(0, 0), 0);
        }
    }
    let filters: Vec<_> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let chosen = |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter));
    let same = [programs::CASES, descriptors::CASES, directories::CASES, attributes::CASES].concat();
    let mut failed = 0;
    let mut count = 0;
    let mut run = |name: &str, test: &(dyn Fn() + std::panic::RefUnwindSafe)| {
        if !chosen(name) {
            return;
        }
        count += 1;
        let result = catch_unwind(test);
        failed += usize::from(result.is_err());
        println!("test {name} ... {}", if result.is_ok() { "ok" } else { "FAILED" });
    };
    for &Case(name, prepare, expected) in &same {
        run(name, &|| {
            let (ours, theirs) = (world::outcome(prepare, ours), world::outcome(prepare, the_c_library));
            assert_lines(&ours, expected);
            assert_same(&ours, &theirs);
        });
    }
    for &Differing(name, prepare, of_ours, of_theirs) in known::CASES {
        run(name, &|| {
            assert_lines(&world::outcome(prepare, ours), of_ours);
            assert_lines(&world::outcome(prepare, the_c_library), of_theirs);
        });
    }
    for &(name, test) in known::TESTS {
        run(name, &test);
    }
    println!("\n{} passed, {failed} failed", count - failed);
    if failed > 0 || count == 0 {
        std::process::exit(101);
    }
}

impl Clone for Case {
    fn clone(&self) -> Case {
        Case(self.0, self.1, self.2)
    }
}

/// `*` at the end of an expected line stands for anything, and `|` is between two of which either will do.
fn assert_lines(outcome: &str, expected: &[&str]) {
    let world = format!("{}/posix-spawn-{}/world", std::env::temp_dir().display(), std::process::id());
    for line in expected {
        let (wanted, line) = line.strip_prefix('!').map_or((true, *line), |line| (false, line));
        let line = line.replace("WORLD", &world);
        let is_line = |wanted: &str, found: &str| match wanted.strip_suffix('*') {
            Some(start) => found.starts_with(start),
            None => found == wanted,
        };
        let found = outcome.lines().any(|found| line.split('|').any(|wanted| is_line(wanted, found)));
        assert_eq!(found, wanted, "the line {line:?} in\n{outcome}");
    }
}

fn assert_same(ours: &str, theirs: &str) {
    if ours == theirs {
        return;
    }
    let but = |of: &str, other: &str| {
        let lines = of.lines().filter(|line| !other.lines().any(|known| known == *line));
        lines.collect::<Vec<_>>().join("\n")
    };
    panic!("ours alone:\n{}\nthe C library's alone:\n{}", but(ours, theirs), but(theirs, ours));
}
