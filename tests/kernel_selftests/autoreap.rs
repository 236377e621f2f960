//! Children that the kernel reaps, and kills with us (Linux 7.1). Each test finds out by trying whether it did,
//! and permits what the documentation of `detach` and `kill_with_parent` promises elsewhere.

use std::io::Read;

use childset::{Child, Command, Pidfd, Signal, State, Stdio};

use crate::common::{check_leaks, kernel, reap_all_dropped, reexec, until_ended, until_reaped, until_state};
use crate::roles::say;

fn cat() -> Command {
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    command
}

/// This binary in a role.
fn role(role: &str) -> Command {
    let by_std = reexec(role);
    let mut command = Command::new(by_std.get_program());
    command.envs(by_std.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// What `waitpid` finds without blocking; `None` is `ECHILD`.
fn waitpid(pid: u32) -> Option<i32> {
    match crate::common::waitpid(pid as i32, libc::WNOHANG) {
        Ok((found, _)) => Some(found),
        Err(error) => {
            assert_eq!(error.raw_os_error(), Some(libc::ECHILD));
            None
        }
    }
}

/// `detach` is left to the kernel from 7.1 on, and never before: there is no resource use then, and never a
/// zombie that could be waited for.
fn detached_as_promised(child: &Child) {
    until_ended(child.pidfd());
    if kernel() >= (7, 1) {
        assert_eq!(waitpid(child.id()), None);
    }
    let exit = child.wait().unwrap();
    assert_eq!((child.pidfd().state().unwrap(), waitpid(child.id())), (State::Reaped, None));
    assert_eq!(exit.usage().is_none(), kernel() >= (7, 1));
}

pub(crate) fn forgotten() {
    check_leaks(|| {
        let mut child = cat().autoreap(true).spawn().unwrap();
        let (pid, stdin) = (child.id(), child.stdin.take());
        let pidfd = Pidfd::open(pid).unwrap();
        drop(child);
        // The kernel does not kill it for that.
        assert_eq!(pidfd.state().unwrap(), State::Running);
        drop(stdin);
        until_ended(&pidfd);
        if kernel() >= (7, 1) {
            assert_eq!((waitpid(pid), childset::reap_dropped()), (None, 0));
            // It is readable a moment before it is reaped.
            until_reaped(&pidfd);
        }
        reap_all_dropped();
        assert_eq!((pidfd.state().unwrap(), waitpid(pid)), (State::Reaped, None));
    });
}

pub(crate) fn ends() {
    check_leaks(|| {
        let mut child = Command::new("sh");
        let child = child.args(["-c", "read line; exit 42"]).stdin(Stdio::piped()).autoreap(true).spawn();
        let mut child = child.unwrap();
        assert_eq!((child.pidfd().state().unwrap(), child.try_wait().unwrap()), (State::Running, None));
        drop(child.stdin.take());
        detached_as_promised(&child);
        assert_eq!(child.wait().unwrap().code(), Some(42));

        let child = cat().autoreap(true).spawn().unwrap();
        child.kill().unwrap();
        detached_as_promised(&child);
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL));
    });
}

/// Has a detached child, which goes on after it.
pub(crate) fn middle() {
    let child = Command::new("cat").stdout(Stdio::null()).autoreap(true).spawn().unwrap();
    say(&child.id().to_string());
}

pub(crate) fn reparented() {
    check_leaks(|| {
        // SAFETY: setting a flag of this process, in which no other test runs.
        let subreaper = |on: usize| unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, on) };
        assert_eq!(subreaper(1), 0);
        let mut middle = role("middle").spawn().unwrap();
        let stdin = middle.stdin.take().unwrap();
        let mut said = String::new();
        middle.stdout.take().unwrap().blocking().read_to_string(&mut said).unwrap();
        assert!(middle.wait().unwrap().success());
        let pid = said.trim().parse().unwrap();
        let pidfd = Pidfd::open(pid).unwrap();
        assert_eq!(pidfd.state().unwrap(), State::Running);
        drop(stdin);
        until_ended(&pidfd);
        if kernel() >= (7, 1) {
            assert_eq!(waitpid(pid), None);
        }
        // Ours to reap elsewhere.
        assert_eq!(pidfd.wait().unwrap().code(), Some(0));
        assert_eq!(pidfd.state().unwrap(), State::Reaped);
        assert_eq!(subreaper(0), 0);
    });
}

pub(crate) fn threads() {
    check_leaks(|| {
        let mut child = role("leader_ends_first").autoreap(true).spawn().unwrap();
        until_state(child.id(), "Z");
        // Its second thread lives.
        assert_eq!(child.pidfd().state().unwrap(), State::Running);
        drop(child.stdin.take());
        detached_as_promised(&child);
        assert_eq!(child.wait().unwrap().code(), Some(5));
    });
}

pub(crate) fn not_inherited() {
    check_leaks(|| {
        let script = "sh -c 'exit 77' & wait $!; exit $?";
        let child = Command::new("sh").args(["-c", script]).autoreap(true).spawn().unwrap();
        detached_as_promised(&child);
        // The shell found its own child's status.
        assert_eq!(child.wait().unwrap().code(), Some(77));
    });
}

fn forbids_privileges(status: &str) -> bool {
    let line = status.lines().find(|line| line.starts_with("NoNewPrivs:"));
    line.expect("since Linux 4.10").ends_with('1')
}

pub(crate) fn no_new_privs() {
    check_leaks(|| {
        let ours = || forbids_privileges(&std::fs::read_to_string("/proc/self/status").unwrap());
        let before = ours();
        for forbid in [false, true] {
            let mut command = Command::new("cat");
            command.arg("/proc/self/status").stdout(Stdio::piped()).autoreap(true).no_new_privs(forbid);
            let output = command.spawn().unwrap().wait_with_output().unwrap();
            let its = forbids_privileges(std::str::from_utf8(&output.stdout).unwrap());
            assert_eq!((its, ours()), (forbid || before, before));
        }
    });
}

/// Drops a child that is to be killed with its parent, and tells whether the kernel killed it at that.
fn is_killed_by_close(mut command: Command) -> bool {
    let mut child = command.kill_with_parent(true).spawn().unwrap();
    let (pid, stdin) = (child.id(), child.stdin.take());
    let another = Pidfd::open(pid).unwrap();
    drop(Pidfd::open(pid).unwrap());
    drop(child.pidfd().try_clone().unwrap());
    // Neither one that was opened later nor a copy is the last.
    assert_eq!(another.state().unwrap(), State::Running);
    drop(child);
    // Where the kernel does not kill it, it goes on until this.
    let killed = match childset::reap_dropped() {
        0 => {
            until_ended(&another);
            assert_eq!(waitpid(pid), None);
            assert_eq!(another.wait().unwrap().signal(), Some(Signal::KILL));
            true
        }
        _ => {
            assert_eq!(another.state().unwrap(), State::Running);
            false
        }
    };
    drop(stdin);
    reap_all_dropped();
    assert_eq!(another.state().unwrap(), State::Reaped);
    killed
}

fn cat_without_privileges() -> Command {
    let mut command = cat();
    command.no_new_privs(true);
    command
}

pub(crate) fn killed_by_the_last_close() {
    check_leaks(|| assert_eq!(is_killed_by_close(cat_without_privileges()), kernel() >= (7, 1)));
}

fn has_sys_admin() -> bool {
    const CAP_SYS_ADMIN: u64 = 21;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
    u64::from_str_radix(set.trim(), 16).unwrap() & 1 << CAP_SYS_ADMIN != 0
}

pub(crate) fn capability() {
    check_leaks(|| {
        assert_eq!(is_killed_by_close(cat()), kernel() >= (7, 1) && has_sys_admin());
        let child = role("without_capabilities").stdin(Stdio::null()).stdout(Stdio::inherit()).spawn();
        assert!(child.unwrap().wait().unwrap().success());
    });
}

pub(crate) fn without_capabilities() {
    // The header of version 3 and the three sets, of two words each.
    let (header, none) = ([0x2008_0522_u32, 0], [0_u32; 6]);
    // SAFETY: the call reads two words of the one and six of the other.
    assert_eq!(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) }, 0);
    assert!(!has_sys_admin());
    // The kernel may kill it only if it can gain no privileges.
    assert!(!is_killed_by_close(cat()));
    assert_eq!(is_killed_by_close(cat_without_privileges()), kernel() >= (7, 1));
}
