//! Charts as SVG that stands in the page itself. Every value is written beside its shape too: nothing is told by colour
//! or length alone.

use std::fmt::Write as _;

use super::escape;
use crate::render::plain::shortened;
use crate::render::units::moment;

/// One bar.
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) value: f64,
    /// The value as it is written.
    pub(super) shown: String,
    pub(super) class: &'static str,
}

const WIDTH: f64 = 1000.0;
const LABEL: f64 = 260.0;
const VALUE: f64 = 110.0;
const ROW: f64 = 24.0;
/// Columns of a label before it is shortened; its full text shows under the pointer.
const LABEL_COLUMNS: usize = 34;

/// Bars from the left, one below the other. `most` is the value of a full bar; without it the greatest is.
pub(super) fn bars(bars: &[Bar], most: Option<f64>) -> String {
    let most = most.unwrap_or_else(|| bars.iter().map(|bar| bar.value).fold(0.0, f64::max)).max(1e-9);
    let (height, room) = (bars.len() as f64 * ROW + 4.0, WIDTH - LABEL - VALUE);
    let mut out = format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">");
    for (row, bar) in bars.iter().enumerate() {
        let (top, length) = (row as f64 * ROW, (bar.value / most).clamp(0.0, 1.0) * room);
        let middle = top + 15.5;
        let _ = write!(
            out,
            "<g><title>{full}: {shown}</title><text x=\"{x}\" y=\"{middle}\" text-anchor=\"end\">{label}</text>\
             <rect class=\"track\" x=\"{LABEL}\" y=\"{y}\" width=\"{room}\" height=\"14\" rx=\"3\"/>\
             <rect class=\"{class}\" x=\"{LABEL}\" y=\"{y}\" width=\"{length:.1}\" height=\"14\" rx=\"3\"/>\
             <text class=\"soft\" x=\"{value_x}\" y=\"{middle}\">{shown}</text></g>",
            full = escape(&bar.label),
            shown = escape(&bar.shown),
            label = escape(&shortened(&bar.label, LABEL_COLUMNS)),
            x = LABEL - 10.0,
            y = top + 4.0,
            class = bar.class,
            value_x = WIDTH - VALUE + 10.0,
        );
    }
    out.push_str("</svg>");
    out
}

/// A value at moments.
pub(super) struct Series {
    pub(super) name: &'static str,
    pub(super) points: Vec<(i64, f64)>,
    pub(super) shown: fn(f64) -> String,
}

const HEIGHT: f64 = 150.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 22.0;
const LEFT: f64 = 90.0;
const RIGHT: f64 = 20.0;

/// A line through moments, from the earliest to the latest.
pub(super) fn line(series: &Series) -> String {
    let times = series.points.iter().map(|(time, _)| *time);
    let (first, last) = (times.clone().min().unwrap_or(0), times.max().unwrap_or(0));
    let values = series.points.iter().map(|(_, value)| *value);
    let (low, high) =
        (values.clone().fold(f64::INFINITY, f64::min), values.fold(f64::NEG_INFINITY, f64::max));
    let span = (high - low).max(high.abs() * 1e-6).max(1e-9);
    let x =
        |time: i64| LEFT + (time - first) as f64 / ((last - first).max(1)) as f64 * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| match high > low {
        true => HEIGHT - BOTTOM - (value - low) / span * (HEIGHT - TOP - BOTTOM),
        // A value that never changed runs through the middle.
        false => (HEIGHT - BOTTOM + TOP) / 2.0,
    };
    let mut out = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">");
    let (low_y, high_y) = (y(low), y(high));
    for (value, at) in if high > low { vec![(low, low_y), (high, high_y)] } else { vec![(low, low_y)] } {
        let _ = write!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text class=\"soft\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
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
            moment(time)
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
            let svg = bars(&list, None);
            assert!(svg.ends_with("</svg>") && !svg.contains("NaN") && !svg.contains("<b>"), "{svg}");
        }
        for points in [vec![(5, 1.0)], vec![(5, 0.0), (5, 0.0)], vec![(1, -1.0), (9, 3.0)]] {
            let svg = line(&Series { name: "x", points, shown: |value| value.to_string() });
            assert!(svg.ends_with("</svg>") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }
}
