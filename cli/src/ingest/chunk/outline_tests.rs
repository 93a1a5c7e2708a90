use super::*;

fn limits(target: usize, overlap: usize) -> ChunkLimits {
    ChunkLimits {
        target_tokens: target,
        overlap_tokens: overlap,
        max_tokens: 1_000,
        ..ChunkLimits::default()
    }
}

fn words(count: usize) -> String {
    (0..count).map(|n| if n % 10 == 9 { format!("W{n}. ") } else { format!("W{n} ") }).collect()
}

#[test]
fn small_neighbours_share_a_chunk_under_the_headings_they_have_in_common() {
    let mut outline = Outline::new(limits(200, 0));
    outline.heading(1, "Guide", 1);
    outline.heading(2, "Linux", 2);
    outline.block("Use apt.", 3, Form::Prose);
    outline.heading(2, "Mac", 4);
    outline.block("Use brew.", 5, Form::Prose);
    let chunks = outline.finish("f");
    assert_eq!(chunks.len(), 1);
    assert_eq!(chunks[0].heading_path, "Guide");
    assert_eq!(chunks[0].text, "Linux\n\nUse apt.\n\nMac\n\nUse brew.");
    assert_eq!(chunks[0].line, 2);
}

#[test]
fn a_section_of_some_size_stands_alone_with_its_whole_path() {
    let mut outline = Outline::new(limits(100, 0));
    outline.heading(1, "Guide", 1);
    outline.heading(2, "Install", 2);
    outline.heading(3, "Linux", 3);
    outline.block(&words(30), 4, Form::Prose);
    outline.heading(3, "Mac", 5);
    outline.block(&words(30), 6, Form::Prose);
    let paths: Vec<String> = outline.finish("f").into_iter().map(|chunk| chunk.heading_path).collect();
    assert_eq!(paths, ["Guide > Install > Linux", "Guide > Install > Mac"]);
}

#[test]
fn a_long_section_is_cut_at_sentences_and_repeats_a_little() {
    let text = words(400);
    let mut outline = Outline::new(limits(60, 25));
    outline.heading(1, "Long", 1);
    outline.block(&text, 1, Form::Prose);
    let chunks = outline.finish("f");
    assert!(chunks.len() > 5);
    for pair in chunks.windows(2) {
        assert!(pair[0].text.ends_with('.'), "{}", pair[0].text);
        let repeated = pair[1].text.split(". ").next().unwrap();
        assert!(
            pair[0].text.contains(repeated),
            "{:?} does not repeat the end of {:?}",
            pair[1].text,
            pair[0].text
        );
    }
    assert!(
        chunks.iter().all(|chunk| chunk.tokens <= 64),
        "{:?}",
        chunks.iter().map(|c| c.tokens).collect::<Vec<_>>()
    );
    // Nothing is lost.
    for word in text.split_whitespace() {
        assert!(chunks.iter().any(|chunk| chunk.text.contains(word)), "{word}");
    }
}

#[test]
fn no_overlap_was_asked_for_so_the_parts_are_the_whole() {
    let text = words(400);
    let mut outline = Outline::new(limits(60, 0));
    outline.block(&text, 1, Form::Prose);
    let joined: Vec<String> = outline.finish("f").into_iter().map(|chunk| chunk.text).collect();
    assert_eq!(joined.join(" "), text.trim());
}

#[test]
fn a_listing_up_to_twice_the_target_is_not_cut() {
    let code = "let x = 1;\n".repeat(15);
    let mut outline = Outline::new(limits(60, 0));
    outline.block("Intro.", 1, Form::Prose);
    outline.block(&code, 2, Form::Lines);
    outline.block(&words(40), 20, Form::Prose);
    let chunks = outline.finish("f");
    assert!(chunks.iter().any(|chunk| chunk.text == code.trim_end()), "{chunks:#?}");
}

#[test]
fn a_heading_without_text_is_kept_and_a_parent_is_not_repeated() {
    let mut outline = Outline::new(limits(100, 0));
    outline.heading(1, "Title", 1);
    outline.heading(2, "Only a heading", 2);
    let chunks = outline.finish("f");
    assert_eq!((chunks[0].heading_path.as_str(), chunks[0].text.as_str()), ("Title", "Only a heading"));
    assert!(Outline::new(limits(100, 0)).finish("f").is_empty());
}

#[test]
fn titles_and_paths_are_bounded() {
    let mut outline = Outline::new(ChunkLimits {
        target_tokens: 50,
        overlap_tokens: 0,
        max_tokens: 100,
        ..ChunkLimits::default()
    });
    for level in 0..200 {
        outline.heading(level, &format!("{level} {}", "long title ".repeat(1_000)), 1);
    }
    outline.heading(201, &format!("a{}", "\u{301}".repeat(100_000)), 1);
    outline.block("text", 1, Form::Prose);
    let chunks = outline.finish("f");
    assert!(chunks.iter().all(|chunk| chunk.tokens <= 100), "{:?}", chunks.iter().map(|c| c.tokens).max());
}

#[test]
fn a_document_without_headings_goes_under_its_name() {
    let mut outline = Outline::new(limits(100, 0));
    outline.block("text", 7, Form::Prose);
    let chunks = outline.finish("notes.txt");
    assert_eq!((chunks[0].heading_path.as_str(), chunks[0].line), ("notes.txt", 7));
}

#[test]
fn a_heading_that_repeats_its_parent_is_not_lost() {
    let mut outline = Outline::new(limits(100, 0));
    outline.heading(0, "Same", 1);
    outline.heading(1, "Same", 2);
    let chunks = outline.finish("f");
    assert_eq!(chunks.iter().map(|chunk| chunk.text.as_str()).collect::<Vec<_>>(), ["Same"]);
}

#[test]
fn headings_without_any_text_are_still_found() {
    let mut outline = Outline::new(limits(100, 0));
    for line in 1..=3 {
        outline.heading(1, "Same", line);
    }
    outline.heading(1, "Other", 4);
    let chunks = outline.finish("f");
    assert_eq!(chunks.iter().map(|chunk| chunk.text.as_str()).collect::<Vec<_>>(), ["Same\n\nOther"]);
}
