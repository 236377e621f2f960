//! How many rows of arguments make a job.

use std::ffi::OsString;

use crate::template::Template;

/// As much as the kernel takes for one word, which a line for a shell is (`MAX_ARG_STRLEN`), and a bit less.
pub(crate) const LONGEST_LINE: usize = 128 * 1024 - 1024;

pub(super) enum Gather {
    Row,
    Count(usize),
    Fill(Fill),
}

/// As many as fit into a command line.
pub(crate) struct Fill {
    template: Template,
    /// How long the line may be.
    limit: usize,
    /// The most arguments.
    most: usize,
    /// Over how many slots the last ones are spread, if they are.
    slots: Option<usize>,
    /// How long the line is with what is gathered.
    length: usize,
}

impl Fill {
    pub(crate) fn new(template: Template, limit: usize, most: Option<usize>, slots: Option<usize>) -> Fill {
        Fill { length: template.length(), template, limit, most: most.unwrap_or(usize::MAX), slots }
    }

    /// Adds the row; what was gathered comes out if it does not fit in.
    pub(super) fn add(&mut self, gathered: &mut Vec<OsString>, row: Vec<OsString>) -> Option<Vec<OsString>> {
        let more = self.template.length_of(&row);
        let is_full = self.length + more > self.limit || gathered.len() + row.len() > self.most;
        if is_full && !gathered.is_empty() {
            self.length = self.template.length() + more;
            return Some(std::mem::replace(gathered, row));
        }
        self.length += more;
        gathered.extend(row);
        None
    }

    /// The last ones: takes a share of them.
    pub(super) fn take(&mut self, gathered: &mut Vec<OsString>) -> Vec<OsString> {
        if let Some(slots) = self.slots.take() {
            self.most = self.most.min(gathered.len().div_ceil(slots.max(1)));
        }
        let rest = gathered.split_off(self.most.min(gathered.len()));
        std::mem::replace(gathered, rest)
    }
}
