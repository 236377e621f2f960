//! What is run, and what it is told.

use crate::{Call, Case};

fn search(call: &mut Call, program: &str, path: Option<&str>) {
    call.program = program.to_owned();
    call.search = true;
    match path {
        Some(path) => std::env::set_var("PATH", path),
        None => std::env::remove_var("PATH"),
    }
}

fn program(call: &mut Call, program: &str) {
    call.program = program.to_owned();
}

pub(crate) const CASES: &[Case] = &[
    Case(
        "nothing is asked for",
        |_| {},
        &[
            "exit status: 7",
            "args [\"zero\", \"one\"]",
            "executed \"bin/prog\"",
            "env A=1",
            "env B=2",
            "directory WORLD",
            "fd 5 WORLD/file *",
            "!fd 6 *",
            "fd 7 WORLD/dir *",
            "group the parent's",
            "session the parent's",
            "umask 27",
        ],
    ),
    Case("one argument", |call| call.argv.truncate(1), &["args [\"zero\"]"]),
    Case("no argument", |call| call.argv.clear(), &["args [\"\"]"]),
    Case(
        "arguments of any kind",
        |call| call.argv = ["", " ", "ä\n", "-x", "*"].map(String::from).into(),
        &["args [\"\", \" \", \"ä\\n\", \"-x\", \"*\"]"],
    ),
    Case(
        "variables of any kind",
        |call| call.envp.extend(["=x", "E=", "F==", "G=a\nb"].map(String::from)),
        &["env =x", "env E=", "env F==", "env G=a\\nb"],
    ),
    Case(
        "an absolute program",
        |call| {
            call.program = std::env::current_dir().unwrap().join("bin/prog").display().to_string();
        },
        &["exit status: 7", "executed \"WORLD/bin/prog\""],
    ),
    Case(
        "a program in the working directory",
        |call| program(call, "here"),
        &["exit status: 7", "executed \"here\""],
    ),
    Case("posix_spawn does not search", |call| program(call, "sh"), &["error 2"]),
    Case(
        "a script",
        |call| program(call, "script"),
        &["exit status: 3", "script one", "file out 100644 \"out\\n\""],
    ),
    Case("a missing program", |call| program(call, "bin/missing"), &["error 2"]),
    Case("an empty name", |call| program(call, ""), &["error 2"]),
    Case("a program in a file", |call| program(call, "file/prog"), &["error 20"]),
    Case("a directory", |call| program(call, "dir"), &["error 13"]),
    Case("no right to execute", |call| program(call, "denied/prog"), &["error 13"]),
    Case("a script without #!", |call| program(call, "format/prog"), &["error 8"]),
    Case("a broken executable", |call| program(call, "garbage"), &["error 8"]),
    Case("a missing interpreter", |call| program(call, "interpreter"), &["error 2"]),
    Case("a long name", |call| program(call, &"x".repeat(300)), &["error 36"]),
    Case("arguments that are too long", |call| call.argv.push("x".repeat(200_000)), &["error 7"]),
    Case(
        "PATH",
        |call| search(call, "prog", Some("empty:none:bin:dir/bin")),
        &["exit status: 7", "executed \"bin/prog\""],
    ),
    Case(
        "PATH, absolute",
        |call| {
            let world = std::env::current_dir().unwrap();
            search(call, "prog", Some(&format!("{0}/none:{0}/dir/bin:{0}/bin", world.display())));
        },
        &["executed \"WORLD/dir/bin/prog\""],
    ),
    Case(
        "PATH, relative before absolute",
        |call| {
            let world = std::env::current_dir().unwrap();
            search(call, "prog", Some(&format!("none:bin:{}/dir/bin", world.display())));
        },
        &["executed \"bin/prog\""],
    ),
    Case(
        "PATH is the parent's",
        |call| {
            search(call, "prog", Some("bin"));
            call.envp.push("PATH=dir/bin".to_owned());
        },
        &["executed \"bin/prog\"", "env PATH=dir/bin"],
    ),
    Case(
        "PATH, beyond what may not be executed",
        |call| search(call, "prog", Some("denied:bin")),
        &["executed \"bin/prog\""],
    ),
    Case(
        "PATH, beyond a directory",
        |call| search(call, "prog", Some("directory:bin")),
        &["executed \"bin/prog\""],
    ),
    Case("PATH, beyond a file", |call| search(call, "prog", Some("file:bin")), &["executed \"bin/prog\""]),
    Case(
        "PATH, but nothing may be executed",
        |call| search(call, "prog", Some("denied:empty:none")),
        &["error 13"],
    ),
    Case("PATH, but nothing is there", |call| search(call, "prog", Some("empty:none")), &["error 2"]),
    Case(
        "PATH, to a file without a format",
        |call| search(call, "prog", Some("empty:format:bin")),
        &["error 8"],
    ),
    Case("PATH, an empty entry first", |call| search(call, "here", Some(":bin")), &["executed \"here\""]),
    Case(
        "PATH, an empty entry within",
        |call| search(call, "here", Some("bin::/bin")),
        &["executed \"here\""],
    ),
    Case("PATH, an empty entry last", |call| search(call, "here", Some("bin:")), &["executed \"here\""]),
    Case("an empty PATH", |call| search(call, "here", Some("")), &["executed \"here\""]),
    Case(
        "no PATH",
        |call| {
            search(call, "sh", None);
            call.argv = ["sh", "-c", "exit 5"].map(String::from).into();
        },
        &["exit status: 5"],
    ),
    Case("no PATH is not the working directory", |call| search(call, "here", None), &["error 2"]),
    Case("a slash is not searched", |call| search(call, "bin/prog", Some("dir")), &["executed \"bin/prog\""]),
    Case("an empty name is not searched", |call| search(call, "", Some("bin")), &["error 2"]),
    Case("a long name is searched", |call| search(call, &"x".repeat(300), Some("bin:dir")), &["error 36"]),
    Case("a searched script", |call| search(call, "script", Some("bin:")), &["exit status: 3", "script one"]),
    Case(
        "a signal",
        |call| {
            search(call, "sh", Some("/bin"));
            call.argv = ["sh", "-c", "kill -TERM $$"].map(String::from).into();
        },
        &["signal: 15*"],
    ),
];
