//! What the programs that show jobs have in common.

mod descriptors;
mod jobs;
mod output;
mod rest;
mod show;
mod signals;
mod usage;

pub use descriptors::Descriptors;
pub use jobs::{Job, Jobs, SharedRest, State, GRACE};
pub use output::{Decoder, Outputs};
pub use rest::Rest;
pub use show::{elapsed, size};
pub use signals::EndSignals;
pub use usage::{Look, Used};
