//! Starts, stops and restarts jobs, and shows their ends: one `ChildSet`, one source in GTK's main loop.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::Duration;

use childset::{Child, ChildSet, Command, Exit, Exited, Key, Signal, Stdio};
use glib_unix::unix_fd_add_local_full;
use gtk::gio::ListStore;
use gtk::glib;
use gtk::glib::{ControlFlow, IOCondition, Priority, SourceId};
use gtk::prelude::*;
use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};

use crate::job::Job;
use crate::output::follow;
use crate::usage::{cpu, show_cpu, show_peak, Usage};

/// How many exits to take before the window has its turn.
const BATCH: usize = 32;
/// How often to look what the running jobs use, and at how many before the window has its turn.
const LOOK: Duration = Duration::from_millis(500);
const LOOKS: u32 = 8;

/// The latest run of a job, while it runs.
#[derive(Debug)]
pub(crate) struct Process {
    key: Key,
    pid: u32,
    /// The largest resident set so far.
    seen_peak: Option<u64>,
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
    on_exit: RefCell<Option<OnExit>>,
    source: Cell<Option<SourceId>>,
    is_looking: Cell<bool>,
    /// The limit of descriptors that the jobs get: the one that this program got.
    descriptors: Rlimit,
}

impl Runner {
    /// No jobs yet. Those that are stopped have the grace to end after SIGTERM.
    ///
    /// # Errors
    /// As [`ChildSet::new`].
    pub fn new(grace: Duration) -> io::Result<Rc<Runner>> {
        // Two descriptors a job.
        let descriptors = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: descriptors.maximum, ..descriptors })?;
        let runner = Rc::new(Runner {
            set: ChildSet::new()?,
            jobs: ListStore::new::<Job>(),
            grace,
            stopping: RefCell::default(),
            on_exit: RefCell::default(),
            source: Cell::default(),
            is_looking: Cell::default(),
            descriptors,
        });
        let weak = Rc::downgrade(&runner);
        // Below the priority of redrawing (120), so that the window stays alive while very many jobs end.
        let source =
            unix_fd_add_local_full(runner.set.as_raw_fd(), Priority::DEFAULT_IDLE, IOCondition::IN, {
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
        self.signal(key, Signal::TERM);
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

    /// Stops all jobs.
    pub fn stop_all(self: &Rc<Self>) {
        for job in self.jobs.iter::<Job>().flatten() {
            if let Some(process) = job.process().borrow_mut().as_mut() {
                process.restart = false;
            }
            self.stop(&job);
        }
    }

    /// Kills the jobs that are being stopped, and what they have left behind: their grace is over.
    pub fn kill_stopping(&self) {
        let keys: Vec<_> = self.stopping.borrow().keys().copied().collect();
        keys.into_iter().for_each(|key| self.kill(key));
    }

    fn run(self: &Rc<Self>, job: &Job, stdin: Stdio) {
        job.output().set_text("");
        job.set_cpu("");
        job.set_memory("");
        match self.spawn(job, stdin) {
            Ok(process) => {
                job.process().replace(Some(process));
                job.set_status("");
                job.set_state("running");
                self.look_now_and_then();
            }
            Err(error) => {
                job.set_status(error.to_string());
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
        // A job is its process group, and ends with this program, also if that is killed.
        shell.process_group(0).parent_death_signal(Signal::KILL);
        let [soft, hard] =
            [self.descriptors.current, self.descriptors.maximum].map(|limit| limit.unwrap_or(u64::MAX));
        shell.rlimit(childset::Resource::NOFILE, soft, hard);
        let child = shell.spawn()?;
        let pid = child.id();
        let key = self.set.insert(child, job.clone())?;
        follow(job, reader);
        Ok(Process { key, pid, seen_peak: None, restart: false })
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
        if let Some(leader) = self.stopping.borrow_mut().get_mut(&key) {
            *leader = Some(child);
        }
        let Some(process) = job.process().take() else {
            return;
        };
        match &exit {
            Ok(exit) => {
                job.set_status(exit.status().to_string());
                if let Some(cpu) = cpu(exit) {
                    job.set_cpu(show_cpu(cpu));
                }
                job.set_memory(show_peak(exit.max_rss(), process.seen_peak));
            }
            Err(error) => job.set_status(error.to_string()),
        }
        job.set_state("ended");
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
            Some(Some(leader)) => leader.send_signal_to_group(Signal::KILL),
            Some(None) => self.set.send_signal_to_group(key, Signal::KILL),
            None => Ok(()),
        };
    }

    fn signal(&self, key: Key, signal: Signal) {
        if let Err(error) = self.set.send_signal_to_group(key, signal) {
            eprintln!("cannot signal a job: {error}");
        }
    }

    /// Looks what the jobs use, as long as one runs.
    fn look_now_and_then(self: &Rc<Self>) {
        if self.is_looking.replace(true) {
            return;
        }
        let weak = Rc::downgrade(self);
        glib::timeout_add_local_once(LOOK, move || {
            let mut next = 0;
            glib::idle_add_local_full(Priority::DEFAULT_IDLE, move || {
                let Some(runner) = weak.upgrade() else {
                    return ControlFlow::Break;
                };
                let end = runner.jobs.n_items().min(next + LOOKS);
                (next..end).filter_map(|row| runner.jobs.item(row).and_downcast()).for_each(|job| look(&job));
                next = end;
                if next < runner.jobs.n_items() {
                    return ControlFlow::Continue;
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

fn look(job: &Job) {
    let Some(pid) = job.process().borrow().as_ref().map(|process| process.pid) else {
        return;
    };
    let Some(usage) = Usage::of(pid) else {
        return;
    };
    job.set_cpu(show_cpu(usage.cpu));
    if let (Some(memory), Some(process)) = (usage.memory, job.process().borrow_mut().as_mut()) {
        process.seen_peak = process.seen_peak.max(Some(memory));
    }
    if let Some(memory) = usage.memory {
        job.set_memory(glib::format_size(memory));
    }
}
