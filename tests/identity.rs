//! Identities of processes: what finds a process again, and what does not.

#![allow(unsafe_code)]
// The lint does not know that a pidfd reaps.
#![allow(clippy::zombie_processes)]

mod common;

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;

use childset::{ChildSet, Gone, Identity, Pidfd, Signal};
use common::{check_leaks, held, held_with, in_copy, kernel, reexec, role, skipped, until_ended};

const TESTS: &[(&str, fn())] = &[
    ("text", text),
    ("finds_what_lives_and_zombies", finds_what_lives_and_zombies),
    ("of_an_earlier_boot", of_an_earlier_boot),
    ("in_another_program", in_another_program),
    ("as_another_user", as_another_user),
    ("in_another_pid_namespace", in_another_pid_namespace),
    ("by_the_start", by_the_start),
    ("where_proc_is_not_ours", where_proc_is_not_ours),
    ("where_handles_are_refused", where_handles_are_refused),
    ("of_a_thread", of_a_thread),
    ("ids", ids),
    ("in_a_set", in_a_set),
    ("in_a_copy", in_a_copy),
    #[cfg(feature = "serde")]
    ("by_serde", by_serde),
];

fn main() {
    match role() {
        Some(role) => common::play(&role, &[("opens", opens as fn())], 60).expect("a role"),
        None => common::main_warm(TESTS),
    }
}

fn assert_gone(result: io::Result<Pidfd>) {
    let error = result.unwrap_err();
    assert_eq!(Gone::from_io_error(&error), Some(Gone::Reaped), "{error}");
}

fn me() -> Identity {
    Pidfd::open(std::process::id()).unwrap().identity().unwrap()
}

fn text() {
    let identity = me();
    let text = identity.to_string();
    assert_eq!(text.parse::<Identity>().unwrap(), identity);
    // Before 6.9 there is no id.
    let mark = text.split('.').nth(2).unwrap();
    assert_eq!(mark.starts_with('i'), kernel() >= (6, 9), "{text}");
    let (boot, rest) = text.split_once('.').unwrap();
    assert_eq!(boot.len(), 32);
    let wrong = [
        "".into(),
        "1".into(),
        boot.into(),
        format!("{boot}."),
        format!("{boot}.1"),
        format!("{boot}.1."),
        format!("{boot}.1.1"),
        format!("{boot}.1.i"),
        format!("{boot}.1.i1.t1"),
        format!("{boot}.+1.i1"),
        format!("{boot}.01.i1"),
        format!("{boot}.-1.i1"),
        format!("{boot}.4294967296.i1"),
        format!("{boot}.1.i18446744073709551616"),
        format!("{boot}.1.n1"),
        format!("{boot}.1.n1.i1"),
        format!("{}.{rest}", &boot[1..]),
        format!("{}.{rest}", boot.to_uppercase().replace(|digit: char| digit.is_numeric(), "A")),
        format!("0{text}"),
        format!("{text} "),
        format!("{text}\n"),
        format!("{text}.t1.t1"),
        "é".repeat(20),
    ];
    for wrong in wrong {
        assert_eq!(wrong.parse::<Identity>().unwrap_err().kind(), ErrorKind::InvalidInput, "{wrong}");
    }
}

fn finds_what_lives_and_zombies() {
    check_leaks(|| {
        let child = held();
        let pidfd = Pidfd::from_child(&child).unwrap();
        let identity = pidfd.identity().unwrap();
        let opened = identity.open().unwrap();
        assert_eq!(opened.pid().unwrap(), Some(child.id()));
        assert_eq!(opened.identity().unwrap(), identity);
        assert_ne!(identity, me());
        opened.send_signal(Signal::KILL).unwrap();
        until_ended(&pidfd);
        let zombie = identity.open().unwrap();
        assert_eq!(zombie.wait().unwrap().signal(), Some(Signal::KILL));
        assert_gone(identity.open());
        let error = pidfd.identity().unwrap_err();
        assert_eq!(Gone::from_io_error(&error), Some(Gone::Reaped));
    });
}

fn of_an_earlier_boot() {
    let text = me().to_string();
    let boot = u128::from_str_radix(&text[..32], 16).unwrap();
    let identity: Identity = format!("{:032x}{}", boot ^ 1, &text[32..]).parse().unwrap();
    assert_gone(identity.open());
}

/// Opens the identity that it is given, and says what became of it.
fn opens() {
    let identity: Identity = std::env::args().nth(1).unwrap().parse().unwrap();
    match identity.open() {
        Ok(found) => {
            println!("{:?} {:?}", found.pid().unwrap(), found.send_signal(0).map_err(|e| e.raw_os_error()))
        }
        Err(error) => println!("{:?}", Gone::from_io_error(&error)),
    }
}

fn opened_elsewhere(identity: Identity) -> String {
    let output = reexec("opens").arg(identity.to_string()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().into()
}

fn in_another_program() {
    assert_eq!(opened_elsewhere(me()), format!("Some({}) Ok(())", std::process::id()));
}

/// It is opened, and gives no right.
fn as_another_user() {
    if !common::is_root() {
        return;
    }
    let code = in_copy(|| {
        let (identity, pid) = (me(), std::process::id());
        match in_copy(|| {
            common::give_up_root(12345);
            let found = identity.open().unwrap();
            // On 5.10, who changed his user cannot read his own `/proc`.
            if common::kernel() >= (6, 1) {
                assert_eq!(found.pid().unwrap(), Some(pid));
            }
            assert_eq!(found.kill().unwrap_err().raw_os_error(), Some(libc::EPERM));
            7
        }) {
            7 => 7,
            other => other as u8,
        }
    });
    assert_eq!(code, 7);
}

fn in_another_pid_namespace() {
    let identity = me();
    let code = in_copy(|| {
        // SAFETY: it changes where later children live.
        if unsafe { libc::unshare(libc::CLONE_NEWPID) } == -1 {
            return 3;
        }
        assert_eq!(opened_elsewhere(identity), "Some(Reaped)");
        7
    });
    match code {
        3 => skipped("pid namespaces are refused"),
        code => assert_eq!(code, 7),
    }
}

/// As before Linux 6.9: such an identity is opened by every kernel.
fn by_the_start() {
    let start = |pid: u32| -> u64 { common::stat(pid, 22).unwrap().parse().unwrap() };
    let boot = &me().to_string()[..32];
    let namespace = fs::metadata("/proc/self/ns/pid").unwrap().ino();
    let identity = |pid: u32, namespace: u64, start: u64| -> Identity {
        format!("{boot}.{pid}.n{namespace}.t{start}").parse().unwrap()
    };
    check_leaks(|| {
        let mut child = held();
        let (pid, ticks) = (child.id(), start(child.id()));
        let it = identity(pid, namespace, ticks);
        assert_eq!(it.open().unwrap().pid().unwrap(), Some(pid));
        assert_eq!(
            identity(std::process::id(), namespace, start(std::process::id())).open().unwrap().pid().unwrap(),
            Some(std::process::id())
        );
        if kernel() < (6, 9) {
            assert_eq!(Pidfd::from_child(&child).unwrap().identity().unwrap(), it);
        }
        for other in [
            identity(pid, namespace, ticks + 1),
            identity(pid, namespace + 1, ticks),
            identity(0, namespace, ticks),
            identity(u32::MAX, namespace, ticks),
        ] {
            assert_gone(other.open());
        }
        let pidfd = Pidfd::from_child(&child).unwrap();
        child.kill().unwrap();
        until_ended(&pidfd);
        assert_eq!(it.open().unwrap().pid().unwrap(), Some(pid));
        child.wait().unwrap();
        assert_gone(it.open());
    });
}

/// In a pid namespace without a `/proc` of its own, that has other numbers.
fn where_proc_is_not_ours() {
    let boot = me().to_string()[..32].to_owned();
    let code = in_copy(|| {
        // SAFETY: it changes where later children live.
        if unsafe { libc::unshare(libc::CLONE_NEWPID) } == -1 {
            return 3;
        }
        in_copy(|| {
            let (us, start) = (std::process::id(), common::stat(1, 22).unwrap());
            assert_eq!(us, 1);
            let namespace = fs::metadata("/proc/self/ns/pid").unwrap().ino();
            // The start is that of another process.
            let identity: Identity = format!("{boot}.{us}.n{namespace}.t{start}").parse().unwrap();
            assert_eq!(identity.open().unwrap_err().kind(), ErrorKind::Unsupported);
            // As before Linux 6.13.
            if let Err(error) = common::seccomp::filter(libc::SYS_ioctl, Some(libc::ENOTTY), None) {
                skipped(format_args!("seccomp: {error}"));
                return 7;
            }
            let us = Pidfd::open(us).unwrap();
            assert_eq!(us.pid().unwrap_err().kind(), ErrorKind::Unsupported);
            7
        }) as u8
    });
    match code {
        3 => skipped("pid namespaces are refused"),
        code => assert_eq!(code, 7),
    }
}

/// As in a container: it is opened by its pid, and the ids are compared.
fn where_handles_are_refused() {
    let (child, stdin) = held_with(0);
    let pidfd = Pidfd::from_child(&child).unwrap();
    let (identity, id) = (pidfd.identity().unwrap(), pidfd.id());
    for number in [libc::SYS_open_by_handle_at, libc::SYS_name_to_handle_at] {
        if let Err(error) = common::seccomp::filter(number, Some(libc::EPERM), None) {
            return skipped(format_args!("seccomp: {error}"));
        }
    }
    let opened = identity.open().unwrap();
    assert_eq!(opened.identity().unwrap(), identity);
    if let Ok(id) = id {
        assert_eq!(opened.id().unwrap(), id);
        // Its pid, but not it.
        let text = identity.to_string();
        let other: Identity = format!("{}.i{}", text.rsplit_once('.').unwrap().0, id + 1).parse().unwrap();
        assert_gone(other.open());
    }
    drop(stdin);
    pidfd.wait().unwrap();
    assert_gone(identity.open());
}

fn of_a_thread() {
    if let Ok(pidfd) = Pidfd::open_thread(std::process::id()) {
        assert_eq!(pidfd.identity().unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

fn ids() {
    let mine = Pidfd::open(std::process::id()).unwrap();
    match mine.id() {
        Ok(id) => {
            assert!(kernel() >= (6, 9));
            assert_eq!(mine.try_clone().unwrap().id().unwrap(), id);
            let child = held();
            let pidfd = Pidfd::from_child(&child).unwrap();
            let other = pidfd.id().unwrap();
            assert_ne!(other, id);
            pidfd.kill().unwrap();
            pidfd.wait().unwrap();
            assert_eq!(pidfd.id().unwrap(), other);
            let null = Pidfd::from(std::os::fd::OwnedFd::from(fs::File::open("/dev/null").unwrap()));
            assert_eq!(null.id().unwrap_err().kind(), ErrorKind::Unsupported);
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(kernel() < (6, 9), "{error}");
        }
    }
}

fn in_a_set() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let (child, stdin) = held_with(9);
        let identity = Pidfd::from_child(&child).unwrap().identity().unwrap();
        set.insert(identity.open().unwrap(), identity).unwrap();
        assert!(set.try_wait().unwrap().is_none());
        drop(stdin);
        let exited = set.wait(None).unwrap().unwrap();
        assert_eq!((exited.tag, exited.exit.unwrap().code()), (identity, Some(9)));
        assert_gone(identity.open());
    });
}

fn in_a_copy() {
    let (identity, maker) = (me(), std::process::id());
    let code = in_copy(|| {
        assert_eq!(identity.open().unwrap().pid().unwrap(), Some(maker));
        assert_ne!(me(), identity);
        7
    });
    assert_eq!(code, 7);
}

#[cfg(feature = "serde")]
fn by_serde() {
    use serde::de::value::{Error, StrDeserializer};
    use serde::de::IntoDeserializer;
    use serde::{Deserialize, Serialize};

    struct Serialized(Identity);

    impl std::fmt::Display for Serialized {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.0.serialize(f)
        }
    }

    let identity = me();
    let text = Serialized(identity).to_string();
    assert_eq!(text, identity.to_string());
    let of = |text: &str| {
        let deserializer: StrDeserializer<'_, Error> = text.into_deserializer();
        Identity::deserialize(deserializer)
    };
    assert_eq!(of(&text).unwrap(), identity);
    assert!(of("nonsense").is_err());
}
