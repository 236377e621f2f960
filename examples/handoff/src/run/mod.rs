//! The two parts.

mod start;
mod take;

use async_signal::Signal;

pub(crate) use start::start;
pub(crate) use take::take;

/// What ends a part, or is passed on.
const ENDING: [Signal; 2] = [Signal::Int, Signal::Term];
