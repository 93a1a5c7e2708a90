//! What holds for every kind of document.

use super::*;
use crate::ingest::scan::Language;
use std::time::{Duration, Instant};

const KINDS: [Kind; 6] = [
    Kind::Markdown,
    Kind::Html,
    Kind::Rst,
    Kind::Text,
    Kind::Source(Language::Rust),
    Kind::Source(Language::C),
];

fn paths(kind: Kind, text: &str) -> Vec<String> {
    let limits =
        ChunkLimits { target_tokens: 40, overlap_tokens: 0, max_tokens: 500, ..ChunkLimits::default() };
    chunk(kind, "file", text, &limits).into_iter().map(|chunk| chunk.heading_path).collect()
}

fn long(word: &str) -> String {
    format!("{} end.", format!("{word} ").repeat(25))
}

#[test]
fn markdown_headings_nest_and_fences_hide_them() {
    let text = format!(
        "---\ntitle: \"The Guide\"\ntags: [a]\n---\n# Install\n{}\n## Linux\n{}\n```sh\n# not a heading\n```\n\nMac\n---\n{}",
        long("a"),
        long("b"),
        long("c")
    );
    let found = paths(Kind::Markdown, &text);
    assert_eq!(found, ["The Guide > Install", "The Guide > Install > Linux", "The Guide > Install > Mac"]);
}

#[test]
fn markdown_blocks_stand_as_written_with_their_lines() {
    let text = "# T\n\nIntro *text*.\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n<!-- gone -->\n\n<b>bold</b>\n";
    let made = chunk(Kind::Markdown, "f.md", text, &ChunkLimits::default());
    assert_eq!(made.len(), 1);
    assert_eq!(
        made[0].text,
        "Intro *text*.\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n<b>bold</b>"
    );
    assert_eq!((made[0].line, made[0].heading_path.as_str()), (1, "T"));
}

#[test]
fn rst_titles_get_their_levels_from_their_order() {
    let text = format!(
        "=====\nTitle\n=====\n\n.. _label:\n\n.. toctree::\n   :maxdepth: 2\n\n   hidden\n\nPart\n====\n\n{}\n\nSub\n---\n\n{}\n\n\
         .. function:: open(path)\n\n   Opens :func:`os.path <x>` {}\n\nOther\n=====\n\n{}\n",
        long("a"),
        long("b"),
        long("c"),
        long("d")
    );
    let found = paths(Kind::Rst, &text);
    assert_eq!(
        found,
        ["Title > Part", "Title > Part > Sub", "Title > Part > Sub > open(path)", "Title > Other"]
    );
    let all: String =
        chunk(Kind::Rst, "f", &text, &ChunkLimits::default()).iter().map(|c| c.text.clone()).collect();
    assert!(all.contains("Opens os.path") && !all.contains("hidden") && !all.contains("_label"), "{all}");
}

#[test]
fn rst_literals_keep_their_shape_and_roles_say_what_they_mean() {
    let text = "io\n--\n\nSee :pep:`8` and :issue:`7`, as in::\n\n   if x:\n       y\n\n   z\n\nAfter *it*.\n\n.. function:: f(a, \\\n      b)\n\n   Body.\n";
    let made = chunk(Kind::Rst, "f", text, &ChunkLimits::default());
    assert_eq!(made.len(), 1, "{made:#?}");
    assert_eq!(made[0].heading_path, "io");
    assert_eq!(
        made[0].text,
        "See PEP 8 and 7, as in::\n\n   if x:\n       y\n\n   z\n\nAfter *it*.\n\nf(a,\n\nBody."
    );
}

#[test]
fn code_is_cut_at_definitions_with_their_comments() {
    let body = "    let x = compute(1, 2, 3);\n".repeat(4);
    let text = format!(
        "//! Docs.\n\n/// Opens.\n#[inline]\npub fn open() {{\n{body}}}\n\n/// Shuts.\nfn shut() {{\n{body}}}\n"
    );
    let limits =
        ChunkLimits { target_tokens: 80, overlap_tokens: 0, max_tokens: 500, ..ChunkLimits::default() };
    let made = chunk(Kind::Source(Language::Rust), "door.rs", &text, &limits);
    assert_eq!(made.len(), 3, "{made:#?}");
    assert_eq!((made[0].heading_path.as_str(), made[0].text.as_str()), ("door.rs", "//! Docs."));
    assert!(made[1].text.starts_with("/// Opens.\n#[inline]\npub fn open()"));
    assert_eq!((made[2].heading_path.as_str(), made[2].line), ("door.rs > fn shut()", 12));
    assert!(made[2].text.starts_with("/// Shuts."));
}

#[test]
fn small_definitions_share_a_chunk_and_are_named_once() {
    let text = "impl Door {\n    fn open(&self) {}\n\n    fn shut(&self) {}\n}\n\nfn lock() {}\n";
    let made = chunk(Kind::Source(Language::Rust), "door.rs", text, &ChunkLimits::default());
    let whole = "impl Door {\n\n    fn open(&self) {}\n\n    fn shut(&self) {}\n}\n\nfn lock() {}";
    assert_eq!(made.iter().map(|chunk| chunk.text.as_str()).collect::<Vec<_>>(), [whole]);
}

#[test]
fn the_hash_covers_headings_and_text() {
    let of = |path: &str, text: &str| {
        Chunk { index: 0, heading_path: path.into(), text: text.into(), line: 1, tokens: 1 }.hash()
    };
    assert_eq!(of("a", "b").len(), 64);
    assert_ne!(of("a", "b"), of("c", "b"));
    assert_ne!(of("a", "b"), of("a", "c"));
    assert_eq!(of("", "b"), blake3::hash(b"b").to_hex().to_string());
}

#[test]
fn no_document_gives_an_empty_or_overlong_chunk_and_all_give_the_same_twice() {
    let samples = [
        "",
        " ",
        "\n\n\n",
        "#",
        "# \n#\n##",
        "```",
        "<",
        "<p",
        "<h1>",
        "&",
        "&amp",
        "..",
        ".. x::",
        "===\n===\n===",
        "---\n---",
        "a\r\nb\r\n",
        "\u{feff}x",
        "\u{0}",
        "+++\ntitle = \"x\"\n+++\n",
        "| a |\n|--|",
        "<table><td><td>",
        "</p></div>",
        "<pre>",
        "日本語。文章。",
        "é\u{301}",
        "<dl><dt class=sig>f()<dd>",
        "- - - - a",
        "> > > a",
        "[a]: b",
        "***",
        "fn",
        "fn x",
        "{",
        "}",
    ];
    for limits in [
        ChunkLimits::default(),
        ChunkLimits { counter: Counter::Cl100k, ..ChunkLimits::default() },
        ChunkLimits { target_tokens: 16, overlap_tokens: 8, max_tokens: 40, ..ChunkLimits::default() },
    ] {
        for kind in KINDS {
            for sample in samples
                .iter()
                .map(|s| (*s).to_owned())
                .chain([samples.join("\n"), samples.join(" ").repeat(30)])
            {
                let made = chunk(kind, "f", &sample, &limits);
                assert_eq!(made, chunk(kind, "f", &sample, &limits));
                for (at, one) in made.iter().enumerate() {
                    assert_eq!(one.index, at);
                    assert!(!one.text.trim().is_empty() && one.line >= 1, "{kind:?} {sample:?} {one:?}");
                    assert!(one.tokens <= limits.max_tokens, "{kind:?} {sample:?} {one:?}");
                    assert!(limits.counter.count(&one.embedded_text()) <= limits.max_tokens, "{one:?}");
                }
            }
        }
    }
}

/// Documents made to break a chunker, `scale` characters or so each.
fn hostile(scale: usize) -> Vec<(&'static str, String)> {
    let times = |unit: &str| unit.repeat(scale / unit.len() + 1);
    let deep_list: String =
        (0..(scale as f64).sqrt() as usize).map(|n| format!("{}- x\n", "  ".repeat(n))).collect();
    let front = |head: &str, unit: &str| format!("{head}{}", times(unit));
    vec![
        ("one line", times("x")),
        ("words", times("word ")),
        ("headings", times("# heading\n")),
        ("empty headings", times("#\n")),
        ("hashes", times("#")),
        ("hash words", times("# ")),
        ("nested div", times("<div>")),
        ("nested b", times("<b>")),
        ("nested lists", times("<ul><li>")),
        ("nested dl", times("<dl><dt class=sig>a")),
        ("open p", times("<p>a")),
        ("attributes", front("<a ", "a1 ")),
        ("attributes without spaces", front("<a ", "b=''")),
        ("slashes", front("<a ", "a/")),
        ("tags", times("<")),
        ("unclosed comment", front("<!--", "-")),
        ("comments", times("<!--")),
        ("entities", times("&")),
        ("long entity", front("&", "a")),
        ("script", front("<script>", "<!--<script>")),
        ("quotes", times("> ")),
        ("quotes dense", times(">")),
        ("lists", times("- ")),
        ("deep list", deep_list),
        ("brackets", times("[")),
        ("links", times("[a](")),
        ("references", times("[a]: b\n")),
        ("images", times("![")),
        ("stars", times("*a_ ")),
        ("stars dense", times("*")),
        (
            "backticks",
            (1..)
                .map(|n| format!("{} ", "`".repeat(n)))
                .scan(0, |sum, s| {
                    *sum += s.len();
                    (*sum < scale).then_some(s)
                })
                .collect(),
        ),
        ("fences", times("```\n")),
        ("tildes", times("~~~ a\n")),
        ("tables", front("|a|b|\n|-|-|\n", "|x|")),
        ("table rows", front("|a|b|\n|-|-|\n", "|x|y|\n")),
        ("rules", times("---\n")),
        ("underlines", times("a\n===\n")),
        ("dots", times(".")),
        ("dots and brackets", front(".", ")")),
        ("directives", times(".. a::\n")),
        ("roles", times(":a:`")),
        ("colons", times(":")),
        ("footnotes", times("[^a]")),
        ("footnote definitions", times("[^a]: x\n")),
        ("braces", times("{")),
        ("functions", times("fn a() {\n")),
        ("comment lines", times("// a\n")),
        ("combining", times("\u{301}")),
        ("joiners", times("👩\u{200d}")),
        ("flags", times("🇩🇪")),
        ("spaces", times(" ")),
        ("newlines", times("\n")),
        ("tabs", times("\t- \n")),
        ("less than bang", times("<!")),
        ("question", times("<?")),
        ("cdata", times("<![CDATA[")),
        ("html blocks", times("<div\n")),
        ("autolinks", times("<a:")),
        ("yaml", front("---\n", "a: b\n")),
    ]
}

#[test]
fn hostile_documents_take_linear_time() {
    // Larger sizes: SILTSTONE_HOSTILE_BYTES=10000000 cargo test --release hostile
    let asked = std::env::var("SILTSTONE_HOSTILE_BYTES").ok().and_then(|bytes| bytes.parse().ok());
    let scale = asked.unwrap_or(200_000);
    // Generous for a loaded machine; quadratic behaviour is beyond it by orders of magnitude.
    let allowed = Duration::from_secs(10 + scale as u64 / 200_000);
    for (name, text) in hostile(scale) {
        for kind in KINDS {
            let started = Instant::now();
            let made = chunk(kind, "f", &text, &ChunkLimits::default());
            let took = started.elapsed();
            if asked.is_some() && took > Duration::from_millis(500) {
                println!("{name} as {kind}: {} bytes, {} chunks, {took:?}", text.len(), made.len());
            }
            assert!(took < allowed, "{name} as {kind:?} took {took:?}");
            assert!(
                made.iter().all(|one| one.tokens <= 7_000 && !one.text.trim().is_empty()),
                "{name} as {kind:?}"
            );
        }
    }
}
