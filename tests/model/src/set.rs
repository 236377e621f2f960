#[path = "../../../src/set/blocked.rs"]
mod blocked;
#[path = "../../../src/set/poll_exit.rs"]
mod poll_exit;
#[path = "../../../src/set/until.rs"]
mod until;
#[path = "../../../src/set/waiters.rs"]
mod waiters;

mod awaiting;
mod blocking;
mod model;

/// The crate's `bell`, without an eventfd.
use model::bell;
