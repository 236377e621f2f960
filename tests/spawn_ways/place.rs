//! Directories and programs of all kinds, for the commands to name.

use std::fs::{self, Permissions};
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::Path;

use crate::common::Dir;

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

pub(crate) fn place() -> Dir {
    let place = Dir::new();
    furnish(place.path());
    place
}
