use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use super::Shared;
use crate::watch::dropped::{hand_over, Orphan};

/// One who answers for a child: a `Child`, a member of a set, or a future of theirs.
///
/// When the last keeper is dropped, the child is dropped: killed and reaped as it was asked for. Handles are no
/// keepers: they share the descriptor, and may outlive that.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// `None` only while being dropped.
    shared: Option<Arc<Shared>>,
}

/// How many keepers a child has.
#[derive(Debug)]
pub(super) struct Keepers(AtomicUsize);

impl Keepers {
    pub(super) fn one() -> Keepers {
        Keepers(AtomicUsize::new(1))
    }
}

impl Keeper {
    #[inline]
    pub(crate) fn new(shared: Shared) -> Keeper {
        Keeper { shared: Some(Arc::new(shared)) }
    }

    pub(super) fn share(&self) -> Arc<Shared> {
        Arc::clone(self.arc())
    }

    /// What is kept, if nobody else shares it.
    pub(crate) fn into_inner(mut self) -> Result<Shared, Keeper> {
        match self.shared.take().map(Arc::try_unwrap) {
            Some(Ok(shared)) => Ok(shared),
            Some(Err(shared)) => {
                self.shared = Some(shared);
                Err(self)
            }
            None => Err(self),
        }
    }

    fn arc(&self) -> &Arc<Shared> {
        self.shared.as_ref().expect("taken only by into_inner and drop")
    }
}

impl Deref for Keeper {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        self.arc()
    }
}

impl Clone for Keeper {
    fn clone(&self) -> Keeper {
        self.arc().keepers.0.fetch_add(1, Ordering::Relaxed);
        Keeper { shared: Some(self.share()) }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let Some(mut shared) = self.shared.take() else {
            return;
        };
        if shared.keepers.0.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        shared.kill_dropped_cgroup();
        // Handles that are left must neither put off what dropping does, nor do it later.
        if Arc::get_mut(&mut shared).is_none() && shared.process().let_go() {
            hand_over(Orphan::Shared(shared));
        }
    }
}
