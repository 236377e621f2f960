//! Whether this program was built with a sanitizer.

/// The address of a function that the program may lack: null if it does.
///
/// No safe Rust says that (`extern_weak` is unstable), and `dlsym` does not find what a program does not export.
macro_rules! address_or_null {
    ($name:literal) => {{
        let address: usize;
        #[cfg(all(target_arch = "x86_64", target_pointer_width = "64"))]
        // SAFETY: reads the word of the offset table that the linker fills in.
        unsafe {
            std::arch::asm!(
                concat!(".weak ", $name),
                concat!("mov {}, qword ptr [rip + ", $name, "@GOTPCREL]"),
                out(reg) address,
                options(nostack, preserves_flags, readonly),
            );
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: as above.
        unsafe {
            std::arch::asm!(
                concat!(".weak ", $name),
                concat!("adrp {0}, :got:", $name),
                concat!("ldr {0}, [{0}, :got_lo12:", $name, "]"),
                out(reg) address,
                options(nostack, preserves_flags, readonly),
            );
        }
        #[cfg(not(any(all(target_arch = "x86_64", target_pointer_width = "64"), target_arch = "aarch64")))]
        {
            address = 0;
        }
        address
    }};
}

/// Whether a sanitizer keeps books on each thread. A child that runs beside its parent on the same memory, with the same
/// thread pointer, would write into those of its parent's thread: the thread sanitizer then reports races that are
/// none, or hangs; the address sanitizer finds poison on a stack that is used again.
pub(super) fn keeps_books() -> bool {
    let addresses = [
        address_or_null!("__asan_init"),
        address_or_null!("__hwasan_init"),
        address_or_null!("__msan_init"),
        address_or_null!("__tsan_init"),
    ];
    addresses.iter().any(|&address: &usize| address != 0)
}
