//! The guide itself: the tests that it names, and the lines of programs that it shows.

use std::path::Path;

use crate::common;

/// Those in parentheses, except paths, which lead out of the package.
pub(crate) fn the_guide_names_tests_that_exist() {
    let guide = include_str!("../../src/embedding.rs");
    let mut names: Vec<_> = guide.split("(`").skip(1).map(|rest| rest.split_once("`)").unwrap().0).collect();
    names.retain(|name| !name.contains('/'));
    assert!(names.len() > 10, "{names:?}");
    let tests = [
        include_str!("edge.rs"),
        include_str!("level.rs"),
        include_str!("lifetime.rs"),
        include_str!("../embedding_threads.rs"),
        include_str!("../dropped.rs"),
        include_str!("../dropped_calls.rs"),
        include_str!("../loops.rs"),
        include_str!("../set/descriptor.rs"),
        include_str!("../stream/streams.rs"),
        include_str!("../traced/set.rs"),
    ]
    .concat();
    let defines =
        |name: &str| ['\n', ' '].iter().any(|before| tests.contains(&format!("{before}fn {name}()")));
    names.retain(|name| !defines(name));
    assert!(names.is_empty(), "{names:?}");
}

/// A block of code that is not compiled names the program that it is from, and each of its lines stands there.
pub(crate) fn the_guide_shows_lines_of_programs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !root.join("examples/gui").exists() {
        return common::skipped("the programs with windows are not in the package");
    }
    let guide = include_str!("../../src/embedding/loops.rs").lines();
    let mut guide = guide.filter_map(|line| line.strip_prefix("//!").map(str::trim));
    let mut shown = 0;
    while let Some(line) = guide.next() {
        let Some(language) = line.strip_prefix("```").filter(|language| !language.is_empty()) else {
            continue;
        };
        let path = language.split_once(" (").unwrap().1.strip_suffix(')').unwrap();
        let program = std::fs::read_to_string(root.join(path)).expect(path);
        let lines: Vec<_> = program.lines().map(str::trim).collect();
        for line in guide.by_ref().take_while(|line| *line != "```") {
            assert!(lines.contains(&line), "{path} has no line\n{line}");
            shown += 1;
        }
    }
    assert!(shown > 20, "{shown}");
}
