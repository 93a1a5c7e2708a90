//! Columns that line up: the first to the left, numbers to the right.

use super::plain::columns;

/// A table that is built row by row and printed as a whole.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    /// Columns from here on are numbers.
    right_from: usize,
    /// Columns from here on are text again.
    left_from: usize,
}

impl Table {
    pub(crate) fn new(header: &[&str], right_from: usize, left_from: usize) -> Table {
        Table { rows: vec![header.iter().map(|cell| (*cell).to_owned()).collect()], right_from, left_from }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let mut widths: Vec<usize> = Vec::new();
        for row in &self.rows {
            widths.resize(widths.len().max(row.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(columns(cell));
            }
        }
        let line = |row: &Vec<String>| {
            let mut out = String::new();
            for (place, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let padding = " ".repeat(width.saturating_sub(columns(cell)));
                if place > 0 {
                    out.push_str("  ");
                }
                let to_the_right = (self.right_from..self.left_from).contains(&place);
                match to_the_right {
                    true => out.extend([padding.as_str(), cell]),
                    false => out.extend([cell, padding.as_str()]),
                }
            }
            out.trim_end().to_owned()
        };
        self.rows.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["name", "rows", "since"], 1, 2);
        table.row(vec!["a".into(), "1,000".into(), "x".into()]);
        table.row(vec!["longer".into(), "7".into(), String::new()]);
        assert_eq!(table.lines(), ["name     rows  since", "a       1,000  x", "longer      7"]);
    }
}
