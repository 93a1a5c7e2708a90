//! The report as one page for a browser: no script, no network, nothing outside the file.

use super::report::Report;

/// The page.
pub(super) fn page(report: &Report) -> String {
    format!("<!doctype html><title>{}</title>", report.store)
}
