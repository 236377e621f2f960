//! Compiles the shim with the flags that `pkg-config` has for Qt.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=src/shim.cpp");
    let mut build = cc::Build::new();
    for flag in pkg_config("--cflags") {
        build.flag(&flag);
    }
    build.cpp(true).std("c++17").flag("-fPIC").file("src/shim.cpp").compile("shim");
    for flag in pkg_config("--libs") {
        match flag.strip_prefix("-l") {
            Some(library) => println!("cargo:rustc-link-lib={library}"),
            None => println!("cargo:rustc-link-arg={flag}"),
        }
    }
}

fn pkg_config(what: &str) -> Vec<String> {
    let output = Command::new("pkg-config").args([what, "Qt6Widgets"]).output();
    let output = output.expect("pkg-config cannot be run: its package is pkg-config or pkgconf");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "Qt 6 is missing: its package is qt6-base-dev\n{complaint}");
    String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect()
}
