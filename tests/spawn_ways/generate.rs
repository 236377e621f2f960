//! Random commands, with a fixed seed.

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use childset::Signal;

use crate::case::{Case, Source};
use crate::common;

pub(crate) const CASES: &str = "CHILDSET_TEST_CASES";
pub(crate) const SEED: &str = "CHILDSET_TEST_SEED";

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) % limit as u64) as usize
    }

    /// One in so many times.
    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

fn os(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}

impl Case {
    fn random(random: &mut Random, place: &Path) -> Case {
        let at = |name: &str| place.join(name).into_os_string();
        let long = |length: usize| OsString::from(format!("/{}", "x".repeat(length - 1)));
        let mut case = Case::default();
        // Half of them have nothing that std has not.
        let plain = random.one_in(2);
        case.program = match random.below(24) {
            0 => at("good/prog"),
            1 => "./good/prog".into(),
            2 => at("text/prog"),
            3 => at(random.of(&[
                "plain/prog",
                "loop/prog",
                "folder/prog",
                "interpreter/prog",
                "file/prog",
                "no/prog",
            ])),
            4 => random.of(&["", "no-such-program", ".", "..", "/"]).into(),
            5 => "y".repeat(random.of(&[255, 256, 300])).into(),
            _ => "prog".into(),
        };
        let rooms =
            ["good", "other", "plain", "loop", "text", "folder", "closed", "interpreter", "file", "none"];
        let mut path = OsString::new();
        for index in 0..random.below(5) {
            if index > 0 {
                path.push(":");
            }
            if random.one_in(3) {
                path.push(at("good"));
                continue;
            }
            path.push(match random.below(12) {
                0 => "".into(),
                1 => long(random.of(&[4094, 4095, 4096, 5000])),
                2 => OsString::from(random.of(&["good", ".", "text", "plain"])),
                _ => at(random.of(&rooms)),
            });
        }
        let pool: [&[u8]; 6] = [b"A", b"B", b"HOME", b"TWICE", b"\xff", b"PATH"];
        case.clear = random.one_in(8);
        for _ in 0..random.below(4) {
            let name = os(random.of(&pool[..5]));
            let value = (!random.one_in(3)).then(|| os(random.of(&pool)));
            case.variables.push((name, value));
        }
        match random.below(8) {
            0 if !plain => case.search_path = Some(path),
            1 => case.variables.push(("PATH".into(), None)),
            _ => case.variables.push(("PATH".into(), Some(path))),
        }
        case.args =
            (0..random.below(4)).map(|_| os(random.of(&[&b""[..], b"a b", b"\xfe", b"-c"]))).collect();
        case.arg0 = random.one_in(6).then(|| "zero".into());
        case.no_shell = !plain && random.one_in(8);
        case.directory = match random.below(20) {
            0 => Some(random.of(&["/no/such", "", "/dev/null"]).into()),
            1..=9 => Some(place.to_owned()),
            10 => Some(place.join("good")),
            _ => None,
        };
        for source in &mut case.stdio {
            *source = random.of(&[Source::Inherit, Source::Null, Source::Piped, Source::File]);
        }
        case.identity(random);
        match plain {
            true => case.inherit = true,
            false => case.options(random),
        }
        case
    }

    fn identity(&mut self, random: &mut Random) {
        if rustix::process::geteuid().is_root() && random.one_in(3) {
            self.user = (!random.one_in(4)).then_some(65534);
            self.group = random.one_in(2).then_some(65533);
        }
        self.leads = random.one_in(8);
    }

    fn options(&mut self, random: &mut Random) {
        if random.one_in(5) {
            self.stdio[2] = Source::Stdout;
        }
        for _ in 0..random.below(3) {
            let number = random.of(&[3, 4, 5, 6, 7, 9, 12, 20]);
            self.fds.retain(|&(known, _)| known != number);
            self.fds.push((number, random.of(&["one", "two", "three"])));
        }
        self.inherit = random.one_in(3);
        if random.one_in(6) {
            let first = random.below(12) as RawFd;
            self.close.push((first, first + random.below(30) as RawFd));
        }
        if rustix::process::geteuid().is_root() {
            self.groups = random.one_in(4).then(|| vec![7, 70_008]);
        }
        self.umask = random.one_in(5).then_some(0o027);
        self.nice = random.one_in(6).then_some(5);
        self.batch = random.one_in(8);
        self.session = random.one_in(8);
        self.files = random.one_in(8).then_some(40);
        self.no_new_privs = random.one_in(8);
        if random.one_in(6) {
            self.mask = vec![Signal::TERM, Signal::QUIT];
        }
        self.defaults = random.one_in(5).then(|| vec![Signal::HUP, Signal::QUIT]);
        // std's child of a process without one of the three loses what it was given.
        if random.one_in(4) {
            self.closed = [0; 3].map(|_| random.one_in(2));
        }
        self.ignores_sigchld = random.one_in(8);
    }
}

pub(crate) fn cases(place: &Path) -> impl Iterator<Item = Case> + '_ {
    let number =
        |name: &str, otherwise| std::env::var(name).map_or(otherwise, |value| value.parse().unwrap());
    let (count, mut random) = (number(CASES, common::times(150) as u64), Random(number(SEED, 20_261_126)));
    (0..count).map(move |_| Case::random(&mut random, place))
}
