use std::collections::BTreeMap;
use std::ffi::{c_char, CStr, OsStr, OsString};
use std::io;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::AtomicPtr;

use crate::command::describe::{describe, quoted};
use crate::command::error::SpawnError;
use crate::command::Command;
use crate::pidfd::Signal;
use crate::sys::held::Held;
use crate::sys::needs::Needs;
use crate::sys::plan::{Environment, Failure, Plan, Source, Stage, Step};
use crate::sys::strings::{CStrings, Growing};

/// What execvp(3) searches where the environment has no `PATH`.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// The longest part of `PATH` that execvp(3) tries, with its null byte: PATH_MAX.
const LONGEST: usize = 4096;

/// A command as `execve` wants it.
pub(in crate::command) struct Layout {
    pub(in crate::command) argv: CStrings,
    /// `None` for that of this process, as it is at the spawn.
    pub(in crate::command) envp: Option<CStrings>,
    /// The program, as it was given.
    pub(in crate::command) name: OsString,
    /// Where it may be, in the order in which to try.
    pub(in crate::command) programs: CStrings,
    pub(in crate::command) steps: Vec<Step>,
    /// The numbers of descriptors that its paths lead through.
    pub(in crate::command) paths: Vec<RawFd>,
}

impl Layout {
    /// Of a command that was checked for null bytes, to be spawned at once: what it need not copy stays where it is.
    pub(in crate::command) fn new(command: &Command) -> io::Result<Layout> {
        let changed = command.env_cleared || command.get_envs().next().is_some();
        let environment = changed.then(|| environment(command));
        let program = command.get_program();
        let arg0 = command.arg0.as_deref().unwrap_or(program);
        let argv = std::iter::once(arg0).chain(command.get_args());
        let path = match (&command.options.search_path, &environment) {
            _ if program.as_bytes().contains(&b'/') => None,
            (Some(path), _) => Some(path.clone()),
            (None, Some(environment)) => environment.get(OsStr::new("PATH")).cloned(),
            (None, None) => std::env::var_os("PATH"),
        };
        Ok(Layout {
            name: program.to_owned(),
            argv: argv.map(|arg| [arg.as_bytes()]).collect(),
            envp: environment.as_ref().map(variables),
            programs: candidates(program, path.as_deref().unwrap_or(OsStr::new(DEFAULT_PATH))),
            steps: command.options.steps(command.get_current_dir())?,
            paths: command.paths_through_descriptors(),
        })
    }

    /// Of a command that is to be spawned later, with the environment of now.
    pub(in crate::command) fn for_later(command: &Command) -> io::Result<Layout> {
        let mut layout = Layout::new(command)?;
        layout.envp.get_or_insert_with(own_environment);
        Ok(layout)
    }

    fn environment(&self) -> Environment<'_> {
        self.envp.as_ref().map_or(Environment::Inherited, Environment::Own)
    }

    /// What was asked for, where the program with this index was tried: of several places that were searched,
    /// none is to blame, and the name says more.
    pub(in crate::command) fn program(&self, index: usize) -> &[u8] {
        match self.programs.pointers() {
            [_] => self.programs.iter().nth(index).map_or(&b""[..], CStr::to_bytes),
            _ => self.name.as_bytes(),
        }
    }

    /// As [`argv_for_shell`](Layout::argv_for_shell), without the script: for the child to put it in the second place.
    pub(super) fn argv_of_shell(&self) -> Vec<AtomicPtr<c_char>> {
        let shell = [c"/bin/sh".as_ptr(), std::ptr::null()];
        let arguments = self.argv.pointers().iter().skip(1).copied();
        let all = shell.into_iter().chain(arguments).chain([std::ptr::null()]);
        all.map(|string| AtomicPtr::new(string.cast_mut())).collect()
    }

    /// `/bin/sh` with the program as its script, as execvp(3) runs one that the kernel does not know how to.
    pub(in crate::command) fn argv_for_shell(
        &self,
        programs: &CStrings,
        program: usize,
    ) -> (CStrings, CStrings) {
        let shell: &[u8] = b"/bin/sh";
        let script = programs.iter().skip(program).take(1);
        let arguments = self.argv.iter().skip(1);
        let argv = script.chain(arguments).map(|string| [string.to_bytes()]);
        ([[shell]].into_iter().collect(), std::iter::once([shell]).chain(argv).collect())
    }

    /// With nothing that is not laid out: see [`Plan::new`].
    #[inline]
    pub(super) fn plan<'p>(
        &'p self,
        stdio: [Source<'p>; 3],
        fds: &'p [(RawFd, Held)],
        needs: Option<&'p Needs>,
        close: &'p [(u32, u32)],
    ) -> Plan<'p> {
        let program = needs.and_then(|needs| needs.program.as_ref());
        let programs = program.map_or(&self.programs, |program| &program.path);
        let plan = Plan::new(programs, &self.argv, self.environment());
        Plan { stdio, fds, needs, close, steps: &self.steps, ..plan }
    }

    /// Says what could not be done.
    pub(super) fn name(
        &self,
        stdio: &[Source<'_>; 3],
        parent_death: Option<i32>,
        Failure { stage, errno }: Failure,
    ) -> SpawnError {
        let is_null = |number: usize| matches!(stdio[number], Source::Null);
        let (what, errno) = match stage {
            Stage::Clone | Stage::Unshare | Stage::Signal => ("make a process (clone)".into(), errno),
            Stage::Cgroup => ("enter the cgroup (cgroup.procs)".into(), errno),
            Stage::Stdio(number) => {
                let name = ["input", "output", "error"][number];
                let act = if is_null(number) { "open /dev/null as" } else { "set up" };
                (format!("{act} the child's standard {name}"), errno)
            }
            Stage::Fd(number) => {
                // The source is open: it is the number that the limit (`RLIMIT_NOFILE`) does not allow.
                let errno = if errno == libc::EBADF { libc::EMFILE } else { errno };
                (format!("give the child descriptor {number} (dup3)"), errno)
            }
            Stage::CloseFds => {
                ("find the child's descriptors in /proc/self/fd, without close_range".into(), errno)
            }
            Stage::Step(index) => (describe(&self.steps[index]), errno),
            Stage::ParentDeath => {
                let signal = Signal::from(parent_death.unwrap_or(0));
                (format!("ask for {signal} at the parent's death (PR_SET_PDEATHSIG)"), errno)
            }
            Stage::Act => ("do what was given to pre_exec".into(), errno),
            Stage::Exec(program) | Stage::Script(program) => {
                (format!("run {}", quoted(self.program(program))), errno)
            }
            Stage::Shell => ("run /bin/sh, for a script without an interpreter".into(), errno),
        };
        SpawnError::new(what, errno)
    }
}

/// The child's environment: ours, unless it was cleared, with the changes; as `std` has it, each name once.
fn environment(command: &Command) -> BTreeMap<OsString, OsString> {
    let mut environment: BTreeMap<_, _> = match command.env_cleared {
        true => BTreeMap::new(),
        false => std::env::vars_os().collect(),
    };
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => environment.insert(key.to_owned(), value.to_owned()),
            None => environment.remove(key),
        };
    }
    environment
}

fn variables(environment: &BTreeMap<OsString, OsString>) -> CStrings {
    environment.iter().map(|(key, value)| [key.as_bytes(), b"=", value.as_bytes()]).collect()
}

/// A copy of the variables in this process's environment, in their order.
pub(super) fn own_environment() -> CStrings {
    let variables = std::env::vars_os();
    let mut all = Growing::for_variables(variables.size_hint().0);
    variables.for_each(|(key, value)| all.push([key.as_bytes(), b"=", value.as_bytes()]));
    all.finish()
}

/// The paths that execvp(3) tries: the program itself if it has a slash, else one for each part of `PATH`, of
/// which an empty one is the current directory.
fn candidates(program: &OsStr, path: &OsStr) -> CStrings {
    let program = program.as_bytes();
    if program.contains(&b'/') || program.is_empty() {
        return [[program]].into_iter().collect();
    }
    let directories = path.as_bytes().split(|&byte| byte == b':').filter(|path| path.len() < LONGEST);
    directories
        .map(|directory| match directory {
            b"" => [directory, b"", program],
            _ => [directory, b"/", program],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(program: &str, path: &str) -> Vec<String> {
        let found = candidates(program.as_ref(), path.as_ref());
        found.iter().map(|path| path.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn candidates_are_those_of_execvp() {
        assert_eq!(search("ls", "/bin:/usr/bin"), ["/bin/ls", "/usr/bin/ls"]);
        assert_eq!(search("ls", ":/bin::"), ["ls", "/bin/ls", "ls", "ls"]);
        assert_eq!(search("ls", "tools"), ["tools/ls"]);
        assert_eq!(search("./ls", "/bin"), ["./ls"]);
        assert_eq!(search("", "/bin"), [""]);
        let (longest, longer) = (format!("/{}", "a".repeat(4094)), format!("/{}", "a".repeat(4095)));
        assert_eq!(search("ls", &format!("{longer}:{longest}")), [format!("{longest}/ls")]);
    }
}
