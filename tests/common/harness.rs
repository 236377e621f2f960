//! The `main` of a test binary without the standard harness. Each test runs in a process of its own, by `cargo test`
//! and by `cargo nextest` alike: with one thread, without what another test left, and free to change the process.

use std::io::{self, Write};
use std::process::{exit, Command, Stdio};

/// A test that runs longer than this is ended by SIGALRM: that costs no thread.
const HANGS_AFTER_SECONDS: u32 = 120;

/// Followed by the name of a test: what this process is to do.
const ALONE: &str = "--alone";

/// Runs the tests that the arguments choose, one after the other.
pub(crate) fn main(tests: &[(&str, fn())]) {
    main_with(tests, |_, test| test());
}

/// As [`main`], each test after [`warm_up`](super::warm_up).
pub(crate) fn main_warm(tests: &[(&str, fn())]) {
    main_with(tests, |_, test| {
        super::warm_up();
        test();
    });
}

/// As [`main`], where `run` does what each test needs first, or is the test itself.
pub(crate) fn main_with<T: Copy>(tests: &[(&str, T)], run: impl Fn(&str, T)) {
    let mut args = std::env::args().skip(1).peekable();
    if args.next_if_eq(ALONE).is_some() {
        let wanted = args.next().expect("a name");
        let (name, test) = tests.iter().find(|(name, _)| *name == wanted).expect("a test of this binary");
        super::end_after(HANGS_AFTER_SECONDS);
        return run(name, *test);
    }
    let arguments = Arguments::parse(args);
    let chosen: Vec<_> = tests.iter().map(|(name, _)| *name).filter(|name| arguments.choose(name)).collect();
    if arguments.list {
        return chosen.iter().for_each(|name| println!("{name}: test"));
    }
    println!("\nrunning {} tests", chosen.len());
    let failed = chosen.iter().filter(|name| !passes(name)).count();
    let (word, passed) = (if failed == 0 { "ok" } else { "FAILED" }, chosen.len() - failed);
    let filtered_out = tests.len() - chosen.len();
    println!("\ntest result: {word}. {passed} passed; {failed} failed; {filtered_out} filtered out");
    if failed > 0 {
        exit(101);
    }
}

fn passes(name: &str) -> bool {
    print!("test {name} ... ");
    io::stdout().flush().unwrap();
    let mut test = Command::new(std::env::current_exe().unwrap());
    // What looks for leaks at the end cannot do so where a test is traced, or has taken all descriptors or processes.
    test.args([ALONE, name]).stdin(Stdio::null()).env("LSAN_OPTIONS", "detect_leaks=0");
    let status = test.status().unwrap();
    match status.success() {
        true => println!("ok"),
        // How a test ends that panics.
        false if status.code() == Some(101) => println!("FAILED"),
        false => println!("FAILED\n{status}"),
    }
    status.success()
}

/// The arguments of the standard harness that choose tests. All others change nothing here.
#[derive(Default)]
struct Arguments {
    list: bool,
    exact: bool,
    only_ignored: bool,
    filters: Vec<String>,
    skipped: Vec<String>,
}

impl Arguments {
    fn parse(mut args: impl Iterator<Item = String>) -> Arguments {
        let mut arguments = Arguments::default();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--list" => arguments.list = true,
                "--exact" => arguments.exact = true,
                "--ignored" => arguments.only_ignored = true,
                "--skip" => arguments.skipped.extend(args.next()),
                "--test-threads" | "--color" | "--format" | "--logfile" | "--shuffle-seed" | "-Z" => {
                    drop(args.next());
                }
                flag if flag.starts_with('-') => {
                    arguments.skipped.extend(flag.strip_prefix("--skip=").map(Into::into))
                }
                _ => arguments.filters.push(arg),
            }
        }
        arguments
    }

    /// Whether to run this test. None is an ignored one.
    fn choose(&self, name: &str) -> bool {
        let is_meant =
            |filter: &String| if self.exact { name == filter } else { name.contains(filter.as_str()) };
        let among = self.filters.is_empty() || self.filters.iter().any(is_meant);
        among && !self.only_ignored && !self.skipped.iter().any(is_meant)
    }
}
