//! What the terminal shows.

use common::elapsed;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::widgets::{Block, Paragraph, Row, Table, TableState};
use ratatui::Frame;

use crate::jobs::{Job, Jobs, State};

#[derive(Default)]
pub(crate) struct View {
    pub(crate) selected: usize,
    /// How many lines above the end of the output are the last that are shown.
    pub(crate) back: usize,
    /// A new command, while it is typed.
    pub(crate) typed: Option<String>,
}

impl View {
    /// Shows a job, and the end of its output.
    pub(crate) fn select(&mut self, number: usize) {
        (self.selected, self.back) = (number, 0);
    }

    pub(crate) fn draw(&mut self, frame: &mut Frame<'_>, jobs: &Jobs) {
        let parts = [Constraint::Percentage(40), Constraint::Min(3), Constraint::Length(1)];
        let [above, below, bottom] = Layout::vertical(parts).areas(frame.area());

        let widths = [Constraint::Fill(1), Constraint::Length(32), Constraint::Length(8)];
        let table = Table::new(jobs.all().iter().map(row), widths)
            .header(Row::new(["Command", "State", "Time"]).style(Modifier::BOLD))
            .row_highlight_style(Modifier::REVERSED)
            .block(Block::bordered().title("Jobs"));
        // It scrolls to what is selected.
        let mut state = TableState::new().with_selected(Some(self.selected));
        frame.render_stateful_widget(table, above, &mut state);

        let block = Block::bordered().title("Output");
        let inner = block.inner(below);
        let output = jobs.all().get(self.selected).map_or("", |job| &job.output);
        let (text, back) = last_lines(output, inner.width.into(), inner.height.into(), self.back);
        self.back = back;
        frame.render_widget(Paragraph::new(text).block(block), below);

        let line = match &self.typed {
            Some(typed) => format!("run: {typed}_"),
            None => "↑↓ select  n new  s stop  r run again  PgUp PgDn scroll  q quit".to_owned(),
        };
        frame.render_widget(Paragraph::new(line), bottom);
    }
}

/// Success and failure differ without colour, too.
fn row(job: &Job) -> Row<'_> {
    let (state, time, style) = match &job.state {
        State::Running { is_stopping: true, start, .. } => {
            ("■ stopping".to_owned(), start.elapsed(), Style::new())
        }
        State::Running { start, .. } => ("▶ running".to_owned(), start.elapsed(), Style::new()),
        State::Ended { is_success: true, how, time } => {
            (format!("✓ {how}"), *time, Style::new().fg(Color::Green))
        }
        State::Ended { how, time, .. } => {
            (format!("✗ {how}"), *time, Style::new().fg(Color::Red).add_modifier(Modifier::BOLD))
        }
    };
    Row::new([job.command.clone(), state, elapsed(time)]).style(style)
}

/// The last lines of a text, wrapped, without some at the end; and how many are left out there, at most all that do not fit.
fn last_lines(text: &str, width: usize, height: usize, back: usize) -> (String, usize) {
    let mut wrapped = Vec::new();
    // From the end on, as far as is needed.
    for line in text.lines().rev() {
        let characters: Vec<_> = line.chars().collect();
        let parts: Vec<String> = characters.chunks(width.max(1)).map(|part| part.iter().collect()).collect();
        wrapped.extend(if parts.is_empty() {
            vec![String::new()]
        } else {
            parts.into_iter().rev().collect()
        });
        if wrapped.len() >= height + back {
            break;
        }
    }
    let back = back.min(wrapped.len().saturating_sub(height));
    let mut shown: Vec<_> = wrapped.into_iter().skip(back).take(height).collect();
    shown.reverse();
    (shown.join("\n"), back)
}

#[cfg(test)]
mod tests {
    use super::last_lines;

    #[test]
    fn the_end_is_shown() {
        let text = "one\ntwo\n\nabcdefgh\nend";
        assert_eq!(last_lines(text, 5, 3, 0), ("abcde\nfgh\nend".into(), 0));
        assert_eq!(last_lines(text, 5, 3, 1), ("\nabcde\nfgh".into(), 1));
        assert_eq!(last_lines(text, 5, 3, 100), ("one\ntwo\n".into(), 3));
        assert_eq!(last_lines(text, 5, 100, 100).1, 0);
        assert_eq!(last_lines("", 0, 0, 3), (String::new(), 0));
    }
}
