//! Starts, stops and restarts jobs, and shows their ends: one `ChildSet`, one source in GTK's main loop.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use childset::{Child, ChildSet, Command, Exit, Exited, Key, Signal, Stdio, Unit};
use common::{elapsed, size, Descriptors, Look, Rest, Used};
use glib_unix::unix_fd_add_local_full;
use gtk::gio::ListStore;
use gtk::glib;
use gtk::glib::{ControlFlow, IOCondition, Priority, SourceId};
use gtk::prelude::*;

use crate::job::Job;
use crate::output::follow;

/// The priority of all that comes from jobs: that of redrawing, `GDK_PRIORITY_REDRAW`. Above it the window would stand still
/// while very many jobs end; below it the jobs would, while something in the window moves.
pub(crate) const REDRAW: i32 = 120;
/// How many exits to take before the window has its turn.
const BATCH: usize = 32;
/// How often to look what the running jobs use, and at how many processes before the window has its turn.
const LOOK: Duration = Duration::from_millis(500);
const LOOKS: usize = 64;

/// The latest run of a job, while it runs.
#[derive(Debug)]
pub(crate) struct Process {
    key: Key,
    /// The number of its group, too.
    pid: u32,
    start: Instant,
    /// The most memory that all of its processes were seen to use.
    peak: u64,
    /// To be started again when it has ended.
    restart: bool,
}

type OnExit = Box<dyn Fn(&Job, &io::Result<Exit>)>;

/// The jobs, and what runs them. For the main thread.
pub struct Runner {
    set: ChildSet<Job>,
    jobs: ListStore,
    grace: Duration,
    /// Jobs that got SIGTERM, until they get SIGKILL; with the leader of the process group once it was reaped.
    stopping: RefCell<HashMap<Key, Option<Child>>>,
    /// What jobs have left behind that ended by themselves.
    rest: RefCell<Rest>,
    on_exit: RefCell<Option<OnExit>>,
    source: Cell<Option<SourceId>>,
    is_looking: Cell<bool>,
    descriptors: Descriptors,
}

impl Runner {
    /// No jobs yet. Those that are stopped have the grace to end after SIGTERM.
    ///
    /// # Errors
    /// As [`ChildSet::new`].
    pub fn new(grace: Duration, descriptors: Descriptors) -> io::Result<Rc<Runner>> {
        let runner = Rc::new(Runner {
            set: ChildSet::new()?,
            jobs: ListStore::new::<Job>(),
            grace,
            stopping: RefCell::default(),
            rest: RefCell::default(),
            on_exit: RefCell::default(),
            source: Cell::default(),
            is_looking: Cell::default(),
            descriptors,
        });
        let weak = Rc::downgrade(&runner);
        let source =
            unix_fd_add_local_full(runner.set.as_raw_fd(), Priority::from(REDRAW), IOCondition::IN, {
                move |_, _| match weak.upgrade() {
                    Some(runner) => runner.take_exits(),
                    None => ControlFlow::Break,
                }
            });
        runner.source.set(Some(source));
        Ok(runner)
    }

    /// All jobs, in the order in which they were started.
    pub fn jobs(&self) -> &ListStore {
        &self.jobs
    }

    /// How many run.
    pub fn running(&self) -> usize {
        self.set.len()
    }

    /// Has a function called at the end of each run.
    pub fn connect_exit(&self, act: impl Fn(&Job, &io::Result<Exit>) + 'static) {
        *self.on_exit.borrow_mut() = Some(Box::new(act));
    }

    /// Starts a new job.
    pub fn start(self: &Rc<Self>, command: &str, stdin: impl Into<Stdio>) -> Job {
        let job = Job::new(self.jobs.n_items() + 1, command);
        self.jobs.append(&job);
        self.run(&job, stdin.into());
        job
    }

    /// Has the job end: SIGTERM to its process group, and SIGKILL to who is left of it after the grace.
    pub fn stop(self: &Rc<Self>, job: &Job) {
        let Some(key) = job.process().borrow().as_ref().map(|process| process.key) else {
            return;
        };
        if self.stopping.borrow().contains_key(&key) {
            return;
        }
        job.set_state("stopping");
        self.stopping.borrow_mut().insert(key, None);
        if let Err(error) = self.set.terminate(key) {
            eprintln!("cannot stop a job: {error}");
        }
        let runner = Rc::downgrade(self);
        glib::timeout_add_local_once(self.grace, move || {
            if let Some(runner) = runner.upgrade() {
                runner.kill(key);
            }
        });
    }

    /// Runs the job again, after it was stopped if it still runs.
    pub fn restart(self: &Rc<Self>, job: &Job) {
        let restart = |process: &mut Process| process.restart = true;
        let is_running = job.process().borrow_mut().as_mut().map(restart).is_some();
        match is_running {
            true => self.stop(job),
            false => self.run(job, Stdio::null()),
        }
    }

    /// Stops all jobs, and what those have left behind that ended by themselves.
    pub fn stop_all(self: &Rc<Self>) {
        self.rest.borrow().terminate();
        for job in self.jobs.iter::<Job>().flatten() {
            if let Some(process) = job.process().borrow_mut().as_mut() {
                process.restart = false;
            }
            self.stop(&job);
        }
    }

    /// Kills the jobs that are being stopped, and all that was left behind: the grace is over.
    pub fn kill_stopping(&self) {
        drop(self.rest.take());
        let keys: Vec<_> = self.stopping.borrow().keys().copied().collect();
        keys.into_iter().for_each(|key| self.kill(key));
    }

    fn run(self: &Rc<Self>, job: &Job, stdin: Stdio) {
        job.output().set_text("");
        job.set_cpu("");
        job.set_memory("");
        job.set_time("");
        match self.spawn(job, stdin) {
            Ok(process) => {
                job.process().replace(Some(process));
                job.set_status("");
                job.set_state("running");
                self.look_now_and_then();
            }
            Err(error) => {
                job.set_status(self.descriptors.explain(&error));
                job.set_state("not started");
            }
        }
    }

    fn spawn(&self, job: &Job, stdin: Stdio) -> io::Result<Process> {
        // What the job writes to standard output and error comes in the order in which it is written.
        let (reader, writer) = io::pipe()?;
        let mut shell = Command::new("sh");
        shell.args(["-c", &job.command()]).stdin(stdin);
        shell.stdout(Stdio::from(std::os::fd::OwnedFd::from(writer.try_clone()?)));
        shell.stderr(Stdio::from(std::os::fd::OwnedFd::from(writer)));
        // The shell ends with this program, also if that is killed. What it has started then lives on.
        shell.unit(Unit::ProcessGroup).parent_death_signal(Signal::KILL);
        self.descriptors.give(&mut shell)?;
        let child = shell.spawn()?;
        let pid = child.id();
        let key = self.set.insert(child, job.clone())?;
        follow(job, reader);
        Ok(Process { key, pid, start: Instant::now(), peak: 0, restart: false })
    }

    /// What is left after the batch is taken at the next turn: the source is level-triggered.
    fn take_exits(self: &Rc<Self>) -> ControlFlow {
        for _ in 0..BATCH {
            match self.set.try_wait() {
                Ok(Some(exited)) => self.ended(exited),
                Ok(None) => break,
                Err(error) => {
                    eprintln!("jobs can no longer be watched: {error}");
                    self.source.take();
                    return ControlFlow::Break;
                }
            }
        }
        ControlFlow::Continue
    }

    fn ended(self: &Rc<Self>, exited: Exited<Job>) {
        let Exited { key, tag: job, exit, child, .. } = exited;
        match self.stopping.borrow_mut().get_mut(&key) {
            Some(leader) => *leader = Some(child),
            None => self.rest.borrow_mut().keep(child),
        }
        let Some(process) = job.process().take() else {
            return;
        };
        job.set_time(elapsed(process.start.elapsed()));
        match &exit {
            Ok(exit) => {
                job.set_status(exit.status().to_string());
                if let Some((user, system)) = exit.user_time().zip(exit.system_time()) {
                    job.set_cpu(show_cpu(user + system));
                }
                // That of the exit is the peak of one process. What was seen is that of all of them, now and then.
                let peak = process.peak.max(exit.max_rss().unwrap_or(0));
                job.set_memory(if peak > 0 { format!("≥ {}", size(peak)) } else { String::new() });
            }
            Err(error) => job.set_status(error.to_string()),
        }
        job.set_state(if exit.as_ref().is_ok_and(Exit::success) { "succeeded" } else { "failed" });
        if let Some(act) = &*self.on_exit.borrow() {
            act(&job, &exit);
        }
        if process.restart {
            self.run(&job, Stdio::null());
        }
    }

    fn kill(&self, key: Key) {
        // Nobody may be left, which is what was wanted.
        let _ = match self.stopping.borrow_mut().remove(&key) {
            Some(Some(leader)) => leader.kill_tree(),
            Some(None) => self.set.kill_tree(key),
            None => return,
        };
    }

    /// Looks what the jobs use, as long as one runs.
    fn look_now_and_then(self: &Rc<Self>) {
        if self.is_looking.replace(true) {
            return;
        }
        let weak = Rc::downgrade(self);
        glib::timeout_add_local_once(LOOK, move || {
            let Ok(mut looking) = Look::new() else { return };
            glib::idle_add_local_full(Priority::from(REDRAW), move || {
                let Some(runner) = weak.upgrade() else {
                    return ControlFlow::Break;
                };
                let Some(groups) = looking.step(LOOKS) else {
                    return ControlFlow::Continue;
                };
                for job in runner.jobs.iter::<Job>().flatten() {
                    show_use(&job, &groups);
                }
                runner.is_looking.set(false);
                if runner.running() > 0 {
                    runner.look_now_and_then();
                }
                ControlFlow::Break
            });
        });
    }
}

/// The source must not outlive the descriptor that it watches.
impl Drop for Runner {
    fn drop(&mut self) {
        if let Some(source) = self.source.take() {
            source.remove();
        }
    }
}

/// Shows what all processes of a running job use.
fn show_use(job: &Job, groups: &HashMap<u32, Used>) {
    let Some((time, used)) = job.process().borrow_mut().as_mut().and_then(|process| {
        let used = *groups.get(&process.pid)?;
        process.peak = process.peak.max(used.memory);
        Some((process.start.elapsed(), used))
    }) else {
        return;
    };
    job.set_time(elapsed(time));
    job.set_cpu(show_cpu(used.cpu));
    job.set_memory(size(used.memory));
}

fn show_cpu(cpu: Duration) -> String {
    format!("{:.2} s", cpu.as_secs_f64())
}
