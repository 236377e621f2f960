//! Restricted places: each works, or says clearly what does not; nothing is left behind.

#![allow(unsafe_code)]

mod common;

use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::Stdio as StdStdio;

use childset::unix::CommandExt;
use childset::{reap_dropped, Child, ChildSet, Command, Pidfd, Signal, Stdio, Unit};
use common::seccomp::refuse_from;
use common::{check_leaks, errno, no_child_is_left, reap_all_dropped, reexec, role, skipped};

const TESTS: [(&str, fn()); 9] = [
    ("a_profile_of_2020", a_profile_of_2020),
    ("a_profile_of_2020_enosys", a_profile_of_2020_enosys),
    ("a_profile_without_pidfd_open", a_profile_without_pidfd_open),
    ("no_proc", no_proc),
    ("no_proc_and_a_profile_of_2020", no_proc_and_a_profile_of_2020),
    ("user_namespace", user_namespace),
    ("process_1", process_1),
    ("limit_of_processes", limit_of_processes),
    ("pids_max", pids_max),
];

fn main() {
    match role() {
        Some(_) => in_new_namespace(),
        None => common::main(&TESTS),
    }
}

/// What everybody needs: output, a status, a signal, a set, a dropped child, an error.
fn works() {
    let mut command = Command::new("sh");
    command.args(["-c", "cat; echo err >&2; exit 3"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).umask(0o027);
    let output = command.spawn().unwrap().wait_with_input("in").unwrap();
    assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"in"[..], &b"err\n"[..]));
    assert_eq!(output.status.code(), Some(3));

    let mut held = Command::new("cat");
    held.stdin(Stdio::piped()).stdout(Stdio::null());
    let child = held.spawn().unwrap();
    assert_eq!(child.try_wait().unwrap(), None);
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL));

    let set = ChildSet::new().unwrap();
    set.spawn(&mut held, "spawned").unwrap();
    set.insert(held.spawn().unwrap(), "inserted").unwrap();
    let child = held.spawn().unwrap();
    set.insert(child.pidfd().try_clone().unwrap(), "pidfd").unwrap();
    set.send_signal_to_all(Signal::TERM).unwrap();
    while let Some(exited) = set.wait(None).unwrap() {
        assert_eq!(exited.exit.unwrap().signal(), Some(Signal::TERM), "{}", exited.tag);
    }

    drop(held.process_group(0).kill_on_drop(true).spawn().unwrap());
    reap_all_dropped();
    let error = Command::new("/no/such/program").spawn().unwrap_err();
    assert_eq!(errno(&error), libc::ENOENT);
}

fn unsupported(error: &io::Error, names: &str) {
    assert_eq!(error.kind(), io::ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains(names), "{error}");
}

/// Whether filters are allowed at all.
fn profile(first_refused: libc::c_long, errno: i32) -> bool {
    let result = refuse_from(first_refused, errno);
    if let Err(error) = &result {
        skipped(format_args!("seccomp filters are refused: {error}"));
    }
    result.is_ok()
}

/// A child of `std`'s that is made by `fork`: what else it uses, glibc's `posix_spawn`, gives up where `clone3` is
/// refused with another errno than `ENOSYS`.
fn forked() -> std::process::Child {
    use std::os::unix::process::CommandExt;
    let mut command = std::process::Command::new("cat");
    // SAFETY: the closure does nothing.
    unsafe { command.pre_exec(|| Ok(())) };
    command.stdin(StdStdio::piped()).stdout(StdStdio::null()).spawn().unwrap()
}

/// As containers had it before their profiles knew `clone3`, and what came after it (`close_range`).
fn a_profile_of_2020() {
    spawns_by_clone(libc::EPERM);
}

fn a_profile_of_2020_enosys() {
    spawns_by_clone(libc::ENOSYS);
}

/// A child in a cgroup that is made for it, by each way.
fn in_a_cgroup() {
    let mut command = Command::new("cat");
    command.arg("/proc/self/cgroup").unit(Unit::Cgroup).stdout(Stdio::piped());
    for child in [command.spawn().unwrap(), command.launch().unwrap()] {
        let text = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        assert!(text.contains(&format!("childset-{}-", std::process::id())), "{text}");
    }
}

fn spawns_by_clone(errno: i32) {
    common::warm_up();
    let before = Command::new("true").unit(Unit::Cgroup).spawn().and_then(|child| child.wait());
    if !profile(libc::SYS_clone3, errno) {
        return;
    }
    check_leaks(|| {
        works();
        match before {
            Ok(_) => in_a_cgroup(),
            Err(error) => skipped(error),
        }
        let prepared = Command::new("true").prepare().unwrap();
        assert!(prepared.spawn().unwrap().wait().unwrap().success());
        let set = ChildSet::new().unwrap();
        set.insert(forked(), ()).unwrap();
        set.send_signal_to_all(Signal::KILL).unwrap();
        assert!(set.wait(None).unwrap().is_some());
    });
    no_child_is_left();
}

/// Children of `std` cannot be watched.
fn a_profile_without_pidfd_open() {
    common::warm_up();
    if !profile(libc::SYS_pidfd_open, libc::EPERM) {
        return;
    }
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        // The call that makes a process gives its pidfd.
        works();
        set.spawn(&mut Command::new("true"), "tag").unwrap();
        assert!(set.wait(None).unwrap().unwrap().exit.unwrap().success());
        let refused = Child::try_from(forked()).unwrap_err();
        unsupported(&refused.error, "pidfd_open");
        let mut child = refused.child;
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
    });
    no_child_is_left();
}

/// How many descriptors are open, without `/proc`.
fn open_descriptors() -> usize {
    // SAFETY: asking for flags.
    (0..1024).filter(|&fd| unsafe { libc::fcntl(fd, libc::F_GETFD) } != -1).count()
}

/// Puts an empty file system over `/proc`.
fn hide_proc() -> bool {
    if let Err(error) = new_namespaces(libc::CLONE_NEWNS) {
        skipped(error);
        return false;
    }
    mount(b"tmpfs\0", b"/proc\0").unwrap();
    assert!(fs::metadata("/proc/self").is_err());
    true
}

fn no_proc() {
    if !hide_proc() {
        return;
    }
    // The first time, what is kept is made.
    common::block_once().unwrap();
    works();
    // The id of the boot is there alone.
    let me = childset::Pidfd::open(std::process::id()).unwrap();
    assert_eq!(me.identity().unwrap_err().kind(), io::ErrorKind::Unsupported);
    drop(me);
    let before = open_descriptors();
    works();
    assert_eq!(open_descriptors(), before);
    no_child_is_left();
}

/// Without `close_range`, `/proc` tells what to close: without both, nothing does.
fn no_proc_and_a_profile_of_2020() {
    if !hide_proc() || !profile(libc::SYS_clone3, libc::EPERM) {
        return;
    }
    common::block_once().unwrap();
    let before = open_descriptors();
    let error = Command::new("true").spawn().unwrap_err();
    assert!(error.to_string().contains("/proc/self/fd"), "{error}");
    assert_eq!(errno(&error), libc::ENOENT);
    // Who has nothing closed needs neither.
    assert!(Command::new("true").inherit_fds(true).spawn().unwrap().wait().unwrap().success());
    assert_eq!(open_descriptors(), before);
    no_child_is_left();
}

/// New namespaces for this process, in which it is root.
fn new_namespaces(namespaces: i32) -> io::Result<()> {
    // SAFETY: this process has one thread, and the calls touch no memory of ours.
    let (uid, gid, result) = unsafe {
        let ids = (libc::getuid(), libc::getgid());
        (ids.0, ids.1, libc::unshare(libc::CLONE_NEWUSER | namespaces))
    };
    if result == -1 {
        let error = io::Error::last_os_error();
        return Err(io::Error::new(error.kind(), format!("user namespaces are refused: {error}")));
    }
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1"))
}

fn mount(kind: &'static [u8], place: &'static [u8]) -> io::Result<()> {
    let c = |text: &'static [u8]| text.as_ptr().cast::<libc::c_char>();
    // SAFETY: the strings end with a zero byte, and the null pointer is permitted. The propagation is cut before
    // the mount, which is the namespace's own.
    let result = unsafe {
        libc::mount(
            c(b"none\0"),
            c(b"/\0"),
            std::ptr::null(),
            libc::MS_REC | libc::MS_PRIVATE,
            std::ptr::null(),
        );
        libc::mount(c(kind), c(place), c(kind), 0, std::ptr::null())
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// What only the mapped user may do is refused by name.
fn user_namespace() {
    if let Err(error) = new_namespaces(0) {
        return skipped(error);
    }
    common::warm_up();
    check_leaks(|| {
        works();
        assert!(Command::new("true").gid(0).spawn().unwrap().wait().unwrap().success());
        let error = Command::new("true").groups(&[0]).spawn().unwrap_err();
        assert_eq!(errno(&error), libc::EPERM, "{error}");
        assert!(error.to_string().contains("setgroups"), "{error}");
        let error = Command::new("true").groups(&[]).uid(1).spawn().unwrap_err();
        assert_eq!(errno(&error), libc::EPERM, "{error}");
        let error = Command::new("true").gid(1).spawn().unwrap_err();
        assert_eq!(errno(&error), libc::EINVAL, "{error}");
        assert!(error.to_string().contains("setgid"), "{error}");
    });
    no_child_is_left();
}

/// The first process of a pid namespace gets the orphans of all others.
fn process_1() {
    if let Err(error) = new_namespaces(libc::CLONE_NEWPID | libc::CLONE_NEWNS) {
        return skipped(error);
    }
    let status = reexec("in_new_namespace").stdin(StdStdio::null()).status().unwrap();
    assert!(status.success(), "{status}");
}

fn in_new_namespace() {
    assert_eq!(std::process::id(), 1);
    common::die_with_parent();
    if let Err(error) = mount(b"proc\0", b"/proc\0") {
        return skipped(format_args!("/proc cannot be mounted: {error}"));
    }
    common::warm_up();
    check_leaks(works);
    no_child_is_left();

    // A child leaves us its own, which ends when its input does.
    let mut command = Command::new("sh");
    command.args(["-c", "exec 3<&0; cat <&3 >/dev/null & echo $!"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut told = String::new();
    child.stdout.take().unwrap().blocking().read_to_string(&mut told).unwrap();
    let set = ChildSet::new().unwrap();
    let stdin = child.stdin.take();
    set.insert(child, "ours").unwrap();
    let orphan = Pidfd::open(told.trim().parse().unwrap()).unwrap();
    let exited = set.wait(None).unwrap().unwrap();
    assert!(exited.exit.unwrap().success() && exited.tag == "ours" && set.is_empty());
    drop(stdin);
    common::until_ended(&orphan);
    // Nothing that the crate does takes it.
    works();
    assert!(set.try_wait().unwrap().is_none());
    assert_eq!((reap_dropped(), common::zombies()), (0, 1));
    // Unless it is asked to.
    set.insert(orphan, "orphan").unwrap();
    let exited = set.wait(None).unwrap().unwrap();
    assert!(exited.exit.unwrap().success() && exited.tag == "orphan");
    no_child_is_left();
}

/// The error of a spawn for which there may be no more processes.
fn no_more_processes(command: &mut Command) {
    let set = ChildSet::new().unwrap();
    for _ in 0..3 {
        let refused = set.spawn(&mut *command, "tag").unwrap_err();
        assert_eq!(errno(&refused.error), libc::EAGAIN, "{}", refused.error);
        assert!(refused.child.is_none() && refused.tag == "tag" && set.is_empty());
    }
}

fn limit_of_processes() {
    use rustix::process::{setrlimit, Resource, Rlimit};
    if !common::may_be_ordinary() {
        return;
    }
    // A user of nobody else's, and not one to whom no limit applies.
    common::give_up_root(54321);
    common::warm_up();
    let limit = rustix::process::getrlimit(Resource::Nproc);
    check_leaks(|| {
        setrlimit(Resource::Nproc, Rlimit { current: Some(0), ..limit }).unwrap();
        for by_std in [false, true] {
            let mut command = Command::new("true");
            if by_std {
                common::make_by_std(&mut command);
            }
            no_more_processes(command.stdout(Stdio::piped()));
        }
        setrlimit(Resource::Nproc, limit).unwrap();
        works();
    });
    no_child_is_left();
}

/// A cgroup of ours in which there may be no process, or why there is none.
fn full_cgroup() -> Result<PathBuf, String> {
    let path = common::new_cgroup()?;
    let limit = path.join("pids.max");
    fs::write(&limit, "0").map(|()| path.clone()).map_err(|error| {
        common::remove_cgroup(&path);
        format!("{}: {error}", limit.display())
    })
}

fn pids_max() {
    let path = match full_cgroup() {
        Ok(path) => path,
        Err(why) => return skipped(why),
    };
    common::warm_up();
    let set_limit = |limit: &str| fs::write(path.join("pids.max"), limit).unwrap();
    let result = std::panic::catch_unwind(|| {
        check_leaks(|| {
            let mut command = Command::new("true");
            command.cgroup(fs::File::open(&path).unwrap());
            no_more_processes(&mut command);
            set_limit("1");
            assert!(command.spawn().unwrap().wait().unwrap().success());
            drop(command);
            // From within: we are the one that may be there.
            fs::write(path.join("cgroup.procs"), "0").unwrap();
            no_more_processes(Command::new("true").stdout(Stdio::piped()));
            set_limit("max");
            works();
        });
    });
    set_limit("max");
    fs::write(path.parent().unwrap().join("cgroup.procs"), "0").unwrap();
    common::remove_cgroup(&path);
    result.unwrap();
    no_child_is_left();
}
