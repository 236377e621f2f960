//! A window to run jobs in. The program is `main.rs`; `tests/window.rs` uses the same window.

mod job;
mod output;
mod runner;
mod window;

pub use job::Job;
pub use runner::Runner;
pub use window::JobsWindow;
