//! The program by itself.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use childset::Pidfd;

use crate::common::{check_leaks, kernel};
use crate::programs::{ours, Ours, Programs, Talking};

/// What is told of a status that one who is not the parent may know from 6.15 on.
fn told(status: &str) -> &str {
    match kernel() >= (6, 15) {
        true => status,
        false => "ended, its status is not told",
    }
}

pub(crate) fn statuses() {
    check_leaks(|| {
        let programs = Programs::new();
        let shell = programs.copy("sh", "");
        let mut ends: Vec<_> = ["exit 0", "exit 3", "kill -KILL $$"]
            .iter()
            .map(|end| Talking::new(Command::new(&shell).args(["-c", &format!("read line; {end}")])))
            .collect();
        let mut waiting = Ours::start(&["--until", "reaped", "--status", "-x", &programs.name], 3);
        for (process, status) in
            ends.iter_mut().zip(["exit status: 0", "exit status: 3", "signal: 9 (SIGKILL)"])
        {
            assert!(waiting.is_waiting());
            process.end_and_reap();
            let pid = process.child.id();
            assert_eq!(waiting.line(), format!("{} (pid {pid}): {}", programs.name, told(status)));
        }
        let output = waiting.finish();
        assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
    });
}

/// A zombie has exited, and was not reaped.
pub(crate) fn until_reaped() {
    check_leaks(|| {
        let programs = Programs::new();
        let mut process = programs.cat();
        let mut for_reaped = Ours::start(&["--until", "reaped", "-x", &programs.name], 1);
        let for_exited = Ours::start(&["--status", "-x", &programs.name], 1);
        process.end();
        let output = for_exited.finish();
        assert_eq!(output.status.code(), Some(0));
        let said = String::from_utf8(output.stdout).unwrap();
        // Before 6.13, the kernel is not known to tell anything later.
        let told =
            if kernel() >= (6, 13) { "ended, not collected yet" } else { "ended, its status is not told" };
        assert!(said.ends_with(&format!("): {told}\n")), "{said}");
        assert!(for_reaped.is_waiting());
        process.end_and_reap();
        assert_eq!(for_reaped.finish().status.code(), Some(0));
    });
}

pub(crate) fn zombie_after() {
    check_leaks(|| {
        let programs = Programs::new();
        let (mut zombie, mut other) = (programs.cat(), programs.cat());
        for until in ["exited", "reaped"] {
            let args = ["--until", until, "--zombie-after", "0.1", "-x", &programs.name];
            let mut waiting = Ours::start(&args, 2);
            zombie.end();
            let (ended, now) = (Instant::now(), &mut waiting);
            let said = now.error_line();
            // From when it became one, or was found; it had ended before the second time.
            assert!(until == "reaped" || ended.elapsed() >= Duration::from_millis(90));
            let name = format!("{} (pid {}) is a zombie: ", programs.name, zombie.child.id());
            let parent = format!("(pid {}) has not collected it for 0.1 s\n", std::process::id());
            assert!(said.contains(&name) && said.ends_with(&parent), "{said}");
            assert!(waiting.is_waiting());
            if until == "reaped" {
                zombie.end_and_reap();
                other.end_and_reap();
                assert_eq!(waiting.finish().status.code(), Some(0));
            } else {
                other.end_and_reap();
                assert_eq!(waiting.finish().status.code(), Some(0));
                other = programs.cat();
            }
        }
    });
}

pub(crate) fn timeout() {
    check_leaks(|| {
        let programs = Programs::new();
        let (mut first, second) = (programs.cat(), programs.cat());
        let start = Instant::now();
        let waiting = Ours::start(&["--timeout", "0.2", "-x", &programs.name], 2);
        first.end_and_reap();
        let output = waiting.finish();
        assert!(start.elapsed() >= Duration::from_millis(200));
        assert_eq!(output.status.code(), Some(124));
        let said = String::from_utf8(output.stderr).unwrap();
        let left =
            format!("pidwait: timed out, still there: {} (pid {})\n", programs.name, second.child.id());
        assert!(said.ends_with(&left), "{said}");
        // On a busy machine, the time may be over before the first one was seen to end.
        assert!(said.lines().count() <= 2, "{said}");
        for wrong in ["-1", "x", "nan", "1e30"] {
            assert_eq!(ours(&["--timeout", wrong, "x"]).output().unwrap().status.code(), Some(2));
        }
        // Right only between the parentheses that `-x` puts around it.
        assert_eq!(ours(&["-x", "a)(b"]).output().unwrap().status.code(), Some(2));
    });
}

pub(crate) fn pids() {
    check_leaks(|| {
        let programs = Programs::new();
        let (mut one, mut two) = (programs.cat(), programs.cat());
        let (first, second) = (one.child.id(), two.child.id());
        // Once each, however often it is named.
        let list = format!("{second},{first},{second}");
        let mut waiting = Ours::start(&["-p", &list, "-c", "-p", &first.to_string()], 2);
        one.end_and_reap();
        assert!(waiting.is_waiting());
        two.end_and_reap();
        let output = waiting.finish();
        assert_eq!(output.status.code(), Some(0));
        let lines = [first.min(second), first.max(second)]
            .map(|pid| format!("waiting for {} (pid {pid})\n", programs.name))
            .concat();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("2\n{lines}"));

        // Gone, and no pid at all: said, and not waited for.
        let gone = ours(&["-p", &format!("{first},0,{}", u32::MAX)]).output().unwrap();
        assert_eq!(gone.status.code(), Some(1));
        let said = String::from_utf8(gone.stderr).unwrap();
        assert_eq!(said.matches("pidwait: there is no process").count(), 3, "{said}");
        assert_eq!(ours(&["-p", "-5"]).output().unwrap().status.code(), Some(2));

        // A thread is no process.
        let threads = Talking::role(&format!("leaderless {}", programs.name));
        let tasks = std::fs::read_dir(format!("/proc/{}/task", threads.child.id())).unwrap();
        let tids = tasks.map(|task| task.unwrap().file_name().into_string().unwrap());
        let tid = tids.max_by_key(|tid| tid.parse::<u32>().unwrap()).unwrap();
        assert_ne!(tid, threads.child.id().to_string());
        assert_eq!(ours(&["-p", &tid]).output().unwrap().status.code(), Some(1));
    });
}

pub(crate) fn identities() {
    check_leaks(|| {
        let programs = Programs::new();
        let (mut one, mut two) = (programs.cat(), programs.cat());
        let print = |args: &[&str]| {
            let output = ours(args).arg("--print-identity").output().unwrap();
            let code = output.status.code().unwrap();
            (code, String::from_utf8(output.stdout).unwrap().lines().map(String::from).collect::<Vec<_>>())
        };
        let identity =
            |process: &Talking| Pidfd::from_child(&process.child).unwrap().identity().unwrap().to_string();
        let of = [&one, &two].map(identity);
        let in_order = match one.child.id() < two.child.id() {
            true => of.to_vec(),
            false => of.iter().rev().cloned().collect(),
        };
        assert_eq!(print(&["-x", &programs.name]), (0, in_order));
        assert_eq!(print(&["--identity", &of[1]]), (0, vec![of[1].clone()]));
        // All that is given holds.
        assert_eq!(print(&["--identity", &of[1], "-x", "another"]), (1, vec![]));

        let list = format!("{},{},{}", of[0], of[1], of[0]);
        let mut waiting = Ours::start(&["--identity", &list, "-p", &one.child.id().to_string()], 2);
        one.end_and_reap();
        assert!(waiting.is_waiting());
        two.end_and_reap();
        assert_eq!(waiting.finish().status.code(), Some(0));

        let gone = ours(&["--identity", &of[0]]).output().unwrap();
        assert_eq!(gone.status.code(), Some(1));
        let said = String::from_utf8(gone.stderr).unwrap();
        assert_eq!(said, format!("pidwait: there is no process {}\n", of[0]));
        assert_eq!(ours(&["--identity", "nonsense"]).output().unwrap().status.code(), Some(2));
    });
}

/// A child that a shell left to it: it alone can reap that one, and does.
pub(crate) fn inherited_child() {
    check_leaks(|| {
        let programs = Programs::new();
        let shell = programs.copy("sh", "");
        let script =
            "exec 3<&0; \"$0\" -c 'read line; exit 9' <&3 & exec \"$1\" -e --status --until reaped -p $!";
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(shell).arg(ours(&[]).get_program());
        let mut waiting = Talking::new(&mut command);
        assert!(waiting.said().starts_with("waiting for "));
        drop(waiting.stdin.take());
        let said = waiting.said();
        assert!(said.ends_with("): exit status: 9"), "{said}");
        assert_eq!(waiting.child.wait().unwrap().code(), Some(0));
    });
}

/// A process that calls `execve` has not ended.
pub(crate) fn same_exec_another_name() {
    check_leaks(|| {
        let programs = Programs::new();
        let (before, after) = (programs.copy("sh", ""), programs.copy("cat", "z"));
        let mut process =
            Talking::new(Command::new(before).args(["-c", "read line; exec \"$0\""]).arg(after));
        let mut waiting = Ours::start(&["-x", &programs.name], 1);
        use std::io::Write;
        writeln!(process.stdin.as_ref().unwrap()).unwrap();
        process.until_cat();
        assert!(waiting.is_waiting());
        process.end_and_reap();
        assert_eq!(waiting.finish().status.code(), Some(0));
    });
}

/// An output that takes nothing is an error, and no panic.
pub(crate) fn closed_output() {
    check_leaks(|| {
        let programs = Programs::new();
        let process = programs.cat();
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = ours(&["-e", "-x", &programs.name]);
        let output = command.stdout(Stdio::from(full)).output().unwrap();
        assert_eq!(output.status.code(), Some(3));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with("pidwait: No space left on device"), "{said}");
        assert!(Pidfd::from_child(&process.child).unwrap().send_signal(0).is_ok());
    });
}
