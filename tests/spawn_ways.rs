//! The ways to a child, compared: on our memory, on a copy, by `fork`, by std, by `clone` where `clone3` is refused,
//! prepared, and this process itself; std and execvp(3) too. Random commands, with a fixed seed; with
//! `CHILDSET_TEST_CASES` as many as that, with the seed `CHILDSET_TEST_SEED`.

#![allow(unsafe_code)]

mod common;

use std::ffi::{CString, OsStr, OsString};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{Read, Write as _};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{symlink, PermissionsExt};
use std::os::unix::process::{CommandExt as _, ExitStatusExt};
use std::path::{Path, PathBuf};

use childset::unix::CommandExt;
use childset::{Command, Resource, Signal, SpawnError, Stdio};
use common::{launches, reexec, role, skipped, Dir};

const TESTS: [(&str, fn()); 4] = [
    ("searches", searches),
    ("random_commands", random_commands),
    ("descriptor_limit", descriptor_limit),
    ("environment_in_order", environment_in_order),
];

/// The role in which `clone3` is refused, and where it finds what the cases are about.
const REFUSED: &str = "refused";
const PLACE: &str = "CHILDSET_TEST_PLACE";
const CASES: &str = "CHILDSET_TEST_CASES";
const SEED: &str = "CHILDSET_TEST_SEED";

fn main() {
    let args: Vec<OsString> = std::env::args_os().collect();
    if args.get(1).is_some_and(|arg| arg == "--report") {
        return report(&args);
    }
    match role() {
        Some(_) => refused(),
        None => common::main_with(&TESTS, |_, test| {
            // A case has its own that are closed.
            common::open_stdio();
            test();
        }),
    }
}

// --- What a child says of itself.

/// Writes all that this process was given into the file that its second argument names.
fn report(args: &[OsString]) {
    let mut text = String::new();
    for number in 0..64 {
        // SAFETY: asking for numbers.
        let (flags, status) =
            unsafe { (libc::fcntl(number, libc::F_GETFD), libc::fcntl(number, libc::F_GETFL)) };
        if flags != -1 {
            let target = fs::read_link(format!("/proc/self/fd/{number}")).unwrap();
            let target = target.to_str().unwrap();
            let target = if target.starts_with("pipe:") { "pipe" } else { target };
            writeln!(text, "{number}: {target} {flags} {:o}", status & (libc::O_ACCMODE | libc::O_NONBLOCK))
                .unwrap();
        }
    }
    writeln!(text, "{:?}", [&args[..1], &args[3..]].concat()).unwrap();
    let environment = fs::read("/proc/self/environ").unwrap();
    // What chooses the cases is not the same in all of them.
    let entries = environment.split(|&byte| byte == 0).filter(|entry| !entry.starts_with(b"CHILDSET_TEST_"));
    for entry in entries {
        writeln!(text, "{:?}", OsStr::from_bytes(entry)).unwrap();
    }
    let status = fs::read_to_string("/proc/self/status").unwrap();
    for name in ["Umask", "Uid", "Gid", "Groups", "SigBlk", "SigIgn", "SigCgt", "SigPnd", "NoNewPrivs"] {
        text.extend(status.lines().filter(|line| line.starts_with(name)).map(|line| format!("{line}\n")));
    }
    // SAFETY: asking for numbers.
    let own = unsafe { [libc::getpgid(0), libc::getsid(0)].map(|id| id == libc::getpid()) };
    // SAFETY: as above.
    let (nice, policy) = unsafe { (libc::getpriority(libc::PRIO_PROCESS, 0), libc::sched_getscheduler(0)) };
    writeln!(text, "{:?} {own:?} {nice} {policy}", std::env::current_dir().ok()).unwrap();
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    text.extend(limits.lines().filter(|line| line.contains("open files")));
    fs::write(&args[2], text).unwrap();
}

// --- What is to be run.

#[derive(Clone, Debug, Default, PartialEq)]
struct Case {
    program: OsString,
    arg0: Option<OsString>,
    args: Vec<OsString>,
    clear: bool,
    variables: Vec<(OsString, Option<OsString>)>,
    search_path: Option<OsString>,
    no_shell: bool,
    directory: Option<PathBuf>,
    stdio: [Source; 3],
    fds: Vec<(RawFd, &'static str)>,
    inherit: bool,
    close: Vec<(RawFd, RawFd)>,
    user: Option<u32>,
    group: Option<u32>,
    groups: Option<Vec<u32>>,
    umask: Option<u32>,
    nice: Option<i32>,
    batch: bool,
    session: bool,
    leads: bool,
    files: Option<u64>,
    no_new_privs: bool,
    mask: Vec<Signal>,
    defaults: Option<Vec<Signal>>,
    /// Of this process: which of 0, 1 and 2 are closed, and whether it ignores SIGCHLD.
    closed: [bool; 3],
    ignores_sigchld: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Source {
    #[default]
    Inherit,
    Null,
    Piped,
    File,
    /// Only of standard error. std has no such.
    Stdout,
}

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

/// Directories and programs of all kinds.
fn furnish(place: &Path) {
    let me = std::env::current_exe().unwrap();
    for name in ["good", "other", "plain", "loop", "text", "folder/prog", "closed", "interpreter", "out"] {
        fs::create_dir_all(place.join(name)).unwrap();
    }
    let mode =
        |name: &str, mode| fs::set_permissions(place.join(name), Permissions::from_mode(mode)).unwrap();
    // `/tmp` may be on another file system.
    let program = place.join("good/prog");
    fs::hard_link(&me, &program).or_else(|_| symlink(&me, &program)).unwrap();
    for name in ["other", "closed"] {
        fs::hard_link(&program, place.join(name).join("prog")).unwrap();
    }
    fs::write(place.join("plain/prog"), "").unwrap();
    mode("plain/prog", 0o644);
    symlink("prog", place.join("loop/prog")).unwrap();
    let script = format!("exec {} \"$@\" \"$0\"\n", program.display());
    fs::write(place.join("text/prog"), script).unwrap();
    mode("text/prog", 0o755);
    fs::write(place.join("interpreter/prog"), "#!/no/such/interpreter\n").unwrap();
    mode("interpreter/prog", 0o755);
    mode("closed", 0o700);
    mode("out", 0o777);
    for name in ["file", "one", "two", "three"] {
        fs::write(place.join(name), name).unwrap();
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

    fn output(&self, place: &Path) -> PathBuf {
        place.join("out").join(format!("{}", std::process::id()))
    }

    fn file(place: &Path, number: usize) -> File {
        let path = place.join(["one", "two", "three"][number]);
        OpenOptions::new().read(number == 0).append(number != 0).open(path).unwrap()
    }

    fn command(&self, place: &Path, way: Way) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--report").arg(self.output(place)).args(&self.args);
        if let Some(arg0) = &self.arg0 {
            command.arg0(arg0);
        }
        if self.clear {
            command.env_clear();
        }
        for (name, value) in &self.variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(path) = &self.search_path {
            command.search_path(path);
        }
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        for (number, source) in self.stdio.iter().enumerate() {
            // std's does not say that it is to be inherited, and so is not closed.
            let by_std = [Way::StdStdio, Way::ExecStdio].contains(&way) && self.close.is_empty();
            let stdio = match source {
                Source::Stdout => {
                    command.stderr_to_stdout();
                    continue;
                }
                Source::Inherit if by_std => std::process::Stdio::inherit().into(),
                Source::Null if by_std => std::process::Stdio::null().into(),
                Source::File if by_std => std::process::Stdio::from(Case::file(place, number)).into(),
                Source::Inherit => Stdio::inherit(),
                Source::Null => Stdio::null(),
                Source::Piped => Stdio::piped(),
                Source::File => Stdio::from(Case::file(place, number)),
            };
            match number {
                0 => command.stdin(stdio),
                1 => command.stdout(stdio),
                _ => command.stderr(stdio),
            };
        }
        for &(number, name) in &self.fds {
            command.fd(number, File::open(place.join(name)).unwrap());
        }
        self.apply(&mut command);
        if way == Way::PreExec || way == Way::ExecWithClosure {
            common::make_by_std(&mut command);
        }
        command
    }

    fn apply(&self, command: &mut Command) {
        command.inherit_fds(self.inherit).shell_fallback(!self.no_shell);
        for &(first, last) in &self.close {
            command.close_fds(first..last);
        }
        self.user.map(|user| command.uid(user));
        self.group.map(|group| command.gid(group));
        self.groups.as_ref().map(|groups| command.groups(groups));
        self.umask.map(|mask| command.umask(mask));
        self.nice.map(|nice| command.nice(nice));
        if self.batch {
            command.scheduler(libc::SCHED_BATCH, 0);
        }
        command.setsid(self.session).no_new_privs(self.no_new_privs).signal_mask(&self.mask);
        if self.leads {
            command.process_group(0);
        }
        self.files.map(|files| command.rlimit(Resource::NOFILE, files, files));
        self.defaults.as_ref().map(|signals| command.default_signals(signals));
    }

    /// The same for std, which has fewer options; `None` where it differs on purpose.
    fn std(&self, place: &Path) -> Option<std::process::Command> {
        let plain = Case {
            inherit: true,
            program: self.program.clone(),
            arg0: self.arg0.clone(),
            args: self.args.clone(),
            clear: self.clear,
            variables: self.variables.clone(),
            directory: self.directory.clone(),
            stdio: self.stdio,
            user: self.user,
            group: self.group,
            leads: self.leads,
            ..Case::default()
        };
        if plain != *self || self.stdio[2] == Source::Stdout || self.is_odd() {
            return None;
        }
        let mut command = std::process::Command::new(&self.program);
        command.arg("--report").arg(self.output(place)).args(&self.args);
        self.arg0.as_ref().map(|arg0| command.arg0(arg0));
        if self.clear {
            command.env_clear();
        }
        for (name, value) in &self.variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        self.directory.as_ref().map(|directory| command.current_dir(directory));
        self.user.map(|user| command.uid(user));
        self.group.map(|group| command.gid(group));
        if self.leads {
            command.process_group(0);
        }
        for (number, source) in self.stdio.iter().enumerate() {
            let stdio = match source {
                Source::Inherit => std::process::Stdio::inherit(),
                Source::Null => std::process::Stdio::null(),
                Source::Piped => std::process::Stdio::piped(),
                Source::File => Case::file(place, number).into(),
                Source::Stdout => unreachable!("it has none"),
            };
            match number {
                0 => command.stdin(stdio),
                1 => command.stdout(stdio),
                _ => command.stderr(stdio),
            };
        }
        // By `fork` and execvp(3): posix_spawn(3) has no script run by the shell.
        // SAFETY: the closure does nothing.
        unsafe { command.pre_exec(|| Ok(())) };
        Some(command)
    }

    /// Where glibc's execvp(3) has a fault of its own: after an element of PATH that is too long, it looks into the
    /// working directory.
    fn is_odd(&self) -> bool {
        let path = self.variables.iter().rev().find(|(name, _)| name == "PATH");
        let path = path.and_then(|(_, value)| value.as_ref()).map_or(&b""[..], |value| value.as_bytes());
        path.split(|&byte| byte == b':').any(|element| element.len() >= 4096)
    }
}

// --- How it is run.

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Own,
    Prepared,
    Launch,
    PreparedLaunch,
    PreExec,
    StdStdio,
    Exec,
    ExecWithClosure,
    ExecStdio,
    Std,
}

/// Those that copy the environment.
const COPYING: [Way; 3] = [Way::Prepared, Way::Launch, Way::PreparedLaunch];

/// Runs the case in a copy of this process, which may change what it likes. Returns what the child said, or the error.
fn run(case: &Case, place: &Path, way: Way) -> Option<String> {
    if way == Way::Std && case.std(place).is_none() {
        return None;
    }
    let (mut reader, low) = pipe();
    // No number that the child may have.
    let mut writer = File::from(rustix::io::fcntl_dupfd_cloexec(&low, 90).unwrap());
    drop(low);
    // SAFETY: this process has one thread.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        drop(reader);
        // What the copy prepares has the pid of its own in no name.
        let told = std::panic::catch_unwind(|| in_copy(case, place, way)).unwrap_or_else(|_| "panic".into());
        writer.write_all(told.as_bytes()).unwrap();
        // SAFETY: the end of the copy.
        unsafe { libc::_exit(0) };
    }
    drop(writer);
    let mut told = String::new();
    reader.read_to_string(&mut told).unwrap();
    let status = common::reap_by_pid(pid as u32);
    if told.is_empty() {
        // It became the program.
        told = format!("{:?}", std::process::ExitStatus::from_raw(status).code());
    }
    let path = place.join("out").join(pid.to_string());
    told.push('\n');
    if let Ok(text) = fs::read_to_string(&path) {
        told.push_str(&text);
        fs::remove_file(path).unwrap();
    }
    // Its name differs.
    Some(told.replace(&format!("out/{pid}"), "out/PID"))
}

extern "C" fn handler(_: i32) {}

fn in_copy(case: &Case, place: &Path, way: Way) -> String {
    // Not close-on-exec, with numbers that the child may want.
    for number in [6, 30] {
        // SAFETY: nothing else has them here.
        unsafe { libc::dup2(File::open(place.join("file")).unwrap().as_raw_fd(), number) };
    }
    // SAFETY: the copy's own signals, and a handler that does nothing.
    unsafe {
        libc::signal(libc::SIGHUP, libc::SIG_IGN);
        libc::signal(libc::SIGUSR1, handler as extern "C" fn(i32) as libc::sighandler_t);
        if case.ignores_sigchld {
            libc::signal(libc::SIGCHLD, libc::SIG_IGN);
        }
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        // std leaves it to the child.
        if way != Way::Std {
            libc::sigaddset(&mut set, libc::SIGWINCH);
        }
        libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
        libc::alarm(30);
    }
    let mut std = if way == Way::Std { case.std(place) } else { None };
    let mut command = case.command(place, way);
    for number in (0..3).filter(|&number| case.closed[number]) {
        // SAFETY: the copy uses none of the three.
        unsafe { libc::close(number as i32) };
    }
    let error = match way {
        Way::Std => match std.as_mut().unwrap().spawn() {
            Ok(mut child) => return format!("{:?}", child.wait().unwrap().code()),
            Err(error) => return format!("errno {}", error.raw_os_error().unwrap()),
        },
        Way::Exec | Way::ExecWithClosure | Way::ExecStdio => command.exec(),
        Way::Prepared => match command.prepare().unwrap().spawn() {
            Ok(child) => return code(child),
            Err(error) => error,
        },
        // What fails after there is a process is its end.
        Way::Launch | Way::PreparedLaunch => {
            let child = match way {
                Way::Launch => command.launch(),
                _ => command.prepare().unwrap().launch(),
            };
            match child {
                Ok(child) => match child.wait() {
                    Err(error) if SpawnError::from_io_error(&error).is_some() => error,
                    _ => return code(child),
                },
                Err(error) => error,
            }
        }
        _ => match command.spawn() {
            Ok(child) => return code(child),
            Err(error) => error,
        },
    };
    let errno = SpawnError::raw_os_error(&error);
    format!("errno {}\n{error}", errno.unwrap_or(0))
}

fn code(mut child: childset::Child) -> String {
    drop(child.stdin.take());
    match child.wait() {
        Ok(status) => format!("{:?}", status.code()),
        // Before 6.15 a status that nobody may take is lost.
        Err(error) => {
            assert!(common::kernel() < (6, 15), "{error}");
            "Some(0)".into()
        }
    }
}

/// The first line, or also what the child said, but not the text of the error: what std has, too.
fn as_std(told: &str) -> &str {
    match told.starts_with("errno") {
        true => told.lines().next().unwrap(),
        false => told,
    }
}

fn place() -> Dir {
    let place = Dir::new();
    furnish(place.path());
    place
}

fn cases(place: &Path) -> impl Iterator<Item = Case> + '_ {
    let number =
        |name: &str, otherwise| std::env::var(name).map_or(otherwise, |value| value.parse().unwrap());
    let (count, mut random) = (number(CASES, common::times(150) as u64), Random(number(SEED, 20_261_126)));
    (0..count).map(move |_| Case::random(&mut random, place))
}

/// The same cases, where `clone3` is refused: says what comes of each, with a null byte after it.
fn refused() {
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

/// An environment with a name twice, and entries without `=`.
fn set_environment() {
    static ENTRIES: std::sync::OnceLock<Vec<CString>> = std::sync::OnceLock::new();
    static POINTERS: std::sync::OnceLock<Vec<usize>> = std::sync::OnceLock::new();
    let path = std::env::var("PATH").unwrap();
    let own: Vec<String> = [CASES, SEED, "CHILDSET_TEST_SHARE"]
        .iter()
        .filter_map(|name| Some(format!("{name}={}", std::env::var(name).ok()?)))
        .collect();
    let texts = ["TWICE=1", "nothing", "Z=last", "HOME=/", "TWICE=2", "=odd", "A=ours"].map(String::from);
    let texts = texts.into_iter().chain([format!("PATH={path}")]).chain(own);
    let entries = ENTRIES.get_or_init(|| texts.map(|text| CString::new(text).unwrap()).collect());
    let pointers = POINTERS.get_or_init(|| {
        entries.iter().map(|entry| entry.as_ptr() as usize).chain(std::iter::once(0)).collect()
    });
    extern "C" {
        static mut environ: *const *const libc::c_char;
    }
    // SAFETY: this process has one thread, and the strings and pointers live for ever.
    unsafe { environ = pointers.as_ptr().cast() };
}

fn random_commands() {
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

// --- The search of PATH, as execvp(3) does it.

/// The errno of execvp(3), in a copy of this process; 0 if it ran.
fn execvp(program: &OsStr, path: Option<&OsStr>, directory: &Path) -> i32 {
    let program = CString::new(program.as_bytes()).unwrap();
    let argv = [program.as_ptr(), c"--report".as_ptr(), c"/dev/null".as_ptr(), std::ptr::null()];
    let (mut reader, writer) = pipe();
    // SAFETY: this process has one thread, and the strings live.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        std::env::set_current_dir(directory).unwrap();
        match path {
            Some(path) => std::env::set_var("PATH", path),
            None => std::env::remove_var("PATH"),
        }
        // SAFETY: as above. The end of the copy, in any case.
        unsafe {
            libc::execvp(program.as_ptr(), argv.as_ptr());
            let errno = *libc::__errno_location();
            libc::write(writer.as_raw_fd(), errno.to_ne_bytes().as_ptr().cast(), 4);
            libc::_exit(1);
        }
    }
    drop(writer);
    let mut errno = [0; 4];
    let failed = reader.read_exact(&mut errno).is_ok();
    common::reap_by_pid(pid as u32);
    if failed {
        i32::from_ne_bytes(errno)
    } else {
        0
    }
}

fn pipe() -> (File, OwnedFd) {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    (reader.into(), writer)
}

fn searches() {
    let place = place();
    let place = place.path();
    let at = |names: &[&str]| {
        let elements = names.iter().map(|name| match name.strip_prefix('=') {
            Some(literal) => OsString::from(literal),
            None => place.join(name).into_os_string(),
        });
        elements.collect::<Vec<_>>().join(OsStr::new(":"))
    };
    let (long, longer) = (format!("=/{}", "x".repeat(4094)), format!("=/{}", "x".repeat(4095)));
    let paths: Vec<Option<OsString>> = [
        &["loop", "good"][..],
        &["good", "loop"],
        &["file", "good"],
        &["none", "file"],
        &["file", "none"],
        &["plain", "none"],
        &["plain", "file"],
        &["none", "plain", "none"],
        &["plain", "loop"],
        &["plain", "good"],
        &["folder"],
        &["folder", "good"],
        &["folder", "none"],
        &["interpreter", "good"],
        &["interpreter"],
        &[&long, "good"],
        &["good", &long],
        &[&longer],
        &["none", &longer],
        &["good", &longer],
        &["text"],
        &["none", "text"],
        &["="],
        &["=", "=", "="],
        &["none", "="],
        &["=.", "none"],
        &["=good"],
    ]
    .into_iter()
    .map(|names| Some(at(names)))
    .chain([None])
    .collect();
    let programs =
        ["prog", "no-such-program", "", ".", "good/prog", "file/prog", "loop/prog", &"y".repeat(256)];
    for path in &paths {
        for program in programs {
            let mut case = Case { program: program.into(), directory: Some(place.into()), ..Case::default() };
            case.variables.push(("PATH".into(), path.clone()));
            let expected = execvp(program.as_ref(), path.as_deref(), place);
            for way in [
                Way::Own,
                Way::Launch,
                Way::Prepared,
                Way::PreExec,
                Way::StdStdio,
                Way::Exec,
                Way::ExecStdio,
                Way::Std,
            ] {
                let Some(told) = run(&case, place, way) else { continue };
                let errno =
                    told.strip_prefix("errno ").map(|told| told.lines().next().unwrap().parse().unwrap());
                let what = format!("{program:?} in {path:?}, {way:?}: {told}");
                assert_eq!(errno.unwrap_or(0), expected, "{what}");
                assert!(
                    errno.is_none()
                        || program.is_empty()
                        || way == Way::Std
                        || told.contains(&program[..program.len().min(150)]),
                    "{what}"
                );
            }
        }
    }
    // Not what glibc makes of it, which looks into the working directory after the one that is too long.
    for (names, expected) in [(&[&longer, "good"][..], "Some(0)"), (&[&longer, "none"], "errno 2")] {
        let directory = Some(place.join("text"));
        let variables = vec![("PATH".into(), Some(at(names)))];
        let case = Case { program: "prog".into(), directory, variables, ..Case::default() };
        for way in [Way::Own, Way::Launch, Way::Prepared, Way::PreExec, Way::StdStdio, Way::Exec] {
            let told = run(&case, place, way).unwrap();
            assert!(told.starts_with(expected), "{way:?}: {told}");
        }
    }
}

// --- What else they have in common.

/// Without a descriptor to spare but those that std needs, too.
fn descriptor_limit() {
    let place = place();
    let place = place.path();
    let limited = |way: Way, source: Source, spare: usize| {
        // What std opens before the limit is there, we do, too.
        let stdio = [source; 3];
        let case = Case { program: place.join("good/prog").into(), inherit: true, stdio, ..Case::default() };
        let (mut reader, writer) = pipe();
        // SAFETY: this process has one thread.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let mut command = case.command(place, way);
            let mut std = case.std(place).unwrap();
            let limit = common::Limit::with_spare(spare);
            let error = match way {
                Way::Std => std.exec(),
                Way::Exec | Way::ExecWithClosure | Way::ExecStdio => command.exec(),
                _ => command.spawn().map(drop).err().unwrap_or_else(|| std::io::Error::from_raw_os_error(0)),
            };
            drop(limit);
            (&File::from(writer)).write_all(error.to_string().as_bytes()).unwrap();
            // SAFETY: the end of the copy.
            unsafe { libc::_exit(0) };
        }
        drop(writer);
        let mut told = String::new();
        reader.read_to_string(&mut told).unwrap();
        common::reap_by_pid(pid as u32);
        told
    };
    for source in [Source::Inherit, Source::File] {
        for way in [Way::Std, Way::Exec, Way::ExecWithClosure, Way::ExecStdio] {
            assert_eq!(limited(way, source, 0), "", "{way:?}, {source:?}");
        }
    }
    for way in [Way::Std, Way::Exec, Way::ExecWithClosure, Way::ExecStdio] {
        assert_eq!(limited(way, Source::Null, 3), "", "{way:?}");
    }
    let works = std::io::Error::from_raw_os_error(0).to_string();
    // std takes two, too: the ends of a pipe.
    for source in [Source::Inherit, Source::File] {
        for (way, enough) in [(Way::Own, 1), (Way::PreExec, 2), (Way::StdStdio, 2)] {
            assert_eq!(limited(way, source, enough), works, "{way:?}");
            let error = limited(way, source, 0);
            assert!(error.contains("Too many open files"), "{way:?}: {error}");
        }
    }
}

fn environment_in_order() {
    let place = place();
    let place = place.path();
    let launches = launches();
    set_environment();
    let program = place.join("good/prog").into_os_string();
    let untouched = Case { program: program.clone(), ..Case::default() };
    let variables =
        vec![("M".into(), Some("1".into())), ("TWICE".into(), Some("3".into())), ("HOME".into(), None)];
    let changed = Case { program: program.clone(), variables, ..Case::default() };
    let removed = Case { program, variables: vec![("TWICE".into(), None)], ..Case::default() };
    for way in [Way::Own, Way::Launch, Way::Prepared, Way::PreExec, Way::StdStdio, Way::Exec, Way::Std] {
        let lines = |case: &Case| {
            let told = run(&Case { inherit: true, ..case.clone() }, place, way).unwrap();
            let environment: Vec<_> =
                told.lines().filter(|line| line.starts_with('"')).map(String::from).collect();
            environment
                .into_iter()
                .filter(|line| !line.starts_with("\"PATH") && line != "\"\"")
                .collect::<Vec<_>>()
        };
        let all = ["TWICE=1", "nothing", "Z=last", "HOME=/", "TWICE=2", "=odd", "A=ours"];
        let all: Vec<_> = all.iter().map(|entry| format!("{entry:?}")).collect();
        let own = lines(&untouched);
        if COPYING.contains(&way) && (launches || way != Way::Launch) {
            assert_eq!(own, [&all[..1], &all[2..5], &all[6..]].concat(), "{way:?}");
        } else {
            assert_eq!(own, all, "{way:?}");
        }
        assert_eq!(lines(&changed), [r#""A=ours""#, r#""M=1""#, r#""TWICE=3""#, r#""Z=last""#], "{way:?}");
        assert_eq!(lines(&removed), [r#""A=ours""#, r#""HOME=/""#, r#""Z=last""#], "{way:?}");
    }
}
