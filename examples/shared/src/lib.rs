//! What several of the programs beside it need.

mod ignored;
mod report;
mod stat;

pub use ignored::Ignored;
pub use report::{complain, exit_code_of, printable, CANNOT_RUN, NOT_FOUND};
pub use stat::Stat;
