//! The window: an entry, a list of jobs, and the output of the selected one.

use std::cell::Cell;
use std::rc::Rc;

use childset::Stdio;
use gtk::glib;
use gtk::glib::closure;
use gtk::prelude::*;
use gtk::{Align, Orientation, PolicyType};

use crate::job::Job;
use crate::runner::Runner;

/// The window and those of its parts that are used from outside.
pub struct JobsWindow {
    /// Not shown yet.
    pub window: gtk::Window,
    /// Where commands are typed.
    pub entry: gtk::Entry,
    /// Starts what was typed, as the enter key does.
    pub run: gtk::Button,
    /// Ends the selected job.
    pub stop: gtk::Button,
    /// Runs the selected job again.
    pub restart: gtk::Button,
    /// Which job is selected.
    pub selection: gtk::SingleSelection,
    /// What the selected job has written.
    pub output: gtk::TextView,
}

impl JobsWindow {
    /// Shows the jobs of a runner.
    pub fn new(runner: &Rc<Runner>) -> Rc<JobsWindow> {
        let selection = gtk::SingleSelection::new(Some(runner.jobs().clone()));
        let parts = Rc::new(JobsWindow {
            window: gtk::Window::builder().title("Jobs").default_width(900).default_height(640).build(),
            entry: gtk::Entry::builder().placeholder_text("A command for sh").hexpand(true).build(),
            run: gtk::Button::with_label("Run"),
            stop: gtk::Button::builder().label("Stop").sensitive(false).build(),
            restart: gtk::Button::builder().label("Restart").sensitive(false).build(),
            output: gtk::TextView::builder().editable(false).cursor_visible(false).monospace(true).build(),
            selection,
        });
        parts.lay_out();
        parts.connect_start(runner);
        parts.connect_selected(runner);
        parts.connect_close(runner);
        parts.follow_output();
        parts
    }

    /// Has a function called when the window is closed for good.
    pub fn connect_closed(&self, act: impl Fn() + 'static) {
        // `destroy` comes when the last reference is gone, and `self` has one.
        self.window.connect_unrealize(move |_| act());
    }

    fn lay_out(&self) {
        let bar = gtk::Box::builder().spacing(6).build();
        for margin in [gtk::Box::set_margin_top, gtk::Box::set_margin_bottom] {
            margin(&bar, 6);
        }
        for margin in [gtk::Box::set_margin_start, gtk::Box::set_margin_end] {
            margin(&bar, 6);
        }
        bar.append(&self.entry);
        bar.append(&self.run);
        bar.append(&self.stop);
        bar.append(&self.restart);

        let list = gtk::ColumnView::builder().model(&self.selection).show_row_separators(true).build();
        list.append_column(&column("Job", "number", 4, Align::End));
        let command = column("Command", "command", 12, Align::Start);
        command.set_expand(true);
        list.append_column(&command);
        list.append_column(&column("State", "state", 10, Align::Start));
        list.append_column(&column("Status", "status", 18, Align::Start));
        list.append_column(&column("CPU", "cpu", 9, Align::End));
        list.append_column(&column("Max RSS", "memory", 10, Align::End));

        self.output.set_left_margin(6);
        self.output.set_top_margin(6);
        let halves = gtk::Paned::builder().orientation(Orientation::Vertical).position(320).build();
        halves.set_start_child(Some(&scrolled(&list)));
        halves.set_end_child(Some(&scrolled(&self.output)));
        halves.set_vexpand(true);

        let all = gtk::Box::new(Orientation::Vertical, 0);
        all.append(&bar);
        all.append(&halves);
        self.window.set_child(Some(&all));
    }

    fn connect_start(self: &Rc<Self>, runner: &Rc<Runner>) {
        let (runner, selection) = (Rc::clone(runner), self.selection.clone());
        self.entry.connect_activate(move |entry| {
            let command = entry.text();
            if !command.trim().is_empty() {
                let job = runner.start(&command, Stdio::null());
                selection.set_selected(job.number() - 1);
                entry.set_text("");
            }
        });
        let entry = self.entry.clone();
        self.run.connect_clicked(move |_| entry.emit_activate());
    }

    fn connect_selected(&self, runner: &Rc<Runner>) {
        let output = self.output.clone();
        self.selection.connect_selected_item_notify(move |selection| {
            output.set_buffer(selected(selection).map(|job| job.output()).as_ref());
        });

        let (stopper, selection) = (Rc::clone(runner), self.selection.clone());
        self.stop.connect_clicked(move |_| selected(&selection).iter().for_each(|job| stopper.stop(job)));
        let (restarter, selection) = (Rc::clone(runner), self.selection.clone());
        self.restart.connect_clicked(move |_| {
            selected(&selection).iter().for_each(|job| restarter.restart(job));
        });

        // What can be done depends on the state of the selected job, and changes with it.
        let state = self.selection.property_expression("selected-item").chain_property::<Job>("state");
        state
            .chain_closure::<bool>(closure!(|_: Option<glib::Object>, state: &str| state == "running"))
            .bind(&self.stop, "sensitive", None::<&glib::Object>);
        state
            .chain_closure::<bool>(closure!(|_: Option<glib::Object>, state: &str| state != "stopping"))
            .bind(&self.restart, "sensitive", None::<&glib::Object>);
    }

    /// Shows the end of the output as it grows, unless one has scrolled away from it.
    fn follow_output(&self) {
        let is_at_end = Rc::new(Cell::new(true));
        let (setting, telling) = (Rc::clone(&is_at_end), Rc::clone(&is_at_end));
        self.selection.connect_selected_item_notify(move |_| is_at_end.set(true));
        let Some(place) = self.output.vadjustment() else { return };
        place.connect_value_changed(move |place| {
            setting.set(place.value() + place.page_size() >= place.upper() - 1.0);
        });
        place.connect_changed(move |place| {
            if telling.get() {
                place.set_value(place.upper() - place.page_size());
            }
        });
    }

    /// The window closes when all jobs have ended; when it is closed again, they are killed.
    fn connect_close(&self, runner: &Rc<Runner>) {
        let weak = Rc::downgrade(runner);
        let closing = Cell::new(false);
        self.window.connect_close_request(move |window| {
            let Some(runner) = weak.upgrade().filter(|runner| runner.running() > 0) else {
                return glib::Propagation::Proceed;
            };
            if closing.replace(true) {
                runner.kill_stopping();
                return glib::Propagation::Stop;
            }
            window.set_title(Some("Jobs: stopping them"));
            let (window, weak) = (window.clone(), weak.clone());
            runner.connect_exit(move |_, _| {
                let Some(runner) = weak.upgrade() else { return };
                if runner.running() == 0 {
                    runner.kill_stopping();
                    window.destroy();
                }
            });
            runner.stop_all();
            glib::Propagation::Stop
        });
        let weak = Rc::downgrade(runner);
        self.connect_closed(move || {
            if let Some(runner) = weak.upgrade() {
                runner.kill_stopping();
            }
        });
    }
}

fn selected(selection: &gtk::SingleSelection) -> Option<Job> {
    selection.selected_item().and_downcast()
}

/// A column that shows a property of the jobs, and follows it.
fn column(title: &str, property: &'static str, width: i32, align: Align) -> gtk::ColumnViewColumn {
    let factory = gtk::SignalListItemFactory::new();
    factory.connect_setup(move |_, item| {
        let label = gtk::Label::builder()
            .halign(align)
            .width_chars(width)
            .xalign(if align == Align::End { 1.0 } else { 0.0 })
            .ellipsize(gtk::pango::EllipsizeMode::End)
            .build();
        let item = item.downcast_ref::<gtk::ListItem>().expect("the items of a list");
        item.property_expression("item").chain_property::<Job>(property).bind(
            &label,
            "label",
            None::<&glib::Object>,
        );
        item.set_child(Some(&label));
    });
    gtk::ColumnViewColumn::builder().title(title).factory(&factory).resizable(true).build()
}

fn scrolled(child: &impl IsA<gtk::Widget>) -> gtk::ScrolledWindow {
    gtk::ScrolledWindow::builder().hscrollbar_policy(PolicyType::Automatic).child(child).build()
}
