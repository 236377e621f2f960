//! SVG plots, for the README. On a white ground, so that they can be read on any page.

use std::error::Error;
use std::fs;
use std::path::Path;

use anyhow::{anyhow, Context, Result};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::series::LineSeries;

use crate::contenders::Name;
use crate::results::Results;
use crate::summary::label;

const SIZE: (u32, u32) = (1000, 460);
/// For names, of the width.
const NAMES: u32 = 300;
const FONT: &str = "sans-serif";
const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(225, 225, 225);
const FAINT: RGBColor = RGBColor(110, 110, 110);

type Drawn = std::result::Result<(), Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Those that were measured.
pub(crate) fn draw(results: &Results, directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    let machine = format!("Linux {}, {} processors", results.machine.kernel, results.machine.processors);
    let busy = format!("{machine}, four spinning processes for each of them");
    let plot = |name: &str, title: &str, machine: &str, content: &dyn Fn(&Area<'_>) -> Drawn| -> Result<()> {
        let path = directory.join(name);
        let root = SVGBackend::new(&path, SIZE).into_drawing_area();
        let drawn = || -> Drawn {
            root.fill(&WHITE)?;
            let head = TextStyle::from((FONT, 19).into_font()).color(&INK);
            root.draw(&Text::new(title.to_owned(), (16, 14), head))?;
            let note = TextStyle::from((FONT, 13).into_font()).color(&FAINT);
            root.draw(&Text::new(machine.to_owned(), (16, 38), note))?;
            content(&root.margin(60, 12, 12, 16))?;
            root.present()?;
            Ok(())
        };
        drawn().map_err(|error| anyhow!("{}: {error}", path.display()))
    };
    if results.outstanding.iter().filter(|section| section.setting.outstanding > 0).count() > 1 {
        plot("spawn.svg", "One spawn beside children outstanding", &machine, &|area| spawn(results, area))?;
    }
    if let Some(bars) = still(results) {
        let title = "A busy machine: how long a spawn stops its caller: median (99th percentile in grey)";
        plot("busy.svg", title, &busy, &|area| {
            draw_bars(area, "µs, on a logarithmic scale", &bars, Scale::Logarithmic)
        })?;
    }
    if let Some(bars) = throughput(results) {
        plot("throughput.svg", "CPU time of the parent for one child, 16 in flight", &machine, &|area| {
            draw_bars(area, "µs a child", &bars, Scale::Linear)
        })?;
    }
    for (index, what) in [(0, "no other child"), (results.outstanding.len().saturating_sub(1), "")] {
        let Some(bars) = latency(results, index) else { continue };
        let count = results.outstanding[index].setting.outstanding;
        let beside = if what.is_empty() { format!("{count} children outstanding") } else { what.to_owned() };
        let title =
            format!("From a child's end to its status, beside {beside}: median (99th percentile in grey)");
        let name = if what.is_empty() { "latency-many.svg" } else { "latency.svg" };
        plot(name, &title, &machine, &|area| draw_bars(area, "µs", &bars, Scale::Linear))?;
    }
    Ok(())
}

fn color(name: Name) -> RGBColor {
    match name {
        Name::Childset => RGBColor(200, 30, 50),
        Name::ChildsetWait => RGBColor(235, 120, 60),
        Name::ChildsetLaunch => RGBColor(140, 0, 60),
        Name::ChildsetCommand => RGBColor(240, 170, 120),
        Name::ChildsetCommandLaunch => RGBColor(220, 110, 160),
        Name::AsyncProcess => RGBColor(30, 90, 180),
        Name::AsyncProcessDriver => RGBColor(110, 160, 220),
        Name::Tokio => RGBColor(20, 130, 110),
        Name::TokioUnordered => RGBColor(110, 190, 160),
        Name::Std => RGBColor(130, 80, 160),
        Name::Zruntime => RGBColor(200, 160, 0),
        Name::CWaitCopy => RGBColor(60, 60, 60),
        Name::CWaitShare => RGBColor(105, 105, 105),
        Name::CLaunchCopy => RGBColor(150, 150, 150),
        Name::CLaunchShare => RGBColor(190, 190, 190),
    }
}

/// The headline.
fn is_ours(name: Name) -> bool {
    matches!(name, Name::Childset | Name::ChildsetLaunch)
}

fn width(name: Name) -> u32 {
    if is_ours(name) {
        4
    } else {
        2
    }
}

type Line = (Name, String, Vec<(f64, f64)>);

/// Wall time against children, both on logarithmic scales; the legend at the right, where the lines end.
fn spawn(results: &Results, area: &Area<'_>) -> Drawn {
    let sections: Vec<_> =
        results.outstanding.iter().filter(|section| section.setting.outstanding > 0).collect();
    let first = &sections[0];
    let mut lines: Vec<Line> = Vec::new();
    for (name, label) in
        first.rows.iter().filter_map(|row| Some((row.contender, label(results, row.contender)?)))
    {
        let points = sections.iter().filter_map(|section| {
            let wall = section.row(name)?.median(|took| Some(took.spawned.wall_us))?;
            Some((section.setting.outstanding as f64, wall))
        });
        lines.push((name, label, points.collect()));
    }
    let all = || lines.iter().flat_map(|(_, _, points)| points).copied();
    let (left, right) = all().fold((f64::MAX, 0.0_f64), |(low, high), (x, _)| (low.min(x), high.max(x)));
    let (low, high) = all().fold((f64::MAX, 0.0_f64), |(low, high), (_, y)| (low.min(y), high.max(y)));
    let (plot, legend) = area.split_horizontally(SIZE.0 - NAMES - 100);
    let mut chart = ChartBuilder::on(&plot)
        .x_label_area_size(48)
        .y_label_area_size(64)
        .build_cartesian_2d((left..right * 1.06).log_scale(), (low * 0.8..high * 1.2).log_scale())?;
    // 1, 2 and 5 of each power of ten: there is no room for all.
    let number = |value: &f64| {
        let digits = format!("{value:.0}");
        if digits.starts_with(['1', '2', '5']) && digits[1..].bytes().all(|digit| digit == b'0') {
            digits
        } else {
            String::new()
        }
    };
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(GRID)
        .axis_style(INK)
        .label_style((FONT, 14).into_font().color(&INK))
        .x_desc("children outstanding")
        .y_desc("µs a spawn (wall)")
        .axis_desc_style((FONT, 15).into_font().color(&INK))
        .x_label_formatter(&number)
        .y_label_formatter(&number)
        .draw()?;
    // The highest line first, as they end.
    lines.sort_by(|(_, _, a), (_, _, b)| {
        b.last().map(|end| end.1).partial_cmp(&a.last().map(|end| end.1)).unwrap()
    });
    for (index, (name, label, points)) in lines.iter().enumerate() {
        let color = color(*name);
        let width = width(*name);
        let y = 14 + 24 * index as i32;
        legend.draw(&PathElement::new(vec![(6, y), (30, y)], color.stroke_width(width)))?;
        let end = points.last().map_or(0.0, |end| end.1);
        let style = TextStyle::from((FONT, 14).into_font()).color(&INK);
        legend.draw(&Text::new(format!("{label}: {end:.0} µs"), (38, y - 8), style))?;
    }
    // Ours on top of the others.
    lines.sort_by_key(|(name, ..)| is_ours(*name));
    for (name, _, points) in lines {
        let color = color(name);
        let line = LineSeries::new(points.iter().copied(), color.stroke_width(width(name)));
        chart.draw_series(line)?;
        chart.draw_series(points.iter().map(|&point| Circle::new(point, 3, color.filled())))?;
    }
    Ok(())
}

/// A value, and one behind it.
type Bar = (Name, String, f64, Option<f64>);

#[derive(Clone, Copy)]
enum Scale {
    Linear,
    Logarithmic,
}

fn throughput(results: &Results) -> Option<Vec<Bar>> {
    let bar = |row: &crate::results::Row<_>| {
        let own = row.median(|took: &crate::run::Throughput| Some(took.own_us))?;
        Some((row.contender, label(results, row.contender)?, own, None))
    };
    Some(results.idle()?.rows.iter().filter_map(bar).collect())
}

fn still(results: &Results) -> Option<Vec<Bar>> {
    let bar = |row: &crate::results::Row<crate::run::Throughput>| {
        let p50 = row.median(|took| Some(took.still.as_ref()?.wall.p50))?;
        Some((
            row.contender,
            label(results, row.contender)?,
            p50,
            row.median(|took| Some(took.still.as_ref()?.wall.p99)),
        ))
    };
    let bars: Vec<_> = results.busy.first()?.rows.iter().filter_map(bar).collect();
    (!bars.is_empty()).then_some(bars)
}

fn latency(results: &Results, section: usize) -> Option<Vec<Bar>> {
    let bar = |row: &crate::results::Row<crate::run::Outstanding>| {
        let p50 = row.median(|took| Some(took.latency.as_ref()?.p50_us))?;
        Some((
            row.contender,
            label(results, row.contender)?,
            p50,
            row.median(|took| Some(took.latency.as_ref()?.p99_us)),
        ))
    };
    let bars: Vec<_> = results.outstanding.get(section)?.rows.iter().filter_map(bar).collect();
    (!bars.is_empty()).then_some(bars)
}

/// One below the other, each with its number.
fn draw_bars(area: &Area<'_>, unit: &str, bars: &[Bar], scale: Scale) -> Drawn {
    let values = || bars.iter().flat_map(|(_, _, value, behind)| [Some(*value), *behind]).flatten();
    let (least, most) =
        values().fold((f64::MAX, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    let (names, rest) = area.split_horizontally(NAMES);
    let width = f64::from(rest.dim_in_pixel().0 - 130);
    let end = |value: f64| match scale {
        Scale::Linear => (value / most * width) as i32,
        // The shortest bar is not nothing.
        Scale::Logarithmic => ((value / least * 2.0).ln() / (most / least * 2.0).ln() * width) as i32,
    };
    let height = (rest.dim_in_pixel().1 as i32 - 24) / bars.len() as i32;
    let style = TextStyle::from((FONT, 15).into_font()).color(&INK);
    for (index, (name, label, value, behind)) in bars.iter().enumerate() {
        let (top, bottom) = (index as i32 * height + 4, (index as i32 + 1) * height - 4);
        let middle = (top + bottom) / 2 - 8;
        names.draw(&Text::new(label.clone(), (8, middle), style.clone()))?;
        let mut number = format!("{value:.1}");
        if let Some(behind) = behind {
            rest.draw(&Rectangle::new([(0, top), (end(*behind), bottom)], GRID.filled()))?;
            number = format!("{value:.0} ({behind:.0})");
        }
        rest.draw(&Rectangle::new([(0, top), (end(*value), bottom)], color(*name).filled()))?;
        let right = end(behind.unwrap_or(*value).max(*value));
        rest.draw(&Text::new(number, (right + 6, middle), style.clone()))?;
    }
    rest.draw(&Text::new(unit.to_owned(), (0, height * bars.len() as i32 + 4), style))?;
    Ok(())
}
