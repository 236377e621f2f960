//! A `ChildSet` in GLib's main loop, in two ways: a source with a callback, and `await`. Neither has a thread.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::rc::Rc;

use childset::{ChildSet, Exited};
use glib::{ControlFlow, IOCondition, Priority, SourceFuture, SourceId};
use glib_unix::{fd_source_new, unix_fd_add_local_full};

/// The priority to use in a program with a window: exactly that of redrawing, `GDK_PRIORITY_REDRAW`.
///
/// With a bound for each wake, sources of one priority take turns: a redraw that is due comes after at most one more wake,
/// and a wake after at most one redraw. Above it, nothing would be redrawn while very many children end. Below it, as
/// with [`Priority::DEFAULT_IDLE`], no exit would come while a window redraws all the time, as an animation does.
pub const PRIORITY: i32 = 120;

/// How many exits to take before others have their turn.
pub const BATCH: usize = 32;

/// A source in the main loop. Dropping it takes it out, before the set can close the descriptor.
pub struct Watch<T> {
    source: Option<SourceId>,
    _set: Rc<ChildSet<T>>,
}

impl<T> Drop for Watch<T> {
    fn drop(&mut self) {
        if let Some(source) = self.source.take() {
            source.remove();
        }
    }
}

/// Calls `act` for each child that ends, at most `batch` times before other sources of the same priority have
/// their turn. For the main thread.
///
/// A source is level-triggered: what one call leaves is taken by the next.
pub fn watch<T: 'static>(
    set: &Rc<ChildSet<T>>,
    priority: impl Into<Priority>,
    batch: usize,
    mut act: impl FnMut(io::Result<Exited<T>>) + 'static,
) -> Watch<T> {
    let watched = Rc::clone(set);
    let source = unix_fd_add_local_full(set.as_raw_fd(), priority.into(), IOCondition::IN, move |_, _| {
        for _ in 0..batch {
            match watched.try_wait() {
                Ok(Some(exited)) => act(Ok(exited)),
                Ok(None) => break,
                Err(error) => {
                    act(Err(error));
                    break;
                }
            }
        }
        ControlFlow::Continue
    });
    Watch { source: Some(source), _set: Rc::clone(set) }
}

/// Awaits the exit of the next child; `None` if the set is empty.
///
/// It takes one exit a turn of the loop, so that a task that asks for the next one at once starves nobody.
///
/// # Errors
/// As [`ChildSet::try_wait`].
///
/// # Cancel safety
/// Dropping the future loses nothing.
pub async fn next<T>(set: &ChildSet<T>, priority: impl Into<Priority>) -> io::Result<Option<Exited<T>>> {
    let priority = priority.into();
    while !set.is_empty() {
        readable(set.as_fd(), priority).await;
        if let Some(exited) = set.try_wait()? {
            return Ok(Some(exited));
        }
    }
    Ok(None)
}

/// Awaits that a descriptor can be read from.
///
/// # Cancel safety
/// Dropping the future loses nothing.
pub async fn readable(fd: BorrowedFd<'_>, priority: Priority) {
    let fd = fd.as_raw_fd();
    SourceFuture::new(move |sender| {
        let mut sender = Some(sender);
        fd_source_new(fd, IOCondition::IN, Some("childset"), priority, move |_, _| {
            if let Some(sender) = sender.take() {
                // Whoever has dropped the future does not want to know.
                let _ = sender.send(());
            }
            ControlFlow::Break
        })
    })
    .await
}
