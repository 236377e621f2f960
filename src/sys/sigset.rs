//! Sets of signals, and their dispositions, as the kernel has them: those of the C library differ.

use libc::c_ulong;

use super::raw::{call, IS_MIPS};

/// The kernel's `sigset_t`: words. The first one has the lowest signals.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(super) struct SigSet([c_ulong; SigSet::SIZE / size_of::<c_ulong>()]);

impl SigSet {
    /// In bytes: MIPS has 128 signals.
    pub(super) const SIZE: usize = if IS_MIPS { 16 } else { 8 };
    pub(super) const EMPTY: SigSet = SigSet([0; SigSet::SIZE / size_of::<c_ulong>()]);
    pub(super) const ALL: SigSet = SigSet([c_ulong::MAX; SigSet::SIZE / size_of::<c_ulong>()]);

    /// One bit for each signal up to 64.
    pub(super) fn from_bits(bits: u64) -> SigSet {
        let mut set = SigSet::EMPTY;
        for (word, shift) in set.0.iter_mut().zip((0..u64::BITS).step_by(c_ulong::BITS as usize)) {
            *word = (bits >> shift) as c_ulong;
        }
        set
    }
}

/// At least as large as the kernel's `struct sigaction` on each processor. All zero is `SIG_DFL` without flags.
pub(super) type SigAction = [usize; 8];

/// Where the handler is in it: MIPS has the flags first.
pub(super) const HANDLER: usize = IS_MIPS as usize;

/// # Safety
/// The addresses are 0, or those of a [`SigAction`]; and no code of this process relies on the disposition.
pub(super) unsafe fn rt_sigaction(signal: usize, new: usize, old: usize) -> Result<usize, i32> {
    // SPARC has the size in the fifth place; the fourth one does not matter where the handler is no function.
    // SAFETY: the caller's promise.
    unsafe { call(libc::SYS_rt_sigaction, [signal, new, old, SigSet::SIZE, SigSet::SIZE]) }
}
