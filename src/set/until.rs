/// When there is nothing to wait for any more: once the set is empty, or only once it is closed, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Until {
    Empty,
    Closed,
}
