//! What people and programs see: results on stdout, everything else on stderr, no control character of anybody's
//! document on a terminal.

pub(crate) mod file;
pub(crate) mod html;
pub(crate) mod json;
pub(crate) mod notices;
pub(crate) mod output;
pub(crate) mod plain;
pub(crate) mod plot;
pub(crate) mod style;
pub(crate) mod table;
pub(crate) mod units;
