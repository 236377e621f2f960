//! Several lists of arguments: each of one with each of the others, or one by one where they are linked.

use std::ffi::OsString;

pub(crate) struct Product {
    /// What varies together: one entry has an argument of each list that is linked.
    axes: Vec<Vec<Vec<OsString>>>,
    /// The next one.
    next: u64,
    total: u64,
}

impl Product {
    pub(crate) fn new() -> Product {
        Product { axes: Vec::new(), next: 0, total: 0 }
    }

    pub(crate) fn add(&mut self, list: Vec<OsString>) {
        self.axes.push(list.into_iter().map(|argument| vec![argument]).collect());
        self.count();
    }

    /// To the list before; the shorter one says how many there are.
    pub(crate) fn link(&mut self, list: Vec<OsString>) {
        let Some(axis) = self.axes.last_mut() else {
            return self.add(list);
        };
        axis.truncate(list.len());
        axis.iter_mut().zip(list).for_each(|(entry, argument)| entry.push(argument));
        self.count();
    }

    /// Lists that vary together; a shorter one begins anew.
    pub(crate) fn add_linked(&mut self, lists: Vec<Vec<OsString>>) {
        let length = lists.iter().map(Vec::len).max().unwrap_or(0);
        let full = || lists.iter().filter(|list| !list.is_empty());
        let entry = |index: usize| full().map(|list| list[index % list.len()].clone()).collect();
        self.axes.push((0..length).map(entry).collect());
        self.count();
    }

    /// Also of those that are linked.
    pub(crate) fn take_first_of_each(&mut self) -> Vec<OsString> {
        let full = self.axes.iter_mut().filter(|axis| !axis.is_empty());
        let first = full.flat_map(|axis| axis.remove(0)).collect();
        self.count();
        first
    }

    /// More than anybody has time for is as good as the true number.
    fn count(&mut self) {
        self.total = self.axes.iter().fold(1, |total, axis| total.saturating_mul(axis.len() as u64));
    }

    pub(crate) fn left(&self) -> u64 {
        self.total - self.next
    }

    /// The last one varies fastest.
    pub(crate) fn take(&mut self) -> Option<Vec<OsString>> {
        if self.next == self.total {
            return None;
        }
        let mut rest = self.next;
        self.next += 1;
        let mut entries = Vec::with_capacity(self.axes.len());
        for axis in self.axes.iter().rev() {
            let length = axis.len() as u64;
            entries.push(&axis[(rest % length) as usize]);
            rest /= length;
        }
        Some(entries.into_iter().rev().flatten().cloned().collect())
    }
}
