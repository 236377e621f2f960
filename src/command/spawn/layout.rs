use std::ffi::{CStr, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;

use crate::command::Command;
use crate::sys::plan::Step;
use crate::sys::strings::CStrings;

/// What execvp(3) searches where the environment has no `PATH`.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// A command as `execve` wants it.
pub(in crate::command) struct Layout {
    pub(in crate::command) argv: CStrings,
    pub(in crate::command) envp: CStrings,
    /// Where the program may be, in the order in which to try.
    pub(in crate::command) programs: CStrings,
    /// The index of the first that seems to be there.
    pub(in crate::command) likely: usize,
    pub(in crate::command) steps: Vec<Step>,
}

impl Layout {
    /// Of a command that was checked for null bytes.
    pub(in crate::command) fn new(command: &Command) -> io::Result<Layout> {
        let program = command.get_program();
        let arg0 = command.arg0.as_deref().unwrap_or(program);
        let argv = std::iter::once(arg0).chain(command.get_args());
        let environment = environment(command);
        let path = match &command.options.search_path {
            Some(path) => Some(path),
            None => environment.iter().find(|(key, _)| key == "PATH").map(|(_, path)| path),
        };
        let programs = candidates(program, path.map_or(OsStr::new(DEFAULT_PATH), OsString::as_os_str));
        let likely = match command.options.chroot {
            None => likely(&programs),
            Some(_) => 0,
        };
        let variables = environment.iter().map(|(key, value)| [key.as_bytes(), b"=", value.as_bytes()]);
        Ok(Layout {
            argv: argv.map(|arg| [arg.as_bytes()]).collect(),
            envp: variables.collect(),
            programs,
            likely,
            steps: command.options.steps(command.get_current_dir())?,
        })
    }

    /// What was asked for, where the program with this index was tried: of several places that were searched,
    /// none is to blame, and the name says more.
    pub(in crate::command) fn program(&self, index: usize) -> &[u8] {
        let tried = self.programs.iter().nth(index).map_or(&b""[..], CStr::to_bytes);
        match self.programs.pointers() {
            [_] => tried,
            _ => tried.rsplit(|&byte| byte == b'/').next().unwrap_or_default(),
        }
    }

    /// `/bin/sh` with the program as its script, as execvp(3) runs one that the kernel does not know how to.
    pub(in crate::command) fn argv_for_shell(&self, program: usize) -> (CStrings, CStrings) {
        let shell: &[u8] = b"/bin/sh";
        let script = self.programs.iter().skip(program).take(1);
        let arguments = self.argv.iter().skip(1);
        let argv = script.chain(arguments).map(|string| [string.to_bytes()]);
        ([[shell]].into_iter().collect(), std::iter::once([shell]).chain(argv).collect())
    }
}

/// The child's environment: ours, unless it was cleared, with the changes.
fn environment(command: &Command) -> Vec<(OsString, OsString)> {
    let mut environment: Vec<_> = match command.env_cleared {
        true => Vec::new(),
        false => std::env::vars_os().collect(),
    };
    for (key, value) in command.get_envs() {
        let known = environment.iter().position(|(known, _)| known == key);
        match (known, value) {
            (Some(index), Some(value)) => environment[index].1 = value.to_owned(),
            (Some(index), None) => drop(environment.remove(index)),
            (None, Some(value)) => environment.push((key.to_owned(), value.to_owned())),
            (None, None) => {}
        }
    }
    environment
}

/// The paths that execvp(3) tries: the program itself if it has a slash, else one for each part of `PATH`, of
/// which an empty one is the current directory.
fn candidates(program: &OsStr, path: &OsStr) -> CStrings {
    let program = program.as_bytes();
    if program.contains(&b'/') || program.is_empty() {
        return [[program]].into_iter().collect();
    }
    let directories = path.as_bytes().split(|&byte| byte == b':');
    directories
        .map(|directory| match directory {
            b"" => [directory, b"", program],
            _ => [directory, b"/", program],
        })
        .collect()
}

/// The first that seems to be there. Only a hint: whether it can be executed is the child's to find out, and a
/// relative path is relative to where the child will be, so that none behind one is tried before it.
fn likely(programs: &CStrings) -> usize {
    let may_be_there = |program: &CStr| {
        !program.to_bytes().starts_with(b"/")
            || rustix::fs::access(program, rustix::fs::Access::EXEC_OK).is_ok()
    };
    programs.iter().position(may_be_there).unwrap_or(0)
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
    }

    #[test]
    fn none_is_tried_before_a_relative_one() {
        let likely_of = |paths: &[&str]| likely(&paths.iter().map(|path| [path.as_bytes()]).collect());
        assert_eq!(likely_of(&["/no/sh", "/bin/sh"]), 1);
        assert_eq!(likely_of(&["/no/sh", "sh", "/bin/sh"]), 1);
        assert_eq!(likely_of(&["/no/sh", "/none/sh"]), 0);
    }
}
