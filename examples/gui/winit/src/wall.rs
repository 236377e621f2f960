//! The wall: which cell is where, in which colour, and in which shape.

use crate::runs::{Kind, Run};

/// Between two cells, in pixels.
const GAP: u32 = 2;

pub(crate) const BACKGROUND: u32 = 0x101418;

pub(crate) fn colour(kind: Kind) -> u32 {
    match kind {
        Kind::Succeeded => 0x4e9a06,
        Kind::Failed => 0xcc0000,
        Kind::Killed => 0xad7fa8,
        Kind::Lost => 0xedd400,
        Kind::Running => 0x3465a4,
        Kind::Waiting => 0x2e3436,
    }
}

/// Paints a square into the rows of an image. For those who do not see the colour, a failure has a hole in the middle, and a
/// run that was killed has a bar across.
pub(crate) fn paint_cell(kind: Kind, image: &mut [u32], width: u32, (left, top): (u32, u32), side: u32) {
    let third = side / 3;
    let middle = (side - third) / 2..(side - third) / 2 + third;
    for y in 0..side {
        let start = ((top + y) * width + left) as usize;
        let row = &mut image[start..start + side as usize];
        row.fill(colour(kind));
        if middle.contains(&y) {
            match kind {
                Kind::Failed | Kind::Lost => {
                    row[middle.start as usize..middle.end as usize].fill(BACKGROUND);
                }
                Kind::Killed => row.fill(BACKGROUND),
                _ => {}
            }
        }
    }
}

/// Square cells in rows, as large as they can be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Grid {
    columns: u32,
    /// The side of a cell with its gap; 0 where nothing fits.
    pitch: u32,
    count: u32,
    width: u32,
}

impl Grid {
    pub(crate) fn new(width: u32, height: u32, count: u32) -> Grid {
        let (inner_width, inner_height) = (width.saturating_sub(GAP), height.saturating_sub(GAP));
        // The larger the cells, the fewer fit.
        let fits = |pitch: &u32| {
            u64::from(inner_width / pitch) * u64::from(inner_height / pitch) >= u64::from(count)
        };
        let pitch = (GAP + 1..=inner_width.min(inner_height)).rev().find(fits).unwrap_or(0);
        let columns = inner_width.checked_div(pitch).unwrap_or(0);
        Grid { columns, pitch, count, width }
    }

    /// The side of a cell, in pixels.
    pub(crate) fn side(&self) -> u32 {
        self.pitch.saturating_sub(GAP)
    }

    fn corner(&self, number: u32) -> (u32, u32) {
        (GAP + number % self.columns * self.pitch, GAP + number / self.columns * self.pitch)
    }

    /// The cell at a point.
    pub(crate) fn at(&self, x: f64, y: f64) -> Option<usize> {
        let (x, y) = (x as u32, y as u32);
        let column = x.checked_sub(GAP)?.checked_div(self.pitch)?;
        let row = y.checked_sub(GAP)?.checked_div(self.pitch)?;
        let number = row.checked_mul(self.columns)?.checked_add(column)?;
        if column >= self.columns || number >= self.count {
            return None;
        }
        let (left, top) = self.corner(number);
        (x < left + self.side() && y < top + self.side()).then_some(number as usize)
    }

    /// Paints all cells into the rows of an image.
    pub(crate) fn paint(&self, runs: &[Run], image: &mut [u32]) {
        if self.pitch == 0 {
            return;
        }
        for (number, run) in (0..).zip(runs) {
            paint_cell(run.kind(), image, self.width, self.corner(number), self.side());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn cells_are_complete_and_apart() {
        for (width, height) in [(0, 0), (1, 500), (3, 3), (4, 4), (800, 600), (333, 1000)] {
            for count in [1, 2, 7, 100, 500, 65_535] {
                let grid = Grid::new(width, height, count);
                let runs: Vec<_> = (0..count).map(|_| Run::Running(Instant::now())).collect();
                let mut image = vec![0; (width * height) as usize];
                grid.paint(&runs, &mut image);
                let blue = image.iter().filter(|&&pixel| pixel == colour(Kind::Running)).count();
                assert_eq!(blue, (count * grid.side() * grid.side()) as usize, "{width}x{height}: {grid:?}");
            }
        }
        // 28 columns and 19 rows, above the legend.
        assert_eq!(Grid::new(800, 552, 500).side(), 26);
        // 27 columns and 20 rows; one pixel more, and there were 26 and 19: 494 cells.
        assert_eq!(Grid::new(800, 600, 500).side(), 27);
        assert_eq!(Grid::new(20, 20, 65_535).side(), 0);
    }

    #[test]
    fn a_point_is_in_the_cell_that_is_painted_there() {
        let (width, height, count) = (200, 150, 60);
        let grid = Grid::new(width, height, count);
        let mut image = vec![0; (width * height) as usize];
        for number in 0..count as usize {
            let mut runs: Vec<_> = (0..count).map(|_| Run::Waiting).collect();
            runs[number] = Run::Running(Instant::now());
            grid.paint(&runs, &mut image);
            for y in 0..height {
                for x in 0..width {
                    let is_painted = image[(y * width + x) as usize] == colour(Kind::Running);
                    let is_there = grid.at(x.into(), y.into()) == Some(number);
                    assert_eq!(is_painted, is_there, "{number}: {x}, {y}");
                }
            }
        }
        assert_eq!(grid.at(-1.0, -1.0), None);
        assert_eq!(grid.at(1e99, 1e99), None);
        assert_eq!(Grid::new(0, 0, 1).at(5.0, 5.0), None);
    }
}
