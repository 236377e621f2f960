//! What an `Exit`, a `Usage` and an `Info` say: the peak of memory, sums, conversions, and what is printed.

#![allow(unsafe_code)]
// The lint does not know that a pidfd reaps.
#![allow(clippy::zombie_processes)]

mod common;

use std::collections::HashSet;
use std::hint::black_box;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use childset::{Command, Exit, ExitStatus, Pidfd, StatusUnknown, Usage};
use common::{held_with, kernel, role};

const MIB: usize = 1 << 20;

fn main() {
    if let Some(mib) = role() {
        return touch(mib.parse().unwrap());
    }
    common::main(&[
        ("small_child_of_a_large_parent", small_child_of_a_large_parent),
        ("large_child", large_child),
        ("large_grandchild", large_grandchild),
        ("peak_at_the_time_of_the_exit", peak_at_the_time_of_the_exit),
        ("usage_field_by_field", usage_field_by_field),
        ("sums", sums),
        ("conversions", conversions),
        ("exits_are_printed", exits_are_printed),
        ("infos", infos),
        ("unknown_statuses_as_keys", unknown_statuses_as_keys),
    ]);
}

/// Has so much memory resident for a moment.
fn touch(mib: usize) {
    black_box(vec![1u8; mib * MIB]);
}

/// As the kernel has it, in MiB.
fn own_peak() -> usize {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the usage is written to memory of its type, for which all-zero bytes are valid.
    let usage = unsafe {
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()), 0);
        usage.assume_init()
    };
    usage.ru_maxrss as usize * 1024 / MIB
}

/// A child that touches so much.
fn touching(mib: usize) -> std::process::Command {
    common::reexec(&mib.to_string())
}

fn end(mut command: std::process::Command) -> Exit {
    let child = command.spawn().unwrap();
    Pidfd::from_child(&child).unwrap().wait().unwrap()
}

/// As the kernel has it, the peak of such a child is that of its parent.
fn small_child_of_a_large_parent() {
    touch(150);
    assert!(own_peak() >= 150);
    let by_std = || std::process::Command::new("true");
    let (success, peak) = common::wait_with_peak(by_std().spawn().unwrap());
    assert!(success && peak >= 150 * MIB as u64, "{peak} bytes");
    for _ in 0..100 {
        let exit = end(by_std());
        assert_eq!((exit.max_rss(), exit.usage().unwrap().max_rss), (None, None));
        assert!(exit.usage().unwrap().minor_faults > 0);
        let exit = Command::new("true").spawn().unwrap().wait().unwrap();
        assert_eq!(exit.max_rss(), None, "{exit:?}");
        // Made on a copy of the memory.
        let exit = common::by_std("true").spawn().unwrap().wait().unwrap();
        assert_eq!(exit.max_rss(), None, "{exit:?}");
    }
}

fn large_child() {
    if !common::memory_is_ours() {
        return;
    }
    touch(50);
    let size = own_peak() + 50;
    let exit = end(touching(size));
    let peak = exit.max_rss().unwrap() as usize / MIB;
    assert!((size..size + 50).contains(&peak), "{peak} MiB of {size}");
    assert_eq!(exit.usage().unwrap().max_rss, exit.max_rss());
    // The larger one has not made that of the small one known.
    assert_eq!(end(touching(1)).max_rss(), None);
}

/// The kernel counts those that the child has waited for.
fn large_grandchild() {
    let size = own_peak() + 50;
    let mut shell = Command::new("sh");
    shell.args(["-c", "\"$0\"; exit 3"]).arg(std::env::current_exe().unwrap());
    let exit = shell.env("CHILDSET_TEST_ROLE", size.to_string()).spawn().unwrap().wait().unwrap();
    assert_eq!(exit.code(), Some(3));
    assert!(exit.max_rss().unwrap() as usize >= size * MIB, "{exit:?}");
}

/// Of two children alike, the one whose exit is taken after this process has grown is unknown.
fn peak_at_the_time_of_the_exit() {
    let size = own_peak() + 50;
    let [before, after] = [(); 2].map(|()| Pidfd::from_child(&touching(size).spawn().unwrap()).unwrap());
    common::until_ended(&before);
    common::until_ended(&after);
    assert!(before.wait().unwrap().max_rss().unwrap() as usize >= size * MIB);
    touch(size + 50);
    assert_eq!(after.wait().unwrap().max_rss(), None);
}

/// The same as getrusage(2) says of all children together, where there was one.
fn usage_field_by_field() {
    // A program of its own that no page cache has, and a talk that puts it to sleep again and again.
    let place = common::Dir::new();
    let cat = place.path().join("cat");
    std::fs::copy("/bin/cat", &cat).unwrap();
    let copied = std::fs::File::open(&cat).unwrap();
    rustix::io::retry_on_intr(|| rustix::fs::fsync(&copied)).unwrap();
    rustix::fs::fadvise(&copied, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    let script = r#"
        n=0; while [ $n -lt 100000 ]; do n=$((n + 1)); done
        head -c 100000 /dev/zero >"$0.written"; sync "$0.written"
        exec "$0""#;
    let mut command = childset::Command::new("sh");
    command.args(["-c", script]).arg(&cat);
    command.stdin(childset::Stdio::piped()).stdout(childset::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    for _ in 0..200 {
        stdin.blocking().write_all(b"x").unwrap();
        stdout.blocking().read_exact(&mut [0]).unwrap();
    }
    drop(stdin);
    let exit = child.wait().unwrap();
    let usage = *exit.usage().unwrap();
    assert_eq!(exit.user_time().zip(exit.system_time()), Some((usage.user_time, usage.system_time)));
    assert_eq!(exit.max_rss(), usage.max_rss);

    let mut ours = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the call fills the structure, of which all-zero bytes are valid.
    let ours = unsafe {
        assert_eq!(libc::getrusage(libc::RUSAGE_CHILDREN, ours.as_mut_ptr()), 0);
        ours.assume_init()
    };
    let time = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
    assert_eq!((usage.user_time, usage.system_time), (time(ours.ru_utime), time(ours.ru_stime)));
    let counts = [
        usage.minor_faults,
        usage.major_faults,
        usage.blocks_in,
        usage.blocks_out,
        usage.voluntary_switches,
        usage.involuntary_switches,
    ];
    let theirs =
        [ours.ru_minflt, ours.ru_majflt, ours.ru_inblock, ours.ru_oublock, ours.ru_nvcsw, ours.ru_nivcsw];
    assert_eq!(counts, theirs.map(|count| count as u64));
    // Else one could stand for another.
    assert!(usage.user_time > Duration::ZERO && usage.user_time != usage.system_time, "{usage:?}");
    assert!(usage.voluntary_switches != usage.involuntary_switches, "{usage:?}");
    match HashSet::from(counts).len() {
        6 => {}
        _ => common::skipped(format_args!(
            "the files are on no disk, or fields are equal by chance: {usage:?}"
        )),
    }
}

fn sums() {
    let mut some = Usage::default();
    assert_eq!((some.user_time, some.max_rss, some.minor_faults), (Duration::ZERO, None, 0));
    some.user_time = Duration::from_secs(1);
    some.system_time = Duration::from_secs(20);
    some.max_rss = Some(300);
    (some.minor_faults, some.major_faults) = (4_000, 50_000);
    (some.blocks_in, some.blocks_out) = (600_000, 7_000_000);
    (some.voluntary_switches, some.involuntary_switches) = (80_000_000, 900_000_000);

    let mut sum = some;
    sum += some;
    assert_eq!((sum.user_time, sum.system_time), (Duration::from_secs(2), Duration::from_secs(40)));
    assert_eq!((sum.minor_faults, sum.major_faults), (8_000, 100_000));
    assert_eq!((sum.blocks_in, sum.blocks_out), (1_200_000, 14_000_000));
    assert_eq!((sum.voluntary_switches, sum.involuntary_switches), (160_000_000, 1_800_000_000));
    // The larger one, in either order; what is not known is none.
    assert_eq!(sum.max_rss, Some(300));
    for (one, other) in [(Some(299), Some(300)), (None, Some(300))] {
        let mut larger = Usage::default();
        let mut smaller = Usage::default();
        (larger.max_rss, smaller.max_rss) = (other, one);
        let mut sums = [larger, smaller];
        sums[0] += smaller;
        sums[1] += larger;
        assert_eq!(sums.map(|sum| sum.max_rss), [Some(300); 2]);
    }

    let mut most = Usage::default();
    (most.user_time, most.system_time) = (Duration::MAX, Duration::MAX);
    (most.minor_faults, most.major_faults) = (u64::MAX, u64::MAX);
    (most.blocks_in, most.blocks_out) = (u64::MAX, u64::MAX);
    (most.voluntary_switches, most.involuntary_switches) = (u64::MAX, u64::MAX);
    most.max_rss = Some(u64::MAX);
    let mut sum = most;
    sum += some;
    assert_eq!(sum, most);
}

fn exit_of(script: &str) -> Exit {
    Command::new("sh").args(["-c", script]).spawn().unwrap().wait().unwrap()
}

fn conversions() {
    for script in ["exit 0", "exit 255", "kill -KILL $$"] {
        let exit = exit_of(script);
        let status = ExitStatus::from(exit);
        assert_eq!(status, std::process::Command::new("sh").args(["-c", script]).status().unwrap());
        let again = Exit::from(status);
        assert_eq!(
            (again.status(), again.usage(), again.max_rss(), again.user_time()),
            (status, None, None, None)
        );
        assert_eq!((again.code(), again.signal()), (exit.code(), exit.signal()));
        assert!(exit.usage().is_some() && again != exit);
    }
}

fn exits_are_printed() {
    for raw in [0, 7 << 8, libc::SIGKILL, libc::SIGABRT | 0x80, libc::SIGRTMIN()] {
        let status = ExitStatus::from_raw(raw);
        assert_eq!(Exit::from(status).to_string(), status.to_string());
    }
    let debug = |raw| format!("{:?}", Exit::from(ExitStatus::from_raw(raw)));
    assert_eq!(debug(7 << 8), "Exit { code: 7 }");
    assert_eq!(debug(libc::SIGKILL), "Exit { signal: SIGKILL, core_dumped: false }");
    assert_eq!(debug(libc::SIGABRT | 0x80), "Exit { signal: SIGABRT, core_dumped: true }");
    let exit = exit_of("exit 7");
    assert_eq!(format!("{exit:?}"), format!("Exit {{ code: 7, usage: {:?} }}", exit.usage().unwrap()));
}

fn infos() {
    let (child, stdin) = held_with(6);
    let pidfd = Pidfd::from_child(&child).unwrap();
    let Ok(info) = pidfd.info() else {
        assert!(kernel() < (6, 13));
        return drop(stdin);
    };
    assert_eq!(info, pidfd.info().unwrap());
    assert_ne!(info, Pidfd::open(std::process::id()).unwrap().info().unwrap());
    let text = format!("{info:?}");
    let (pid, parent) = (child.id(), std::process::id());
    assert!(
        text.starts_with(&format!("Info {{ pid: {pid}, thread: {pid}, parent: {parent}, real_uid: ")),
        "{text}"
    );
    for (name, value) in [
        ("real_uid", info.real_uid().map(u64::from)),
        ("effective_gid", info.effective_gid().map(u64::from)),
        ("fs_gid", info.fs_gid().map(u64::from)),
        ("cgroup_id", info.cgroup_id()),
    ] {
        assert!(value.is_none_or(|value| text.contains(&format!(", {name}: {value}"))), "{text}");
    }
    for other in ["mask", "padding", "exit", "None", "Some"] {
        assert!(!text.contains(other), "{text}");
    }

    drop(stdin);
    common::until_ended(&pidfd);
    let zombie = pidfd.info().unwrap();
    pidfd.wait().unwrap();
    match pidfd.info() {
        Ok(reaped) => {
            assert_ne!(zombie, reaped);
            let text = format!("{reaped:?}");
            assert!(text.contains("exit_status: exit status: 6") && !text.contains("pid"), "{text}");
        }
        Err(error) => assert!(kernel() < (6, 15), "{error}"),
    }
}

fn unknown_statuses_as_keys() {
    let seen = HashSet::from([StatusUnknown::NotKept, StatusUnknown::Zombie, StatusUnknown::NotKept]);
    assert_eq!(seen.len(), 2);
}
