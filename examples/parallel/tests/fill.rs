//! The program `parallel`: as many arguments as fit, names of arguments, and where records start.

mod common;

use common::*;

fn prints(arguments: &[&str], expected: &str) {
    let output = run(arguments);
    assert_eq!((stdout(&output), stderr(&output), code(&output)), (expected, "", 0), "{arguments:?}");
}

#[test]
fn the_last_arguments_are_spread_over_the_slots() {
    let letters = ["a", "b", "c", "d", "e"];
    let with = |options: &[&'static str]| [options, &[":::"], &letters].concat();
    prints(&with(&["-k", "-j2", "-X", "echo", "x{}y"]), "xay xby xcy\nxdy xey\n");
    prints(&with(&["-k", "-j2", "-X", "echo x{}y >&1"]), "xay xby xcy\nxdy xey\n");
    prints(&with(&["-k", "-j2", "-m", "echo", "x{}y"]), "xa b cy\nxd ey\n");
    prints(&with(&["-k", "-j2", "--xargs", "echo"]), "a b c d e\n");
    prints(&with(&["-k", "-j1", "-X", "-n2", "echo"]), "a b\nc d\ne\n");
}

#[test]
fn a_job_may_get_none_and_lists_may_be_linked() {
    prints(&["-k", "-n0", "echo", "foo", ":::", "1", "2"], "foo\nfoo\n");
    prints(&["-k", "--link", "echo", ":::", "1", "2", "3", ":::", "a", "b"], "1 a\n2 b\n3 a\n");
}

#[test]
fn a_command_is_no_longer_than_allowed() {
    prints(&["-k", "-j1", "-X", "-s", "12", "echo", ":::", "aa", "bb", "cc"], "aa bb\ncc\n");
    let numbers: String = (0..60_000).map(|number| format!("{number}\n")).collect();
    let directory = Directory::new();
    let file = directory.path("numbers");
    std::fs::write(&file, &numbers).unwrap();
    for command in [&["echo"][..], &["echo {} >&1"]] {
        let output = run(&[&["-k", "-j1", "--xargs", "-a", &file][..], command].concat());
        assert_eq!((stderr(&output), code(&output)), ("", 0));
        assert_eq!(stdout(&output).lines().count(), 3);
        assert_eq!(stdout(&output).replace('\n', " "), numbers.replace('\n', " "));
    }
}

#[test]
fn arguments_have_the_names_in_the_header() {
    let two = ["-k", "--header", ":", "echo", "{f}-{g/}", ":::", "f", "1", "2", ":::", "g", "a/x", "y"];
    prints(&two, "1-x\n1-y\n2-x\n2-y\n");
    let output =
        run_with_input(&["-k", "--colsep", ",", "--header", ":", "echo {b.} {a} {1}"], b"a,b\n1,x.c\n2,y\n");
    assert_eq!((stdout(&output), stderr(&output)), ("x 1 1\ny 2 2\n", ""));
    let output = run_with_input(&["--header", ":", "echo"], b"");
    assert_eq!((stdout(&output), code(&output)), ("", 0));
}

#[test]
fn records_start_where_they_start() {
    let input = b">1\na\n>2\nb\n>3\n";
    let cut = |options: &[&str]| {
        let arguments = [&["--pipe", "-k"], options, &["cat; echo ."]].concat();
        let output = run_with_input(&arguments, input);
        assert_eq!((stderr(&output), code(&output)), ("", 0));
        stdout(&output).to_owned()
    };
    assert_eq!(cut(&["--recstart", ">", "-N1"]), ">1\na\n.\n>2\nb\n.\n>3\n.\n");
    assert_eq!(cut(&["--recstart", ">", "-N2"]), ">1\na\n>2\nb\n.\n>3\n.\n");
    assert_eq!(cut(&["--recstart", ">", "--block", "7"]), ">1\na\n.\n>2\nb\n.\n>3\n.\n");
    assert_eq!(cut(&["--recend", "\\n", "--recstart", ">3", "-N1"]), ">1\na\n>2\nb\n.\n>3\n.\n");
}
