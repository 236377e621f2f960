//! The window, and what its events do.

use std::ffi::OsString;
use std::io;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Instant;

use anyhow::{anyhow, Context, Result};
use burst::{Burst, TICK};
use childset::{Command, Stdio};
use softbuffer::Surface;
use winit::application::ApplicationHandler;
use winit::dpi::{LogicalSize, PhysicalPosition};
use winit::event::{ElementState, MouseButton, WindowEvent};
use winit::event_loop::{ActiveEventLoop, ControlFlow, OwnedDisplayHandle};
use winit::window::{Window, WindowId};

use crate::runs::{Run, Runs};
use crate::wall::{colour, Grid, GREEN, PURPLE, RED};

pub(crate) struct App {
    pub(crate) runs: Runs,
    /// When winit wants to be called at the latest.
    pub(crate) deadline: Option<Instant>,
    pub(crate) has_drawn: bool,
    /// Why the loop was left, if that was no wish of the user's.
    pub(crate) result: Result<()>,
    command: Vec<OsString>,
    context: softbuffer::Context<OwnedDisplayHandle>,
    screen: Option<Screen>,
    burst: Option<Burst>,
    tick: Instant,
}

struct Screen {
    window: Rc<Window>,
    surface: Surface<OwnedDisplayHandle, Rc<Window>>,
    pointer: PhysicalPosition<f64>,
}

impl App {
    pub(crate) fn new(
        display: OwnedDisplayHandle,
        runs: Runs,
        command: Vec<OsString>,
        burst: Option<Burst>,
    ) -> Result<App> {
        let context = softbuffer::Context::new(display).map_err(|error| anyhow!("cannot draw: {error}"))?;
        Ok(App {
            runs,
            deadline: None,
            has_drawn: false,
            result: Ok(()),
            command,
            context,
            screen: None,
            burst,
            tick: Instant::now(),
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
        self.runs.ended(exited.tag, exited.exit);
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

    fn count(&self, wanted: u32) -> usize {
        self.runs.all().iter().filter(|run| colour(run) == wanted).count()
    }

    fn show_change(&self) {
        let Some(screen) = &self.screen else {
            return;
        };
        let (green, red, purple) = (self.count(GREEN), self.count(RED), self.count(PURPLE));
        screen.window.set_title(&format!("{green} succeeded, {red} failed, {purple} killed"));
        screen.window.request_redraw();
    }

    fn open(&self, event_loop: &ActiveEventLoop) -> Result<Screen> {
        let attributes = Window::default_attributes().with_inner_size(LogicalSize::new(800, 600));
        let window = Rc::new(event_loop.create_window(attributes).context("cannot open a window")?);
        let surface = Surface::new(&self.context, Rc::clone(&window))
            .map_err(|error| anyhow!("cannot draw in the window: {error}"))?;
        Ok(Screen { window, surface, pointer: PhysicalPosition::new(-1.0, -1.0) })
    }

    fn draw(&mut self) -> Result<()> {
        let Some(screen) = &mut self.screen else {
            return Ok(());
        };
        let size = screen.window.inner_size();
        let (Some(width), Some(height)) = (NonZeroU32::new(size.width), NonZeroU32::new(size.height)) else {
            return Ok(());
        };
        let mut paint = || {
            screen.surface.resize(width, height)?;
            let mut image = screen.surface.buffer_mut()?;
            let runs = self.runs.all();
            Grid::new(size.width, size.height, runs.len() as u32).paint(runs, &mut image);
            image.present()
        };
        self.has_drawn = true;
        paint().map_err(|error| anyhow!("cannot draw: {error}"))
    }

    /// Prints how the run under the pointer ended.
    fn tell(&self) {
        let Some(screen) = &self.screen else {
            return;
        };
        let size = screen.window.inner_size();
        let all = self.runs.all();
        let grid = Grid::new(size.width, size.height, all.len() as u32);
        let Some(number) = grid.at(screen.pointer.x, screen.pointer.y) else {
            return;
        };
        match &all[number] {
            Run::Waiting => println!("run {number}: not started yet"),
            Run::Running => println!("run {number}: running"),
            Run::Lost(error) => println!("run {number}: {error}"),
            Run::Ended(exit) => match exit.user_time().zip(exit.system_time()) {
                Some((user, system)) => {
                    println!("run {number}: {}, {:.3?} of processor time", exit.status(), user + system)
                }
                None => println!("run {number}: {}", exit.status()),
            },
        }
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
                let size = screen.window.inner_size();
                let side = Grid::new(size.width, size.height, self.runs.all().len() as u32).side();
                let shown =
                    [GREEN, RED, PURPLE].map(|colour| format!("{} #{colour:06x}", self.count(colour)));
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
            WindowEvent::CursorMoved { position, .. } => {
                if let Some(screen) = &mut self.screen {
                    screen.pointer = position;
                }
            }
            WindowEvent::MouseInput { state: ElementState::Pressed, button: MouseButton::Left, .. } => {
                self.tell()
            }
            _ => {}
        }
    }

    fn about_to_wait(&mut self, event_loop: &ActiveEventLoop) {
        let ticked = self.tick();
        self.check(event_loop, ticked);
        event_loop.set_control_flow(match self.burst {
            Some(_) => ControlFlow::WaitUntil(self.tick),
            None => ControlFlow::Wait,
        });
        self.deadline = match event_loop.control_flow() {
            ControlFlow::Wait => None,
            ControlFlow::WaitUntil(deadline) => Some(deadline),
            ControlFlow::Poll => Some(Instant::now()),
        };
    }
}
