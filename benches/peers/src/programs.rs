//! The C programs, compiled anew by each run.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{ensure, Context, Result};

/// The child that ends at once.
pub(crate) fn child() -> Result<PathBuf> {
    compile("peers-child", include_str!("../c/child.c"), &["-static"])
        .context("cannot make the child that is to be spawned (--child PATH spawns another)")
}

/// The contender that is written in C.
pub(crate) fn floor() -> Result<PathBuf> {
    compile("peers-floor", include_str!("../c/floor.c"), &["-Wall"])
        .context("cannot make the floor (--only leaves it out)")
}

/// The child that stays until it is killed.
pub(crate) fn pausing() -> Result<PathBuf> {
    compile("peers-pause", include_str!("../c/pause.c"), &["-static", "-nostdlib", "-fno-stack-protector"])
        .context("cannot make the children that are outstanding")
}

/// The contenders of a spawn that are written in C.
pub(crate) fn spawn_floor() -> Result<PathBuf> {
    compile("peers-spawn", include_str!("../c/spawn.c"), &["-Wall"]).context("cannot make the floor")
}

/// Puts the program beside this one.
fn compile(name: &str, source: &str, options: &[&str]) -> Result<PathBuf> {
    let directory = env::current_exe()?.parent().context("this program is in no directory")?.to_owned();
    let compiled = directory.join(name);
    // Another run may use it: it is replaced, never written to.
    let made = directory.join(format!("{name}.{}", std::process::id()));
    run_compiler(source, options, &made)?;
    fs::rename(&made, &compiled)?;
    Ok(compiled)
}

fn run_compiler(source: &str, options: &[&str], output: &Path) -> Result<()> {
    let compiler = env::var_os("CC").unwrap_or_else(|| OsString::from("cc"));
    let name = compiler.to_string_lossy();
    let mut process = Command::new(&compiler)
        .args(["-O2", "-x", "c", "-"])
        .args(options)
        .arg("-o")
        .arg(output)
        .stdin(Stdio::piped())
        .spawn()
        .with_context(|| {
            format!("no C compiler: {name:?} does not start (the environment's CC names another)")
        })?;
    // Dropped at once, so that the compiler sees the end. If it has gone, its status says more.
    let _ = process.stdin.take().expect("piped above").write_all(source.as_bytes());
    let status = process.wait()?;
    ensure!(status.success(), "{name:?} {} failed: {status}", options.join(" "));
    Ok(())
}
