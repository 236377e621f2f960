//! Making a process that nobody waits for.

use std::ffi::c_char;
use std::io;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::Arc;

use super::layout::Layout;
use super::lift::Ranges;
use super::standard::{held, sources, Standard, Theirs};
use super::{highest, installed, is_life_refused, keep, Job, Spawned};
use crate::command::options::Options;
use crate::command::prepared::Template;
use crate::sys::held::Held;
use crate::sys::launch::{self, Cargo};
use crate::sys::needs::Needs;
use crate::sys::plan::{Alone, Failure, Life, Memory, Plan, PreExec};
use crate::sys::trial;
use crate::watch::cgroup::Cgroup;

/// A command on its way, with all that its child needs.
struct Load {
    layout: Arc<Layout>,
    life: Life,
    /// Unless the kernel kills it with us.
    parent_death: Option<i32>,
    stdio: [Theirs; 3],
    fds: Vec<(RawFd, Held)>,
    needs: Option<Box<Needs>>,
    close: Ranges,
    first_unneeded: Option<u32>,
    shell: Vec<AtomicPtr<c_char>>,
}

impl Cargo for Load {
    fn plan(&self) -> Plan<'_> {
        Plan {
            life: self.life,
            first_unneeded: self.first_unneeded,
            parent_death: self.parent_death.filter(|_| !self.life.ends_with_us()),
            alone: Some(Alone { shell: &self.shell }),
            ..self.layout.plan(sources(&self.stdio), &self.fds, self.needs.as_deref(), self.close.as_slice())
        }
    }

    fn release(&self) {
        let fds = self.fds.iter().map(|(_, fd)| fd);
        held(&self.stdio)
            .chain(fds)
            .chain(self.needs.iter().flat_map(|needs| needs.held()))
            .for_each(Held::release);
    }

    fn explain(&self, failure: Failure) -> io::Error {
        self.layout.name(&sources(&self.stdio), self.parent_death, failure).into()
    }
}

impl Load {
    fn new(template: &Arc<Template>) -> io::Result<(Load, [Option<OwnedFd>; 3])> {
        let Template { layout, options, stdio: [stdin, stdout, stderr], .. } = &**template;
        let mut standard = Standard::new();
        standard.open([stdin, stdout, stderr], options)?;
        let (fds, needs) = template.job().lift()?;
        let installed = installed(&standard.sources());
        let leaves_table = !options.inherit_fds;
        if leaves_table {
            standard.copy_inherited(options)?;
        }
        let highest = highest(&standard.sources(), &fds, needs.as_deref()) as u32;
        let last = if leaves_table { highest } else { u32::MAX };
        let load = Load {
            layout: Arc::clone(layout),
            life: template.job().life(),
            parent_death: options.parent_death(),
            close: Ranges::to_close(options, installed, &fds, needs.as_deref(), last),
            first_unneeded: leaves_table.then_some(highest + 1),
            stdio: standard.theirs,
            fds,
            needs,
            shell: if options.no_shell { Vec::new() } else { layout.argv_of_shell() },
        };
        Ok((load, standard.pipes))
    }
}

/// Whether a command can be launched. Any other is spawned.
///
/// Descriptors that its paths lead through cannot be held for it, since they have to keep their numbers.
pub(in crate::command) fn can_be_launched(options: &Options, acts: &[PreExec], paths: &[RawFd]) -> bool {
    acts.is_empty() && paths.is_empty() && options.memory() == Memory::Shared && trial::can_launch()
}

/// Whether children can be made in a cgroup that was made for one: tried once for each cgroup that we are in.
fn has_births(cgroup: &Cgroup) -> bool {
    static KNOWN: AtomicUsize = AtomicUsize::new(0);
    let Some(parent) = cgroup.parent() else {
        return false;
    };
    if KNOWN.load(Ordering::Relaxed) == parent {
        return true;
    }
    let has_births = trial::can_launch_in(cgroup.as_fd());
    if has_births {
        KNOWN.store(parent, Ordering::Relaxed);
    }
    has_births
}

impl Template {
    pub(in crate::command) fn job(&self) -> Job<'_> {
        Job { layout: &self.layout, options: &self.options, acts: &self.acts }
    }

    pub(in crate::command) fn launch(self: &Arc<Self>) -> io::Result<Spawned> {
        let cgroup = self.options.cgroup_of_child()?;
        if cgroup.as_deref().is_some_and(|cgroup| !has_births(cgroup)) {
            let [stdin, stdout, stderr] = &self.stdio;
            return self.job().spawn_in(cgroup, [stdin, stdout, stderr]);
        }
        let (load, pipes) = Load::new(self)?;
        let mut load = Arc::new(load);
        loop {
            let place = cgroup.as_ref().map(|cgroup| cgroup.as_fd());
            let failure = match launch::launch(Arc::clone(&load) as Arc<dyn Cargo>, place) {
                Ok((pidfd, pid, flight)) => {
                    let autoreaped = load.life != Life::Child;
                    let pidfd = keep(pidfd).inspect_err(|_| launch::forget(flight))?;
                    return Ok(Spawned { pidfd, pid, pipes, autoreaped, cgroup, flight });
                }
                Err(failure) => failure,
            };
            match Arc::get_mut(&mut load) {
                Some(load) if load.life != Life::Child && is_life_refused(failure) => load.life = Life::Child,
                _ => return Err(load.explain(failure)),
            }
        }
    }
}
