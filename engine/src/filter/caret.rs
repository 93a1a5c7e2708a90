//! The piece of a text around a position, and the column of that position on a terminal.

/// One printable line, and how many columns of it precede the caret.
pub(super) struct Excerpt {
    pub(super) line: String,
    pub(super) column: usize,
}

/// How many characters are shown before and from the position on, on a line that has more.
const BEFORE: usize = 60;
const AFTER: usize = 40;

/// The line that `offset` lies on, cut to what surrounds it.
pub(super) fn excerpt(text: &str, offset: usize) -> Excerpt {
    let (before, after) = text.split_at_checked(offset).unwrap_or((text, ""));
    let before = before.rsplit('\n').next().unwrap_or_default();
    let after = after.split('\n').next().unwrap_or_default();

    let hidden = before.chars().count().saturating_sub(BEFORE);
    let mut line = String::from(if hidden > 0 { "…" } else { "" });
    line.extend(before.chars().skip(hidden).map(visible));
    let column = line.chars().map(columns).sum();
    line.extend(after.chars().take(AFTER).map(visible));
    if after.chars().nth(AFTER).is_some() {
        line.push('…');
    }
    Excerpt { line, column }
}

/// A tab as one space, other control characters as their picture, so that nothing moves the caret or the cursor.
pub(super) fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\x7f'..='\u{9f}' => '\u{fffd}',
        // Marks that reverse the direction of what follows.
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c => c,
    }
}

/// The columns that a terminal gives a character: the wide blocks of East Asia and emoji have two, marks none.
fn columns(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036f | 0x200b..=0x200d | 0x20d0..=0x20ff | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1f64f
        | 0x1f680..=0x1f6ff
        | 0x1f900..=0x1f9ff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}
