//! The window, and what its events do.

use std::ffi::OsString;
use std::io;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{anyhow, Context, Result};
use burst::{Burst, TICK};
use childset::{Command, Stdio};
use common::elapsed;
use softbuffer::Surface;
use winit::application::ApplicationHandler;
use winit::dpi::{LogicalSize, PhysicalPosition, PhysicalSize};
use winit::event::WindowEvent;
use winit::event_loop::{ActiveEventLoop, ControlFlow, OwnedDisplayHandle};
use winit::window::{Window, WindowId};

use crate::runs::{Kind, Runs};
use crate::text::Font;
use crate::wall::{colour, paint_cell, Grid, BACKGROUND};

/// The height of what is below the wall, of its text, and of the squares in it: in pixels of a usual screen.
const FOOTER: f64 = 48.0;
const TEXT: f64 = 15.0;
const SQUARE: f64 = 15.0;
const WHITE: u32 = 0xd3d7cf;
/// How often the time is shown.
const SECOND: Duration = Duration::from_secs(1);

pub(crate) struct App {
    pub(crate) runs: Runs,
    /// When winit wants to be called at the latest.
    pub(crate) deadline: Option<Instant>,
    pub(crate) has_drawn: bool,
    /// A signal has asked for it.
    pub(crate) has_to_end: bool,
    /// Why the loop was left, if that was no wish of the user's.
    pub(crate) result: Result<()>,
    command: Vec<OsString>,
    context: softbuffer::Context<OwnedDisplayHandle>,
    screen: Option<Screen>,
    burst: Option<Burst>,
    tick: Instant,
    /// When the time is shown again.
    second: Instant,
    /// The command, to be shown.
    words: String,
}

struct Screen {
    window: Rc<Window>,
    surface: Surface<OwnedDisplayHandle, Rc<Window>>,
    /// Where it is, if it is in the window.
    pointer: Option<PhysicalPosition<f64>>,
}

impl Screen {
    /// The wall, above the footer.
    fn grid(&self, count: usize) -> Grid {
        let size = self.window.inner_size();
        let footer = (FOOTER * self.window.scale_factor()) as u32;
        Grid::new(size.width, size.height.saturating_sub(footer), count as u32)
    }
}

/// What is below the wall: a legend with the numbers, and a line of text.
struct Footer {
    scale: f64,
    size: PhysicalSize<u32>,
}

impl Footer {
    fn paint(&self, image: &mut [u32], counts: &[(Kind, usize)], time: &str, text: &str) {
        let (scale, PhysicalSize { width, height }) = (self.scale, self.size);
        let side = (SQUARE * scale) as u32;
        let Some(top) = height.checked_sub((FOOTER * scale) as u32) else {
            return;
        };
        let font = Font::new((TEXT * scale) as f32);
        let (first, second) = (top + (19.0 * scale) as u32, top + (41.0 * scale) as u32);
        let (space, mut x) = ((8.0 * scale) as f32, (8.0 * scale) as f32);
        // What there is none of is left out, except what everybody asks for.
        let asked = |kind| matches!(kind, Kind::Succeeded | Kind::Failed | Kind::Killed);
        for &(kind, count) in counts.iter().filter(|&&(kind, count)| count > 0 || asked(kind)) {
            if x as u32 + side >= width {
                break;
            }
            let corner = (x as u32, first + (2.0 * scale) as u32 - side);
            paint_cell(kind, image, width, corner, side);
            let start = (x + side as f32 + space * 0.75, first as f32);
            x = font.draw(image, width, start, &format!("{count} {}", kind.name()), WHITE) + 2.0 * space;
        }
        font.draw(image, width, (x, first as f32), time, WHITE);
        font.draw(image, width, (space, second as f32), text, WHITE);
    }
}

impl App {
    pub(crate) fn new(
        display: OwnedDisplayHandle,
        runs: Runs,
        command: Vec<OsString>,
        burst: Option<Burst>,
    ) -> Result<App> {
        let words: Vec<_> = command.iter().map(|word| word.to_string_lossy()).collect();
        let words = words.join(" ");
        let context = softbuffer::Context::new(display).map_err(|error| anyhow!("cannot draw: {error}"))?;
        Ok(App {
            runs,
            deadline: None,
            has_drawn: false,
            has_to_end: false,
            result: Ok(()),
            command,
            context,
            screen: None,
            burst,
            tick: Instant::now(),
            second: Instant::now(),
            words,
        })
    }

    /// Takes the exit of a run; false if none has ended.
    pub(crate) fn take_exit(&mut self) -> Result<bool> {
        let Some(exited) = self.runs.reap()? else {
            return Ok(false);
        };
        if let Some(burst) = &mut self.burst {
            burst.exited(exited.tag, &exited.exit);
        }
        self.runs.ended(exited);
        self.start_runs();
        self.show_change();
        Ok(true)
    }

    fn start_runs(&mut self) {
        while let Some(number) = self.runs.due() {
            let command = self.command(number);
            self.runs.start(command);
        }
    }

    fn command(&self, number: usize) -> io::Result<Command> {
        let mut command;
        if let Some(burst) = &self.burst {
            command = Command::new("sh");
            command.args(["-c", Burst::script(number)]).stdin(burst.stdin()?);
        } else {
            command = Command::new(&self.command[0]);
            command.args(&self.command[1..]).env("RUN", number.to_string()).stdin(Stdio::null());
        }
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command)
    }

    fn count(&self, wanted: Kind) -> usize {
        self.runs.all().iter().filter(|run| run.kind() == wanted).count()
    }

    fn show_change(&self) {
        let Some(screen) = &self.screen else {
            return;
        };
        let [succeeded, failed, killed] =
            [Kind::Succeeded, Kind::Failed, Kind::Killed].map(|kind| self.count(kind));
        screen.window.set_title(&format!("{succeeded} succeeded, {failed} failed, {killed} killed"));
        screen.window.request_redraw();
    }

    fn open(&self, event_loop: &ActiveEventLoop) -> Result<Screen> {
        let attributes = Window::default_attributes().with_inner_size(LogicalSize::new(800, 600));
        let window = Rc::new(event_loop.create_window(attributes).context("cannot open a window")?);
        let surface = Surface::new(&self.context, Rc::clone(&window))
            .map_err(|error| anyhow!("cannot draw in the window: {error}"))?;
        Ok(Screen { window, surface, pointer: None })
    }

    fn draw(&mut self) -> Result<()> {
        let Some(screen) = &mut self.screen else {
            return Ok(());
        };
        let size = screen.window.inner_size();
        let (Some(width), Some(height)) = (NonZeroU32::new(size.width), NonZeroU32::new(size.height)) else {
            return Ok(());
        };
        let grid = screen.grid(self.runs.all().len());
        let hovered = screen.pointer.and_then(|pointer| grid.at(pointer.x, pointer.y));
        let text = match hovered {
            Some(number) => format!("run {number}: {}", self.runs.all()[number].describe()),
            None => self.words.clone(),
        };
        let counts =
            Kind::ALL.map(|kind| (kind, self.runs.all().iter().filter(|run| run.kind() == kind).count()));
        let mut paint = || {
            screen.surface.resize(width, height)?;
            let mut image = screen.surface.buffer_mut()?;
            image.fill(BACKGROUND);
            grid.paint(self.runs.all(), &mut image);
            let footer = Footer { scale: screen.window.scale_factor(), size };
            footer.paint(&mut image, &counts, &elapsed(self.runs.time()), &text);
            image.present()
        };
        self.has_drawn = true;
        paint().map_err(|error: softbuffer::SoftBufferError| anyhow!("cannot draw: {error}"))
    }

    /// What is at the pointer has changed, or may have.
    fn point(&mut self, pointer: Option<PhysicalPosition<f64>>) {
        let count = self.runs.all().len();
        let Some(screen) = &mut self.screen else {
            return;
        };
        let grid = screen.grid(count);
        let at = |pointer: Option<PhysicalPosition<f64>>| {
            pointer.and_then(|pointer| grid.at(pointer.x, pointer.y))
        };
        if at(screen.pointer) != at(pointer) {
            screen.window.request_redraw();
        }
        screen.pointer = pointer;
    }

    fn tick(&mut self) -> Result<()> {
        let Some(burst) = &mut self.burst else {
            return Ok(());
        };
        if Instant::now() < self.tick {
            return Ok(());
        }
        self.tick = Instant::now() + TICK;
        if burst.tick()? {
            burst.report("winit")?;
            self.burst = None;
            if let Some(screen) = &self.screen {
                let side = screen.grid(self.runs.all().len()).side();
                let shown = [Kind::Succeeded, Kind::Failed, Kind::Killed]
                    .map(|kind| format!("{} #{:06x}", self.count(kind), colour(kind)));
                println!("winit: {} of {side}x{side} pixels", shown.join(", "));
            }
        }
        Ok(())
    }

    fn check(&mut self, event_loop: &ActiveEventLoop, result: Result<()>) {
        if result.is_err() {
            self.result = result;
            event_loop.exit();
        }
    }
}

impl ApplicationHandler for App {
    fn resumed(&mut self, event_loop: &ActiveEventLoop) {
        match self.open(event_loop) {
            Ok(screen) => {
                self.screen = Some(screen);
                self.start_runs();
                self.show_change();
            }
            Err(error) => self.check(event_loop, Err(error)),
        }
    }

    fn window_event(&mut self, event_loop: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        match event {
            WindowEvent::CloseRequested => event_loop.exit(),
            WindowEvent::RedrawRequested => {
                let drawn = self.draw();
                self.check(event_loop, drawn);
            }
            WindowEvent::Resized(_) => self.show_change(),
            WindowEvent::CursorMoved { position, .. } => self.point(Some(position)),
            WindowEvent::CursorLeft { .. } => self.point(None),
            _ => {}
        }
    }

    fn about_to_wait(&mut self, event_loop: &ActiveEventLoop) {
        let ticked = self.tick();
        self.check(event_loop, ticked);
        if self.has_to_end {
            event_loop.exit();
        }
        if self.runs.is_running() && Instant::now() >= self.second {
            self.second = Instant::now() + SECOND;
            self.show_change();
        }
        event_loop.set_control_flow(match (&self.burst, self.runs.is_running()) {
            (Some(_), _) => ControlFlow::WaitUntil(self.tick),
            (None, true) => ControlFlow::WaitUntil(self.second),
            (None, false) => ControlFlow::Wait,
        });
        self.deadline = match event_loop.control_flow() {
            ControlFlow::Wait => None,
            ControlFlow::WaitUntil(deadline) => Some(deadline),
            ControlFlow::Poll => Some(Instant::now()),
        };
    }
}
