//! Where the two are known to differ, as the crate's documentation lists, and what is compared otherwise.

use posix_spawn::{FileActions, SETPGROUP, SETSCHEDULER};

use crate::call::{ours, the_c_library};
use crate::{assert_lines, world, Call, Differing};

pub(crate) const CASES: &[Differing] = &[
    Differing(
        "an action fails before an attribute",
        |call| {
            call.attributes.setflags(SETPGROUP).unwrap();
            call.attributes.setpgroup(-1);
            call.actions.addchdir("missing").unwrap();
        },
        &["error 2"],
        &["error 22"],
    ),
    Differing(
        "a variable without a value",
        |call| call.envp.push("word".to_owned()),
        &["error 22"],
        &["exit status: 7", "env word"],
    ),
    Differing(
        "a variable that comes twice",
        |call| call.envp.push("A=3".to_owned()),
        &["env A=1", "!env A=3"],
        &["env A=1", "env A=3"],
    ),
    LAST_NUMBER,
];

/// The parent's descriptors lie above those of the child's that it makes, and there is no room for one.
const LAST_NUMBER: Differing = Differing(
    "the last number that the limit allows",
    |call| {
        let limit = libc::rlimit { rlim_cur: 64, rlim_max: 64 };
        // SAFETY: the limit lives during the call.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
        call.actions.adddup2(5, 63).unwrap();
    },
    &["error 22"],
    &["fd 63 WORLD/file *"],
);

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("numbers that no descriptor can have", numbers),
    ("policies that POSIX does not have", policies),
    ("the C library's own signals", own_signals),
];

/// The C library's takes three alone.
fn policies() {
    let prepare = |call: &mut Call| {
        call.attributes.setflags(SETSCHEDULER).unwrap();
        call.attributes.setschedpolicy(libc::SCHED_BATCH);
    };
    assert_lines(&world::outcome(prepare, ours), &["scheduler 3 0"]);
    // SAFETY: the attributes are initialized.
    let theirs = unsafe {
        let mut attributes = std::mem::zeroed();
        libc::posix_spawnattr_init(&mut attributes);
        libc::posix_spawnattr_setschedpolicy(&mut attributes, libc::SCHED_BATCH)
    };
    assert_eq!(theirs, libc::EINVAL);
}

/// glibc before 2.38, at the least, has the child ignore them.
fn own_signals() {
    let prepare = |_: &mut Call| world::dispose_of_the_c_librarys_signals(libc::SIG_DFL);
    assert_lines(&world::outcome(prepare, ours), &["SigIgn: 0000000000001000"]);
    let permitted = ["SigIgn: 0000000180001000|SigIgn: 0000000000001000"];
    assert_lines(&world::outcome(prepare, the_c_library), &permitted);
}

/// The index of `addfchdir`.
const FCHDIR: usize = 4;

/// Each `add` refuses what the C library's refuses.
fn numbers() {
    let mut result = Vec::new();
    for fd in [-1, 0, i32::MAX] {
        let mut actions = FileActions::new();
        let ours = [
            actions.addopen(fd, "file", 0, 0),
            actions.addclose(fd),
            actions.adddup2(fd, 0),
            actions.adddup2(0, fd),
            actions.addfchdir(fd),
            actions.addclosefrom_np(fd),
            actions.addtcsetpgrp_np(fd),
        ];
        let ours = ours.map(|added| added.map_or_else(|error| error.raw_os_error().unwrap(), |()| 0));
        // SAFETY: the actions are initialized, and the path is copied.
        let theirs = unsafe {
            let mut actions = std::mem::zeroed();
            libc::posix_spawn_file_actions_init(&mut actions);
            let theirs = [
                libc::posix_spawn_file_actions_addopen(&mut actions, fd, c"file".as_ptr(), 0, 0),
                libc::posix_spawn_file_actions_addclose(&mut actions, fd),
                libc::posix_spawn_file_actions_adddup2(&mut actions, fd, 0),
                libc::posix_spawn_file_actions_adddup2(&mut actions, 0, fd),
                libc::posix_spawn_file_actions_addfchdir_np(&mut actions, fd),
                libc::posix_spawn_file_actions_addclosefrom_np(&mut actions, fd),
                libc::posix_spawn_file_actions_addtcsetpgrp_np(&mut actions, fd),
            ];
            libc::posix_spawn_file_actions_destroy(&mut actions);
            theirs
        };
        let mut expected = ours;
        if theirs[FCHDIR] == 0 {
            // glibc 2.36 does not look at it before it spawns.
            expected[FCHDIR] = 0;
        }
        assert_eq!(theirs, expected, "descriptor {fd}");
        result.push(ours);
    }
    assert_eq!(result, [[libc::EBADF; 7], [0; 7], [libc::EBADF; 7]]);
}
