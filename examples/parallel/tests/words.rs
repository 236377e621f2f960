//! The program `parallel`: lines for a shell, placeholders, and several inputs.

mod common;

use std::fs;

use common::*;

/// What it prints, run one by one.
fn printed(arguments: &[&str]) -> String {
    let output = run(&[&["-j1"], arguments].concat());
    assert_eq!(code(&output), 0, "{arguments:?}: {}", stderr(&output));
    stdout(&output).to_owned()
}

#[test]
fn one_word_is_a_line_for_a_shell_with_each_value_quoted() {
    let hostile = ["a  b", "it's", "$(echo x) `echo x` $HOME", "*", "~", "\\", "new\nline", "-n;exit 1", ""];
    let arguments = [&["printf '[%s]' {} | tr a-z A-Z", ":::"], &hostile[..]].concat();
    let expected: String = hostile.iter().map(|value| format!("[{}]", value.to_uppercase())).collect();
    assert_eq!(printed(&arguments), expected);
    assert_eq!(printed(&["false || echo", ":::", "a b"]), "a b\n");
    assert_eq!(printed(&["X={}; echo $X", ":::", "a"]), "a\n");
    // Several words are a program with its arguments.
    assert_eq!(printed(&["echo", "$HOME", "|", "{}", ":::", "a;b"]), "$HOME | a;b\n");
    assert_eq!(printed(&["--dry-run", "gzip < {} > {.}.gz", ":::", "a b.c"]), "gzip < 'a b.c' > 'a b'.gz\n");
}

#[test]
fn without_a_command_the_arguments_are_lines_for_a_shell() {
    assert_eq!(printed(&[":::", "echo {} a", "echo b | tr b c"]), "{} a\nc\n");
    let output = run_with_input(&["-j1"], b"echo $((1 + 1))\nexit 3\n\ntrue\n");
    assert_eq!((stdout(&output), code(&output)), ("2\n", 1));
}

#[test]
fn the_shell_is_the_users() {
    let directory = Directory::new();
    let shell = directory.path("shell");
    fs::write(&shell, "#!/bin/sh\nprintf '<%s>' \"$@\"\n").unwrap();
    assert!(std::process::Command::new("chmod").args(["+x", &shell]).status().unwrap().success());
    let with = |set: &[(&str, &str)]| {
        let mut command = parallel(&["echo {};", ":::", "a"]);
        command.env_remove("SHELL").env_remove("PARALLEL_SHELL").envs(set.iter().copied());
        let output = command.output().unwrap();
        stdout(&output).to_owned()
    };
    assert_eq!(with(&[("PARALLEL_SHELL", &shell), ("SHELL", "/nonexistent")]), "<-c><echo a;>");
    assert_eq!(with(&[("SHELL", &shell)]), "<-c><echo a;>");
    assert_eq!(with(&[]), "a\n");
}

#[test]
fn each_placeholder_is_as_in_gnu_parallel() {
    let words = ["printf", "%s|", "{}", "{1}", "{2}", "{-1}", "{1.}", "{1/}", "{1//}", "{1/.}", "{#}", "{%}"];
    let arguments = [&words[..], &[":::", "d/a.b.c", "/x", ":::", "y"]].concat();
    let expected = "d/a.b.c|y|d/a.b.c|y|y|d/a.b|a.b.c|d|a.b|1|1|/x|y|/x|y|y|/x|x|/|x|2|1|";
    assert_eq!(printed(&arguments), expected);
    let directories = ["/a/b", "/a", "a", "//a/", "a/b/", "/"];
    let arguments = [&["printf", "%s|", "{//}", ":::"], &directories[..]].concat();
    assert_eq!(printed(&arguments), "/a|/|.|/|a|/|");
    assert_eq!(printed(&["-I,,", "echo", "{}", "x,,y", "{/}", ":::", "a/b"]), "{} xa/by b\n");
    assert_eq!(printed(&["--tagstring", "{#}-{/}", "echo", ":::", "a/b"]), "1-b\ta/b\n");
}

#[test]
fn more_placeholders_are_known_on_request() {
    // As GNU parallel prints them.
    let expected = "\
d.e/a.b.c.d: d.e/a.b|d.e/a|a.b|a|d|c.d|b.c.d|d.e|d.e/a.b|d.e
a.b: a.b|a.b|a.b|a.b|b||||a.b|
a: a|a|a|a|||||a|
/x: /x|/x|x|x|||||/x|
.h: .h|.h|.h|.h|h||||.h|
d.e/f: d.e/f|d.e/f|f|f|e/f|||d.e|d.e/f|d.e
dir/.x.y: dir/|dir/.x.y||.x.y|y|x.y||dir|dir/|dir
a/b/c.1.2: a/b/c|a/b/c.1.2|c|c.1.2|2|1.2||a/b|a/b/c|a/b
";
    let words = "{}: {..}|{...}|{/..}|{/...}|{+.}|{+..}|{+...}|{+/}|{1..}|{-1+/}";
    let paths = expected.lines().map(|line| line.split(':').next().unwrap());
    let paths: Vec<_> = paths.collect();
    assert_eq!(printed(&[&["--plus", "echo", words, ":::"], &paths[..]].concat()), expected);
    assert_eq!(
        printed(&["--plus", "--tagstring", "{+.}", "echo", "{1..3}", ":::", "a.b"]),
        "b\t{1..3} a.b\n"
    );
    // GNU parallel knows more of them.
    for word in ["{##}", "{0%}", "{:2}", "{%.gz}", "{/a/b}", "{^a}", "{,,a}", "{slot}"] {
        let output = run(&["--plus", "echo", word, ":::", "a"]);
        assert!(code(&output) == 255 && stderr(&output).contains(word), "{word}: {}", stderr(&output));
    }
    let output = run(&["echo", "{+.}", ":::", "a"]);
    assert!(code(&output) == 255 && stderr(&output).contains("{+.}"), "{}", stderr(&output));
    assert_eq!(printed(&["echo", "{^a}", "{slot}", "{%.gz}", ":::", "a"]), "{^a} {slot} {%.gz} a\n");
}

#[test]
fn cp_with_two_placeholders_makes_a_copy_of_each() {
    let directory = Directory::new();
    let files = ["a.txt", "b.txt"].map(|name| directory.path(name));
    for file in &files {
        fs::write(file, file).unwrap();
    }
    assert_eq!(printed(&["cp", "{}", "{1.}.bak", ":::", &files[0], &files[1]]), "");
    for file in &files {
        assert_eq!(&fs::read_to_string(file.replace(".txt", ".bak")).unwrap(), file);
    }
}

#[test]
fn several_inputs_are_combined_or_linked() {
    assert_eq!(printed(&["echo", ":::", "a", "b", ":::", "1", "2"]), "a 1\na 2\nb 1\nb 2\n");
    assert_eq!(printed(&["echo", ":::", "a", "b", ":::+", "1", "2", "3", ":::", "x"]), "a 1 x\nb 2 x\n");
    assert_eq!(printed(&["echo", ":::", "a", ":::"]), "");
    let directory = Directory::new();
    let [letters, numbers] = ["letters", "numbers"].map(|name| directory.path(name));
    fs::write(&letters, "a a\nb").unwrap();
    fs::write(&numbers, "1\n2\n").unwrap();
    assert_eq!(printed(&["echo", "{2}{1}", "::::", &letters, &numbers]), "1a a\n2a a\n1b\n2b\n");
    assert_eq!(printed(&["-a", &letters, "-a", &numbers, "echo"]), "a a 1\na a 2\nb 1\nb 2\n");
    assert_eq!(printed(&["echo", "::::", &letters, "::::+", &numbers]), "a a 1\nb 2\n");
    assert_eq!(printed(&["-a", &numbers, "echo"]), "1\n2\n");
    let output = run_with_input(&["-j1", "echo", "::::", "-", ":::", "x"], b"1\n2\n");
    assert_eq!(stdout(&output), "1 x\n2 x\n");
}

#[test]
fn arguments_are_cut_and_gathered() {
    let cut = |arguments: &[&str], input: &[u8]| {
        let output = run_with_input(&[&["-j1"], arguments].concat(), input);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        stdout(&output).to_owned()
    };
    assert_eq!(cut(&["--colsep", "\\t", "echo", "{2}-{1}"], b"a\tb\nc\td\te\n"), "b-a\nd-c\n");
    assert_eq!(cut(&["-C", ", ", "echo"], b"a, b\n"), "a b\n");
    assert_eq!(cut(&["-N2", "echo", "{1}:{2}", "{}"], b"a\nb\nc\n"), "a:b a b\nc: c\n");
    assert_eq!(cut(&["-n", "2", "printf", "[%s]", "{}", "x{}y"], b"a\nb c\n"), "[a][b c][xa][b cy]");
    assert_eq!(cut(&["-n2", "printf '[%s]' {}"], b"a\nb c\n"), "[a][b c]");
    assert_eq!(cut(&["-d", ":", "printf", "[%s]"], b"a:b\n:c"), "[a][b\n][c]");
    assert_eq!(printed(&["-n3", "echo", ":::", "1", "2", "3", "4"]), "1 2 3\n4\n");
}
