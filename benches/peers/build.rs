//! Compiles what is written in C: the floor into the bench, and the children beside it.

use std::env;
use std::path::Path;

/// Room for 65,535 stamps. `src/run/stamps.rs` reads it, too.
const STAMPS_SIZE: usize = 1 << 20;

fn main() {
    println!("cargo::rerun-if-changed=c");
    println!("cargo::rustc-env=STAMPS_SIZE={STAMPS_SIZE}");
    cc::Build::new().files(["c/floor.c", "c/kernel.c"]).opt_level(2).compile("floor");
    let size = format!("-DSTAMPS_SIZE={STAMPS_SIZE}");
    let bare = [&*size, "-static", "-nostdlib", "-fno-stack-protector", "-ffreestanding"];
    program("child", &[&bare[..], &["-DAT_ONCE"]].concat());
    program("held", &bare);
    program("brief", &[&bare[..], &["-DSLEEP_US=300"]].concat());
    program("late", &[&bare[..], &["-DSLEEP_US=20000"]].concat());
}

fn program(name: &str, options: &[&str]) {
    let directory = env::var_os("OUT_DIR").expect("cargo sets it");
    let compiler = cc::Build::new().opt_level(2).pic(false).warnings(false).get_compiler();
    let mut command = compiler.to_command();
    command.args(options).arg("-o").arg(Path::new(&directory).join(name)).arg("c/child.c");
    let status = command.status().unwrap_or_else(|error| panic!("no C compiler: {command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
