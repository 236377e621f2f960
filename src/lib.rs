//! Process exits as a stream.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(target_os = "linux"))]
compile_error!("childset is built on pidfds, which only Linux has");

#[cfg(feature = "async-io")]
mod async_pidfd;
mod child;
mod dropped;
mod edge;
mod exit;
mod info;
mod pidfd;
mod process;
#[cfg(feature = "async-io")]
mod reactor;
mod set;
mod state;
mod sync;
mod sys;
mod watch;

#[cfg(feature = "async-io")]
pub use async_pidfd::{AsyncPidfd, PidfdFuture};
pub use child::{AdoptError, Child};
pub use dropped::reap_dropped;
pub use exit::{Exit, StatusUnknown, Usage};
pub use info::Info;
pub use pidfd::Pidfd;
pub use set::{ChildSet, Exited, InsertError, IntoChild, Key, Shutdown};
#[cfg(feature = "async-io")]
pub use set::{Exits, Next};
pub use state::{State, StateChange};
