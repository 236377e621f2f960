//! Cgroups: how they are made, and that none is left.
use std::time::Duration;

use childset::{reap_dropped, Child, ChildSet, Command, Containment, Signal, SpawnError, Stdio, Unit};

use crate::common::check_leaks;
use crate::tree::{assert_ended, command, Tree};
use crate::{cgroups, common, no_cgroup_is_left, units, LONG};

pub(crate) fn a_cgroup_is_removed_when_it_is_empty() {
    if !units().contains(&Unit::Cgroup) {
        return;
    }
    check_leaks(|| {
        let tree = Tree::new(Unit::Cgroup);
        assert_eq!(cgroups(), 1);
        tree.child.kill().unwrap();
        tree.child.wait().unwrap();
        assert!(tree.child.wait_unit_gone(LONG).unwrap());
        drop(tree.child);
        assert_eq!(cgroups(), 0);

        // Somebody is left.
        let tree = Tree::of(command(Unit::Cgroup, &[], true).spawn().unwrap());
        tree.child.wait().unwrap();
        drop(tree.child);
        assert_eq!(cgroups(), 1);
        reap_dropped();
        assert_eq!(cgroups(), 1);
        assert_ended(&tree.started, 0, "nobody ends them");
        no_cgroup_is_left();

        // A program that is not there leaves none, and a copy of this process removes none.
        Command::new("/no/such/program").unit(Unit::Cgroup).spawn().unwrap_err();
        no_cgroup_is_left();
        let child = Command::new("cat").unit(Unit::Cgroup).stdin(Stdio::piped()).spawn().unwrap();
        let parent = std::process::id();
        let child = std::cell::Cell::new(Some(child));
        assert_eq!(
            common::in_copy(|| {
                drop(child.take());
                0
            }),
            0
        );
        assert_eq!((cgroups(), std::process::id()), (1, parent));
        let child = child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        drop(child);
        no_cgroup_is_left();
    });
}

pub(crate) fn a_cgroup_that_cannot_be_made() {
    if !common::may_be_ordinary() || !units().contains(&Unit::Cgroup) || !rustix::process::geteuid().is_root()
    {
        return;
    }
    no_cgroup_is_left();
    common::give_up_root(65534);
    let error = Command::new("true").unit(Unit::Cgroup).spawn().unwrap_err();
    assert_eq!(common::errno(&error), libc::EACCES, "{error}");
    assert!(error.to_string().contains("make a cgroup"), "{error}");
}

/// A killed process takes a moment to end. Those who end a unit wait so long, and its directory is gone when they return.
pub(crate) fn what_is_killed_leaves_no_cgroup() {
    if !units().contains(&Unit::Cgroup) {
        return;
    }
    let stubborn = |ends| Tree::of(command(Unit::Cgroup, &[Signal::TERM], ends).spawn().unwrap());
    for ends in [false, true] {
        for _ in 0..common::times(10) {
            let tree = stubborn(ends);
            tree.child.wait_terminated(Duration::ZERO).unwrap();
            drop(tree.child);
            assert_eq!(cgroups(), 0);

            let set = ChildSet::new().unwrap();
            set.insert(stubborn(ends).child, ()).unwrap();
            let mut shutdown = set.shutdown(Duration::ZERO);
            while shutdown.wait().unwrap().is_some() {}
            assert_eq!(cgroups(), 0);
        }
    }
}

/// What is in it belongs to the unit, and it stays.
pub(crate) fn a_cgroup_that_was_given() {
    let path = match common::new_cgroup() {
        Ok(path) => path,
        Err(why) => return common::skipped(why),
    };
    let start = || {
        let directory = std::fs::File::open(&path).unwrap();
        Tree::of(command(Unit::Cgroup, &[], false).cgroup(directory).spawn().unwrap())
    };
    type End = fn(Child);
    let ends: [End; 3] = [
        |child| child.kill().unwrap(),
        |child| assert_eq!(child.wait_terminated(LONG).unwrap().signal(), Some(Signal::TERM)),
        |mut child| child.set_kill_on_drop(true),
    ];
    for end in ends {
        let (one, other) = (start(), start());
        end(one.child);
        assert_ended(&one.started, 3, "given");
        // Made in the same one.
        assert_ended(&other.started, 3, "given");
        assert!(other.child.wait().unwrap().signal().is_some());
        assert!(other.child.wait_unit_gone(LONG).unwrap());
        assert!(path.is_dir());
    }
    common::remove_cgroup(&path);
}

pub(crate) fn launched_in_a_cgroup() {
    if !units().contains(&Unit::Cgroup) {
        return;
    }
    check_leaks(|| {
        let missing = Command::new("/no/such/program").unit(Unit::Cgroup).launch();
        if common::launches() {
            // A spawn would have failed.
            let child = missing.unwrap();
            assert_eq!(common::errno(&child.wait().unwrap_err()), libc::ENOENT);
            assert_eq!(cgroups(), 1);
        }
        no_cgroup_is_left();
        let set = ChildSet::new().unwrap();
        for _ in 0..2 {
            // It may not have called `execve` yet.
            let key = set.launch(Command::new("sleep").arg("60").unit(Unit::Cgroup), ()).unwrap();
            assert_eq!(set.kill_tree(key).unwrap(), Containment::Cgroup);
            assert_eq!(set.wait(None).unwrap().unwrap().exit.unwrap().signal(), Some(Signal::KILL));
        }
        no_cgroup_is_left();
        let mut command = Command::new("cat");
        command.arg("/proc/self/cgroup").unit(Unit::Cgroup).stdout(Stdio::piped());
        let output = command.launch().unwrap().wait_with_output().unwrap();
        let says = String::from_utf8(output.stdout).unwrap();
        assert!(says.contains(&format!("childset-{}-", std::process::id())), "{says}");
        no_cgroup_is_left();
    });
}

/// At each step: an error, and neither a directory nor a process is left.
pub(crate) fn a_cgroup_without_descriptors() {
    if !units().contains(&Unit::Cgroup) {
        return;
    }
    for launched in [false, true] {
        let mut made = 0;
        for spare in 0..9 {
            check_leaks(|| {
                let mut command = Command::new("true");
                command.unit(Unit::Cgroup);
                let limit = common::Limit::with_spare(spare);
                let child = if launched { command.launch() } else { command.spawn() };
                drop(limit);
                match child {
                    Ok(child) => {
                        made += 1;
                        assert!(child.wait().unwrap().success());
                        assert!(child.wait_unit_gone(LONG).unwrap());
                    }
                    Err(error) => {
                        let errno = SpawnError::from_io_error(&error).map(|error| error.errno());
                        let errno = errno.or(error.raw_os_error());
                        assert_eq!((errno, made), (Some(libc::EMFILE), 0), "{spare}: {error}");
                    }
                }
                no_cgroup_is_left();
            });
            common::no_child_is_left();
        }
        assert!((1..9).contains(&made), "{made}");
    }
}

/// Each child has two, and all have one in common. They lie out of the way of those that a child gets: each spawn costs
/// the more, the higher these are.
pub(crate) fn descriptors_of_cgroups() {
    if !units().contains(&Unit::Cgroup) {
        return;
    }
    check_leaks(|| {
        let fillers: Vec<_> = (0..70).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
        let before = common::fds();
        let set = ChildSet::new().unwrap();
        for _ in 0..10 {
            set.spawn(Command::new("sleep").arg("60").unit(Unit::Cgroup), ()).unwrap();
        }
        // That of the set, and that in common.
        assert_eq!(common::fds() - before, 2 + 10 * 2);
        let directories = std::fs::read_dir("/proc/self/fd").unwrap().filter(|entry| {
            let path = entry.as_ref().unwrap().path();
            let number: u32 = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
            let kind = std::fs::read_link(path);
            (64..1024).contains(&number) && kind.is_ok_and(|kind| kind.to_string_lossy().contains("cgroup"))
        });
        assert_eq!(directories.count(), 0);
        let mut shutdown = set.shutdown(LONG);
        while shutdown.wait().unwrap().is_some() {}
        // The first ones are gone: it is opened anew.
        drop(fillers);
        assert!(Command::new("true").unit(Unit::Cgroup).spawn().unwrap().wait().unwrap().success());
        no_cgroup_is_left();
    });
}

/// From such a cgroup, the kernel kills each child that is made in a new one before its first instruction.
pub(crate) fn below_a_cgroup_that_was_killed_once() {
    if !units().contains(&Unit::Cgroup) {
        return;
    }
    let path = common::new_cgroup().unwrap();
    if let Err(error) = common::kill_cgroup(&path) {
        common::skipped(format_args!("cgroup.kill: {error}"));
    } else {
        let status = common::reexec("killed_once").env("CHILDSET_TEST_CGROUP", &path).status().unwrap();
        assert!(status.success(), "{status}");
    }
    common::remove_cgroup(&path);
}

pub(crate) fn killed_once() {
    let path = std::path::PathBuf::from(std::env::var_os("CHILDSET_TEST_CGROUP").unwrap());
    std::fs::write(path.join("cgroup.procs"), "0").unwrap();
    let mut command = Command::new("cat");
    command.arg("/proc/self/cgroup").unit(Unit::Cgroup).stdout(Stdio::piped());
    let name = format!("{}/childset-{}-", path.file_name().unwrap().to_str().unwrap(), std::process::id());
    for _ in 0..2 {
        for child in [command.spawn().unwrap(), command.launch().unwrap()] {
            let output = child.wait_with_output().unwrap();
            let says = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success() && says.contains(&name), "{} {says}", output.status);
        }
        let error = Command::new("/no/such/program").unit(Unit::Cgroup).spawn().unwrap_err();
        assert_eq!(common::errno(&error), libc::ENOENT);
        // What is not for it is not given to it.
        let mut list = Command::new("ls");
        list.args(["-l", "/proc/self/fd"]).unit(Unit::Cgroup);
        // Ours may be closed.
        list.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let output = list.spawn().unwrap().wait_with_output().unwrap();
        // The three, and that of the directory itself.
        assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 5);
    }
    no_cgroup_is_left();
}
