//! Compiles what is written in C: the floors into the bench, and the children beside it.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Room for 65,535 stamps. `src/run/stamps.rs` reads it, too.
const STAMPS_SIZE: usize = 1 << 20;

fn main() {
    println!("cargo::rerun-if-changed=c");
    println!("cargo::rerun-if-changed=Cargo.lock");
    println!("cargo::rustc-env=VERSIONS={}", versions());
    println!("cargo::rustc-env=STAMPS_SIZE={STAMPS_SIZE}");
    cc::Build::new().files(["c/floor.c", "c/kernel.c"]).opt_level(2).compile("floor");
    let size = format!("-DSTAMPS_SIZE={STAMPS_SIZE}");
    let bare = [&*size, "-static", "-nostdlib", "-fno-stack-protector", "-ffreestanding"];
    program("child", &[&bare[..], &["-DAT_ONCE"]].concat());
    program("spin", &[&bare[..], &["-DSPIN"]].concat());
    program("held", &bare);
    program("brief", &[&bare[..], &["-DSLEEP_US=300"]].concat());
    program("late", &[&bare[..], &["-DSLEEP_US=20000"]].concat());
}

/// Of the compiler, and of the peers as cargo has chosen them.
fn versions() -> String {
    let rustc = env::var_os("RUSTC").expect("cargo sets it");
    let version = Command::new(rustc).arg("--version").output().expect("the compiler runs").stdout;
    let version = String::from_utf8_lossy(&version);
    let mut all: Vec<String> = vec![version.split(' ').take(2).collect::<Vec<_>>().join(" ")];
    let lock = fs::read_to_string("Cargo.lock").expect("cargo has written it");
    let packages = lock.split("[[package]]").map(|package| {
        let value = |key: &str| package.lines().find_map(|line| line.strip_prefix(key)).unwrap_or("");
        (value("name = ").trim_matches('"'), value("version = ").trim_matches('"'))
    });
    let peers = packages.filter(|(name, _)| ["async-process", "tokio", "zruntime"].contains(name));
    all.extend(peers.map(|(name, version)| format!("{name} {version}")));
    all.join(", ")
}

fn program(name: &str, options: &[&str]) {
    let directory = env::var_os("OUT_DIR").expect("cargo sets it");
    let compiler = cc::Build::new().opt_level(2).pic(false).warnings(false).get_compiler();
    let mut command = compiler.to_command();
    command.args(options).arg("-o").arg(Path::new(&directory).join(name)).arg("c/child.c");
    let status = command.status().unwrap_or_else(|error| panic!("no C compiler: {command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
