//! What epoll does not take.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::time::Instant;

use childset::{ChildSet, Command, SetEvent, Stdio};

use crate::common::{self, piped_sh};
use crate::events::{all, tag_of, Came, LONG, WAYS};

/// The lines of others come in spite of it.
pub(crate) fn one_that_cannot_be_watched() {
    let set = ChildSet::new().unwrap();
    let mut cat = Command::new("cat");
    let key = set.spawn(cat.stdin(Stdio::piped()).stdout(Stdio::piped()), 1).unwrap();
    let stdin = set.take_stdin(key).unwrap();
    let mut events = set.events().unwrap();
    stdin.blocking().write_all(b"watched\n").unwrap();
    assert_eq!(tag_of(&events.wait().unwrap().unwrap()), 1);

    set.spawn(&mut cat, 2).unwrap();
    if let Err(error) = common::seccomp::filter(libc::SYS_epoll_ctl, Some(libc::ENOSPC), None) {
        return common::skipped(error);
    }
    stdin.blocking().write_all(b"more\n").unwrap();
    drop(stdin);
    let start = Instant::now();
    let (mut came, mut has_failed, mut has_ended) = (Came::default(), false, false);
    while !(has_failed && has_ended) {
        assert!(start.elapsed() < LONG, "{came:?}");
        match events.wait() {
            Ok(event) => {
                let event = event.unwrap();
                assert_eq!(tag_of(&event), 1);
                has_ended = matches!(event, SetEvent::Exited { .. });
                came.add(event);
            }
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
                has_failed = true;
            }
        }
    }
    assert_eq!(came, Came::new("more\n", "", 0, false));
}

/// Epoll takes none.
pub(crate) fn a_file_in_the_place_of_a_pipe() {
    let text = "a line\n".repeat(50_000);
    let path = tempfile::NamedTempFile::new().unwrap();
    fs::write(&path, &text).unwrap();
    for &way in WAYS {
        let set = ChildSet::new().unwrap();
        let mut child = piped_sh("echo pipe >&2").spawn().unwrap();
        child.stdout = Some(OwnedFd::from(File::open(&path).unwrap()).into());
        set.insert(child, 1).unwrap();
        set.spawn(&mut piped_sh("echo line; exit 2"), 2).unwrap();
        set.close();
        let came = all(&mut set.events().unwrap(), way);
        let expected = [(1, Came::new(&text, "pipe\n", 0, false)), (2, Came::new("line\n", "", 2, false))];
        assert_eq!(came, BTreeMap::from(expected), "{way:?}");
    }
}
