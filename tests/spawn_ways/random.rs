//! Random commands, each way, also where `clone3` is refused.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;

use crate::common::{self, reexec, skipped};
use crate::generate::{cases, CASES};
use crate::place::place;
use crate::ways::{as_std, run, set_environment, Way, COPYING};

/// The role in which `clone3` is refused, and where it finds what the cases are about.
const REFUSED: &str = "refused";
const PLACE: &str = "CHILDSET_TEST_PLACE";

/// The same cases, where `clone3` is refused: says what comes of each, with a null byte after it.
pub(crate) fn refused() {
    let place = PathBuf::from(std::env::var_os(PLACE).unwrap());
    set_environment();
    let mut to = File::create(place.join("refused")).unwrap();
    if let Err(error) = common::seccomp::filter(libc::SYS_clone3, Some(libc::ENOSYS), None) {
        return skipped(format_args!("seccomp filters are refused: {error}"));
    }
    for case in cases(&place) {
        // The filter takes `no_new_privs`, which the report names.
        let told = run(&case, &place, Way::Own).unwrap();
        to.write_all(told.as_bytes()).unwrap();
        to.write_all(b"\0").unwrap();
    }
}

pub(crate) fn random_commands() {
    if let Ok(count) = std::env::var(CASES) {
        // More than a test may take.
        common::end_after(120 + count.parse::<u32>().unwrap());
    }
    if rustix::process::geteuid().is_root() {
        // SAFETY: two numbers are read. Groups that a child of another user must not have.
        unsafe { libc::setgroups(2, [4, 27].as_ptr()) };
    }
    let place = place();
    let place = place.path();
    let status = reexec(REFUSED).env(PLACE, place).status().unwrap();
    assert!(status.success(), "{status}");
    set_environment();
    let refused = fs::read(place.join("refused")).unwrap();
    let mut refused = refused.split(|&byte| byte == 0).map(String::from_utf8_lossy);
    let (mut compared, mut by_std, mut ran, mut different) = (0, 0, 0, 0);
    for case in cases(place) {
        let own = run(&case, place, Way::Own).unwrap();
        ran += usize::from(!own.starts_with("errno"));
        let mut check = |way: &dyn std::fmt::Debug, told: &str, own: &str| {
            compared += 1;
            if told != own {
                different += 1;
                println!("\n{case:?}\n-- {way:?}:\n{told}\n-- our way:\n{own}");
            }
        };
        for way in [Way::PreExec, Way::StdStdio, Way::Exec, Way::ExecWithClosure, Way::ExecStdio] {
            check(&way, &run(&case, place, way).unwrap(), &own);
        }
        for way in COPYING {
            // A copy of the environment leaves out what is no variable. What cannot be launched is spawned, without one.
            let variables = |text: &str| text.replace("\"nothing\"\n", "").replace("\"=odd\"\n", "");
            check(&way, &variables(&run(&case, place, way).unwrap()), &variables(&own));
        }
        let refused = refused.next().unwrap();
        if !refused.is_empty() {
            let without = |text: &str| text.replace("NoNewPrivs:\t1", "NoNewPrivs:\t0");
            check(&"clone3 refused", &without(&refused), &without(&own));
        }
        if let Some(std) = run(&case, place, Way::Std) {
            by_std += 1;
            check(&Way::Std, as_std(&std), as_std(&own));
        }
    }
    println!("{compared} compared, {by_std} with std; {ran} of the cases ran; {different} differ");
    assert_eq!(different, 0);
}
