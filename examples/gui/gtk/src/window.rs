//! The window: an entry, a list of jobs, and the output of the selected one.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use childset::Stdio;
use gtk::glib;
use gtk::glib::{closure, ControlFlow};
use gtk::prelude::*;
use gtk::{Align, Orientation, PolicyType};

use crate::job::Job;
use crate::runner::Runner;

/// Of the states of jobs. In a selected row the text has the colour that the theme has for it.
const STYLE: &str = ".failed { font-weight: bold; color: #c01c28 }
.succeeded { color: #1b7f43 }
:selected .failed, :selected .succeeded { color: inherit }";

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
    list: gtk::ColumnView,
}

impl JobsWindow {
    /// Shows the jobs of a runner.
    pub fn new(runner: &Rc<Runner>) -> Rc<JobsWindow> {
        let selection = gtk::SingleSelection::new(Some(runner.jobs().clone()));
        let parts = Rc::new(JobsWindow {
            window: gtk::Window::builder().title("Jobs").default_width(960).default_height(640).build(),
            entry: gtk::Entry::builder().placeholder_text("A command for sh").hexpand(true).build(),
            run: gtk::Button::with_label("Run"),
            stop: gtk::Button::builder().label("Stop").sensitive(false).build(),
            restart: gtk::Button::builder().label("Restart").sensitive(false).build(),
            output: gtk::TextView::builder()
                .editable(false)
                .cursor_visible(false)
                .monospace(true)
                .wrap_mode(gtk::WrapMode::WordChar)
                .build(),
            list: gtk::ColumnView::new(None::<gtk::SingleSelection>),
            selection,
        });
        parts.lay_out();
        parts.connect_start(runner);
        parts.connect_selected(runner);
        parts.connect_close(runner);
        parts.follow_output();
        parts.follow_selected();
        parts
    }

    /// Has a function called when the window is closed for good.
    pub fn connect_closed(&self, act: impl Fn() + 'static) {
        // `destroy` comes when the last reference is gone, and `self` has one.
        self.window.connect_unrealize(move |_| act());
    }

    fn lay_out(&self) {
        let style = gtk::CssProvider::new();
        style.load_from_data(STYLE);
        let display = gtk::prelude::WidgetExt::display(&self.window);
        gtk::style_context_add_provider_for_display(
            &display,
            &style,
            gtk::STYLE_PROVIDER_PRIORITY_APPLICATION,
        );

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

        let list = &self.list;
        list.set_model(Some(&self.selection));
        list.set_show_row_separators(true);
        list.append_column(&column("Job", "number", 4, Align::End));
        let command = column("Command", "command", 12, Align::Start);
        command.set_expand(true);
        list.append_column(&command);
        list.append_column(&state_column());
        list.append_column(&column("Status", "status", 18, Align::Start));
        list.append_column(&column("Time", "time", 7, Align::End));
        list.append_column(&column("CPU", "cpu", 8, Align::End));
        list.append_column(&column("Memory", "memory", 10, Align::End));

        self.output.set_left_margin(6);
        self.output.set_top_margin(6);
        self.output.set_bottom_margin(6);
        let halves = gtk::Paned::builder().orientation(Orientation::Vertical).position(320).build();
        halves.set_start_child(Some(&scrolled(list)));
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
        // A scroll that is under way would hold up the next one.
        self.output.settings().set_gtk_enable_animations(false);
        let Some(place) = self.output.vadjustment() else { return };
        let is_at_end = Rc::new(Cell::new(true));
        // The last place; `None` until the end was shown after a job was selected.
        let last = Rc::new(Cell::new(None));
        let (at_end, seen) = (Rc::clone(&is_at_end), Rc::clone(&last));
        place.connect_value_changed(move |place| {
            let (value, upper) = (place.value(), place.upper());
            if value + place.page_size() >= upper - 1.0 {
                at_end.set(true);
                seen.set(Some((value, upper)));
            } else if let Some((last_value, last_upper)) = seen.get() {
                seen.set(Some((value, upper)));
                // Back, and further than by the first lines, which may have been dropped.
                if value < last_value + (upper - last_upper).min(0.0) - 1.0 {
                    at_end.set(false);
                }
            }
        });
        let followed = RefCell::new(None::<(gtk::TextBuffer, glib::SignalHandlerId)>);
        let output = self.output.clone();
        self.selection.connect_selected_item_notify(move |selection| {
            if let Some((buffer, handler)) = followed.take() {
                buffer.disconnect(handler);
            }
            let Some(buffer) = selected(selection).map(|job| job.output()) else { return };
            let end = buffer
                .mark("end")
                .unwrap_or_else(|| buffer.create_mark(Some("end"), &buffer.end_iter(), false));
            is_at_end.set(true);
            last.set(None);
            output.scroll_to_mark(&end, 0.0, true, 0.0, 1.0);
            let (output, is_at_end) = (output.clone(), Rc::clone(&is_at_end));
            let handler = buffer.connect_changed(move |_| {
                if is_at_end.get() {
                    output.scroll_to_mark(&end, 0.0, true, 0.0, 1.0);
                }
            });
            followed.replace(Some((buffer, handler)));
        });
    }

    /// Shows the row of the job that was selected, which a new one is.
    fn follow_selected(&self) {
        let list = self.list.clone();
        let frames = Rc::new(Cell::new(0));
        self.selection.connect_selected_notify(move |selection| {
            // A new row has its place once a frame was laid out.
            if frames.replace(2) > 0 {
                return;
            }
            let (frames, selection) = (Rc::clone(&frames), selection.clone());
            list.add_tick_callback(move |list, _| {
                frames.set(frames.get() - 1);
                if frames.get() > 0 {
                    return ControlFlow::Continue;
                }
                // What is below the header; before GTK 4.12 it has no method of its own.
                if let Some(rows) = list.last_child() {
                    let row = selection.selected().to_variant();
                    rows.activate_action("list.scroll-to-item", Some(&row)).expect("it is a list");
                }
                ControlFlow::Break
            });
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

/// The column that has to be seen at a glance: by a mark, by its weight, and by its colour.
fn state_column() -> gtk::ColumnViewColumn {
    let factory = gtk::SignalListItemFactory::new();
    factory.connect_setup(|_, item| {
        let label = gtk::Label::builder().halign(Align::Start).width_chars(12).xalign(0.0).build();
        let item = item.downcast_ref::<gtk::ListItem>().expect("the items of a list");
        let state = || item.property_expression("item").chain_property::<Job>("state");
        state()
            .chain_closure::<String>(closure!(|_: Option<glib::Object>, state: &str| {
                let mark = match state {
                    "succeeded" => "✓",
                    "failed" | "not started" => "✗",
                    "stopping" => "■",
                    _ => "▶",
                };
                format!("{mark} {state}")
            }))
            .bind(&label, "label", None::<&glib::Object>);
        state()
            .chain_closure::<Vec<String>>(closure!(|_: Option<glib::Object>, state: &str| -> Vec<String> {
                let classes: &[&str] = match state {
                    "succeeded" => &["succeeded"],
                    "failed" | "not started" => &["failed"],
                    _ => &["dim-label"],
                };
                classes.iter().map(|&class| class.to_owned()).collect()
            }))
            .bind(&label, "css-classes", None::<&glib::Object>);
        item.set_child(Some(&label));
    });
    gtk::ColumnViewColumn::builder().title("State").factory(&factory).resizable(true).build()
}

fn scrolled(child: &impl IsA<gtk::Widget>) -> gtk::ScrolledWindow {
    gtk::ScrolledWindow::builder().hscrollbar_policy(PolicyType::Automatic).child(child).build()
}
