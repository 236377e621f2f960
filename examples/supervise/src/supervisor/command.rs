//! What is asked for by the control socket.

use std::time::Instant;

use super::Supervisor;
use crate::means::Means;
use crate::status;
use crate::unit::{State, Unit};

/// A client that is answered once its wish has come true.
pub(super) struct Pending {
    client: u64,
    id: usize,
    wish: Wish,
}

#[derive(Clone, Copy, PartialEq)]
enum Wish {
    Up,
    Down,
}

impl Supervisor {
    pub(super) fn obey(&mut self) {
        let Some(control) = &mut self.control else {
            return;
        };
        for request in control.turn() {
            match self.request(request.client, &request.line) {
                Ok(None) => {}
                Ok(Some(text)) => self.answer(request.client, format!("ok\n{text}")),
                Err(reason) => self.answer(request.client, format!("error: {reason}\n")),
            }
        }
    }

    fn answer(&mut self, client: u64, text: String) {
        if let Some(control) = &mut self.control {
            control.answer(client, text);
        }
    }

    /// The answer, if there is one at once.
    fn request(&mut self, client: u64, line: &str) -> Result<Option<String>, String> {
        let (verb, name) = line.split_once(' ').unwrap_or((line, ""));
        if verb == "status" {
            return Ok(Some(status::table(&self.units, self.strangers)));
        }
        let wish = match verb {
            "start" | "restart" => Wish::Up,
            "stop" => Wish::Down,
            _ => return Err(format!("there is no request {verb:?}")),
        };
        if self.stopping {
            return Err("all are being stopped".into());
        }
        let unit = self.units.iter_mut().find(|unit| unit.service.name == name && !unit.leaves);
        let unit = unit.ok_or_else(|| format!("there is no service {name:?}"))?;
        match verb {
            "start" => unit.up(&self.means),
            "restart" => unit.again(&self.means),
            _ => unit.down(&self.means),
        }
        self.pending.push(Pending { client, id: unit.id, wish });
        Ok(None)
    }

    /// Answers those whose wish has come true, or cannot any more.
    pub(super) fn answer_pending(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        for it in pending {
            let unit = self.units.iter().find(|unit| unit.id == it.id);
            match unit.map(|unit| outcome(unit, it.wish)) {
                Some(None) => self.pending.push(it),
                Some(Some(Ok(()))) => self.answer(it.client, "ok\n".into()),
                Some(Some(Err(reason))) => self.answer(it.client, format!("error: {reason}\n")),
                None => self.answer(it.client, "error: it is no service any more\n".into()),
            }
        }
    }
}

fn outcome(unit: &Unit, wish: Wish) -> Option<Result<(), String>> {
    let last = || unit.last.clone().unwrap_or_default();
    match (wish, &unit.state) {
        (Wish::Up, _) if unit.again => None,
        (Wish::Up, _) if unit.is_ready() => Some(Ok(())),
        (Wish::Up, State::Failed) => Some(Err(format!("it has failed: {}", last()))),
        (Wish::Up, _) if unit.down => Some(Err("it was stopped".into())),
        (Wish::Down, _) if !unit.down => Some(Err("it was started".into())),
        (Wish::Down, State::Done | State::Failed) => Some(Ok(())),
        _ => None,
    }
}

impl Unit {
    /// To be started, whatever became of it.
    fn up(&mut self, means: &Means) {
        if self.running().is_some() && self.down {
            return self.again(means);
        }
        if self.is_over() {
            // It may be another one by now.
            (self.down, self.again) = (true, true);
        } else if self.running().is_none() {
            self.renew();
        }
        self.save(means);
    }

    fn down(&mut self, means: &Means) {
        (self.down, self.again) = (true, false);
        match self.running() {
            Some(_) => self.save(means),
            None => self.stop(means),
        }
    }

    /// Stopped, and started then.
    pub(super) fn again(&mut self, means: &Means) {
        match self.running() {
            Some(_) => (self.down, self.again) = (true, true),
            None => (self.down, self.again, self.state) = (true, true, State::Done),
        }
        self.save(means);
    }

    /// To be started now, as the first time.
    pub(super) fn renew(&mut self) {
        self.row = Default::default();
        self.state = State::Waiting(Instant::now());
    }
}
