//! The window: what it shows, and what the messages do.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use async_io::{Async, Timer};
use burst::{Burst, TICK};
use childset::{Exit, Exited, Stdio};
use common::{EndSignals, Job, Jobs, State, GRACE};
use iced::widget::text::Wrapping;
use iced::widget::{button, column, row, scrollable, text, text_input};
use iced::{time, window, Element, Fill, Font, Subscription, Task};

#[derive(Clone, Debug)]
pub(crate) enum Message {
    Typed(String),
    Start,
    Stop(usize),
    Exited(usize, Arc<io::Result<Exit>>),
    /// The grace of a job that was asked to end is over.
    KillDue,
    /// All are to end.
    End,
    /// All have ended, or something does not work.
    Over,
    Tick,
}

/// Why the window was closed, if that was no wish of the user's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trouble(Arc<Mutex<Option<io::Error>>>);

impl Trouble {
    pub(crate) fn take(&self) -> Option<io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, error: io::Error) -> Message {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        Message::Over
    }
}

pub(crate) struct App {
    jobs: Jobs,
    signals: Arc<Async<EndSignals>>,
    /// What is being typed.
    command: String,
    burst: Option<Burst>,
    trouble: Trouble,
}

impl App {
    pub(crate) fn new(jobs: Jobs, signals: EndSignals, burst: Option<Burst>) -> io::Result<App> {
        let (signals, command) = (Arc::new(Async::new(signals)?), String::new());
        Ok(App { jobs, signals, command, burst, trouble: Trouble::default() })
    }

    pub(crate) fn trouble(&self) -> Trouble {
        self.trouble.clone()
    }

    /// With the tasks that run as long as the window.
    pub(crate) fn begin(self) -> (App, Task<Message>) {
        let tasks = Task::batch([self.exits(), self.end_signal()]);
        (self, tasks)
    }

    /// The exits of all jobs, until they are asked to end and the last has.
    fn exits(&self) -> Task<Message> {
        let exits = Arc::clone(self.jobs.set()).into_exits();
        Task::run(exits, self.to_message()).chain(Task::done(Message::Over))
    }

    fn to_message(&self) -> impl Fn(io::Result<Exited<usize>>) -> Message + Send + 'static {
        let (rest, trouble) = (self.jobs.rest().clone(), self.trouble.clone());
        move |exited| match exited {
            Ok(exited) => {
                let (number, exit) = rest.keep(exited);
                Message::Exited(number, Arc::new(exit))
            }
            Err(error) => trouble.put(error),
        }
    }

    fn end_signal(&self) -> Task<Message> {
        let signals = Arc::clone(&self.signals);
        Task::future(async move {
            while signals.readable().await.is_ok() && !signals.get_ref().take() {}
            Message::End
        })
    }

    pub(crate) fn subscription(&self) -> Subscription<Message> {
        let ticks = if self.burst.is_some() { time::every(TICK) } else { Subscription::none() };
        Subscription::batch([window::close_requests().map(|_| Message::End), ticks.map(|_| Message::Tick)])
    }

    pub(crate) fn update(&mut self, message: Message) -> Task<Message> {
        match message {
            Message::Typed(command) => self.command = command,
            Message::Start => self.jobs.start(&std::mem::take(&mut self.command), Stdio::null()),
            Message::Stop(number) => {
                self.jobs.stop(number);
                return kill_later();
            }
            Message::Exited(number, exit) => {
                self.jobs.ended(number, &exit);
                if let Some(burst) = &mut self.burst {
                    burst.exited(number, &exit);
                }
            }
            Message::KillDue => {
                self.jobs.kill_due();
            }
            Message::End => {
                self.jobs.stop_all();
                return kill_later();
            }
            Message::Over => return iced::exit(),
            Message::Tick => {
                if let Err(error) = self.tick() {
                    self.trouble.put(error);
                    return iced::exit();
                }
            }
        }
        Task::none()
    }

    fn tick(&mut self) -> io::Result<()> {
        let Some(burst) = self.burst.as_mut() else { return Ok(()) };
        if burst.tick()? {
            burst.report("iced")?;
            self.jobs.report("iced");
            self.burst = None;
        }
        Ok(())
    }

    pub(crate) fn view(&self) -> Element<'_, Message> {
        let jobs = self.jobs.list().iter().enumerate().map(|(number, job)| draw_job(number, job));
        let line = text_input("a command for sh", &self.command);
        column![
            scrollable(column(jobs).spacing(4)).anchor_bottom().width(Fill).height(Fill),
            line.on_input(Message::Typed).on_submit(Message::Start),
        ]
        .spacing(8)
        .padding(8)
        .into()
    }
}

fn draw_job(number: usize, job: &Job) -> Element<'_, Message> {
    let status = text(&job.status).width(190).style(match job.state {
        State::Succeeded => text::success,
        State::Failed => text::danger,
        State::Running | State::Stopping => text::default,
    });
    let command = text(&job.command).font(Font::MONOSPACE).wrapping(Wrapping::None).width(Fill);
    // At the end, so that what is in front of it is not laid out again when it is gone.
    let stop = || button("stop").padding([0, 6]).on_press(Message::Stop(number));
    row![status, text(&job.time).width(60), command]
        .push((job.state == State::Running).then(stop))
        .spacing(8)
        .into()
}

/// When jobs that were asked to end now have had their time.
fn kill_later() -> Task<Message> {
    Task::future(async {
        Timer::after(GRACE).await;
        Message::KillDue
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::Descriptors;

    fn app() -> App {
        let jobs = Jobs::new(Descriptors::raise().unwrap()).unwrap();
        App::new(jobs, EndSignals::new().unwrap(), None).unwrap()
    }

    fn send(app: &mut App, message: Message) {
        drop(app.update(message));
        drop(app.view());
    }

    /// Waits for an exit, and sends it as the task does.
    fn exit(app: &mut App) -> String {
        let exited = app.jobs.set().wait(None).unwrap().unwrap();
        let (number, exit) = app.jobs.rest().keep(exited);
        send(app, Message::Exited(number, Arc::new(exit)));
        app.jobs.list()[number].status.clone()
    }

    #[test]
    fn a_command_is_typed_and_ends() {
        let mut app = app();
        send(&mut app, Message::Typed("exit 3".to_owned()));
        send(&mut app, Message::Start);
        assert_eq!((&*app.command, &*app.jobs.list()[0].command), ("", "exit 3"));
        assert_eq!(exit(&mut app), "✖ exit status: 3");
    }

    #[test]
    fn one_is_stopped_and_then_all() {
        let mut app = app();
        for _ in 0..3 {
            send(&mut app, Message::Typed("exec sleep 1000".to_owned()));
            send(&mut app, Message::Start);
        }
        send(&mut app, Message::Stop(1));
        assert_eq!(exit(&mut app), "✖ signal: 15 (SIGTERM)");
        let states = |app: &App| app.jobs.list().iter().map(|job| job.state).collect::<Vec<_>>();
        assert_eq!(states(&app), [State::Running, State::Failed, State::Running]);
        send(&mut app, Message::End);
        assert_eq!(states(&app), [State::Stopping, State::Failed, State::Stopping]);
        for _ in 0..2 {
            assert_eq!(exit(&mut app), "✖ signal: 15 (SIGTERM)");
        }
    }

    #[test]
    fn exits_are_a_stream_that_ends_when_all_have() {
        let mut app = app();
        app.jobs.start("exit 4", Stdio::null());
        let mut exits = iced_exits(&app);
        assert!(
            matches!(exits(), Some(Message::Exited(0, exit)) if exit.as_ref().as_ref().unwrap().code() == Some(4))
        );
        app.jobs.stop_all();
        assert!(exits().is_none());
    }

    /// What iced's executor would get.
    fn iced_exits(app: &App) -> impl FnMut() -> Option<Message> {
        use iced::futures::StreamExt;
        let (mut exits, to_message) = (Arc::clone(app.jobs.set()).into_exits(), app.to_message());
        move || async_io::block_on(exits.next()).map(&to_message)
    }
}
