//! The program and its place: arguments, environment, working directory, the search.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::thread;

use childset::unix::CommandExt;
use childset::Command;

use crate::common::Dir;
use crate::{both_ways, errno, output, script, sh, text};

#[test]
fn arguments() {
    let arguments: [&[u8]; 7] =
        [b"", b" ", b"two words", b"a\nb\n", b"\xff\xfe\x80", b"-n", "ü$HOME'\"\\*".as_bytes()];
    both_ways(|new| {
        let mut command = sh(new, r#"for a; do printf '%s\0' "$a"; done"#);
        command.arg("sh").args(arguments.map(OsStr::from_bytes));
        assert_eq!(command.get_args().count(), 3 + arguments.len());
        let expected: Vec<u8> =
            arguments.iter().flat_map(|argument| [argument, &b"\0"[..]].concat()).collect();
        assert_eq!(output(&mut command).stdout, expected);
        // A command serves again.
        assert_eq!(output(&mut command).stdout, expected);
    });
}

#[test]
fn many_arguments() {
    both_ways(|new| {
        let mut command = sh(new, "echo $#");
        command.arg("sh").args((0..10_000).map(|number| number.to_string()));
        assert_eq!(text(&mut command), "10000");
    });
}

#[test]
fn argument_zero() {
    both_ways(|new| {
        assert_eq!(text(&mut sh(new, "echo $0")), "sh");
        // Not sh: it may be a busybox, which goes by that name.
        assert_eq!(text(new("bash").args(["-c", "echo $0"]).arg0("another name")), "another name");
    });
}

/// The child's whole environment.
fn environment(command: &mut Command) -> BTreeMap<OsString, OsString> {
    let output = output(command.arg("-0"));
    let variables = output.stdout.split(|&byte| byte == 0).filter(|variable| !variable.is_empty());
    let pair = |variable: &[u8]| {
        let equals = variable.iter().position(|&byte| byte == b'=').unwrap();
        let (key, value) = (variable[..equals].to_vec(), variable[equals + 1..].to_vec());
        (OsString::from_vec(key), OsString::from_vec(value))
    };
    variables.map(pair).collect()
}

#[test]
fn variables() {
    let ours: BTreeMap<_, _> = std::env::vars_os().collect();
    let with = |changes: &[(&str, Option<&[u8]>)]| {
        let mut expected = ours.clone();
        for (key, value) in changes {
            match value {
                Some(value) => expected.insert(key.into(), OsStr::from_bytes(value).into()),
                None => expected.remove(OsStr::new(key)),
            };
        }
        expected
    };
    both_ways(|new| {
        assert_eq!(environment(&mut new("env")), ours);
        assert_eq!(environment(new("env").env("A", "1")), with(&[("A", Some(b"1"))]));
        let odd = OsStr::from_bytes(b"\xff=\n");
        let expected = with(&[("A", Some(b"\xff=\n")), ("B", Some(b""))]);
        assert_eq!(environment(new("env").envs([("A", odd), ("B", OsStr::new(""))])), expected);
        assert_eq!(environment(new("env").env("A", "1").env("A", "2")), with(&[("A", Some(b"2"))]));
        assert_eq!(environment(new("env").env("A", "1").env_remove("A")), ours);
        assert_eq!(environment(new("env").env("A", "1").env_clear()), BTreeMap::new());
        let only = BTreeMap::from([("A".into(), "2".into())]);
        assert_eq!(environment(new("env").env("B", "1").env_clear().env("A", "2")), only);
        assert_eq!(environment(new("env").env_remove("HOME")), with(&[("HOME", None)]));
        let command = &mut new("env");
        command.env("A", "1").env_remove("HOME");
        assert_eq!(command.get_envs().count(), 2);
        assert_eq!(environment(command), with(&[("A", Some(b"1")), ("HOME", None)]));
    });
}

#[test]
fn many_variables() {
    let variables = || (0..20_000).map(|number| (format!("V{number}"), "x"));
    let mut command = Command::new("true");
    command.env_clear().envs(variables());
    for _ in 0..3 {
        match command.spawn() {
            Ok(child) => assert!(child.wait().unwrap().success()),
            // Where the stack is limited, so is this.
            Err(error) => assert_eq!(errno(&error), libc::E2BIG),
        }
    }
}

#[test]
fn working_directory() {
    let directory = Dir::new();
    let here = std::env::current_dir().unwrap();
    script(&directory, "bin/tool", 0o755, "#!/bin/sh\npwd -P\n");
    let real = directory.path().canonicalize().unwrap();
    both_ways(|new| {
        assert_eq!(text(sh(new, "pwd -P").current_dir(&real)), real.to_str().unwrap());
        assert_eq!(text(new("bin/tool").current_dir(&real)), real.to_str().unwrap());
        assert_eq!(text(new("./tool").current_dir(real.join("bin"))), real.join("bin").to_str().unwrap());
        assert_eq!(text(&mut sh(new, "pwd -P")), here.canonicalize().unwrap().to_str().unwrap());
        assert_eq!(new("x").current_dir("/").get_current_dir(), Some("/".as_ref()));
    });
    assert_eq!(std::env::current_dir().unwrap(), here);
}

#[test]
fn the_search_is_that_of_execvp() {
    let directory = Dir::new();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    script(&directory, "a/tool", 0o755, "#!/bin/sh\necho a\n");
    script(&directory, "b/tool", 0o755, "#!/bin/sh\necho b\n");
    script(&directory, "refused/tool", 0o644, "#!/bin/sh\necho refused\n");
    script(&directory, "refused/other", 0o644, "#!/bin/sh\n");
    script(&directory, "plain/tool", 0o755, "echo \"plain $0 $*\"\n");
    script(&directory, "a/ls", 0o755, "#!/bin/sh\necho mine\n");
    fs::create_dir_all(directory.path().join("folder/tool")).unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    let (a, b, refused, plain, folder, missing, file) =
        (path("a"), path("b"), path("refused"), path("plain"), path("folder"), path("missing"), path("file"));
    both_ways(|new| {
        let found = |search: &str| text(new("tool").env("PATH", search));
        assert_eq!(found(&format!("{a}:{b}")), "a");
        assert_eq!(found(&format!("{b}:{a}")), "b");
        assert_eq!(found(&format!("{missing}:{file}:{b}")), "b");
        assert_eq!(found(&format!("{refused}:{b}")), "b");
        assert_eq!(found(&format!("{folder}:{b}")), "b");
        assert_eq!(found(&format!("{a}/:{b}")), "a");

        let error = |program: &str, search: &str| new(program).env("PATH", search).spawn().unwrap_err();
        assert_eq!(errno(&error("tool", &missing)), libc::ENOENT);
        assert_eq!(errno(&error("tool", &file)), libc::ENOTDIR, "the last says why, as with execvp");
        // One that may not be executed is remembered.
        for search in [&format!("{refused}:{missing}"), &format!("{missing}:{refused}"), &folder] {
            let error = error("tool", search);
            assert_eq!((errno(&error), error.kind()), (libc::EACCES, ErrorKind::PermissionDenied));
        }

        // Without a first line that names an interpreter, the shell runs it, under the path that was found.
        let told = text(new("tool").args(["1", "2 3"]).arg0("lost").env("PATH", &plain));
        assert_eq!(told, format!("plain {plain}/tool 1 2 3"));
        let told = text(new(&format!("{plain}/tool")).arg("1"));
        assert_eq!(told, format!("plain {plain}/tool 1"));
        let told = text(new("tool").env("PATH", format!("{missing}:{refused}:{plain}:{a}")));
        assert_eq!(told, format!("plain {plain}/tool"));

        // Empty and relative parts are relative to the directory of the child.
        for search in [":/bin", "/nowhere::/bin", "/nowhere:", ".:/bin", "../a:/bin", ""] {
            let told = text(new("ls").env("PATH", search).current_dir(&a));
            assert_eq!(told, "mine", "with {search:?}");
        }
        assert_eq!(text(new("ls").env("PATH", "a:/bin").current_dir(directory.path())), "mine");
        assert_eq!(text(new("ls").env("PATH", "/bin:").current_dir(&a)), "ls\ntool");

        // Without PATH, and with that of ours.
        assert_eq!(text(new("echo").env_remove("PATH").arg("found")), "found");
        assert_eq!(text(new("echo").env_clear().arg("found")), "found");
        assert_eq!(errno(&new("tool").env_clear().spawn().unwrap_err()), libc::ENOENT);

        // A name with a slash is not searched.
        assert_eq!(text(new("./tool").env("PATH", &b).current_dir(&a)), "a");
        assert_eq!(text(new("b/tool").env("PATH", &a).current_dir(directory.path())), "b");
        assert_eq!(errno(&error("./tool", &a)), libc::ENOENT);
    });
}

/// In a root directory without `/bin/sh`, it is the shell that is missing, and not the script.
#[test]
fn a_missing_shell_is_to_blame() {
    if !crate::common::is_root() {
        return;
    }
    let directory = Dir::new();
    script(&directory, "text", 0o755, "exit 6\n");
    let with_stdio: crate::New = |program| {
        let mut command = Command::new(program);
        command.stdin(std::process::Stdio::null());
        command
    };
    let ways: [crate::New; 3] = [|program| Command::new(program), crate::common::by_std, with_stdio];
    for new in ways {
        for name in ["/text", "text"] {
            let mut command = new(name);
            let error = command.chroot(directory.path()).env("PATH", "/none:/").spawn().unwrap_err();
            assert_eq!(errno(&error), libc::ENOENT);
            assert!(error.to_string().contains("run /bin/sh, for a script"), "{error}");
        }
        let error = new("/text").chroot(directory.path()).shell_fallback(false).spawn().unwrap_err();
        assert_eq!(errno(&error), libc::ENOEXEC);
    }
}

#[test]
fn null_bytes() {
    both_ways(|new| {
        let refused = |command: &mut Command, what: &str| {
            for error in [command.spawn().map(drop), command.prepare().map(drop), Err(command.exec())] {
                let error = error.unwrap_err();
                if error.kind() == ErrorKind::Unsupported {
                    continue;
                }
                assert_eq!(error.kind(), ErrorKind::InvalidInput, "{what}: {error}");
                assert!(error.to_string().contains(what), "{error}");
                assert!(error.to_string().contains(r"a\0b"), "{error}");
            }
        };
        refused(&mut new("a\0b"), "the program");
        refused(&mut new("/bin/a\0b"), "the program");
        refused(new("/no/such/program").arg("a\0b"), "an argument");
        refused(new("/no/such/program").args(["x", "a\0b", "y"]), "an argument");
        refused(new("/no/such/program").arg0("a\0b"), "an argument");
        refused(new("/no/such/program").env("a\0b", "x"), "an environment variable");
        refused(new("/no/such/program").env("x", "a\0b"), "an environment variable");
        refused(new("/no/such/program").current_dir("a\0b"), "the working directory");
        refused(new("none").search_path("/bin:a\0b"), "the search path");
        refused(new("/no/such/program").arg0("a\0b"), "an argument");
        refused(new("/no/such/program").current_dir("a\0b"), "the working directory");
        refused(new("/no/such/program").env("a\0b", ""), "an environment variable");
        refused(new("/no/such/program").env("A", "a\0b"), "an environment variable");
        refused(new("/no/such/program").env("PATH", "/bin:a\0b"), "an environment variable");
        refused(new("/no/such/program").chroot("a\0b"), "the root directory");
    });
}

#[test]
fn a_busy_program_is_tried_again() {
    let directory = Dir::new();
    let tool = script(&directory, "tool", 0o755, "#!/bin/sh\nexit 6\n");
    both_ways(|new| {
        let writer = OpenOptions::new().append(true).open(&tool).unwrap();
        let mut command = new(tool.to_str().unwrap());
        let error = command.spawn().unwrap_err();
        assert_eq!(errno(&error), libc::ETXTBSY, "it is given up in the end");
        assert!(error.to_string().contains(tool.to_str().unwrap()), "{error}");
        let exit = thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(std::time::Duration::from_millis(5));
                drop(writer);
            });
            command.spawn().unwrap().wait().unwrap()
        });
        assert_eq!(exit.code(), Some(6));
    });
}
