//! The window: what it shows, and how it learns of exits.

use std::io;
use std::sync::Arc;
use std::task::{self, Poll, Wake, Waker};
use std::time::Instant;

use anyhow::Result;
use async_io::Async;
use burst::{Burst, TICK};
use childset::{IntoExits, Stdio};
use common::{EndSignals, Jobs, State};
use eframe::egui::{
    CentralPanel, Color32, Context, Grid, Id, Key, Panel, ScrollArea, TextEdit, Theme, Ui, ViewportCommand,
};
use futures_lite::StreamExt;

const GREEN: Color32 = Color32::from_rgb(0x2e, 0x7d, 0x32);
const RED: Color32 = Color32::from_rgb(0xc6, 0x28, 0x28);

/// Has egui draw a frame.
struct Repaint(Context);

impl Wake for Repaint {
    fn wake(self: Arc<Self>) {
        self.0.request_repaint();
    }
}

pub(crate) struct Window<'a> {
    jobs: &'a mut Jobs,
    exits: IntoExits<usize>,
    signals: Async<EndSignals>,
    waker: Waker,
    /// What is being typed.
    command: String,
    burst: Option<Burst>,
    /// Why the window was closed, if that was no wish of the user's.
    result: &'a mut Result<()>,
}

impl<'a> Window<'a> {
    pub(crate) fn new(
        ctx: &Context,
        jobs: &'a mut Jobs,
        signals: EndSignals,
        burst: Option<Burst>,
        result: &'a mut Result<()>,
    ) -> io::Result<Window<'a>> {
        ctx.set_theme(Theme::Light);
        // A cursor that blinks is a frame twice a second.
        ctx.all_styles_mut(|style| style.visuals.text_cursor.blink = false);
        let exits = Arc::clone(jobs.set()).into_exits();
        let waker = Waker::from(Arc::new(Repaint(ctx.clone())));
        let signals = Async::new(signals)?;
        Ok(Window { jobs, exits, signals, waker, command: String::new(), burst, result })
    }

    /// Takes the exits that there are. The next one wakes egui.
    fn take_exits(&mut self) -> io::Result<()> {
        let mut context = task::Context::from_waker(&self.waker);
        while let Poll::Ready(Some(exited)) = self.exits.poll_next(&mut context) {
            let (number, exit) = self.jobs.rest().keep(exited?);
            self.jobs.ended(number, &exit);
            if let Some(burst) = &mut self.burst {
                burst.exited(number, &exit);
            }
        }
        Ok(())
    }

    /// Whether a signal has asked for the end. The next one wakes egui.
    fn is_told_to_end(&mut self) -> bool {
        let mut context = task::Context::from_waker(&self.waker);
        loop {
            // First, since async-io may not report what is there already.
            if self.signals.get_ref().take() {
                return true;
            }
            if self.signals.poll_readable(&mut context).is_pending() {
                return false;
            }
        }
    }

    fn tick(&mut self, ctx: &Context) -> io::Result<()> {
        let Some(burst) = &mut self.burst else { return Ok(()) };
        if !burst.tick()? {
            ctx.request_repaint_after(TICK);
            return Ok(());
        }
        burst.report("egui")?;
        self.jobs.report("egui");
        self.burst = None;
        Ok(())
    }

    fn draw(&mut self, ui: &mut Ui) {
        Panel::bottom("command").show(ui, |ui| {
            let line = TextEdit::singleline(&mut self.command).hint_text("a command for sh");
            let line = ui.add(line.desired_width(f32::INFINITY).id(Id::unique("command")));
            if line.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter)) {
                self.jobs.start(&std::mem::take(&mut self.command), Stdio::null());
                line.request_focus();
            }
        });
        CentralPanel::default().show(ui, |ui| {
            let (height, count) = (ui.spacing().interact_size.y, self.jobs.list().len());
            let area = ScrollArea::vertical().auto_shrink(false).stick_to_bottom(true);
            area.show_rows(ui, height, count, |ui, rows| {
                Grid::new("jobs").min_row_height(height).start_row(rows.start).show(ui, |ui| {
                    rows.for_each(|number| self.draw_job(ui, number));
                });
            });
        });
    }

    fn draw_job(&mut self, ui: &mut Ui, number: usize) {
        let job = &self.jobs.list()[number];
        match job.state {
            State::Succeeded => ui.colored_label(GREEN, &job.status),
            State::Failed => ui.colored_label(RED, &job.status),
            State::Running | State::Stopping => ui.label(&job.status),
        };
        ui.label(&job.time);
        let is_clicked = job.state == State::Running && ui.button("stop").clicked();
        if job.state != State::Running {
            ui.label("");
        }
        ui.monospace(&job.command);
        ui.end_row();
        if is_clicked {
            self.jobs.stop(number);
        }
    }
}

impl eframe::App for Window<'_> {
    /// Before each frame, and when egui is woken while the window is hidden.
    fn logic(&mut self, ctx: &Context, _: &mut eframe::Frame) {
        let done = self.take_exits().and_then(|()| self.tick(ctx));
        if done.is_err() {
            *self.result = done.map_err(Into::into);
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
        if self.is_told_to_end() {
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
        if let Some(due) = self.jobs.kill_due() {
            ctx.request_repaint_after(due.saturating_duration_since(Instant::now()));
        }
    }

    fn ui(&mut self, ui: &mut Ui, _: &mut eframe::Frame) {
        self.draw(ui);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::Descriptors;
    use eframe::egui::epaint::{ClippedShape, Shape};
    use eframe::egui::{Event, Modifiers, PointerButton, Pos2, RawInput, Rect};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc;
    use std::time::Duration;

    /// Draws frames without a display, until egui has nothing more to draw. Gives all texts of the last one.
    fn frames(ctx: &Context, window: &mut Window<'_>, events: Vec<Event>) -> Vec<(String, Pos2)> {
        let screen_rect = Some(Rect::from_min_size(Pos2::ZERO, [640.0, 400.0].into()));
        let mut shapes = Vec::new();
        for events in events.into_iter().map(|event| vec![event]).chain(vec![vec![]; 3]) {
            let input = RawInput { events, screen_rect, ..RawInput::default() };
            let mut output = ctx.run_ui(input, |ui| window.draw(ui));
            shapes = std::mem::take(&mut output.shapes);
            output.drop_without_applying_deltas();
        }
        let text = |clipped: ClippedShape| match clipped.shape {
            Shape::Text(text) => Some((text.galley.text().to_owned(), text.visual_bounding_rect().center())),
            _ => None,
        };
        shapes.into_iter().filter_map(text).collect()
    }

    fn place(texts: &[(String, Pos2)], wanted: &str) -> Option<Pos2> {
        texts.iter().find(|(text, _)| text == wanted).map(|&(_, place)| place)
    }

    fn new_jobs() -> Jobs {
        Jobs::new(Descriptors::raise().unwrap()).unwrap()
    }

    fn test(jobs: &mut Jobs, act: impl FnOnce(&Context, &mut Window<'_>, &mpsc::Receiver<()>)) {
        let (ctx, mut result) = (Context::default(), Ok(()));
        let (ask, asked) = mpsc::channel();
        ctx.set_request_repaint_callback(move |_| ask.send(()).unwrap_or_default());
        let mut window = Window::new(&ctx, jobs, EndSignals::new().unwrap(), None, &mut result).unwrap();
        act(&ctx, &mut window, &asked);
    }

    #[test]
    fn an_exit_asks_for_a_frame() {
        let mut jobs = new_jobs();
        let (ours, theirs) = UnixStream::pair().unwrap();
        jobs.start("read line; exit 3", OwnedFd::from(theirs));
        test(&mut jobs, |ctx, window, asked| {
            window.take_exits().unwrap();
            assert!(place(&frames(ctx, window, vec![]), "▶ running").is_some());
            while asked.try_recv().is_ok() {}
            drop(ours);
            asked.recv_timeout(Duration::from_secs(60)).unwrap();
            window.take_exits().unwrap();
            assert!(place(&frames(ctx, window, vec![]), "✖ exit status: 3").is_some());
        });
    }

    #[test]
    fn a_command_is_typed_and_stopped() {
        let mut jobs = new_jobs();
        test(&mut jobs, |ctx, window, asked| {
            ctx.memory_mut(|memory| memory.request_focus(Id::unique("command")));
            let enter = Event::Key {
                key: Key::Enter,
                physical_key: None,
                pressed: true,
                repeat: false,
                modifiers: Modifiers::NONE,
            };
            let texts = frames(ctx, window, vec![Event::Text("exec sleep 1000".to_owned()), enter]);
            assert!(place(&texts, "exec sleep 1000").is_some());
            let stop = place(&texts, "stop").unwrap();
            window.take_exits().unwrap();
            let button = |pressed| Event::PointerButton {
                pos: stop,
                button: PointerButton::Primary,
                pressed,
                modifiers: Modifiers::NONE,
            };
            frames(ctx, window, vec![Event::PointerMoved(stop), button(true), button(false)]);
            while window.jobs.list()[0].state == State::Stopping {
                asked.recv_timeout(Duration::from_secs(60)).unwrap();
                window.take_exits().unwrap();
            }
            let texts = frames(ctx, window, vec![]);
            assert!(place(&texts, "✖ signal: 15 (SIGTERM)").is_some());
            assert!(place(&texts, "stop").is_none());
        });
    }
    #[test]
    fn a_signal_asks_for_a_frame() {
        let mut jobs = new_jobs();
        test(&mut jobs, |ctx, window, asked| {
            // However far async-io's thread has come.
            for _ in 0..50 {
                assert!(!window.is_told_to_end());
                frames(ctx, window, vec![]);
                while asked.try_recv().is_ok() {}
                let kill = std::process::Command::new("sh").args(["-c", "kill -TERM $PPID"]).status();
                assert!(kill.unwrap().success());
                asked.recv_timeout(Duration::from_secs(60)).unwrap();
                assert!(window.is_told_to_end());
            }
        });
    }
}
