//! In the place of an eventfd: what is rung, or readable, wakes a thread that polls.

use std::io;

use loom::sync::Arc;

use super::model::Readable;

#[derive(Clone, Debug)]
pub(super) struct Bell(pub(super) Arc<Readable>);
