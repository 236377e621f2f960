//! No import of `src` runs up: each file imports from its own layer and from those below it alone. And no file is long.

use std::fs;
use std::path::{Path, PathBuf};

/// From the lowest to the highest: ARCHITECTURE.md says what each one is.
const LAYERS: [&str; 8] = ["sync", "sys", "pidfd", "watch", "async_pidfd", "child", "command", "set"];

/// Documentation without code, and the root, which re-exports.
const OUTSIDE: [&str; 6] =
    ["cookbook.rs", "embedding.rs", "embedding/loops.rs", "lib.rs", "moving.rs", "porting.rs"];

fn source_files(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("target") {
                source_files(&path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The names of the modules that lead to a file: `["child", "pipe"]` for `child/pipe.rs`.
fn module(path: &Path) -> Vec<String> {
    let path = path.with_extension("");
    let names = path.iter().map(|name| name.to_str().unwrap().to_owned());
    names.filter(|name| name != "mod").collect()
}

/// The layers that a line of code names, by `crate::` or `super::`.
fn layers_in(line: &str, module: &[String]) -> Vec<String> {
    let mut layers = Vec::new();
    for (start, _) in line.match_indices("crate::") {
        let rest = &line[start + "crate::".len()..];
        // `pub(in crate::…)` says who may see a thing, and imports nothing.
        if !line[..start].ends_with("in ") {
            layers.push(first_name(rest));
        }
    }
    let mut rest = line;
    while let Some(start) = rest.find("super::") {
        rest = &rest[start..];
        let mut ups = 0;
        while let Some(further) = rest.strip_prefix("super::") {
            (ups, rest) = (ups + 1, further);
        }
        let name = first_name(rest);
        // In a module inside the file, `super` may lead less far than it seems to.
        let leads_out = module.len() <= ups && (module.len() > 1 || LAYERS.contains(&name.as_str()));
        layers.push(if leads_out { name } else { module[0].clone() });
    }
    layers
}

fn first_name(path: &str) -> String {
    path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// What runs up: the line, and why.
fn climbs(file: &Path, text: &str) -> Vec<String> {
    let module = module(file);
    let place = |layer: &str| LAYERS.iter().position(|known| *known == layer);
    let own = place(&module[0]).unwrap_or_else(|| panic!("{} lies in no layer", file.display()));
    let code = text.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    let mut found = Vec::new();
    for line in code {
        for layer in layers_in(line, &module) {
            match place(&layer) {
                Some(other) if other <= own => {}
                Some(_) => found.push(format!("{}: runs up: {line}", file.display())),
                None => found.push(format!("{}: names no layer ({layer:?}): {line}", file.display())),
            }
        }
    }
    found
}

#[test]
fn no_import_runs_up() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    source_files(&source, &mut files);
    assert!(files.len() > 40, "{files:?}");
    let mut found = Vec::new();
    for path in files {
        let file = path.strip_prefix(&source).unwrap();
        if !OUTSIDE.iter().any(|outside| file == Path::new(outside)) {
            found.extend(climbs(file, &fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn an_import_that_runs_up_is_found() {
    let of = |file: &str, line: &str| climbs(Path::new(file), line).len();
    assert_eq!(of("sys/wait.rs", "use crate::sync::lock;"), 0);
    assert_eq!(of("sys/wait.rs", "use crate::pidfd::Pidfd;"), 1);
    assert_eq!(of("sys/wait.rs", "use super::super::pidfd::Pidfd;"), 1);
    assert_eq!(of("sys/wait.rs", "let it = crate::child::Child::new();"), 1);
    assert_eq!(of("child/pipe.rs", "use super::stdio::Stdio;"), 0);
    assert_eq!(of("child/mod.rs", "use super::command::Command;"), 1);
    assert_eq!(of("child/pipe.rs", "use crate::Stdio;"), 1);
    assert_eq!(of("child/pipe.rs", "// use crate::set::ChildSet;"), 0);
    assert_eq!(of("command/spawn/lift.rs", "pub(in crate::command) fn lift() {}"), 0);
    assert_eq!(of("async_pidfd.rs", "use super::Pidfd;"), 0);
}

#[test]
fn no_file_is_long() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    // The package has fewer of them than the repository.
    for directory in ["benches", "compat", "examples", "src", "tests"] {
        let directory = root.join(directory);
        if directory.exists() {
            source_files(&directory, &mut files);
        }
    }
    assert!(files.len() > 100, "{files:?}");
    for file in files {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 400, "{} has {lines} lines", file.display());
    }
}
