//! One call of posix_spawn, to be made by either implementation.

use std::ffi::{c_char, CString};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use posix_spawn::{Action, Attributes, FileActions};

/// What is called, and with what.
pub(crate) struct Call {
    pub(crate) program: String,
    /// `posix_spawnp`
    pub(crate) search: bool,
    pub(crate) actions: FileActions,
    pub(crate) attributes: Attributes,
    pub(crate) argv: Vec<String>,
    pub(crate) envp: Vec<String>,
}

/// Who is called. The result is the child's status, or the errno.
pub(crate) type Implementation = fn(&Call) -> Result<ExitStatus, i32>;

pub(crate) fn ours(call: &Call) -> Result<ExitStatus, i32> {
    let Call { program, search, actions, attributes, argv, envp } = call;
    let child = match search {
        true => posix_spawn::posix_spawnp(program, actions, attributes, argv, envp),
        false => posix_spawn::posix_spawn(program, actions, attributes, argv, envp),
    };
    let child = child.map_err(|error| error.raw_os_error().expect("each error has its errno"))?;
    Ok(child.wait().expect("a child can be waited for").status())
}

pub(crate) fn the_c_library(call: &Call) -> Result<ExitStatus, i32> {
    let string = |string: &String| CString::new(string.as_str()).unwrap();
    let argv: Vec<_> = call.argv.iter().map(string).collect();
    let envp: Vec<_> = call.envp.iter().map(string).collect();
    let pointers = |strings: &[CString]| -> Vec<*mut c_char> {
        strings.iter().map(|string| string.as_ptr().cast_mut()).chain([std::ptr::null_mut()]).collect()
    };
    let spawn = if call.search { libc::posix_spawnp } else { libc::posix_spawn };
    let mut pid = 0;
    // SAFETY: actions and attributes are initialized by their own functions, and the arrays of strings end with
    // null pointers. All live until the call has returned.
    let errno = unsafe {
        let mut actions = std::mem::zeroed();
        libc::posix_spawn_file_actions_init(&mut actions);
        for action in call.actions.as_slice() {
            assert_eq!(add(&mut actions, action), 0, "{action:?}");
        }
        let mut attributes = std::mem::zeroed();
        libc::posix_spawnattr_init(&mut attributes);
        set(&mut attributes, &call.attributes);
        let program = string(&call.program);
        let (argv, envp) = (pointers(&argv), pointers(&envp));
        let errno = spawn(&mut pid, program.as_ptr(), &actions, &attributes, argv.as_ptr(), envp.as_ptr());
        libc::posix_spawn_file_actions_destroy(&mut actions);
        libc::posix_spawnattr_destroy(&mut attributes);
        errno
    };
    if errno != 0 {
        return Err(errno);
    }
    let mut status = 0;
    // SAFETY: writes to the integer alone.
    let waited = unsafe { libc::waitpid(pid, &mut status, 0) };
    assert_eq!(waited, pid, "{}", io::Error::last_os_error());
    Ok(ExitStatus::from_raw(status))
}

/// # Safety
/// The actions are initialized.
pub(crate) unsafe fn add(actions: &mut libc::posix_spawn_file_actions_t, action: &Action) -> i32 {
    // SAFETY: the paths are copied.
    unsafe {
        match *action {
            Action::Open { fd, ref path, flags, mode } => {
                libc::posix_spawn_file_actions_addopen(actions, fd, path.as_ptr(), flags, mode)
            }
            Action::Close(fd) => libc::posix_spawn_file_actions_addclose(actions, fd),
            Action::Dup2(fd, newfd) => libc::posix_spawn_file_actions_adddup2(actions, fd, newfd),
            Action::Chdir(ref path) => libc::posix_spawn_file_actions_addchdir_np(actions, path.as_ptr()),
            Action::Fchdir(fd) => libc::posix_spawn_file_actions_addfchdir_np(actions, fd),
            Action::CloseFrom(from) => libc::posix_spawn_file_actions_addclosefrom_np(actions, from),
            Action::TcSetPgrp(fd) => libc::posix_spawn_file_actions_addtcsetpgrp_np(actions, fd),
        }
    }
}

/// # Safety
/// The attributes are initialized.
unsafe fn set(attributes: &mut libc::posix_spawnattr_t, from: &Attributes) {
    let signals = |signals: &[i32]| {
        // SAFETY: a set of signals is initialized before any is added.
        unsafe {
            let mut set = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            signals.iter().for_each(|&signal| assert_eq!(libc::sigaddset(&mut set, signal), 0));
            set
        }
    };
    // SAFETY: what is passed is copied.
    unsafe {
        let mut parameter: libc::sched_param = std::mem::zeroed();
        parameter.sched_priority = from.schedparam();
        let results = [
            libc::posix_spawnattr_setflags(attributes, from.flags() as i16),
            libc::posix_spawnattr_setpgroup(attributes, from.pgroup()),
            libc::posix_spawnattr_setsigdefault(attributes, &signals(from.sigdefault())),
            libc::posix_spawnattr_setsigmask(attributes, &signals(from.sigmask())),
            libc::posix_spawnattr_setschedparam(attributes, &parameter),
            libc::posix_spawnattr_setschedpolicy(attributes, from.schedpolicy()),
        ];
        assert_eq!(results, [0; 6]);
    }
}
