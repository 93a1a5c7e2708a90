//! Making text that came from documents, files and servers harmless: nothing in it can move the cursor, change colours,
//! set a window title or reverse the reading order of what stands beside it.

/// Characters that act on a terminal or on the reading order instead of being shown.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The text on one line: runs of white space become one space, what acts is left out.
pub(crate) fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut gap = false;
    for c in text.chars() {
        if c.is_whitespace() {
            gap = true;
        } else if !acts(c) {
            if gap && !out.is_empty() {
                out.push(' ');
            }
            gap = false;
            out.push(c);
        }
    }
    out
}

/// A name as it is, except that what acts and line breaks are shown as escapes: two different names stay different.
pub(crate) fn name(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

/// JSON whose strings hold no character that acts: they are escaped, which changes no value. `serde_json` escapes those
/// below U+0020 itself; characters above stand for themselves nowhere but inside strings.
pub(crate) fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut units = [0u16; 2];
    for c in text.chars() {
        if acts(c) && c >= '\u{7f}' {
            c.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

/// How many columns a terminal gives a character: two for the wide scripts of East Asia and for most pictures.
pub(crate) fn columns_of(c: char) -> usize {
    match c {
        '\u{0300}'..='\u{036f}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{303e}'
        | '\u{3041}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

/// How many columns a terminal gives a text.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// The text cut to `most` columns, with an ellipsis when something was cut.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    if columns(text) <= most {
        return text.to_owned();
    }
    let (mut out, mut used) = (String::new(), 1);
    for c in text.chars() {
        used += columns_of(c);
        if used > most {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
}

/// The words of a text on lines of at most `width` columns. A longer word is broken.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(8);
    let (mut lines, mut line, mut used) = (Vec::new(), String::new(), 0);
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if used > 0 && used + 1 + columns(word) > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        for c in word.chars() {
            if used + columns_of(c) > width {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(c);
            used += columns_of(c);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "\u{1b}]0;owned\u{7}a\u{1b}[31m b\r\nc\u{9b}2J\u{202e}d\u{200b}\t e\u{7f}\u{e0041}";

    #[test]
    fn nothing_that_acts_passes() {
        for text in [one_line(HOSTILE), name(HOSTILE), json(&serde_json::to_string(HOSTILE).unwrap())] {
            assert!(!text.chars().any(acts), "{text:?}");
        }
        assert_eq!(one_line("  two\n\n words \u{1b} "), "two words");
    }

    #[test]
    fn json_keeps_its_value() {
        let text = json(&serde_json::to_string(HOSTILE).unwrap());
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), HOSTILE);
    }

    #[test]
    fn different_names_stay_different() {
        assert_ne!(name("a\u{200b}b"), name("ab"));
        assert_eq!(name("view_frame(width:height:).md"), "view_frame(width:height:).md");
    }

    #[test]
    fn lines_fit_and_lose_nothing() {
        let text = "a few words, then averyveryverylongwordindeed 日本語の文章 end";
        for width in [8, 13, 40] {
            let lines = wrapped(text, width);
            assert!(lines.iter().all(|line| columns(line) <= width), "{lines:?}");
            let joined: String = lines.concat();
            assert_eq!(joined.replace(' ', ""), text.replace(' ', ""));
        }
        assert_eq!(shortened("日本語", 5), "日本…");
        assert_eq!(shortened("abc", 3), "abc");
    }
}
