//! The window, used as a person uses it; what it shows is read from its labels. It needs a display.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use childset_gtk::{Job, JobsWindow, Runner};
use common::Descriptors;
use gtk::glib;
use gtk::prelude::*;

const GRACE: Duration = Duration::from_millis(300);
const LONG_GRACE: Duration = Duration::from_secs(1000);
const HANGS_AFTER_SECONDS: u32 = 250;

type Test = (&'static str, Duration, fn(&Window));

/// GTK is for the main thread, which the test harness keeps to itself.
fn main() {
    // Numbers are compared as they are shown.
    std::env::set_var("LC_ALL", "C.UTF-8");
    glib::timeout_add_seconds_local_once(HANGS_AFTER_SECONDS, || panic!("hangs"));
    gtk::init().expect("a display");
    let tests: &[Test] = &[
        // First, while this program is small.
        ("usage_is_live", GRACE, usage_is_live),
        ("exits_are_shown", GRACE, exits_are_shown),
        ("output_is_shown", GRACE, output_is_shown),
        ("output_is_followed", GRACE, output_is_followed),
        ("a_new_job_is_scrolled_to", GRACE, a_new_job_is_scrolled_to),
        ("stop_terminates", GRACE, stop_terminates),
        ("stop_kills_after_the_grace", GRACE, stop_kills_after_the_grace),
        ("restart", GRACE, restart),
        ("closing_ends_all", GRACE, closing_ends_all),
        ("closing_twice_kills", LONG_GRACE, closing_twice_kills),
    ];
    // `cargo test --test window NAME` runs one.
    let wanted = std::env::args().nth(1).unwrap_or_default();
    for &(name, grace, test) in tests.iter().filter(|(name, ..)| name.contains(&wanted)) {
        println!("test {name}");
        let window = Window::open(grace);
        test(&window);
        window.close();
        assert_eq!(children(), "", "children that are left");
    }
    println!("ok");
}

struct Window {
    runner: Rc<Runner>,
    parts: Rc<JobsWindow>,
    is_closed: Rc<RefCell<bool>>,
    directory: PathBuf,
}

impl Window {
    fn open(grace: Duration) -> Window {
        let directory = std::env::temp_dir().join(format!("childset-gtk-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let runner = Runner::new(grace, Descriptors::raise().unwrap()).unwrap();
        let parts = JobsWindow::new(&runner);
        let is_closed = Rc::new(RefCell::new(false));
        let closed = Rc::clone(&is_closed);
        parts.connect_closed(move || *closed.borrow_mut() = true);
        parts.window.present();
        Window { runner, parts, is_closed, directory }
    }

    fn close(&self) {
        self.parts.window.close();
        until("the window is closed", || *self.is_closed.borrow());
        assert_eq!(self.runner.running(), 0);
        if let Ok(pid) = fs::read_to_string(self.path("pid")) {
            until("what a job has left behind is gone", || !has_process(pid.trim()));
        }
        fs::remove_dir_all(&self.directory).unwrap();
    }

    /// Types a command, presses enter, and returns the job that is selected then.
    fn enter(&self, command: &str) -> Job {
        self.parts.entry.set_text(command);
        self.parts.entry.emit_activate();
        assert_eq!(self.parts.entry.text(), "");
        let job: Job = self.parts.selection.selected_item().and_downcast().unwrap();
        assert_eq!(job.command(), command);
        job
    }

    fn each_label(&self, act: &mut dyn FnMut(&gtk::Label)) {
        fn walk(widget: &gtk::Widget, act: &mut dyn FnMut(&gtk::Label)) {
            if let Some(label) = widget.downcast_ref::<gtk::Label>() {
                act(label);
            }
            let mut child = widget.first_child();
            while let Some(widget) = child {
                walk(&widget, act);
                child = widget.next_sibling();
            }
        }
        walk(self.parts.window.upcast_ref(), act);
    }

    /// What the labels of the window show, in their order.
    fn labels(&self) -> Vec<String> {
        let mut texts = Vec::new();
        self.each_label(&mut |label| texts.push(label.text().into()));
        texts
    }

    /// Waits until the row of a job shows these texts after its number and command.
    fn until_row(&self, job: &Job, texts: &[&str]) {
        let mut row = vec![job.number().to_string(), job.command()];
        row.extend(texts.iter().map(|&text| text.to_owned()));
        until(&format!("there is a row {row:?}"), || {
            self.labels().windows(row.len()).any(|labels| labels == row)
        });
    }

    fn output(&self) -> String {
        let buffer = self.parts.output.buffer();
        let (start, end) = buffer.bounds();
        buffer.text(&start, &end, true).into()
    }

    fn path(&self, name: &str) -> String {
        self.directory.join(name).to_str().unwrap().to_owned()
    }
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let context = glib::MainContext::default();
    while !condition() {
        // Wakes at least now and then: what is waited for need not be an event of GTK's.
        glib::timeout_add_local_once(Duration::from_millis(10), || ());
        context.iteration(true);
    }
    println!("  {what}");
}

/// Has done what is due.
fn settle() {
    while glib::MainContext::default().iteration(false) {}
}

/// Our children, in any state.
fn children() -> String {
    let me = std::process::id();
    fs::read_to_string(format!("/proc/self/task/{me}/children")).unwrap()
}

/// Whether there is one, and no zombie.
fn has_process(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

fn exits_are_shown(window: &Window) {
    for (command, state, status) in [
        ("true", "✓ succeeded", "exit status: 0"),
        ("exit 7", "✗ failed", "exit status: 7"),
        ("kill -9 $$", "✗ failed", "signal: 9 (SIGKILL)"),
        ("kill -TERM $$", "✗ failed", "signal: 15 (SIGTERM)"),
    ] {
        let job = window.enter(command);
        window.until_row(&job, &[state, status]);
        assert!(job.cpu().ends_with(" s"), "{}", job.cpu());
        assert!(job.time().ends_with(" s"), "{}", job.time());
        assert!(!window.parts.stop.is_sensitive());
        assert!(window.parts.restart.is_sensitive());
    }
    window.parts.entry.set_text("   ");
    window.parts.run.emit_clicked();
    assert_eq!(window.runner.jobs().n_items(), 4);
}

fn output_is_shown(window: &Window) {
    let first = window.enter(r"printf 'é\0\377\n'; echo error >&2; seq 3");
    window.until_row(&first, &["✓ succeeded", "exit status: 0"]);
    until("the output is whole", || window.output() == "é\u{2400}\u{fffd}\nerror\n1\n2\n3\n");

    let second = window.enter("yes 123456789 | head -n 300000");
    assert_eq!(window.output(), "");
    window.until_row(&second, &["✓ succeeded", "exit status: 0"]);
    // Three million characters, of which the last million is kept.
    until("the output is cut", || window.parts.output.buffer().char_count() == 1 << 20);

    window.parts.selection.set_selected(0);
    assert!(window.output().starts_with("é"));
}

fn usage_is_live(window: &Window) {
    let spinning = window.enter("while :; do :; done");
    window.until_row(&spinning, &["▶ running", ""]);
    until("the processor time grows", || spinning.cpu().as_str() > "0.30 s");
    until("the memory is seen", || spinning.memory().ends_with('B'));
    // A quarter of it in each of four processes, and next to nothing in the shell: all of them count.
    let hold = "head -c 100M /dev/zero | tail -c 100M | { sleep 1000; cat >/dev/null; } &";
    let large = window.enter(&format!("{} wait", [hold; 4].join(" ")));
    until("the memory of all is seen", || megabytes(&large) > 400.0);
    until("so is their time", || large.cpu().as_str() > "0.05 s" && large.time().as_str() > "0.5 s");
    window.parts.stop.emit_clicked();
    window.until_row(&large, &["✗ failed", "signal: 15 (SIGTERM)"]);
    assert!(large.memory().starts_with("≥ ") && megabytes(&large) > 400.0, "{}", large.memory());
}

fn megabytes(job: &Job) -> f64 {
    let memory = job.memory();
    let number = memory.trim_start_matches("≥ ").strip_suffix(" MB");
    number.and_then(|number| number.parse().ok()).unwrap_or(0.0)
}

fn output_is_followed(window: &Window) {
    let view = &window.parts.output;
    let is_at_end = || {
        let shown = view.visible_rect();
        let end = view.iter_location(&view.buffer().end_iter());
        end.y() >= shown.y() && end.y() + end.height() <= shown.y() + shown.height()
    };
    let job = window.enter("seq 3000; read line </dev/null; sleep 0.3; seq 3001 6000");
    window.until_row(&job, &["✓ succeeded", "exit status: 0"]);
    until("all is there, and its end is shown", || window.output().ends_with("\n6000\n") && is_at_end());

    // Whoever scrolls back stays where they are.
    let job = window.enter("seq 3000; sleep 0.5; seq 3001 6000");
    until("the first part is there", || window.output().ends_with("\n3000\n") && is_at_end());
    settle();
    view.vadjustment().unwrap().set_value(100.0);
    window.until_row(&job, &["✓ succeeded", "exit status: 0"]);
    until("all is there", || window.output().ends_with("\n6000\n"));
    settle();
    assert_eq!(view.vadjustment().unwrap().value(), 100.0);

    // A line that is too long for the window is not cut off.
    let job = window.enter("head -c 5000 /dev/zero | tr '\\0' x");
    window.until_row(&job, &["✓ succeeded", "exit status: 0"]);
    until("it is wrapped", || window.output().len() == 5000 && is_at_end());
    assert!(view.iter_location(&view.buffer().end_iter()).y() > 0);
}

fn a_new_job_is_scrolled_to(window: &Window) {
    for _ in 0..100 {
        window.enter("true");
    }
    let job = window.enter("echo the last");
    window.until_row(&job, &["✓ succeeded", "exit status: 0"]);
    until("its row is in sight", || {
        let mut is_in_sight = false;
        window.each_label(&mut |label| {
            let Some(pane) = label.ancestor(gtk::ScrolledWindow::static_type()) else { return };
            let Some(place) = label.compute_bounds(&pane) else { return };
            let is_inside = place.y() >= 0.0 && place.y() + place.height() <= pane.height() as f32;
            is_in_sight |= label.text() == "echo the last" && label.is_mapped() && is_inside;
        });
        is_in_sight
    });
}

fn stop_terminates(window: &Window) {
    // A pipeline: all of it has to end, and it does so at once.
    let job = window.enter("sleep 100 | sleep 100");
    window.until_row(&job, &["▶ running", ""]);
    assert!(window.parts.stop.is_sensitive());
    window.parts.stop.emit_clicked();
    assert!(!window.parts.stop.is_sensitive());
    assert!(!window.parts.restart.is_sensitive());
    window.until_row(&job, &["✗ failed", "signal: 15 (SIGTERM)"]);
}

fn stop_kills_after_the_grace(window: &Window) {
    let job = window.enter("trap '' TERM; echo ready; while :; do sleep 0.01; done");
    until("the trap is set", || window.output() == "ready\n");
    window.parts.stop.emit_clicked();
    window.until_row(&job, &["■ stopping", ""]);
    window.until_row(&job, &["✗ failed", "signal: 9 (SIGKILL)"]);

    // The shell ends at once, and what it leaves behind is killed after the grace: it holds the pipe until then.
    let job = window.enter("(trap '' TERM; echo ready; exec sleep 1000) & sleep 1000");
    until("the trap is set", || window.output() == "ready\n");
    window.parts.stop.emit_clicked();
    window.until_row(&job, &["✗ failed", "signal: 15 (SIGTERM)"]);
    until("nobody holds the pipe", || !job.is_reading());
}

fn restart(window: &Window) {
    let count = window.path("count");
    let job = window.enter(&format!("echo run >>{count}; echo $(wc -l <{count}); sleep 100"));
    until("it has run once", || window.output() == "1\n");
    window.parts.restart.emit_clicked();
    until("it runs again", || window.output() == "2\n");
    window.until_row(&job, &["▶ running", ""]);
    window.parts.stop.emit_clicked();
    window.until_row(&job, &["✗ failed", "signal: 15 (SIGTERM)"]);
    window.parts.restart.emit_clicked();
    until("and again", || window.output() == "3\n");
    window.until_row(&job, &["▶ running", ""]);
    assert_eq!(window.runner.jobs().n_items(), 1);
}

fn closing_ends_all(window: &Window) {
    window.enter("sleep 1000");
    let pid = window.path("pid");
    let left = window.enter(&format!("trap '' TERM; sleep 1000 & echo $! >{pid}"));
    window.until_row(&left, &["✓ succeeded", "exit status: 0"]);
    window.enter("trap '' TERM; echo ready; while :; do sleep 0.01; done");
    until("the trap is set", || window.output() == "ready\n");
    // What follows closes the window.
}

fn closing_twice_kills(window: &Window) {
    closing_ends_all(window);
    window.parts.window.close();
    assert!(!*window.is_closed.borrow());
    until("the other has ended", || window.runner.running() == 1);
}
