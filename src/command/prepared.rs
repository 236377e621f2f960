use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use super::describe::{add, add_options, add_some};
use super::options::Options;
use super::spawn::can_be_launched;
use super::spawn::layout::Layout;
use super::spawn::started::{Spawn, Start, Started};
use super::{before_closing, OnDrop};
use crate::child::{Child, Kind};
use crate::sys::plan::{PreExec, Step};
use crate::watch::dropped::sweep;

/// A command that is laid out for `execve`, to be spawned any number of times.
///
/// Its environment was copied, its strings were checked for null bytes, and the places where its program may be were
/// listed. Only [`spawn`](Prepared::spawn) finds out whether the program is there, and whether the kernel accepts the
/// options. If this process changes its environment after [`prepare`](crate::Command::prepare), that has no effect on
/// it. Entries of the environment without `=`, which are no variables, are left out.
///
/// ```
/// use childset::{ChildSet, Command};
///
/// let hello = Command::new("echo").arg("hello").prepare()?;
/// let set = ChildSet::new()?;
/// for tag in 0..3 {
///     set.insert(hello.spawn()?, tag)?;
/// }
/// while let Some(exited) = set.wait(None)? {
///     assert!(exited.exit?.success());
/// }
/// # std::io::Result::Ok(())
/// ```
///
/// A clone is cheap, and spawns the same.
#[derive(Clone)]
pub struct Prepared(Arc<Template>);

pub(super) struct Template {
    /// As it was given, to be printed.
    pub(super) program: OsString,
    /// Of those on their way, too.
    pub(super) layout: Arc<Layout>,
    pub(super) options: Options,
    pub(super) acts: Vec<PreExec>,
    pub(super) stdio: [Kind; 3],
    pub(super) on_drop: OnDrop,
}

impl Drop for Prepared {
    fn drop(&mut self) {
        before_closing(&self.0.options, &self.0.stdio);
    }
}

impl Prepared {
    pub(super) fn new(template: Template) -> Prepared {
        Prepared(Arc::new(template))
    }

    /// Spawns the process.
    ///
    /// ```
    /// # use childset::Command;
    /// let program = Command::new("true").prepare()?;
    /// assert!(program.spawn()?.wait()?.success());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// A [`SpawnError`](super::SpawnError) as from [`Command::spawn`](crate::Command::spawn).
    pub fn spawn(&self) -> io::Result<Child> {
        Ok(self.start()?.into_child())
    }

    /// Makes the process, and does not wait until its program runs: as [`Command::launch`](crate::Command::launch).
    ///
    /// Arguments and environment are shared by all that are launched, not copied.
    ///
    /// ```
    /// # use childset::Command;
    /// let program = Command::new("true").prepare()?;
    /// assert!(program.launch()?.wait()?.success());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// As [`Command::launch`](crate::Command::launch).
    pub fn launch(&self) -> io::Result<Child> {
        Ok(self.start_unawaited()?.into_child())
    }
}

/// As a [`Command`](crate::Command) is printed, without the environment: that may hold secrets.
impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Template { program, layout, options, acts, stdio, on_drop } = &*self.0;
        let argv: Vec<_> = layout.argv.iter().map(|arg| OsStr::from_bytes(arg.to_bytes())).collect();
        let directory = layout.steps.iter().find_map(|step| match step {
            Step::Chdir(directory) => Some(OsStr::from_bytes(directory.to_bytes())),
            _ => None,
        });
        if !f.alternate() {
            if let Some(directory) = directory {
                write!(f, "cd {directory:?} && ")?;
            }
            if program != argv[0] {
                write!(f, "[{program:?}] ")?;
            }
            write!(f, "{:?}", argv[0])?;
            return argv[1..].iter().try_for_each(|arg| write!(f, " {arg:?}"));
        }
        let mut f = f.debug_struct("Prepared");
        f.field("program", &program);
        add_some(&mut f, "arg0", Some(argv[0]).filter(|&arg0| arg0 != program));
        add(&mut f, "args", &&argv[1..]);
        add_some(&mut f, "current_dir", directory);
        for (name, stdio) in ["stdin", "stdout", "stderr"].iter().zip(stdio) {
            add_some(&mut f, name, (!matches!(stdio, Kind::Inherit)).then_some(stdio));
        }
        add_options(&mut f, options);
        add(&mut f, "pre_exec", &acts.len());
        on_drop.add_to(&mut f);
        f.finish()
    }
}

impl Template {
    pub(super) fn start_unawaited(self: &Arc<Self>) -> io::Result<Started> {
        sweep();
        Ok(Started::new(self.launch()?, &self.options, self.on_drop))
    }
}

impl Spawn for &Prepared {}

#[allow(private_interfaces)]
impl Start for &Prepared {
    fn start(self) -> io::Result<Started> {
        sweep();
        let Template { options, stdio: [stdin, stdout, stderr], on_drop, .. } = &*self.0;
        let spawned = self.0.job().spawn([stdin, stdout, stderr])?;
        Ok(Started::new(spawned, options, *on_drop))
    }

    fn start_unawaited(self) -> io::Result<Started> {
        match can_be_launched(&self.0.options, &self.0.acts, &self.0.layout.paths) {
            true => self.0.start_unawaited(),
            false => self.start(),
        }
    }
}
