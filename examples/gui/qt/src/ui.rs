//! Qt, as far as the shim makes it callable. The only place with `unsafe`.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::ffi::{c_char, c_int, c_void};
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

type Act = unsafe extern "C" fn(*mut c_void);
type Take = unsafe extern "C" fn(*mut c_void, *const c_char, usize);

macro_rules! opaque {
    ($($name:ident)*) => {
        $(#[repr(C)]
        struct $name([u8; 0]);)*
    };
}
opaque!(QApplication QSocketNotifier QTimer Panes);

extern "C" {
    fn ui_new() -> *mut QApplication;
    fn ui_run();
    fn ui_quit();
    fn ui_free(application: *mut QApplication);
    fn notifier_new(fd: c_int, act: Act, data: *mut c_void) -> *mut QSocketNotifier;
    fn notifier_free(notifier: *mut QSocketNotifier);
    fn timer_new(milliseconds: c_int, act: Act, data: *mut c_void) -> *mut QTimer;
    fn timer_free(timer: *mut QTimer);
    fn panes_new(rows: c_int) -> *mut Panes;
    fn panes_connect(panes: *mut Panes, act: Act, data: *mut c_void, stop: Act, stop_data: *mut c_void);
    fn panes_disconnect(panes: *mut Panes);
    fn panes_current(panes: *mut Panes) -> c_int;
    fn panes_select(panes: *mut Panes, row: c_int);
    fn panes_can_stop(panes: *mut Panes, can: bool);
    fn panes_set(panes: *mut Panes, row: c_int, column: c_int, bytes: *const c_char, length: usize);
    fn panes_get(panes: *mut Panes, row: c_int, column: c_int, act: Take, data: *mut c_void);
    fn panes_colour(panes: *mut Panes, row: c_int, rgb: c_int, bold: bool);
    fn panes_output(panes: *mut Panes, bytes: *const c_char, length: usize);
    fn panes_append(panes: *mut Panes, bytes: *const c_char, length: usize);
    fn panes_close(panes: *mut Panes);
    fn panes_free(panes: *mut Panes);
}

/// Qt and its loop. What is made from it does not outlive it, and stays in its thread: a raw pointer is not
/// `Send`.
pub(crate) struct Ui(*mut QApplication);

impl Ui {
    /// The process's only one.
    pub(crate) fn new() -> Ui {
        // SAFETY: called once, from `main`; it ends the process if there is no display.
        Ui(unsafe { ui_new() })
    }

    /// Runs the loop until the last window was closed, or until [`quit`].
    pub(crate) fn run(&self) {
        // SAFETY: the application exists.
        unsafe { ui_run() }
    }
}

impl Drop for Ui {
    fn drop(&mut self) {
        // SAFETY: all that was made from it borrows it, and is gone.
        unsafe { ui_free(self.0) }
    }
}

/// Has the loop end soon.
pub(crate) fn quit() {
    // SAFETY: Qt ignores it where there is no application.
    unsafe { ui_quit() }
}

/// A closure that Qt calls, at an address that stays.
///
/// It is called by the loop alone, and so never while it runs, unless it ran the loop itself: then it would not
/// be called again within.
struct Callback<'a>(*mut RefCell<Box<dyn FnMut() + 'a>>);

impl<'a> Callback<'a> {
    fn new(act: impl FnMut() + 'a) -> Callback<'a> {
        Callback(Box::into_raw(Box::new(RefCell::new(Box::new(act)))))
    }

    fn data(&self) -> *mut c_void {
        self.0.cast()
    }

    /// A panic in it ends the process, as in any function that C++ calls.
    unsafe extern "C" fn call(data: *mut c_void) {
        // SAFETY: the data is that of a `Callback` which is dropped only after what calls it.
        let act = unsafe { &*data.cast::<RefCell<Box<dyn FnMut() + 'a>>>() };
        if let Ok(mut act) = act.try_borrow_mut() {
            act();
        }
    }
}

impl Drop for Callback<'_> {
    fn drop(&mut self) {
        // SAFETY: it came from a box, and nobody calls it any more.
        drop(unsafe { Box::from_raw(self.0) })
    }
}

/// Calls a closure whenever a descriptor is readable.
pub(crate) struct Notifier<'a> {
    notifier: *mut QSocketNotifier,
    _act: Callback<'a>,
    _fd: BorrowedFd<'a>,
}

impl<'a> Notifier<'a> {
    pub(crate) fn new(_: &'a Ui, fd: &'a impl AsFd, act: impl FnMut() + 'a) -> Notifier<'a> {
        let (fd, act) = (fd.as_fd(), Callback::new(act));
        // SAFETY: descriptor and callback live longer than the notifier, which `drop` frees first.
        let notifier = unsafe { notifier_new(fd.as_raw_fd(), Callback::call, act.data()) };
        Notifier { notifier, _act: act, _fd: fd }
    }
}

impl Drop for Notifier<'_> {
    fn drop(&mut self) {
        // SAFETY: it is ours, and freed once.
        unsafe { notifier_free(self.notifier) }
    }
}

/// Calls a closure again and again.
pub(crate) struct Timer<'a> {
    timer: *mut QTimer,
    _act: Callback<'a>,
}

impl<'a> Timer<'a> {
    pub(crate) fn new(_: &'a Ui, interval: Duration, act: impl FnMut() + 'a) -> Timer<'a> {
        let act = Callback::new(act);
        let milliseconds = interval.as_millis().try_into().unwrap_or(c_int::MAX);
        // SAFETY: the callback lives longer than the timer, which `drop` frees first.
        let timer = unsafe { timer_new(milliseconds, Callback::call, act.data()) };
        Timer { timer, _act: act }
    }
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        // SAFETY: it is ours, and freed once.
        unsafe { timer_free(self.timer) }
    }
}

/// A column of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    Command,
    Status,
    Time,
    Cpu,
    Memory,
    Processes,
}

/// A window with a row for each command, the output of the current one, and a button that stops it.
pub(crate) struct Window<'a> {
    panes: *mut Panes,
    rows: usize,
    _ui: PhantomData<&'a Ui>,
}

impl<'a> Window<'a> {
    pub(crate) fn new(_: &'a Ui, rows: usize) -> Window<'a> {
        let count = rows.try_into().expect("fewer rows than there are processes");
        // SAFETY: the application exists.
        Window { panes: unsafe { panes_new(count) }, rows, _ui: PhantomData }
    }

    /// Calls closures when another row is the current one, and when the button is clicked, as long as the returned object
    /// is there.
    pub(crate) fn connect<'b>(&'b self, select: impl FnMut() + 'b, stop: impl FnMut() + 'b) -> Connected<'b> {
        let (select, stop) = (Callback::new(select), Callback::new(stop));
        // SAFETY: the callbacks live longer than the connection, which `drop` ends first.
        unsafe { panes_connect(self.panes, Callback::call, select.data(), Callback::call, stop.data()) }
        Connected { panes: self.panes, _acts: [select, stop] }
    }

    /// The row that is the current one, if one is.
    pub(crate) fn current(&self) -> Option<usize> {
        // SAFETY: the window exists.
        usize::try_from(unsafe { panes_current(self.panes) }).ok()
    }

    /// Makes a row the current one.
    pub(crate) fn select(&self, row: usize) {
        assert!(row < self.rows);
        // SAFETY: the row exists.
        unsafe { panes_select(self.panes, row as c_int) }
    }

    /// Whether the button can be clicked.
    pub(crate) fn can_stop(&self, can: bool) {
        // SAFETY: the window exists.
        unsafe { panes_can_stop(self.panes, can) }
    }

    pub(crate) fn set(&self, row: usize, column: Column, text: &str) {
        assert!(row < self.rows);
        // SAFETY: the cell exists, and the text is copied.
        unsafe { panes_set(self.panes, row as c_int, column as c_int, text.as_ptr().cast(), text.len()) }
    }

    /// What a cell shows.
    pub(crate) fn get(&self, row: usize, column: Column) -> String {
        unsafe extern "C" fn take(data: *mut c_void, bytes: *const c_char, length: usize) {
            // SAFETY: the data is the string below, and Qt keeps the bytes during the call.
            let (text, bytes) = unsafe {
                (&mut *data.cast::<String>(), std::slice::from_raw_parts(bytes.cast::<u8>(), length))
            };
            text.push_str(&String::from_utf8_lossy(bytes));
        }
        assert!(row < self.rows);
        let mut text = String::new();
        // SAFETY: the cell exists, and `take` is called before the function returns.
        unsafe { panes_get(self.panes, row as c_int, column as c_int, take, (&raw mut text).cast()) };
        text
    }

    /// Sets the colour of a status.
    pub(crate) fn colour(&self, row: usize, rgb: u32, bold: bool) {
        assert!(row < self.rows);
        // SAFETY: the cell exists.
        unsafe { panes_colour(self.panes, row as c_int, rgb as c_int, bold) }
    }

    /// Replaces what is shown as the output.
    pub(crate) fn show_output(&self, text: &str) {
        // SAFETY: the window exists, and the text is copied.
        unsafe { panes_output(self.panes, text.as_ptr().cast(), text.len()) }
    }

    /// Appends to what is shown as the output.
    pub(crate) fn append_output(&self, text: &str) {
        // SAFETY: as above.
        unsafe { panes_append(self.panes, text.as_ptr().cast(), text.len()) }
    }

    /// Closes it, which ends the loop.
    pub(crate) fn close(&self) {
        // SAFETY: the window exists.
        unsafe { panes_close(self.panes) }
    }
}

impl Drop for Window<'_> {
    fn drop(&mut self) {
        // SAFETY: it is ours, and freed once.
        unsafe { panes_free(self.panes) }
    }
}

/// Closures that a window calls.
pub(crate) struct Connected<'a> {
    panes: *mut Panes,
    _acts: [Callback<'a>; 2],
}

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        // SAFETY: the window is borrowed for as long as this is there.
        unsafe { panes_disconnect(self.panes) }
    }
}
