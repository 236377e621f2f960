/// Text in columns: the first to the left, the others to the right.
#[derive(Debug)]
pub(crate) struct Table(Vec<Vec<String>>);

impl Table {
    pub(crate) fn new(heads: &[&str]) -> Table {
        Table(vec![heads.iter().map(|&head| head.to_owned()).collect()])
    }

    pub(crate) fn row(&mut self, first: &str, others: impl IntoIterator<Item = String>) {
        self.0.push([first.to_owned()].into_iter().chain(others).collect());
    }

    pub(crate) fn print(&self) {
        let columns = self.0.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column| {
            let cells = self.0.iter().filter_map(|row| row.get(column));
            cells.map(|cell: &String| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.0 {
            let mut line = format!("{:<1$}", row[0], widths[0]);
            for (cell, width) in row.iter().zip(&widths).skip(1) {
                line.push_str(&format!("  {cell:>width$}"));
            }
            println!("{}", line.trim_end());
        }
    }
}

/// The median, and the quartiles around it unless there was one round alone.
pub(crate) fn spread(quartiles: Option<[f64; 3]>, decimals: usize) -> String {
    match quartiles {
        Some([low, median, high]) if low < high => {
            format!("{median:.decimals$} ({low:.decimals$}–{high:.decimals$})")
        }
        quartiles => cell(quartiles.map(|[_, median, _]| median), decimals),
    }
}

/// A dash for what was not measured.
pub(crate) fn cell(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| String::from("-"), |value| format!("{value:.decimals$}"))
}
