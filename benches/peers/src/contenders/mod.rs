//! Those who are compared. Each only spawns and waits, in the way that is its own; what they have to do, and how
//! it is measured, is the same for all (`run`).

mod async_process;
mod childset;
mod floor;
mod std;
mod tokio;
mod zruntime;

use ::std::future::Future;
use ::std::io;
use ::std::path::PathBuf;
use ::std::pin::pin;
use ::std::task::{Context, Poll, Waker};

use anyhow::Result;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::run::{self, Report, Task};

/// What a contender spawns and waits for.
pub(crate) trait Contender: Sized {
    fn new(commands: Commands) -> io::Result<Self>;

    /// Spawns the program of this number, of `Commands`.
    fn spawn(&mut self, program: usize, tag: u32) -> io::Result<()>;

    /// The next child that has ended. There is one to wait for.
    async fn next(&mut self) -> io::Result<Ended>;

    /// Returns when no child that was spawned depends any more on which descriptors this process has.
    fn settle(&mut self) {}

    /// Runs everything. Those that do not await need nothing for it.
    fn block_on<T>(scenario: impl Future<Output = T>) -> T {
        match pin!(scenario).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => unreachable!("a contender that blocks is never pending"),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Commands {
    pub(crate) programs: Vec<PathBuf>,
    /// With a pipe as standard output, whose other end is kept; else all three are inherited.
    pub(crate) piped: bool,
}

#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) tag: u32,
    pub(crate) pid: u32,
    pub(crate) success: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Name {
    /// `ChildSet::spawn` of a `Prepared`, and `ChildSet::next`, awaited
    Childset,
    /// `ChildSet::spawn` of a `Prepared`, and `ChildSet::wait`, which blocks
    ChildsetWait,
    /// `ChildSet::launch` of a `Prepared`, and `ChildSet::next`
    ChildsetLaunch,
    /// `ChildSet::spawn` of a new `Command` each time, and `ChildSet::next`
    ChildsetCommand,
    /// `ChildSet::launch` of a new `Command` each time, and `ChildSet::next`
    ChildsetCommandLaunch,
    /// `FuturesUnordered` of `Child::status`
    AsyncProcess,
    /// The same, with `driver()` on the executor
    AsyncProcessDriver,
    /// `JoinSet` of `Child::wait`, on a current-thread runtime
    Tokio,
    /// `FuturesUnordered` of `Child::wait`, on a current-thread runtime
    TokioUnordered,
    /// `FuturesUnordered` of `Child::status`, on a local runtime
    Zruntime,
    /// A thread for each child
    Std,
    /// In C: clone3 with CLONE_VFORK, on a copy of the descriptor table; epoll, waitid
    CWaitCopy,
    /// The same, but the child copies only those descriptors that it needs
    CWaitShare,
    /// In C: the first without CLONE_VFORK
    CLaunchCopy,
    /// In C: the second without CLONE_VFORK
    CLaunchShare,
}

impl Name {
    pub(crate) const ALL: [Name; 15] = [
        Name::Childset,
        Name::ChildsetWait,
        Name::ChildsetLaunch,
        Name::ChildsetCommand,
        Name::ChildsetCommandLaunch,
        Name::AsyncProcess,
        Name::AsyncProcessDriver,
        Name::Tokio,
        Name::TokioUnordered,
        Name::Zruntime,
        Name::Std,
        Name::CWaitCopy,
        Name::CWaitShare,
        Name::CLaunchCopy,
        Name::CLaunchShare,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Name::Childset => "childset",
            Name::ChildsetWait => "childset-wait",
            Name::ChildsetLaunch => "childset-launch",
            Name::ChildsetCommand => "childset-command",
            Name::ChildsetCommandLaunch => "childset-command-launch",
            Name::AsyncProcess => "async-process",
            Name::AsyncProcessDriver => "async-process-driver",
            Name::Tokio => "tokio",
            Name::TokioUnordered => "tokio-unordered",
            Name::Zruntime => "zruntime",
            Name::Std => "std",
            Name::CWaitCopy => "c-wait-copy",
            Name::CWaitShare => "c-wait-share",
            Name::CLaunchCopy => "c-launch-copy",
            Name::CLaunchShare => "c-launch-share",
        }
    }

    /// Does the task in this process.
    pub(crate) fn run(self, task: &Task) -> Result<Report> {
        match self {
            Name::Childset => run::run::<childset::Awaiting<false>>(task),
            Name::ChildsetWait => run::run::<childset::Blocking>(task),
            Name::ChildsetLaunch => run::run::<childset::Awaiting<true>>(task),
            Name::ChildsetCommand => run::run::<childset::ByCommand<false>>(task),
            Name::ChildsetCommandLaunch => run::run::<childset::ByCommand<true>>(task),
            Name::AsyncProcess => run::run::<async_process::Plain>(task),
            Name::AsyncProcessDriver => run::run::<async_process::Driven>(task),
            Name::Tokio => run::run::<tokio::Joined>(task),
            Name::TokioUnordered => run::run::<tokio::Unordered>(task),
            Name::Zruntime => run::run::<zruntime::Unordered>(task),
            Name::Std => run::run::<std::Threads>(task),
            Name::CWaitCopy => run::run::<floor::Floor<true, false>>(task),
            Name::CWaitShare => run::run::<floor::Floor<true, true>>(task),
            Name::CLaunchCopy => run::run::<floor::Floor<false, false>>(task),
            Name::CLaunchShare => run::run::<floor::Floor<false, true>>(task),
        }
    }
}
