//! The code for each event loop. The rules behind it are in [`embedding`](super).
//!
//! Each section has what is special about its loop. The whole programs are in the directory `examples` of the repository.
//!
//! # poll(2)
//!
//! ```
//! use childset::{ChildSet, Command};
//! use rustix::event::{poll, PollFd, PollFlags};
//! use rustix::io::Errno;
//!
//! let set = ChildSet::new()?;
//! set.spawn(&mut Command::new("true"), "a job")?;
//! while !set.is_empty() {
//!     // Your own descriptors go into the same array: sockets, and the terminal for its keys.
//!     let mut fds = [PollFd::new(&set, PollFlags::IN)];
//!     match poll(&mut fds, None) {
//!         Ok(_) | Err(Errno::INTR) => {}
//!         Err(error) => return Err(error.into()),
//!     }
//!     for _ in 0..32 {
//!         let Some(exited) = set.try_wait()? else { break };
//!         println!("{}: {}", exited.tag, exited.exit?.status());
//!     }
//! }
//! # std::io::Result::Ok(())
//! ```
//!
//! Program: `in_poll`. A terminal program with **ratatui** and **crossterm** has this loop: it waits for standard input and
//! for the set, and reads the keys only when standard input is readable. crossterm's `EventStream` works as well, with
//! [`select!`](#tokio-with-async-ios-thread).
//!
//! # polling
//!
//! ```
//! use childset::{ChildSet, Command};
//! use polling::{Event, Events, Poller};
//!
//! let set = ChildSet::new()?;
//! set.spawn(&mut Command::new("true"), "a job")?;
//! let poller = Poller::new()?;
//! // SAFETY: the set is deleted from the poller below, before it is dropped.
//! unsafe { poller.add(&set, Event::readable(0))? };
//! let mut events = Events::new();
//! while !set.is_empty() {
//!     events.clear();
//!     poller.wait(&mut events, None)?;
//!     if events.iter().any(|event| event.key == 0) {
//!         for _ in 0..32 {
//!             let Some(exited) = set.try_wait()? else { break };
//!             println!("{}: {}", exited.tag, exited.exit?.status());
//!         }
//!         // One-shot: it is silent until it is armed again, and reports at once what is left.
//!         poller.modify(&set, Event::readable(0))?;
//!     }
//! }
//! poller.delete(&set)?;
//! # std::io::Result::Ok(())
//! ```
//!
//! Program: `in_polling`.
//!
//! # mio
//!
//! ```
//! use std::io::ErrorKind;
//! use std::os::fd::AsRawFd;
//!
//! use childset::{ChildSet, Command};
//! use mio::{unix::SourceFd, Events, Interest, Poll, Token};
//!
//! let set = ChildSet::new()?;
//! set.spawn(&mut Command::new("true"), "a job")?;
//! let mut poll = Poll::new()?;
//! poll.registry().register(&mut SourceFd(&set.as_raw_fd()), Token(0), Interest::READABLE)?;
//! let mut events = Events::with_capacity(64);
//! while !set.is_empty() {
//!     match poll.poll(&mut events, None) {
//!         Err(error) if error.kind() == ErrorKind::Interrupted => continue,
//!         result => result?,
//!     }
//!     if events.iter().any(|event| event.token() == Token(0)) {
//!         // Edge-triggered: what is left may not be reported again.
//!         while let Some(exited) = set.try_wait()? {
//!             println!("{}: {}", exited.tag, exited.exit?.status());
//!         }
//!     }
//! }
//! poll.registry().deregister(&mut SourceFd(&set.as_raw_fd()))?;
//! # std::io::Result::Ok(())
//! ```
//!
//! Program: `in_mio`.
//!
//! # calloop
//!
//! The example of [`embedding`](super). Program: `in_calloop`, which has level, edge and one-shot.
//!
//! # tokio, with async-io's thread
//!
#![cfg_attr(feature = "async-io", doc = "```")]
#![cfg_attr(not(feature = "async-io"), doc = "```ignore")]
//! use childset::{ChildSet, Command};
//! use std::time::Duration;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! let set = ChildSet::new()?;
//! set.spawn(&mut Command::new("true"), "a job")?;
//! let mut ticks = tokio::time::interval(Duration::from_secs(1));
//! loop {
//!     tokio::select! {
//!         next = set.next() => {
//!             let Some(exited) = next.transpose()? else { break };
//!             println!("{}: {}", exited.tag, exited.exit?.status());
//!         }
//!         _ = ticks.tick() => println!("{} children are in the set", set.len()),
//!     }
//! }
//! # std::io::Result::Ok(()) }).unwrap();
//! ```
//!
//! A branch that loses is dropped, and has taken no exit. A task that is spawned needs a stream that borrows nothing:
//! [`into_exits`](crate::ChildSet::into_exits), as [below](#async-std).
//!
//! # tokio, without another thread
//!
//! ```
//! use std::time::Duration;
//!
//! use childset::{ChildSet, Command, Exited};
//! use tokio::io::{unix::AsyncFd, Interest};
//!
//! /// Awaits the next exit. A future that is dropped has taken none.
//! async fn next<T>(set: &AsyncFd<ChildSet<T>>) -> std::io::Result<Exited<T>> {
//!     // Lets other tasks run, however many children have ended.
//!     tokio::task::consume_budget().await;
//!     loop {
//!         let mut ready = set.readable().await?;
//!         if let Some(exited) = set.get_ref().try_wait()? {
//!             return Ok(exited);
//!         }
//!         // Only now: tokio is edge-triggered, and does not report again what is left.
//!         ready.clear_ready();
//!     }
//! }
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! let set = ChildSet::new()?;
//! set.spawn(&mut Command::new("true"), "a job")?;
//! // SAFETY: a set keeps one descriptor open as long as it lives, and the `AsyncFd` owns the set.
//! let set = unsafe { AsyncFd::register_with_interest(set, Interest::READABLE) }?;
//! while !set.get_ref().is_empty() {
//!     tokio::select! {
//!         exited = next(&set) => println!("{} has ended", exited?.tag),
//!         _ = tokio::time::sleep(Duration::from_secs(60)) => break,
//!     }
//! }
//! # std::io::Result::Ok(()) }).unwrap();
//! ```
//!
//! Program: `in_tokio`.
//!
//! # smol
//!
#![cfg_attr(feature = "async-io", doc = "```")]
#![cfg_attr(not(feature = "async-io"), doc = "```ignore")]
//! use childset::{ChildSet, Command};
//!
//! # smol::block_on(async {
//! let set = ChildSet::new()?;
//! set.spawn(&mut Command::new("true"), "a job")?;
//! while let Some(exited) = set.next().await {
//!     let exited = exited?;
//!     println!("{}: {}", exited.tag, exited.exit?.status());
//! }
//! # std::io::Result::Ok(()) }).unwrap();
//! ```
//!
//! Program: `in_smol`.
//!
//! # async-std
//!
#![cfg_attr(feature = "async-io", doc = "```")]
#![cfg_attr(not(feature = "async-io"), doc = "```ignore")]
//! use std::sync::Arc;
//!
//! use async_std::{stream::StreamExt, task};
//! use childset::{ChildSet, Command};
//!
//! # task::block_on(async {
//! let set = Arc::new(ChildSet::new()?);
//! // The task takes the exits of all children, also of those that come later.
//! let mut exits = Arc::clone(&set).into_exits();
//! let taker = task::spawn(async move {
//!     while let Some(exited) = exits.next().await {
//!         println!("{} has ended", exited?.tag);
//!     }
//!     std::io::Result::Ok(())
//! });
//! set.spawn(&mut Command::new("true"), "a job")?;
//! // No more children: the stream ends with the last one.
//! set.close();
//! taker.await?;
//! # std::io::Result::Ok(()) }).unwrap();
//! ```
//!
//! Program: `in_async_std`.
//!
//! # GLib and GTK, by a source
//!
//! `glib_unix::unix_fd_add_local_full` takes the set's descriptor, a priority, `IOCondition::IN` and a callback:
//!
//! ```ignore (examples/gui/glib/src/lib.rs)
//! for _ in 0..batch {
//!     match watched.try_wait() {
//!         Ok(Some(exited)) => act(Ok(exited)),
//!         Ok(None) => break,
//!         Err(error) => {
//!             act(Err(error));
//!             break;
//!         }
//!     }
//! }
//! ControlFlow::Continue
//! ```
//!
//! The priority is [that of redrawing](super#bounded-batches-and-priorities), and `watched` is an `Rc` of the set.
//! Programs: `gui/glib`, and `gui/gtk` for a window.
//!
//! # GLib and GTK, by `spawn_local`
//!
//! ```ignore (examples/gui/glib/src/lib.rs)
//! SourceFuture::new(move |sender| {
//!     let mut sender = Some(sender);
//!     fd_source_new(fd, IOCondition::IN, Some("childset"), priority, move |_, _| {
//!         if let Some(sender) = sender.take() {
//!             let _ = sender.send(());
//!         }
//!         ControlFlow::Break
//!     })
//! })
//! ```
//!
//! This future is ready when the set is readable: await it, call [`try_wait`](crate::ChildSet::try_wait), and await it
//! again. It needs no other thread. `MainContext::spawn_local` takes a task that does so. A task that awaits
//! [`next`](crate::ChildSet::next) works in it, too, with async-io's thread. Program: `gui/glib`.
//!
//! # Qt
//!
//! ```cpp (examples/gui/qt/src/shim.cpp)
//! auto *notifier = new QSocketNotifier(fd, QSocketNotifier::Read);
//! QObject::connect(notifier, &QSocketNotifier::activated, [=] { act(data); });
//! ```
//!
//! `act` calls [`try_wait`](crate::ChildSet::try_wait), a bounded number of times. Before the set is dropped, call
//! `setEnabled(false)` and delete the notifier. Program: `gui/qt`.
//!
//! # winit
//!
//! ```ignore (examples/gui/winit/src/main.rs)
//! if let PumpStatus::Exit(_) = event_loop.pump_app_events(Some(Duration::ZERO), app) {
//!     return std::mem::replace(&mut app.result, Ok(()));
//! }
//! if std::mem::take(&mut app.has_drawn) {
//!     continue;
//! }
//! ```
//!
//! No descriptor enters winit's own loop. But that loop is a descriptor itself. After these lines the program calls poll(2)
//! for `event_loop.as_fd()` and for the set, until the time that winit's `ControlFlow` asks for, and takes some exits. After
//! drawing it does not wait: drawing may have fetched events from the display, and then no descriptor is readable for
//! them. Program: `gui/winit`.
//!
//! # egui
//!
//! egui draws a frame when it is asked to, from any thread. So a waker can ask for it:
//!
//! ```ignore (examples/gui/egui/src/window.rs)
//! struct Repaint(Context);
//!
//! impl Wake for Repaint {
//!     fn wake(self: Arc<Self>) {
//!         self.0.request_repaint();
//!     }
//! }
//! ```
//!
//! Each frame polls the exits with this waker, in `App::logic` (in older versions of eframe, in `App::update`):
//!
//! ```ignore (examples/gui/egui/src/window.rs)
//! let mut context = task::Context::from_waker(&self.waker);
//! while let Poll::Ready(Some(exited)) = self.exits.poll_next(&mut context) {
//!     let (number, exit) = self.jobs.rest().keep(exited?);
//!     self.jobs.ended(number, &exit);
//! }
//! ```
//!
//! `exits` is made once, by [`into_exits`](crate::ChildSet::into_exits): a stream that is dropped wakes nobody. `jobs` is
//! the program's list. After a batch, the stream asks for the next frame itself. While nothing happens, no frame is
//! drawn. Without the feature `async-io`, use [a thread](#a-loop-that-takes-no-descriptor). Program: `gui/egui`.
//!
//! # iced
//!
//! ```ignore (examples/gui/iced/src/app.rs)
//! let exits = Arc::clone(self.jobs.set()).into_exits();
//! Task::run(exits, self.to_message()).chain(Task::done(Message::Over))
//! ```
//!
//! The function that makes the state returns this task with it. `to_message` makes a message of each exit. When the window
//! is to close, end the children and [`close`](crate::ChildSet::close) the set. The stream ends with the last child, and
//! then `Message::Over` calls `iced::exit`. With iced's feature `smol`, its executor uses async-io's thread, too.
//! `Subscription::run_with` also takes a stream, but the set must then be in a type that implements `Hash`.
//! Program: `gui/iced`.
//!
//! # A loop that takes no descriptor
//!
//! A thread takes the exits, and wakes the loop:
//!
//! ```
//! use std::sync::{mpsc, Arc};
//! use std::{io, thread};
//!
//! use childset::{ChildSet, Command};
//!
//! # let wake = || {};
//! let set = Arc::new(ChildSet::new()?);
//! let (sender, exits) = mpsc::channel();
//! let taker = thread::spawn({
//!     let set = Arc::clone(&set);
//!     move || {
//!         for exited in set.wait_exits() {
//!             if sender.send(exited?).is_err() {
//!                 break;
//!             }
//!             wake();
//!         }
//!         io::Result::Ok(())
//!     }
//! });
//! set.spawn(&mut Command::new("true"), "a job")?;
//!
//! // The loop calls this when it is woken.
//! let show = || {
//!     for exited in exits.try_iter() {
//!         println!("{} has ended", exited.tag);
//!     }
//! };
//!
//! // At the end of the program: the thread ends with the last child.
//! set.close();
//! taker.join().expect("it does not panic")?;
//! show();
//! # io::Result::Ok(())
//! ```
//!
//! - In **egui**, `wake` is `Context::request_repaint`.
//! - In **winit**, if it is to keep its loop, `wake` is `EventLoopProxy::send_event`.
//!
//! # A game
//!
//! ```
//! use std::{thread, time::Duration};
//!
//! use childset::{ChildSet, Command};
//!
//! let set = ChildSet::new()?;
//! set.spawn(&mut Command::new("true"), "a job")?;
//! let mut frames = 0;
//! while !set.is_empty() {
//!     frames += 1;
//!     // It never blocks.
//!     if let Some(exited) = set.try_wait()? {
//!         println!("{} has ended in frame {frames}", exited.tag);
//!     }
//!     thread::sleep(Duration::from_millis(16));
//! }
//! # std::io::Result::Ok(())
//! ```
