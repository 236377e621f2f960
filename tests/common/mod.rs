//! What the tests share.

#![allow(dead_code, unsafe_code)]

mod harness;
pub(crate) mod seccomp;
pub(crate) mod strace;

use std::fmt::Display;
use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use childset::unix::CommandExt;
use childset::{Exit, SpawnError, StatusUnknown};
#[allow(unused_imports)]
pub(crate) use harness::{main, main_warm, main_with};
use rustix::event::{poll, PollFd, PollFlags};
use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};

/// Says that a test, or a part of it, is not run here: also where the harness keeps what a test prints.
pub(crate) fn skipped(why: impl Display) {
    io::stdout().write_all(format!("skipped: {why}\n").as_bytes()).unwrap();
}

/// Whether children can be launched here. Where none can, what is asked to be is spawned.
pub(crate) fn launches() -> bool {
    cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) && sanitizer().is_none()
}

/// Whether a program can be run. If not, says that the test is skipped, and how to have it.
pub(crate) fn has_program(name: &str, package: &str) -> bool {
    let found = Command::new(name).arg("--version").stdin(Stdio::null()).output();
    if let Err(error) = &found {
        skipped(format_args!("{name}: {error}; Debian's package {package} has it"));
    }
    found.is_ok()
}

/// Whether this process is root's, and can become any other user's. If not, says that the test is skipped.
pub(crate) fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        skipped("it takes root");
    }
    root && has_ordinary_users()
}

/// Whether this process is an ordinary user's, or can become one by [`give_up_root`]. If not, says that the test is
/// skipped.
pub(crate) fn may_be_ordinary() -> bool {
    !rustix::process::geteuid().is_root() || has_ordinary_users()
}

/// The root of a user namespace may be alone there, and may have no say in groups.
fn has_ordinary_users() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap();
    let count = |line: &str| line.split_whitespace().nth(2).unwrap().parse::<u64>().unwrap();
    let has_users = map.lines().map(count).sum::<u64>() >= 1 << 16;
    let has = has_users && std::fs::read_to_string("/proc/self/setgroups").unwrap() == "allow\n";
    if !has {
        skipped("it takes a user namespace with other users and groups");
    }
    has
}

/// An example of this package, which was built with the tests.
pub(crate) fn example(name: &str) -> PathBuf {
    let me = std::env::current_exe().unwrap();
    let path = me.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(path.is_file(), "{} is missing: `cargo build --example {name}` makes it", path.display());
    path
}

/// How often to do what is done often, to meet rare moments or large numbers: fewer times where each takes long,
/// as on an emulated processor (`tests/kernels/run`).
pub(crate) fn times(usual: usize) -> usize {
    let share = std::env::var("CHILDSET_TEST_SHARE").map_or(1, |share| share.parse().expect("a number"));
    (usual / share).max(1)
}

/// Whether signals come all the time (`tests/hostile/run`): they wake every thread that sleeps.
pub(crate) fn under_signals() -> bool {
    std::env::var_os("CHILDSET_TEST_SIGNALS").is_some()
}

/// The sanitizer that this program was built with (`tests/hostile/run`): `address` or `thread`.
pub(crate) fn sanitizer() -> Option<String> {
    std::env::var("CHILDSET_TEST_SANITIZER").ok()
}

/// Whether memory is what the program itself takes. If not, says that the test is skipped.
pub(crate) fn memory_is_ours() -> bool {
    let sanitizer = sanitizer();
    if let Some(sanitizer) = &sanitizer {
        skipped(format_args!("the {sanitizer} sanitizer takes memory, too"));
    }
    sanitizer.is_none()
}

/// Blocks all signals for this thread, and for those that it starts.
pub(crate) fn block_signals() {
    // SAFETY: all-zero bytes are a valid set; the first call fills it, and the second reads it.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &all, std::ptr::null_mut());
    }
}

const ROLE: &str = "CHILDSET_TEST_ROLE";

/// What a test binary that was started by [`reexec`] is to do instead of running its tests.
pub(crate) fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// Plays the role, if it is one of these. Longer than so many seconds, and the process is ended.
pub(crate) fn play<'a>(
    role: &str,
    roles: impl IntoIterator<Item = &'a (&'a str, fn())>,
    seconds: u32,
) -> Option<()> {
    end_after(seconds);
    let (_, run) = roles.into_iter().find(|(name, _)| *name == role)?;
    run();
    Some(())
}

/// A process that hangs is ended.
pub(crate) fn end_after(seconds: u32) {
    // SAFETY: alarm(2) touches no memory.
    unsafe { libc::alarm(seconds) };
}

/// Process 1 of a pid namespace is killed with its parent, since no SIGALRM ends it.
pub(crate) fn die_with_parent() {
    // SAFETY: no memory is touched.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Makes this process one of an ordinary user for good, if it is root's.
pub(crate) fn give_up_root(id: u32) {
    if rustix::process::geteuid().is_root() {
        // SAFETY: the calls read no memory, since the list of groups is empty.
        unsafe {
            assert_eq!(libc::setgroups(0, std::ptr::null()), 0);
            assert_eq!(libc::setgid(id), 0);
            assert_eq!(libc::setuid(id), 0);
        }
    }
}

/// Opens those of the three standard descriptors that are closed: for a test that closes them itself.
pub(crate) fn open_stdio() {
    loop {
        let file = File::options().read(true).write(true).open("/dev/null").unwrap();
        if file.as_raw_fd() > 2 {
            return;
        }
        rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
        std::mem::forget(file);
    }
}

/// This test binary again, in another role.
pub(crate) fn reexec(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(ROLE, role);
    command
}

/// Major and minor version of the running kernel: what is permitted to happen depends on it.
pub(crate) fn kernel() -> (u32, u32) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// A child that lives until its standard input is closed, and then ends with 0.
pub(crate) fn held() -> Child {
    Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
}

/// The same, and it runs its program: its memory is its own, which it may not be at the end of a spawn.
pub(crate) fn held_and_running() -> Child {
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.as_ref().unwrap().write_all(b"x").unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
    child
}

/// A child that lives until the pipe is closed, and then ends with `code`.
pub(crate) fn held_with(code: u8) -> (Child, ChildStdin) {
    let script = format!("read line; exit {code}");
    let mut child = Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).spawn().unwrap();
    let stdin = child.stdin.take().unwrap();
    (child, stdin)
}

/// Another descriptor of the child, to see it by, and what keeps it alive.
pub(crate) type Seen = (childset::Pidfd, Option<childset::ChildStdin>);

/// A child that lives until what is seen of it is dropped.
pub(crate) fn child() -> (childset::Child, Seen) {
    let mut child = childset::Child::try_from(held()).unwrap();
    let seen = (child.pidfd().try_clone().unwrap(), child.stdin.take());
    (child, seen)
}

/// A shell that ignores TERM, and lives until it is killed or its input ends.
pub(crate) fn stubborn() -> Child {
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' TERM; echo ready; read line"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = shell.spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
    child
}

/// The role of a process that traces another one until its own standard input is closed. It says `started`, or why not.
pub(crate) fn tracer(pid: i32) {
    // SAFETY: it changes only the other process. The address and the options are null.
    match unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, 0_usize, 0_usize) } {
        -1 => println!("{}", io::Error::last_os_error()),
        _ => println!("started"),
    }
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// Whether the descriptor is readable, at once or within the time.
pub(crate) fn readable(fd: impl AsFd, timeout: Duration) -> bool {
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    let start = Instant::now();
    loop {
        let left = timeout.saturating_sub(start.elapsed());
        let left = rustix::event::Timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos() as _ };
        match poll(&mut fds, Some(&left)) {
            Err(rustix::io::Errno::INTR) => {}
            ready => return ready.unwrap() > 0,
        }
    }
}

/// Waits until the process is a zombie or gone.
pub(crate) fn until_ended(pidfd: impl AsFd) {
    poll_for(pidfd, PollFlags::IN);
}

/// Waits until the process was reaped, with no call of the crate.
pub(crate) fn until_reaped(pidfd: impl AsFd) {
    if kernel() >= (6, 9) {
        return poll_for(pidfd, PollFlags::HUP);
    }
    poll_for(&pidfd, PollFlags::IN);
    while is_there(&pidfd) {
        std::thread::yield_now();
    }
}

fn poll_for(fd: impl AsFd, event: PollFlags) {
    let mut fds = [PollFd::new(&fd, event & PollFlags::IN)];
    while !fds[0].revents().contains(event) {
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) | Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Whether the process runs or is a zombie.
pub(crate) fn is_there(pidfd: impl AsFd) -> bool {
    // SAFETY: the call reads no memory, since the `siginfo_t` is null.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_fd().as_raw_fd(),
            0,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    result == 0
}

/// How many descriptors this process has open.
pub(crate) fn fds() -> usize {
    // One is that of the directory itself.
    std::fs::read_dir("/proc/self/fd").unwrap().count() - 1
}

/// How many threads this process has. One of the thread sanitizer's, which comes with the first, is not counted.
pub(crate) fn threads() -> usize {
    let all = std::fs::read_dir("/proc/self/task").unwrap().count();
    let watched = all > 1 && sanitizer().as_deref() == Some("thread");
    all - usize::from(watched)
}

/// How many children of this process are zombies.
pub(crate) fn zombies() -> usize {
    let me = std::process::id().to_string();
    let is_zombie = |stat: &String| {
        // The name in parentheses may contain anything.
        let mut fields = stat.rsplit(')').next().unwrap().split_whitespace();
        fields.next() == Some("Z") && fields.next() == Some(&me)
    };
    let entries = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path().join("stat"));
    entries.filter_map(|path| std::fs::read_to_string(path).ok()).filter(is_zombie).count()
}

/// Runs a test, which must leave neither a descriptor open nor a zombie behind.
///
/// Where it drops a running child or awaits, [`warm_up`] comes before: some descriptors are made once.
pub(crate) fn check_leaks<R>(test: impl FnOnce() -> R) -> R {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| drop(block_once()));
    let before = (fds(), zombies());
    let result = test();
    assert_eq!((fds(), zombies()), before, "descriptors and zombies, now and before");
    result
}

/// Has the crate open the descriptor that it keeps once it has blocked, if it can.
pub(crate) fn block_once() -> io::Result<()> {
    let set = childset::ChildSet::new()?;
    let inserted = set.insert(childset::Pidfd::open(std::process::id())?, ());
    inserted.map_err(|error| error.error)?;
    set.wait(Some(Duration::from_millis(50))).map(drop)
}

/// Has the crate, and async-io's reactor, open the descriptors that they keep for good.
pub(crate) fn warm_up() {
    let mut child = childset::Child::try_from(held()).unwrap();
    let stdin = child.stdin.take();
    drop(child);
    drop(stdin);
    reap_all_dropped();
    #[cfg(feature = "async-io")]
    {
        use futures_lite::future::{block_on, poll_once};
        // One that is not over before it is looked at.
        block_on(poll_once(async_io::Timer::after(Duration::from_secs(3600))));
    }
}

/// Waits until every dropped child was reaped.
pub(crate) fn reap_all_dropped() {
    while childset::reap_dropped() > 0 {
        std::thread::yield_now();
    }
}

/// Checks the exit of a child that ended with `code`, and that somebody else may have reaped.
pub(crate) fn assert_code(exit: &io::Result<Exit>, code: u8) {
    match exit {
        Ok(exit) => assert_eq!(exit.code(), Some(code.into())),
        // From 6.15 on, the kernel keeps the status.
        Err(error) => {
            assert!(kernel() < (6, 15), "{error}");
            assert_eq!(StatusUnknown::from_io_error(error), Some(StatusUnknown::NotKept), "{error}");
        }
    }
}

/// Reaps a child behind the crate's back, and returns the wait status.
pub(crate) fn reap_by_pid(pid: u32) -> i32 {
    let (reaped, status) = waitpid(pid as i32, 0).unwrap();
    assert_eq!(reaped, pid as i32);
    status
}

/// waitpid(2), which goes on after a signal: the pid and the wait status.
pub(crate) fn waitpid(pid: i32, flags: i32) -> io::Result<(i32, i32)> {
    let mut status = 0;
    // SAFETY: the status is written to the integer.
    again(|| unsafe { libc::waitpid(pid, &mut status, flags) }).map(|found| (found, status))
}

/// Makes a system call of the C library, again where a signal interrupts it.
pub(crate) fn again(mut call: impl FnMut() -> i32) -> io::Result<i32> {
    loop {
        match call() {
            -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            -1 => return Err(io::Error::last_os_error()),
            result => return Ok(result),
        }
    }
}

/// Copies a program. `fs::copy` does not go on after a signal.
pub(crate) fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) {
    std::fs::write(&to, std::fs::read(from).unwrap()).unwrap();
    std::fs::set_permissions(to, Permissions::from_mode(0o755)).unwrap();
}

/// Reads what comes next. `Read::read` alone does not go on after a signal.
pub(crate) fn read(mut from: impl Read, buffer: &mut [u8]) -> usize {
    loop {
        match from.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.unwrap(),
        }
    }
}

/// In a copy of this process, which has one thread or is one whose other threads hold no lock: what `act` returns.
pub(crate) fn in_copy(act: impl FnOnce() -> u8) -> i32 {
    // SAFETY: this process has one thread.
    match unsafe { libc::fork() } {
        0 => {
            let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)).unwrap_or(101);
            // SAFETY: the end of the copy.
            unsafe { libc::_exit(code.into()) }
        }
        pid => match reap_by_pid(pid as u32) {
            status if libc::WIFEXITED(status) => libc::WEXITSTATUS(status),
            // As shells have it, and no code of a copy's.
            status => 1000 + libc::WTERMSIG(status),
        },
    }
}

/// Waits for a child: whether it succeeded, and the peak of its memory in bytes. The kernel counts that from what this
/// process had when it spawned the child.
pub(crate) fn wait_with_peak(child: Child) -> (bool, u64) {
    let (mut status, mut usage) = (0, std::mem::MaybeUninit::<libc::rusage>::zeroed());
    let pid = child.id() as i32;
    // SAFETY: the status and the usage are written to memory of their types.
    let reaped = again(|| unsafe { libc::wait4(pid, &mut status, 0, usage.as_mut_ptr()) });
    assert_eq!(reaped.unwrap(), pid);
    // SAFETY: all-zero bytes are valid for it.
    let usage = unsafe { usage.assume_init() };
    (status == 0, usage.ru_maxrss as u64 * 1024)
}

/// No child of ours is left, in whatever state.
pub(crate) fn no_child_is_left() {
    assert_eq!(waitpid(-1, libc::WNOHANG).unwrap_err().raw_os_error(), Some(libc::ECHILD));
}

/// As [`no_child_is_left`], where the kernel may be about to remove one that it reaps.
pub(crate) fn no_child_is_coming() {
    assert_eq!(waitpid(-1, 0).unwrap_err().raw_os_error(), Some(libc::ECHILD));
}

/// Has it spawned by `std`, which a closure to run makes necessary.
pub(crate) fn make_by_std(command: &mut childset::Command) -> &mut childset::Command {
    // SAFETY: the closure does nothing.
    unsafe { command.pre_exec(|| Ok(())) }
}

pub(crate) fn by_std(program: &str) -> childset::Command {
    let mut command = childset::Command::new(program);
    make_by_std(&mut command);
    command
}

/// The errno of a spawn that failed.
pub(crate) fn errno(error: &io::Error) -> i32 {
    SpawnError::from_io_error(error).unwrap_or_else(|| panic!("{error:?}")).errno()
}

/// Leaves this process a number of spare descriptors, until it is dropped. For a process with one thread.
pub(crate) struct Limit {
    before: Option<u64>,
    maximum: Option<u64>,
    fillers: Vec<File>,
}

impl Limit {
    pub(crate) fn with_spare(spare: usize) -> Limit {
        let before = getrlimit(Resource::Nofile);
        let fds = std::fs::read_dir("/proc/self/fd").unwrap();
        let highest: u64 =
            fds.map(|fd| fd.unwrap().file_name().to_str().unwrap().parse().unwrap()).max().unwrap();
        // A shell that redirects keeps the old descriptor at 10 or above.
        let current = Some(highest.max(15) + 1 + spare as u64);
        setrlimit(Resource::Nofile, Rlimit { current, maximum: before.maximum }).unwrap();
        // Holes below the highest one are filled, then as many are freed as are to spare.
        let mut fillers: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        fillers.truncate(fillers.len() - spare);
        Limit { before: before.current, maximum: before.maximum, fillers }
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        self.fillers.clear();
        let before = Rlimit { current: self.before, maximum: self.maximum };
        setrlimit(Resource::Nofile, before).unwrap();
    }
}

/// A directory of its own for a test, removed when it is dropped.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new() -> Dir {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // An earlier process of this number may have left one, as another user.
        let path = loop {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("childset-{}-{number}", std::process::id()));
            match std::fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => break made.map(|()| path).unwrap(),
            }
        };
        // Other users pass too.
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        Dir(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Whether a process runs on our memory. `None` where the kernel does not say.
pub(crate) fn has_our_memory(pid: i32) -> Option<bool> {
    const KCMP_VM: usize = 1;
    // SAFETY: numbers.
    match unsafe { libc::syscall(libc::SYS_kcmp, libc::getpid(), pid, KCMP_VM, 0usize, 0usize) } {
        -1 => {
            skipped(format_args!("kcmp: {}", io::Error::last_os_error()));
            None
        }
        order => Some(order == 0),
    }
}

/// Where cgroups of version 2 are mounted.
pub(crate) fn cgroup_mount() -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let mount = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"))?;
    mount.split(' ').nth(1).map(PathBuf::from)
}

/// A new cgroup below ours in the version 2 hierarchy, or why there is none.
pub(crate) fn new_cgroup() -> Result<PathBuf, String> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let mount = cgroup_mount().ok_or("no cgroup v2 is mounted")?;
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let own = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or("").to_owned();
    let path = mount.join(own).join(format!("childset-{}-{number}", std::process::id()));
    std::fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

/// Kills all in it; `ENOENT` before Linux 5.14.
pub(crate) fn kill_cgroup(path: &Path) -> io::Result<()> {
    File::options().write(true).open(path.join("cgroup.kill"))?.write_all(b"1")
}

/// Removes it, once the kernel has emptied it: a moment after the last process was killed.
pub(crate) fn remove_cgroup(path: &Path) {
    while std::fs::read_to_string(path.join("cgroup.events")).unwrap().contains("populated 1") {
        std::thread::yield_now();
    }
    std::fs::remove_dir(path).unwrap();
}

pub(crate) const CAP_SETGID: u32 = 6;
pub(crate) const CAP_SETUID: u32 = 7;

/// Makes this process one of an ordinary user, with these capabilities alone. It is root's, with one thread.
pub(crate) fn keep_capabilities(user: u32, capabilities: &[u32]) {
    let bits = capabilities.iter().fold(0u32, |bits, capability| bits | 1 << capability);
    // `_LINUX_CAPABILITY_VERSION_3`, of this thread.
    let header = [0x2008_0522u32, 0];
    // Effective, permitted, inheritable; and the same for those from 32 on.
    let data = [bits, bits, 0, 0, 0, 0];
    // SAFETY: the kernel reads two and six numbers.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0), 0);
        assert_eq!(libc::setresuid(user, user, user), 0);
        assert_eq!(libc::syscall(libc::SYS_capset, &header, &data), 0, "{}", io::Error::last_os_error());
    }
}
