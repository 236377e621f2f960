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
}
