//! Null-terminated arrays of C strings, as `execve` wants them.

use std::ffi::{c_char, CString};

/// Strings and, for `execve`, pointers to them with a null pointer at the end.
#[derive(Debug)]
pub(crate) struct CStrings {
    /// Never changed: `pointers` points into them.
    strings: Vec<CString>,
    pointers: Vec<*const c_char>,
}

// SAFETY: the pointers lead only into `strings`, which is owned with them and never changed.
unsafe impl Send for CStrings {}
// SAFETY: as for `Send`; nothing is written through the pointers.
unsafe impl Sync for CStrings {}

impl CStrings {
    pub(crate) fn new(strings: Vec<CString>) -> CStrings {
        let end = std::iter::once(std::ptr::null());
        let pointers = strings.iter().map(|string| string.as_ptr()).chain(end).collect();
        CStrings { strings, pointers }
    }

    pub(crate) fn strings(&self) -> &[CString] {
        &self.strings
    }

    /// With the null pointer at the end.
    pub(crate) fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }

    /// Without it.
    pub(crate) fn pointers(&self) -> &[*const c_char] {
        &self.pointers[..self.strings.len()]
    }
}
