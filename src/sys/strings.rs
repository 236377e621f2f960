//! Null-terminated arrays of C strings, as `execve` wants them.

use std::ffi::{c_char, CStr};

/// Strings and, for `execve`, pointers to them with a null pointer at the end.
pub(crate) struct CStrings {
    /// The strings, each with its null byte. Never changed: `pointers` points into them.
    bytes: Vec<u8>,
    pointers: Vec<*const c_char>,
}

// SAFETY: the pointers lead only into `bytes`, which is owned with them and never changed.
unsafe impl Send for CStrings {}
// SAFETY: as for `Send`; nothing is written through the pointers.
unsafe impl Sync for CStrings {}

/// From strings in parts. No part has a null byte.
impl<'a, const N: usize> FromIterator<[&'a [u8]; N]> for CStrings {
    fn from_iter<I: IntoIterator<Item = [&'a [u8]; N]>>(strings: I) -> CStrings {
        let mut all = Growing::default();
        strings.into_iter().for_each(|parts| all.push(parts));
        all.finish()
    }
}

/// Strings that become [`CStrings`].
#[derive(Default)]
pub(crate) struct Growing {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl Growing {
    /// Room for the environments of most programs, so that nothing is moved on the way.
    pub(crate) fn for_variables(count: usize) -> Growing {
        Growing { bytes: Vec::with_capacity(64 * count), starts: Vec::with_capacity(count) }
    }

    /// Adds a string, given in parts. No part has a null byte.
    pub(crate) fn push<const N: usize>(&mut self, parts: [&[u8]; N]) {
        self.starts.push(self.bytes.len());
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        self.bytes.push(0);
    }

    pub(crate) fn finish(self) -> CStrings {
        let Growing { bytes, starts } = self;
        let end = std::iter::once(std::ptr::null());
        let pointers = starts.iter().map(|&start| bytes[start..].as_ptr().cast()).chain(end).collect();
        CStrings { bytes, pointers }
    }
}

impl CStrings {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &CStr> {
        let strings = self.bytes.split_inclusive(|&byte| byte == 0);
        strings.map(|string| CStr::from_bytes_with_nul(string).expect("a null byte at its end alone"))
    }

    /// With the null pointer at the end.
    pub(crate) fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }

    /// Without it.
    pub(crate) fn pointers(&self) -> &[*const c_char] {
        &self.pointers[..self.pointers.len() - 1]
    }
}

/// The environment of this process, for a system call that reads it. Rust reads nothing through it: another thread may
/// be changing what it points to.
pub(super) fn environment() -> *const *const c_char {
    extern "C" {
        static environ: *const *const c_char;
    }
    // SAFETY: the C library has it, and a pointer is read as one, whoever writes it meanwhile.
    unsafe { std::ptr::addr_of!(environ).read_volatile() }
}
