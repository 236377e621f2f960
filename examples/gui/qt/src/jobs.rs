//! The commands: started, shown, stopped.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use childset::{Child, ChildSet, Command, Exit, Exited, Key, Signal, Stdio, Unit};
use common::{elapsed, size, Descriptors, Look, Outputs, Rest, Used};

use crate::ui::{self, Column, Window};

/// How many exits to take, and outputs to read, before other events have their turn. The notifiers are level-triggered.
const BATCH: usize = 32;
/// How long a command has to end after SIGTERM.
pub(crate) const GRACE: Duration = Duration::from_secs(2);
/// How often [`Jobs::tick`] is to be called.
pub(crate) const TICK: Duration = Duration::from_millis(50);
/// How often to look what the commands use, and at how many processes a tick.
const LOOK: Duration = Duration::from_millis(500);
const LOOKS: usize = 64;
/// How many bytes of an output are kept: the last.
const KEPT: usize = 1 << 20;

const GREEN: u32 = 0x2e7d32;
const RED: u32 = 0xc62828;

pub(crate) struct Jobs<'a> {
    window: &'a Window<'a>,
    descriptors: Descriptors,
    set: ChildSet<usize>,
    state: RefCell<State>,
}

struct State {
    rows: Vec<Row>,
    /// When those that were asked to end are killed; with the leader of the group, once it has ended.
    stopping: HashMap<Key, (Instant, Option<Child>)>,
    rest: Rest,
    look: Option<Look>,
    next_look: Instant,
}

struct Row {
    /// While it runs.
    running: Option<Key>,
    start: Instant,
    /// The most memory that all of its processes were seen to use.
    peak: u64,
    output: String,
}

impl<'a> Jobs<'a> {
    pub(crate) fn new(window: &'a Window<'a>, descriptors: Descriptors) -> io::Result<Jobs<'a>> {
        let next_look = Instant::now();
        let state = State {
            rows: Vec::new(),
            stopping: HashMap::new(),
            rest: Rest::default(),
            look: None,
            next_look,
        };
        Ok(Jobs { window, descriptors, set: ChildSet::new()?, state: RefCell::new(state) })
    }

    /// Starts a command in the next row.
    pub(crate) fn start(&self, outputs: &RefCell<Outputs>, command: &str, stdin: impl Into<Stdio>) {
        let row = self.state.borrow().rows.len();
        self.window.set(row, Column::Command, command);
        let started = self.spawn(outputs, row, command, stdin.into());
        let mut new = Row { running: None, start: Instant::now(), peak: 0, output: String::new() };
        match started {
            Ok(key) => {
                new.running = Some(key);
                self.window.set(row, Column::Status, "▶ running");
            }
            Err(error) => self.show_error(row, &error),
        }
        self.state.borrow_mut().rows.push(new);
    }

    fn spawn(&self, outputs: &RefCell<Outputs>, row: usize, command: &str, stdin: Stdio) -> io::Result<Key> {
        let (reader, writer) = io::pipe()?;
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).stdin(stdin);
        shell.stdout(OwnedFd::from(writer.try_clone()?)).stderr(OwnedFd::from(writer));
        // The shell ends with this program, also if that is killed. What it has started then lives on.
        shell.unit(Unit::ProcessGroup).parent_death_signal(Signal::KILL);
        self.descriptors.give(&mut shell)?;
        let key = self.set.spawn(&mut shell, row)?;
        outputs.borrow_mut().add(row, reader)?;
        Ok(key)
    }

    /// Takes what exits there are, up to a bound, and shows them.
    pub(crate) fn take_exits(&self, mut act: impl FnMut(usize, &io::Result<Exit>)) -> io::Result<()> {
        for _ in 0..BATCH {
            let Some(exited) = self.set.try_wait()? else { break };
            act(exited.tag, &exited.exit);
            self.ended(exited);
        }
        self.show_current();
        Ok(())
    }

    fn ended(&self, Exited { key, tag: row, exit, child, .. }: Exited<usize>) {
        let mut state = self.state.borrow_mut();
        match state.stopping.get_mut(&key) {
            Some((_, leader)) => *leader = Some(child),
            None => state.rest.keep(child),
        }
        let job = &mut state.rows[row];
        job.running = None;
        self.window.set(row, Column::Time, &elapsed(job.start.elapsed()));
        self.window.set(row, Column::Processes, "");
        match exit {
            Ok(exit) => {
                let (mark, colour) = if exit.success() { ("✓", GREEN) } else { ("✗", RED) };
                self.window.set(row, Column::Status, &format!("{mark} {}", exit.status()));
                self.window.colour(row, colour, !exit.success());
                if let Some((user, system)) = exit.user_time().zip(exit.system_time()) {
                    self.window.set(row, Column::Cpu, &show_cpu(user + system));
                }
                let peak = job.peak.max(exit.max_rss().unwrap_or(0));
                let peak = if peak > 0 { format!("≥ {}", size(peak)) } else { String::new() };
                self.window.set(row, Column::Memory, &peak);
            }
            Err(error) => self.show_error(row, &error),
        }
    }

    fn show_error(&self, row: usize, error: &io::Error) {
        self.window.set(row, Column::Status, &format!("✗ {}", self.descriptors.explain(error)));
        self.window.colour(row, RED, true);
    }

    /// Reads what there is, up to a bound, and shows what is the current row's.
    pub(crate) fn read(&self, outputs: &mut Outputs) -> io::Result<()> {
        outputs.try_read(BATCH, |row, text| {
            let kept = &mut self.state.borrow_mut().rows[row].output;
            kept.push_str(text);
            if kept.len() > KEPT {
                let surplus = kept.len() - KEPT;
                let whole = (surplus..).find(|&place| kept.is_char_boundary(place));
                kept.drain(..whole.unwrap_or(kept.len()));
            }
            if self.window.current() == Some(row) {
                self.window.append_output(text);
            }
        })
    }

    /// Shows what is there of the row that has become the current one.
    pub(crate) fn select(&self) {
        if let Some(row) = self.window.current() {
            let state = self.state.borrow();
            self.window.show_output(state.rows.get(row).map_or("", |row| &row.output));
        }
        self.show_current();
    }

    fn show_current(&self) {
        let state = self.state.borrow();
        let job = self.window.current().and_then(|row| state.rows.get(row));
        let key = job.and_then(|job| job.running);
        self.window.can_stop(key.is_some_and(|key| !state.stopping.contains_key(&key)));
    }

    /// Asks the current row's command to end; it is killed after the grace.
    pub(crate) fn stop(&self) {
        let Some(row) = self.window.current() else { return };
        let key = self.state.borrow().rows[row].running;
        if let Some(key) = key {
            // It may have ended.
            let _ = self.set.terminate(key);
            self.window.set(row, Column::Status, "■ stopping");
            self.state.borrow_mut().stopping.entry(key).or_insert((Instant::now() + GRACE, None));
        }
        self.show_current();
    }

    /// What is due from time to time.
    pub(crate) fn tick(&self) {
        let now = Instant::now();
        let mut state = self.state.borrow_mut();
        state.stopping.retain(|&key, (deadline, leader)| {
            if *deadline > now {
                return true;
            }
            // Nobody may be left, which is what was wanted.
            let _ = match leader {
                Some(leader) => leader.kill_tree(),
                None => self.set.kill_tree(key),
            };
            false
        });
        if self.set.is_empty() || now < state.next_look {
            return;
        }
        if state.look.is_none() {
            state.look = Look::new().ok();
        }
        let Some(groups) = state.look.as_mut().and_then(|look| look.step(LOOKS)) else { return };
        state.look = None;
        state.next_look = now + LOOK;
        for (row, job) in state.rows.iter_mut().enumerate() {
            let pid = job.running.and_then(|key| self.set.pid(key));
            if let Some(used) = pid.and_then(|pid| groups.get(&pid)) {
                job.peak = job.peak.max(used.memory);
                self.show_use(row, job.start.elapsed(), used);
            }
        }
    }

    fn show_use(&self, row: usize, time: Duration, used: &Used) {
        self.window.set(row, Column::Time, &elapsed(time));
        self.window.set(row, Column::Cpu, &show_cpu(used.cpu));
        self.window.set(row, Column::Memory, &size(used.memory));
        self.window.set(row, Column::Processes, &used.processes.to_string());
    }

    /// Ends all, and what was left behind.
    pub(crate) fn end(self) -> io::Result<()> {
        let state = self.state.into_inner();
        state.rest.terminate();
        let mut shutdown = self.set.shutdown(GRACE);
        while shutdown.wait()?.is_some() {}
        for (_, leader) in state.stopping.into_values() {
            let _ = leader.map(|leader| leader.kill_tree());
        }
        Ok(())
    }

    /// Prints how many rows the table has of each status that it shows.
    pub(crate) fn report(&self) {
        let mut shown = std::collections::BTreeMap::<_, usize>::new();
        for row in 0..self.state.borrow().rows.len() {
            *shown.entry(self.window.get(row, Column::Status)).or_default() += 1;
        }
        let shown: Vec<_> = shown.iter().map(|(status, count)| format!("{count} {status}")).collect();
        println!("qt: {}", shown.join(", "));
    }
}

/// Its descriptor becomes readable by exits.
impl AsFd for Jobs<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.set.as_fd()
    }
}

/// Has the loop end, and keeps why.
pub(crate) fn fail(trouble: &RefCell<io::Result<()>>, result: io::Result<()>) {
    if result.is_err() {
        *trouble.borrow_mut() = result;
        ui::quit();
    }
}

fn show_cpu(cpu: Duration) -> String {
    format!("{:.2} s", cpu.as_secs_f64())
}
