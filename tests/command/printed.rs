//! What is printed of commands and errors.

use std::error::Error;
use std::fmt::{Debug, Display};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt as _;

use childset::unix::CommandExt as _;
use childset::{Child, ChildSet, Command, Gone, Pidfd, Resource, Signal, SpawnError, StatusUnknown, Stdio};

use crate::common::{is_root, reap_by_pid};
use crate::{both_ways, errno};

/// The same, said to a command of `std`'s and to ours.
macro_rules! both {
    ($($change:tt)*) => {{
        let mut command = std::process::Command::new("sh");
        command $($change)*;
        let std = format!("{command:?}");
        let mut command = Command::new("sh");
        command $($change)*;
        let prepared = format!("{:?}", command.prepare().unwrap());
        (std, format!("{command:?}"), prepared)
    }};
}

#[test]
fn a_command_is_printed_as_by_std() {
    let args = r#""sh" "-c" "exit 7""#;
    let (std, ours, prepared) = both!(.args(["-c", "exit 7"]));
    assert_eq!((std.as_str(), ours.as_str(), prepared.as_str()), (args, args, args));

    let (std, ours, prepared) = both!(.args(["a \"b\"", "\n"]).arg0("shell"));
    assert_eq!(ours, std);
    assert_eq!(ours, r#"["sh"] "shell" "a \"b\"" "\n""#);
    assert_eq!(prepared, std);

    let (std, ours, prepared) = both!(.current_dir("/tmp").arg("x").env("B", "2 3").env("A", "1"));
    assert_eq!(ours, std);
    assert_eq!(ours, r#"cd "/tmp" && A="1" B="2 3" "sh" "x""#);
    assert_eq!(prepared, r#"cd "/tmp" && "sh" "x""#);

    let (std, ours, prepared) = both!(.env("A", "1").env_remove("B"));
    assert_eq!(ours, std);
    assert!(ours.contains("-u B") && ours.ends_with(r#"A="1" "sh""#), "{ours}");
    assert_eq!(prepared, r#""sh""#);

    let (std, ours, prepared) = both!(.env("A", "1").env_clear().env("B", "2"));
    assert_eq!(ours, std);
    assert!(ours.contains(r#"env -i B="2""#), "{ours}");
    assert_eq!(prepared, r#""sh""#);

    // Whatever was searched and found, it is the name that was given.
    let program = |name: &str| format!("{:?}", Command::new(name).prepare().unwrap());
    assert_eq!(program("/bin/sh"), r#""/bin/sh""#);
    assert_eq!(program("no such program"), r#""no such program""#);
    assert_eq!(program("./sh"), r#""./sh""#);
    let prepared = Command::new("sh").search_path("/bin").prepare().unwrap();
    assert_eq!(format!("{prepared:?}"), r#""sh""#);
}

/// Each test binary is run with this in its environment.
#[test]
fn the_environment_of_this_process_is_not_printed() {
    let (name, value) = std::env::vars().find(|(_, value)| value.len() > 8).expect("some environment");
    let mut command = Command::new("true");
    command.env("TOKEN", "a secret");
    let prepared = command.prepare().unwrap();
    for text in [format!("{command:?}"), format!("{command:#?}")] {
        assert!(text.contains("a secret"), "as std prints it: {text}");
        assert!(!text.contains(&value) && !text.contains(&name), "{text}");
    }
    for text in [format!("{prepared:?}"), format!("{prepared:#?}")] {
        assert!(!text.contains("secret") && !text.contains("TOKEN"), "{text}");
        assert!(!text.contains(&value) && !text.contains(&name), "{text}");
    }
}

#[test]
fn all_that_was_set_is_printed_at_length() {
    let mut command = Command::new("sh");
    assert_eq!(
        format!("{command:#?}"),
        "Command {\n    program: \"sh\",\n    default_signals: [SIGPIPE],\n}"
    );
    let null = OwnedFd::from(File::open("/dev/null").unwrap());
    let number = null.as_raw_fd();
    command.arg("-c").arg0("shell").current_dir("/").env_clear().env("A", "1");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).fd(9, null).close_fds(20..);
    command.uid(1).gid(2).groups(&[3]).setsid(true).umask(0o27).nice(5).scheduler(0, 0).chroot("/root");
    command.rlimit(Resource::NOFILE, 20, 30).signal_mask(&[Signal::INT]).parent_death_signal(Signal::TERM);
    command.no_new_privs(true).kill_on_drop(true).reap_on_drop(false).autoreap(true).shell_fallback(false);
    command.search_path("/bin").inherit_fds(true).process_group(0).kill_with_parent(true);
    let directory = OwnedFd::from(File::open("/").unwrap());
    let cgroup = directory.as_raw_fd();
    command.cgroup(directory);
    let both = format!(
        r#"    program: "sh",
    arg0: "shell",
    args: ["-c"],
    current_dir: "/",
    stdin: null,
    stdout: piped,
    search_path: "/bin",
    shell_fallback: false,
    setsid: true,
    process_group: 0,
    rlimits: [(RLIMIT_NOFILE, 20, 30)],
    nice: 5,
    scheduler: (0, 0),
    umask: 0o27,
    chroot: "/root",
    groups: [3],
    gid: 2,
    uid: 1,
    no_new_privs: true,
    parent_death_signal: SIGTERM,
    kill_with_parent: true,
    autoreap: true,
    default_signals: [SIGPIPE],
    signal_mask: [SIGINT],
    cgroup: {cgroup},
    fds: [(9, {number})],
    inherit_fds: true,
    close_fds: [20..=4294967295],
    reap_on_drop: false,
    kill_on_drop: true,
}}"#
    );
    let environment = "    env_clear: true,\n    env: {\"A\": Some(\"1\")},\n";
    let with_environment = both.replace("    current_dir", &format!("{environment}    current_dir"));
    assert_eq!(format!("{command:#?}"), format!("Command {{\n{with_environment}"));
    assert_eq!(format!("{:#?}", command.prepare().unwrap()), format!("Prepared {{\n{both}"));
}

#[test]
fn stdio_is_printed_in_words() {
    let null = File::open("/dev/null").unwrap();
    let number = null.as_raw_fd();
    let texts = [
        (Stdio::inherit(), "inherit".to_owned()),
        (Stdio::null(), "null".to_owned()),
        (Stdio::piped(), "piped".to_owned()),
        (Stdio::from(null), format!("descriptor {number}")),
        (Stdio::from(std::process::Stdio::null()), "std's Stdio".to_owned()),
    ];
    for (stdio, text) in texts {
        assert_eq!(format!("{stdio:?}"), text);
        assert_eq!(format!("{stdio:#?}"), text);
    }
}

#[test]
fn error_texts_have_a_bound() {
    let short = |error: io::Error, length: usize| {
        let text = error.to_string();
        assert!(text.len() < 400, "{} bytes", text.len());
        assert!(text.contains(&format!("… ({length} bytes)")), "{text}");
    };
    both_ways(|new| {
        let long = "x".repeat(50_000);
        short(new(&long).spawn().unwrap_err(), 50_000);
        short(new(&format!("/{long}")).spawn().unwrap_err(), 50_001);
        short(new(&long).exec(), 50_000);
        short(new("true").current_dir(&long).spawn().unwrap_err(), 50_000);
        if is_root() {
            short(new("true").chroot(&long).spawn().unwrap_err(), 50_000);
        }
        let null = format!("{long}\0");
        for error in [
            new(&null).spawn().unwrap_err(),
            new("true").arg(&null).spawn().unwrap_err(),
            new("true").env("A", &null).spawn().unwrap_err(),
            new("true").current_dir(&null).spawn().unwrap_err(),
        ] {
            assert!(error.to_string().contains("a null byte (byte 50001)"), "{error}");
            short(error, 50_001);
        }
        // No more than 65,536 groups are allowed, and none without a right to set them.
        let groups: Vec<u32> = (0..65_537).collect();
        let error = new("true").groups(&groups).spawn().unwrap_err();
        assert!(error.to_string().starts_with("cannot set 65537 supplementary groups (setgroups): "));
        let expected = if is_root() { libc::EINVAL } else { libc::EPERM };
        assert_eq!(errno(&error), expected);
    });
}

/// Prints an error as anyhow does, with all its causes, and counts how often it gives the reason.
fn says_once<E: Error + Send + Sync + 'static>(error: E, reason: &str) -> String {
    let text = format!("{:#}", anyhow::Error::from(error));
    assert_eq!(text.matches(reason).count(), 1, "{reason:?} in {text:?}");
    text
}

#[test]
fn no_reason_is_printed_twice() {
    let missing = || Command::new("/no/such/program").spawn().unwrap_err();
    let reason = "No such file or directory";
    says_once(SpawnError::from_io_error(&missing()).unwrap().clone(), reason);
    says_once(missing(), reason);

    let set = ChildSet::new().unwrap();
    let error = set.spawn(&mut Command::new("/no/such/program"), "tag").unwrap_err();
    let text = says_once(error, reason);
    assert_eq!(text, missing().to_string(), "nothing was spawned that could be watched");

    set.close();
    let closed = "the set is closed";
    let error = set.spawn(&mut Command::new("true"), "tag").unwrap_err();
    assert!(error.child.is_none(), "nothing is started");
    assert_eq!(says_once(error, closed), closed);
    let error = set.insert(Command::new("true").spawn().unwrap(), "tag").unwrap_err();
    error.child.wait().unwrap();
    assert_eq!(says_once(error, closed), format!("cannot watch the child: {closed}"));

    let child = std::process::Command::new("true").spawn().unwrap();
    reap_by_pid(child.id());
    let gone = Gone::Reaped.to_string();
    let error = Child::try_from(child).unwrap_err();
    let pid = error.child.id();
    assert_eq!(says_once(error, &gone), format!("cannot adopt child {pid}: {gone}"));
    says_once(Gone::Reaped, &gone);
    says_once(io::Error::from(Gone::Reaped), &gone);
    for unknown in [StatusUnknown::NotKept, StatusUnknown::Zombie] {
        says_once(unknown, &unknown.to_string());
        says_once(io::Error::from(unknown), &unknown.to_string());
    }
}

/// One that gives something back drops it and leaves its reason; one that explains stays inside.
#[test]
fn errors_become_io_errors_by_one_rule() {
    fn same(error: impl Into<io::Error>, kind: ErrorKind, text: impl Display) -> io::Error {
        let error = error.into();
        assert_eq!((error.kind(), error.to_string()), (kind, text.to_string()));
        error
    }
    let child = std::process::Command::new("true").spawn().unwrap();
    reap_by_pid(child.id());
    let error = same(Child::try_from(child).unwrap_err(), ErrorKind::NotFound, Gone::Reaped);
    assert_eq!(Gone::from_io_error(&error), Some(Gone::Reaped));

    let set = ChildSet::new().unwrap();
    let error = set.spawn(&mut Command::new("/no/such/program"), ()).unwrap_err();
    let text = error.to_string();
    let error = same(error, ErrorKind::NotFound, text);
    assert_eq!(SpawnError::from_io_error(&error).unwrap().errno(), libc::ENOENT);
    set.close();
    let error = set.insert(Pidfd::open(std::process::id()).unwrap(), ()).unwrap_err();
    same(error, ErrorKind::BrokenPipe, "the set is closed");

    let spawn = Command::new("/no/such/program").spawn().unwrap_err();
    let spawn = SpawnError::from_io_error(&spawn).unwrap();
    let error = same(spawn.clone(), ErrorKind::NotFound, spawn);
    assert_eq!(SpawnError::from_io_error(&error).unwrap().errno(), libc::ENOENT);
    let error = same(Gone::NotInSet, ErrorKind::NotFound, Gone::NotInSet);
    assert_eq!(Gone::from_io_error(&error), Some(Gone::NotInSet));
    let error = same(StatusUnknown::NotKept, ErrorKind::Other, StatusUnknown::NotKept);
    assert_eq!(StatusUnknown::from_io_error(&error), Some(StatusUnknown::NotKept));
}

/// Signals and resources are named.
#[test]
fn error_texts_have_names() {
    type Change = fn(&mut Command) -> &mut Command;
    let changes: [(&str, Change); 5] = [
        ("reset signal 65 to its default (sigaction)", |command| command.default_signals(&[65.into()])),
        ("ask for signal 70 at the parent's death (PR_SET_PDEATHSIG)", |command| {
            command.parent_death_signal(70)
        }),
        ("block signal 65", |command| command.signal_mask(&[Signal::TERM, 65.into()])),
        ("set RLIMIT_NOFILE to 20 and 10 (setrlimit)", |command| command.rlimit(Resource::NOFILE, 20, 10)),
        ("set resource limit 77 to 1 and 1 (setrlimit)", |command| command.rlimit(77, 1, 1)),
    ];
    both_ways(|new| {
        for (what, change) in changes {
            let error = change(&mut new("true")).spawn().unwrap_err();
            let reason = io::Error::from_raw_os_error(libc::EINVAL);
            assert_eq!(error.to_string(), format!("cannot {what}: {reason}"));
            assert_eq!(errno(&error), libc::EINVAL);
        }
    });
}

#[test]
fn signals_and_resources_are_numbers_with_names() {
    fn is_named<T: Display + Debug>(it: T, name: &str) {
        assert_eq!((it.to_string(), format!("{it:?}")), (name.to_owned(), name.to_owned()));
    }
    is_named(Resource::NOFILE, "RLIMIT_NOFILE");
    is_named(Resource::from(99u32), "resource limit 99");
    is_named(Resource::from(99i32), "resource limit 99");
    // The type of libc's constants depends on the C library.
    let all = [
        (Resource::CPU, libc::RLIMIT_CPU, "RLIMIT_CPU"),
        (Resource::FSIZE, libc::RLIMIT_FSIZE, "RLIMIT_FSIZE"),
        (Resource::DATA, libc::RLIMIT_DATA, "RLIMIT_DATA"),
        (Resource::STACK, libc::RLIMIT_STACK, "RLIMIT_STACK"),
        (Resource::CORE, libc::RLIMIT_CORE, "RLIMIT_CORE"),
        (Resource::RSS, libc::RLIMIT_RSS, "RLIMIT_RSS"),
        (Resource::NPROC, libc::RLIMIT_NPROC, "RLIMIT_NPROC"),
        (Resource::NOFILE, libc::RLIMIT_NOFILE, "RLIMIT_NOFILE"),
        (Resource::MEMLOCK, libc::RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK"),
        (Resource::AS, libc::RLIMIT_AS, "RLIMIT_AS"),
        (Resource::LOCKS, libc::RLIMIT_LOCKS, "RLIMIT_LOCKS"),
        (Resource::SIGPENDING, libc::RLIMIT_SIGPENDING, "RLIMIT_SIGPENDING"),
        (Resource::MSGQUEUE, libc::RLIMIT_MSGQUEUE, "RLIMIT_MSGQUEUE"),
        (Resource::NICE, libc::RLIMIT_NICE, "RLIMIT_NICE"),
        (Resource::RTPRIO, libc::RLIMIT_RTPRIO, "RLIMIT_RTPRIO"),
        (Resource::RTTIME, libc::RLIMIT_RTTIME, "RLIMIT_RTTIME"),
    ];
    for (resource, number, name) in all {
        assert_eq!(Resource::from(number), resource);
        is_named(resource, name);
    }
    let numbers: Vec<_> = all.iter().map(|(resource, ..)| resource.as_raw()).collect();
    assert_eq!(numbers, (0..16).collect::<Vec<_>>());
}
