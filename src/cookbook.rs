//! Programs to copy: one for each thing that is often asked for. Nothing here can be called.
//!
//! Each entry is a whole program, and runs as a test. Most of them block. Where one awaits, `smol::block_on` stands for any
//! executor: see [`embedding`](crate::embedding) for event loops. `sh` stands for your program.
//!
//! # The output of one command
//!
#![cfg_attr(feature = "async-io", doc = "```")]
#![cfg_attr(not(feature = "async-io"), doc = "```ignore")]
//! use childset::Command;
//!
//! fn main() -> std::io::Result<()> {
//!     let output = smol::block_on(Command::new("echo").arg("hello").output())?;
//!     assert!(output.status.success());
//!     assert_eq!(output.stdout, b"hello\n");
//!     Ok(())
//! }
//! ```
//!
//! [`Command::output`](crate::Command::output) pipes what was not set. The blocking form is
//! [`capture`](crate::Child::capture), below: it pipes only what the command says.
//!
//! # A time limit
//!
//! ```
//! use childset::{Command, Limit, Stdio, Unit};
//! use std::time::Duration;
//!
//! fn main() -> std::io::Result<()> {
//!     let mut command = Command::new("sh");
//!     command.args(["-c", "echo working; sleep 60 & wait"]).stdout(Stdio::piped());
//!     // What the shell has started ends with it.
//!     command.unit(Unit::ProcessGroup);
//!     let captured = command.spawn()?.capture().time_limit(Duration::from_secs(1)).wait()?;
//!     if captured.limit == Some(Limit::Time) {
//!         println!("It took too long. It had written {} bytes.", captured.stdout.len());
//!     }
//! #   assert_eq!(captured.limit, Some(Limit::Time));
//!     Ok(())
//! }
//! ```
//!
//! The limit sends `SIGKILL`. To send `SIGTERM` first, use [`wait_timeout`](crate::Child::wait_timeout), and then
//! [`wait_terminated`](crate::Child::wait_terminated) with a grace.
//!
//! # Feeding standard input
//!
//! ```
//! use childset::{Command, Stdio};
//!
//! fn main() -> std::io::Result<()> {
//!     let mut sort = Command::new("sort");
//!     sort.stdin(Stdio::piped()).stdout(Stdio::piped());
//!     let captured = sort.spawn()?.capture().input("pear\napple\n").wait()?;
//!     assert_eq!(captured.stdout, b"apple\npear\n");
//!     Ok(())
//! }
//! ```
//!
//! The input is written while the output is read, so that neither of the two pipes can fill up and stop both sides. If the
//! child does not read all of its input, that is no error.
//!
//! # The lines of several children, with their exits
//!
#![cfg_attr(feature = "async-io", doc = "```")]
#![cfg_attr(not(feature = "async-io"), doc = "```ignore")]
//! use childset::{Command, Event, Stdio};
//! use smol::{channel, LocalExecutor};
//!
//! fn main() -> std::io::Result<()> {
//!     let executor = LocalExecutor::new();
//!     // A child that writes faster than its lines are taken has to wait.
//!     let (sender, receiver) = channel::bounded(64);
//!     for (name, script) in [("one", "echo a; echo b"), ("two", "echo c >&2; exit 3")] {
//!         let mut shell = Command::new("sh");
//!         shell.args(["-c", script]).stdout(Stdio::piped()).stderr(Stdio::piped());
//!         let mut events = shell.spawn()?.events()?;
//!         let sender = sender.clone();
//!         let forward = async move {
//!             while let Some(event) = events.next().await {
//!                 if sender.send((name, event)).await.is_err() {
//!                     break;
//!                 }
//!             }
//!         };
//!         executor.spawn(forward).detach();
//!     }
//!     // The channel ends with its last sender.
//!     drop(sender);
//!     smol::block_on(executor.run(async {
//!         while let Ok((name, event)) = receiver.recv().await {
//!             match event? {
//!                 Event::Stdout(line) => print!("{name}: {}", String::from_utf8_lossy(&line)),
//!                 Event::Stderr(line) => eprint!("{name}: {}", String::from_utf8_lossy(&line)),
//!                 Event::Exited { exit, .. } => println!("{name}: {}", exit.status()),
//!                 _ => {}
//!             }
//!         }
//!         Ok(())
//!     }))
//! }
//! ```
//!
//! # At most N at once
//!
//! ```
//! use childset::{ChildSet, Command};
//!
//! const AT_ONCE: usize = 2;
//!
//! fn main() -> std::io::Result<()> {
//!     let mut scripts = ["exit 1", "sleep 0.1", "exit 3", "true", "false"].into_iter();
//!     let set = ChildSet::new()?;
//!     loop {
//!         while set.len() < AT_ONCE {
//!             let Some(script) = scripts.next() else { break };
//!             set.spawn(Command::new("sh").args(["-c", script]), script)?;
//!         }
//!         // None is left, and none is to come.
//!         let Some(exited) = set.wait(None)? else { break };
//!         println!("{}: {}", exited.tag, exited.exit?.status());
//!     }
//!     Ok(())
//! }
//! ```
//!
//! With `set.next().await` in place of `set.wait(None)`, it awaits.
//!
//! # A server that cancels when its client goes
//!
#![cfg_attr(feature = "async-io", doc = "```")]
#![cfg_attr(not(feature = "async-io"), doc = "```ignore")]
//! use std::io;
//!
//! use childset::{Command, Unit};
//! use smol::future;
//! use smol::io::{AsyncReadExt, AsyncWriteExt};
//! use smol::net::unix::UnixStream;
//!
//! /// Runs a command for a client, and sends its output. False if the client went before that.
//! async fn serve(mut client: UnixStream, script: &str) -> io::Result<bool> {
//!     let mut shell = Command::new("sh");
//!     shell.args(["-c", script]).unit(Unit::ProcessGroup).kill_on_drop(true);
//!     let output = async { shell.output().await.map(Some) };
//!     let mut connection = client.clone();
//!     let client_goes = async {
//!         // This client sends nothing: its connection can be read from when it is closed.
//!         let _ = connection.read(&mut [0]).await;
//!         Ok(None)
//!     };
//!     // The future that has lost is dropped. If that is `output`, its child is killed, with all that it has started.
//!     match future::or(output, client_goes).await? {
//!         Some(output) => client.write_all(&output.stdout).await.map(|()| true),
//!         None => Ok(false),
//!     }
//! }
//!
//! fn main() -> io::Result<()> {
//!     smol::block_on(async {
//!         // A listener would call `serve` in a task of its own for each connection that it accepts.
//!         let (mut client, server) = UnixStream::pair()?;
//!         assert!(serve(server, "echo done").await?);
//!         let mut answer = String::new();
//!         client.read_to_string(&mut answer).await?;
//!         assert_eq!(answer, "done\n");
//!
//!         let (client, server) = UnixStream::pair()?;
//!         drop(client);
//!         assert!(!serve(server, "sleep 60 & wait").await?);
//!         Ok(())
//!     })
//! }
//! ```
//!
//! # A language server that is restarted when it dies
//!
//! ```
//! use std::io::{self, Write};
//!
//! use childset::{ChildStdin, Command, Event, Events, Stdio};
//!
//! /// A program that answers each line with a line.
//! struct Server {
//!     command: Command,
//!     running: Option<(ChildStdin, Events)>,
//! }
//!
//! impl Server {
//!     fn start(&mut self) -> io::Result<&mut (ChildStdin, Events)> {
//!         if self.running.is_none() {
//!             let mut child = self.command.spawn()?;
//!             // First, since `events` closes it.
//!             let stdin = child.stdin.take().expect("it is piped");
//!             // Here a new server gets to know what the old one knew.
//!             self.running = Some((stdin, child.events()?));
//!         }
//!         Ok(self.running.as_mut().expect("it was started"))
//!     }
//!
//!     /// Asks again if the server dies of the question, and gives up if the next one does, too.
//!     fn ask(&mut self, question: &str) -> io::Result<Vec<u8>> {
//!         for _ in 0..2 {
//!             let (stdin, events) = self.start()?;
//!             // Where it has died already, this fails, and the events say how it ended.
//!             let _ = stdin.blocking().write_all(question.as_bytes());
//!             while let Some(event) = events.wait()? {
//!                 match event {
//!                     Event::Stdout(answer) => return Ok(answer),
//!                     Event::Exited { exit, .. } => eprintln!("the server ended: {}", exit.status()),
//!                     _ => {}
//!                 }
//!             }
//!             self.running = None;
//!         }
//!         Err(io::Error::other("the server dies of this question"))
//!     }
//! }
//!
//! fn main() -> io::Result<()> {
//!     let mut command = Command::new("sh");
//!     let script = r#"while read q; do case $q in crash) exit 1;; *) echo "re: $q";; esac; done"#;
//!     command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
//!     let mut server = Server { command, running: None };
//!     assert_eq!(server.ask("hello\n")?, b"re: hello\n");
//!     assert!(server.ask("crash\n").is_err());
//!     assert_eq!(server.ask("still there?\n")?, b"re: still there?\n");
//!     Ok(())
//! }
//! ```
//!
//! # A program on a terminal
//!
//! ```
//! use std::fs::File;
//! use std::io::{Read, Write};
//!
//! use childset::{Command, Pty};
//!
//! fn main() -> std::io::Result<()> {
//!     let pty = Pty::open()?;
//!     pty.set_size(24, 80)?;
//!     let mut command = Command::new("sh");
//!     command.args(["-c", "read name && echo hello $name && stty size"]);
//!     command.stdin(pty.terminal.try_clone()?).stdout(pty.terminal.try_clone()?);
//!     command.stderr(pty.terminal.try_clone()?).controlling_terminal(pty.terminal);
//!     let child = command.spawn()?;
//!     // It holds the terminal open, too.
//!     drop(command);
//!
//!     let mut keys_and_screen = File::from(pty.controller);
//!     keys_and_screen.write_all(b"world\n")?;
//!     let mut screen = Vec::new();
//!     // It ends with `EIO` when nobody has the terminal open any more.
//!     let _ = keys_and_screen.read_to_end(&mut screen);
//!     assert!(child.wait()?.success());
//!     // The terminal shows the keys.
//!     assert_eq!(screen, b"world\r\nhello world\r\n24 80\r\n");
//!     Ok(())
//! }
//! ```
//!
//! # Shutdown of everything
//!
#![cfg_attr(feature = "async-io", doc = "```")]
#![cfg_attr(not(feature = "async-io"), doc = "```ignore")]
//! use std::time::Duration;
//!
//! use async_signal::{Signal, Signals};
//! use childset::{ChildSet, Command, Unit};
//! use smol::future;
//! use smol::stream::StreamExt;
//!
//! fn main() -> std::io::Result<()> {
//!     let mut asked_to_end = Signals::new([Signal::Term, Signal::Int])?;
//!     let set = ChildSet::new()?;
//!     for script in ["sleep 60 & wait", "trap '' TERM; sleep 60 & wait", "true"] {
//!         let mut shell = Command::new("sh");
//!         shell.args(["-c", script]).unit(Unit::ProcessGroup);
//!         // If this program is killed, nobody runs the code below.
//!         shell.kill_with_parent(true);
//!         set.spawn(&mut shell, script)?;
//!     }
//! #   rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM)?;
//!     smol::block_on(async {
//!         let all_end = async {
//!             while let Some(exited) = set.next().await {
//!                 let exited = exited?;
//!                 println!("{}: {}", exited.tag, exited.exit?.status());
//!             }
//!             std::io::Result::Ok(())
//!         };
//!         let signal = async {
//!             asked_to_end.next().await;
//!             Ok(())
//!         };
//!         future::or(all_end, signal).await?;
//!
//!         // No new children. SIGTERM for all units now, SIGKILL for what is left of them after the grace.
//!         set.close();
//!         let mut shutdown = set.shutdown(Duration::from_millis(500));
//!         while let Some(exited) = shutdown.next().await {
//!             let exited = exited?;
//!             println!("{}: {}", exited.tag, exited.exit?.status());
//!         }
//!         assert!(set.is_empty());
//!         Ok(())
//!     })
//! }
//! ```
