//! The window, used as a person uses it; what it shows is read from its labels. It needs a display.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use childset_gtk::{Job, JobsWindow, Runner};
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
        ("stop_terminates", GRACE, stop_terminates),
        ("stop_kills_after_the_grace", GRACE, stop_kills_after_the_grace),
        ("restart", GRACE, restart),
        ("closing_ends_all", GRACE, closing_ends_all),
        ("closing_twice_kills", LONG_GRACE, closing_twice_kills),
    ];
    for &(name, grace, test) in tests {
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
        let runner = Runner::new(grace).unwrap();
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

    /// What the labels of the window show, in their order.
    fn labels(&self) -> Vec<String> {
        fn collect(widget: &gtk::Widget, texts: &mut Vec<String>) {
            if let Some(label) = widget.downcast_ref::<gtk::Label>() {
                texts.push(label.text().into());
            }
            let mut child = widget.first_child();
            while let Some(widget) = child {
                collect(&widget, texts);
                child = widget.next_sibling();
            }
        }
        let mut texts = Vec::new();
        collect(self.parts.window.upcast_ref(), &mut texts);
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

/// Our children, in any state.
fn children() -> String {
    let me = std::process::id();
    fs::read_to_string(format!("/proc/self/task/{me}/children")).unwrap()
}

fn exits_are_shown(window: &Window) {
    for (command, status) in [
        ("true", "exit status: 0"),
        ("exit 7", "exit status: 7"),
        ("kill -9 $$", "signal: 9 (SIGKILL)"),
        ("kill -TERM $$", "signal: 15 (SIGTERM)"),
    ] {
        let job = window.enter(command);
        window.until_row(&job, &["ended", status]);
        assert!(job.cpu().ends_with(" s"), "{}", job.cpu());
        // Not this program's own memory, in which each has begun.
        assert!(job.memory().starts_with(['≤', '≥']), "{}", job.memory());
        assert!(!window.parts.stop.is_sensitive());
        assert!(window.parts.restart.is_sensitive());
    }
    window.parts.entry.set_text("   ");
    window.parts.run.emit_clicked();
    assert_eq!(window.runner.jobs().n_items(), 4);
}

fn output_is_shown(window: &Window) {
    let first = window.enter(r"printf 'é\0\377\n'; echo error >&2; seq 3");
    window.until_row(&first, &["ended", "exit status: 0"]);
    until("the output is whole", || window.output() == "é\u{2400}\u{fffd}\nerror\n1\n2\n3\n");

    let second = window.enter("yes 123456789 | head -n 300000");
    assert_eq!(window.output(), "");
    window.until_row(&second, &["ended", "exit status: 0"]);
    // Three million characters, of which the last million is kept.
    until("the output is cut", || window.parts.output.buffer().char_count() == 1 << 20);

    window.parts.selection.set_selected(0);
    assert!(window.output().starts_with("é"));
}

fn usage_is_live(window: &Window) {
    let spinning = window.enter("while :; do :; done");
    window.until_row(&spinning, &["running", ""]);
    until("the processor time grows", || spinning.cpu().as_str() > "0.30 s");
    until("the memory is seen", || spinning.memory().ends_with('B'));
    // Far more than this program; the middle process keeps it all.
    let large = window.enter("exec head -c 400000000 /dev/zero | exec tail -c 400000000 | exec tail -c 1");
    window.until_row(&large, &["ended", "exit status: 0"]);
    let megabytes = large.memory().to_string();
    let megabytes: f64 =
        megabytes.strip_suffix("\u{a0}MB").unwrap_or_else(|| panic!("{megabytes:?}")).parse().unwrap();
    assert!(megabytes > 400.0, "{megabytes}");
}

fn stop_terminates(window: &Window) {
    // A pipeline: all of it has to end, and it does so at once.
    let job = window.enter("sleep 100 | sleep 100");
    window.until_row(&job, &["running", ""]);
    assert!(window.parts.stop.is_sensitive());
    window.parts.stop.emit_clicked();
    assert!(!window.parts.stop.is_sensitive());
    assert!(!window.parts.restart.is_sensitive());
    window.until_row(&job, &["ended", "signal: 15 (SIGTERM)"]);
}

fn stop_kills_after_the_grace(window: &Window) {
    let job = window.enter("trap '' TERM; echo ready; while :; do sleep 0.01; done");
    until("the trap is set", || window.output() == "ready\n");
    window.parts.stop.emit_clicked();
    window.until_row(&job, &["stopping", ""]);
    window.until_row(&job, &["ended", "signal: 9 (SIGKILL)"]);

    // The shell ends at once, and what it leaves behind is killed after the grace: it holds the pipe until then.
    let job = window.enter("(trap '' TERM; echo ready; exec sleep 1000) & sleep 1000");
    until("the trap is set", || window.output() == "ready\n");
    window.parts.stop.emit_clicked();
    window.until_row(&job, &["ended", "signal: 15 (SIGTERM)"]);
    until("nobody holds the pipe", || !job.is_reading());
}

fn restart(window: &Window) {
    let count = window.path("count");
    let job = window.enter(&format!("echo run >>{count}; echo $(wc -l <{count}); sleep 100"));
    until("it has run once", || window.output() == "1\n");
    window.parts.restart.emit_clicked();
    until("it runs again", || window.output() == "2\n");
    window.until_row(&job, &["running", ""]);
    window.parts.stop.emit_clicked();
    window.until_row(&job, &["ended", "signal: 15 (SIGTERM)"]);
    window.parts.restart.emit_clicked();
    until("and again", || window.output() == "3\n");
    window.until_row(&job, &["running", ""]);
    assert_eq!(window.runner.jobs().n_items(), 1);
}

fn closing_ends_all(window: &Window) {
    window.enter("sleep 1000");
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
