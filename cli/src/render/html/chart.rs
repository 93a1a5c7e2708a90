//! Charts as SVG that stands in the page itself. Every value is written beside its shape too: nothing is told by colour
//! or length alone.

use std::fmt::Write as _;

use super::escape;
use crate::render::plain::shortened;
use crate::render::units::{day, moment};

/// One bar.
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) value: f64,
    /// The value as it is written.
    pub(crate) shown: String,
    pub(crate) class: &'static str,
}

/// Width of a chart that has the page to itself. Letters keep their size, so a chart for a smaller place is drawn smaller
/// and not shrunk.
pub(crate) const PAGE: f64 = 1000.0;
const VALUE: f64 = 110.0;
const ROW: f64 = 24.0;
/// Width of a letter, about.
const LETTER: f64 = 7.4;

/// Bars from the left, one below the other. `most` is the value of a full bar; without it the greatest is.
pub(crate) fn bars(bars: &[Bar], most: Option<f64>, width: f64) -> String {
    // A label that does not fit is shortened; its full text shows under the pointer.
    let label_width = width * 0.26;
    let label_columns = (label_width / LETTER) as usize;
    let most = most.unwrap_or_else(|| bars.iter().map(|bar| bar.value).fold(0.0, f64::max)).max(1e-9);
    let (height, room) = (bars.len() as f64 * ROW + 4.0, width - label_width - VALUE);
    let mut out = format!("<svg viewBox=\"0 0 {width} {height}\" role=\"img\">");
    for (row, bar) in bars.iter().enumerate() {
        let (top, length) = (row as f64 * ROW, (bar.value / most).clamp(0.0, 1.0) * room);
        let middle = top + 15.5;
        let _ = write!(
            out,
            "<g><title>{full}: {shown}</title><text x=\"{x}\" y=\"{middle}\" text-anchor=\"end\">{label}</text>\
             <rect class=\"track\" x=\"{label_width}\" y=\"{y}\" width=\"{room}\" height=\"14\" rx=\"3\"/>\
             <rect class=\"{class}\" x=\"{label_width}\" y=\"{y}\" width=\"{length:.1}\" height=\"14\" rx=\"3\"/>\
             <text class=\"soft\" x=\"{value_x}\" y=\"{middle}\">{shown}</text></g>",
            full = escape(&bar.label),
            shown = escape(&bar.shown),
            label = escape(&shortened(&bar.label, label_columns)),
            x = label_width - 10.0,
            y = top + 4.0,
            class = bar.class,
            value_x = width - VALUE + 10.0,
        );
    }
    out.push_str("</svg>");
    out
}

/// A value at moments.
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) points: Vec<(i64, f64)>,
    pub(crate) shown: fn(f64) -> String,
}

const HEIGHT: f64 = 150.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 22.0;
const LEFT: f64 = 90.0;
const RIGHT: f64 = 20.0;

/// A line through moments, from the earliest to the latest.
pub(crate) fn line(series: &Series, width: f64) -> String {
    let times = series.points.iter().map(|(time, _)| *time);
    let (first, last) = (times.clone().min().unwrap_or(0), times.max().unwrap_or(0));
    let values = series.points.iter().map(|(_, value)| *value);
    let (low, high) =
        (values.clone().fold(f64::INFINITY, f64::min), values.fold(f64::NEG_INFINITY, f64::max));
    let span = (high - low).max(high.abs() * 1e-6).max(1e-9);
    let x =
        |time: i64| LEFT + (time - first) as f64 / ((last - first).max(1)) as f64 * (width - LEFT - RIGHT);
    let y = |value: f64| match high > low {
        true => HEIGHT - BOTTOM - (value - low) / span * (HEIGHT - TOP - BOTTOM),
        // A value that never changed runs through the middle.
        false => (HEIGHT - BOTTOM + TOP) / 2.0,
    };
    let mut out = format!("<svg viewBox=\"0 0 {width} {HEIGHT}\" role=\"img\">");
    let (low_y, high_y) = (y(low), y(high));
    for (value, at) in if high > low { vec![(low, low_y), (high, high_y)] } else { vec![(low, low_y)] } {
        let _ = write!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text class=\"soft\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            width - RIGHT,
            LEFT - 8.0,
            at + 4.0,
            escape(&(series.shown)(value))
        );
    }
    let places: Vec<String> =
        series.points.iter().map(|(time, value)| format!("{:.1},{:.1}", x(*time), y(*value))).collect();
    let _ = write!(out, "<polyline points=\"{}\"/>", places.join(" "));
    for (time, value) in &series.points {
        let _ = write!(
            out,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"><title>{}: {}</title></circle>",
            x(*time),
            y(*value),
            moment(*time),
            escape(&(series.shown)(*value))
        );
    }
    for (time, anchor) in [(first, "start"), (last, "end")] {
        let _ = write!(
            out,
            "<text class=\"soft\" x=\"{:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            x(time),
            HEIGHT - 4.0,
            // Two moments need more room than a small chart has.
            if width < 600.0 { day(time) } else { moment(time) }
        );
    }
    out.push_str("</svg>");
    out
}

/// Bars from the bottom, one beside the other, such as one a day; the first and the last have their names below.
pub(crate) fn columns(bars: &[Bar], shown: fn(f64) -> String, width: f64) -> String {
    let most = bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
    let (room, ground) = (HEIGHT - TOP - BOTTOM, HEIGHT - BOTTOM);
    let step = (width - LEFT - RIGHT) / bars.len().max(1) as f64;
    let mut out = format!("<svg viewBox=\"0 0 {width} {HEIGHT}\" role=\"img\">");
    for (value, at) in if most > 0.0 { vec![(0.0, ground), (most, TOP)] } else { vec![(0.0, ground)] } {
        let _ = write!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text class=\"soft\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            width - RIGHT,
            LEFT - 8.0,
            at + 4.0,
            escape(&shown(value))
        );
    }
    for (at, bar) in bars.iter().enumerate() {
        let height = (bar.value / most.max(1e-12)).clamp(0.0, 1.0) * room;
        let _ = write!(
            out,
            "<rect class=\"{}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\"><title>{}: {}</title></rect>",
            bar.class,
            LEFT + at as f64 * step + step * 0.1,
            ground - height,
            step * 0.8,
            escape(&bar.label),
            escape(&bar.shown)
        );
    }
    for (bar, x, anchor) in bars
        .first()
        .map(|bar| (bar, LEFT, "start"))
        .into_iter()
        .chain(bars.last().map(|bar| (bar, width - RIGHT, "end")))
    {
        let _ = write!(
            out,
            "<text class=\"soft\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            HEIGHT - 4.0,
            escape(&bar.label)
        );
    }
    out.push_str("</svg>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charts_of_nothing_of_one_and_of_equal_values_are_well_formed() {
        let bar = |value| Bar { label: "<b>".into(), value, shown: "1".into(), class: "pass" };
        for list in [vec![], vec![bar(0.0)], vec![bar(1.0), bar(f64::MAX)]] {
            let svg = bars(&list, None, PAGE) + &columns(&list, |value| value.to_string(), 400.0);
            assert!(svg.ends_with("</svg>") && !svg.contains("NaN") && !svg.contains("<b>"), "{svg}");
        }
        for points in [vec![(5, 1.0)], vec![(5, 0.0), (5, 0.0)], vec![(1, -1.0), (9, 3.0)]] {
            let svg = line(&Series { name: "x", points, shown: |value| value.to_string() }, 400.0);
            assert!(svg.ends_with("</svg>") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }
}
