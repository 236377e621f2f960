//! The scenarios of `pidfd_open_test`.

use std::fs;
use std::os::unix::fs::MetadataExt;

use childset::Pidfd;

use crate::common::check_leaks;

pub(crate) fn invalid_pid() {
    check_leaks(|| {
        for pid in [-1_i32 as u32, 0, i32::MIN as u32] {
            assert_eq!(Pidfd::open(pid).unwrap_err().raw_os_error(), Some(libc::EINVAL));
        }
    });
}

pub(crate) fn info_of_ourselves() {
    check_leaks(|| {
        let pidfd = Pidfd::open(std::process::id()).unwrap();
        assert_eq!(pidfd.pid().unwrap(), Some(std::process::id()));
        let Some(info) = crate::info::of(&pidfd) else {
            return;
        };
        assert_eq!(info.pid(), Some(std::process::id()));
        assert_eq!(info.parent(), Some(std::os::unix::process::parent_id()));
        let me = fs::metadata("/proc/self").unwrap();
        assert_eq!([info.real_uid(), info.effective_uid(), info.saved_uid()], [Some(me.uid()); 3]);
        assert_eq!([info.real_gid(), info.effective_gid(), info.saved_gid()], [Some(me.gid()); 3]);
        // Where cgroups are not configured, there is none.
        assert_ne!(info.cgroup_id(), Some(0));
        assert!(info.exit_status().is_none());
    });
    let is_told = Pidfd::open(std::process::id()).unwrap().info().is_ok();
    if is_told && crate::common::is_root() {
        assert_eq!(crate::common::in_copy(|| u8::from(!tells_ids_apart())), 0);
    }
}

/// Of a process whose ids all differ.
fn tells_ids_apart() -> bool {
    use crate::common::{keep_capabilities, CAP_SETGID, CAP_SETUID};
    keep_capabilities(9, &[CAP_SETGID, CAP_SETUID]);
    // SAFETY: numbers.
    unsafe {
        assert_eq!(libc::setresgid(5, 6, 7), 0);
        libc::setfsgid(8);
        assert_eq!(libc::setresuid(1, 2, 3), 0);
        libc::setfsuid(4);
    }
    let info = Pidfd::open(std::process::id()).unwrap().info().unwrap();
    let users = [info.real_uid(), info.effective_uid(), info.saved_uid(), info.fs_uid()];
    let groups = [info.real_gid(), info.effective_gid(), info.saved_gid(), info.fs_gid()];
    let names = "real_uid: 1, real_gid: 5, effective_uid: 2, effective_gid: 6, saved_uid: 3, saved_gid: 7, fs_uid: 4, \
                 fs_gid: 8";
    users == [1, 2, 3, 4].map(Some) && groups == [5, 6, 7, 8].map(Some) && format!("{info:?}").contains(names)
}
