use std::ffi::{c_char, c_int, CString};
use std::io;
use std::os::unix::ffi::OsStrExt;

use super::{Commands, Contender, Ended};

// SAFETY: as c/floor.c defines them. They return 0 or -errno, and are for one thread.
unsafe extern "C" {
    fn floor_new(waits: c_int, shares: c_int) -> c_int;
    fn floor_spawn(program: *const c_char, piped: c_int, tag: u32, pid: *mut u32) -> c_int;
    fn floor_settle();
    fn floor_next(tag: *mut u32, pid: *mut u32, success: *mut c_int) -> c_int;
}

/// Its parent waits for the `execve` of a child, or does not; the child shares the descriptor table until it copies the
/// few descriptors that it needs, or gets a copy of all from the start.
pub(crate) struct Floor<const WAITS: bool, const SHARES: bool> {
    programs: Vec<CString>,
    piped: bool,
}

impl<const WAITS: bool, const SHARES: bool> Contender for Floor<WAITS, SHARES> {
    fn new(commands: Commands) -> io::Result<Floor<WAITS, SHARES>> {
        // SAFETY: there is one floor in a process, on its main thread.
        check(unsafe { floor_new(WAITS.into(), SHARES.into()) })?;
        let programs = commands.programs.iter().map(|program| CString::new(program.as_os_str().as_bytes()));
        Ok(Floor { programs: programs.collect::<Result<_, _>>()?, piped: commands.piped })
    }

    fn spawn(&mut self, program: usize, tag: u32) -> io::Result<()> {
        let mut pid = 0;
        let program = self.programs[program].as_ptr();
        // SAFETY: the string ends with NUL, and `pid` has room for what is written.
        check(unsafe { floor_spawn(program, self.piped.into(), tag, &mut pid) })
    }

    fn settle(&mut self) {
        // SAFETY: this is the thread of the floor.
        unsafe { floor_settle() };
    }

    async fn next(&mut self) -> io::Result<Ended> {
        let (mut tag, mut pid, mut success) = (0, 0, 0);
        // SAFETY: all three have room for what is written.
        check(unsafe { floor_next(&mut tag, &mut pid, &mut success) })?;
        Ok(Ended { tag, pid, success: success != 0 })
    }
}

fn check(result: c_int) -> io::Result<()> {
    match result {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(-error)),
    }
}
