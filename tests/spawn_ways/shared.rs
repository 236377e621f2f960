//! What else the ways have in common: the limit of descriptors, and the order of the environment.

use std::io::{Read, Write as _};
use std::os::unix::process::CommandExt as _;

use childset::unix::CommandExt;

use crate::case::{Case, Source};
use crate::common::{self, launches, pipe};
use crate::place::place;
use crate::ways::{run, set_environment, Way, COPYING};

/// Without a descriptor to spare but those that std needs, too.
pub(crate) fn descriptor_limit() {
    let place = place();
    let place = place.path();
    let limited = |way: Way, source: Source, spare: usize| {
        // What std opens before the limit is there, we do, too.
        let stdio = [source; 3];
        let case = Case { program: place.join("good/prog").into(), inherit: true, stdio, ..Case::default() };
        let (mut reader, writer) = pipe();
        // SAFETY: this process has one thread.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let mut command = case.command(place, way);
            let mut std = case.std(place).unwrap();
            let limit = common::Limit::with_spare(spare);
            let error = match way {
                Way::Std => std.exec(),
                Way::Exec | Way::ExecWithClosure | Way::ExecStdio => command.exec(),
                _ => command.spawn().map(drop).err().unwrap_or_else(|| std::io::Error::from_raw_os_error(0)),
            };
            drop(limit);
            (&writer).write_all(error.to_string().as_bytes()).unwrap();
            // SAFETY: the end of the copy.
            unsafe { libc::_exit(0) };
        }
        drop(writer);
        let mut told = String::new();
        reader.read_to_string(&mut told).unwrap();
        common::reap_by_pid(pid as u32);
        told
    };
    for source in [Source::Inherit, Source::File] {
        for way in [Way::Std, Way::Exec, Way::ExecWithClosure, Way::ExecStdio] {
            assert_eq!(limited(way, source, 0), "", "{way:?}, {source:?}");
        }
    }
    for way in [Way::Std, Way::Exec, Way::ExecWithClosure, Way::ExecStdio] {
        assert_eq!(limited(way, Source::Null, 3), "", "{way:?}");
    }
    let works = std::io::Error::from_raw_os_error(0).to_string();
    // std takes two, too: the ends of a pipe.
    for source in [Source::Inherit, Source::File] {
        for (way, enough) in [(Way::Own, 1), (Way::PreExec, 2), (Way::StdStdio, 2)] {
            assert_eq!(limited(way, source, enough), works, "{way:?}");
            let error = limited(way, source, 0);
            assert!(error.contains("Too many open files"), "{way:?}: {error}");
        }
    }
}

pub(crate) fn environment_in_order() {
    let place = place();
    let place = place.path();
    let launches = launches();
    set_environment();
    let program = place.join("good/prog").into_os_string();
    let untouched = Case { program: program.clone(), ..Case::default() };
    let variables =
        vec![("M".into(), Some("1".into())), ("TWICE".into(), Some("3".into())), ("HOME".into(), None)];
    let changed = Case { program: program.clone(), variables, ..Case::default() };
    let removed = Case { program, variables: vec![("TWICE".into(), None)], ..Case::default() };
    for way in [Way::Own, Way::Launch, Way::Prepared, Way::PreExec, Way::StdStdio, Way::Exec, Way::Std] {
        let lines = |case: &Case| {
            let told = run(&Case { inherit: true, ..case.clone() }, place, way).unwrap();
            let environment: Vec<_> =
                told.lines().filter(|line| line.starts_with('"')).map(String::from).collect();
            environment
                .into_iter()
                .filter(|line| !line.starts_with("\"PATH") && line != "\"\"")
                .collect::<Vec<_>>()
        };
        let all = ["TWICE=1", "nothing", "Z=last", "HOME=/", "TWICE=2", "=odd", "A=ours"];
        let all: Vec<_> = all.iter().map(|entry| format!("{entry:?}")).collect();
        let own = lines(&untouched);
        if COPYING.contains(&way) && (launches || way != Way::Launch) {
            assert_eq!(own, [&all[..1], &all[2..5], &all[6..]].concat(), "{way:?}");
        } else {
            assert_eq!(own, all, "{way:?}");
        }
        assert_eq!(lines(&changed), [r#""A=ours""#, r#""M=1""#, r#""TWICE=3""#, r#""Z=last""#], "{way:?}");
        assert_eq!(lines(&removed), [r#""A=ours""#, r#""HOME=/""#, r#""Z=last""#], "{way:?}");
    }
}
