//! A job as the list shows it: an object whose properties are the columns, so that a row changes by itself.

use std::cell::{Cell, RefCell};

use gtk::glib;
use gtk::glib::subclass::prelude::*;
use gtk::prelude::*;

use crate::runner::Process;

mod imp {
    use super::*;

    #[derive(Default, glib::Properties)]
    #[properties(wrapper_type = super::Job)]
    pub struct Job {
        #[property(get, construct_only)]
        number: Cell<u32>,
        #[property(get, construct_only)]
        command: RefCell<String>,
        /// `running`, `stopping`, `succeeded`, `failed`, or `not started`.
        #[property(get, set)]
        state: RefCell<String>,
        #[property(get, set)]
        status: RefCell<String>,
        /// How long it has run.
        #[property(get, set)]
        time: RefCell<String>,
        #[property(get, set)]
        cpu: RefCell<String>,
        #[property(get, set)]
        memory: RefCell<String>,
        #[property(get)]
        output: gtk::TextBuffer,
        pub(crate) process: RefCell<Option<Process>>,
        /// What reads the output, until its end.
        pub(crate) reader: RefCell<Option<glib::SourceId>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Job {
        const NAME: &'static str = "ChildsetJob";
        type Type = super::Job;
    }

    #[glib::derived_properties]
    impl ObjectImpl for Job {}
}

glib::wrapper! {
    /// One command, and its latest run.
    pub struct Job(ObjectSubclass<imp::Job>);
}

impl Job {
    pub(crate) fn new(number: u32, command: &str) -> Job {
        glib::Object::builder().property("number", number).property("command", command).build()
    }

    pub(crate) fn process(&self) -> &RefCell<Option<Process>> {
        &self.imp().process
    }

    pub(crate) fn reader(&self) -> &RefCell<Option<glib::SourceId>> {
        &self.imp().reader
    }

    /// Whether more output may come: somebody holds the pipe.
    pub fn is_reading(&self) -> bool {
        self.reader().borrow().is_some()
    }

    /// Whether it runs, or is about to end.
    pub fn is_running(&self) -> bool {
        self.process().borrow().is_some()
    }
}
