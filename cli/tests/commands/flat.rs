//! Memory does not follow the size of the corpus: vectors, texts and mapped files stay bounded, and what is kept of a
//! document (its id, stamp, digest, and where its texts are) is little beside what search codes are learnt from. What is
//! measured is all of the process's resident memory at its peak, mapped files included (VmHWM of Linux), as the run itself
//! writes down.

use std::path::Path;

use serde_json::Value;

use crate::harness::Work;

const MOST_BYTES: u64 = 200_000_000;

const WORDS: [&str; 24] = [
    "view",
    "state",
    "layout",
    "frame",
    "width",
    "gesture",
    "animation",
    "colour",
    "list",
    "table",
    "window",
    "scene",
    "storage",
    "query",
    "commit",
    "segment",
    "vector",
    "index",
    "search",
    "token",
    "binding",
    "task",
    "actor",
    "stream",
];

/// Pages as documentation has them: most are short, one in eighteen has a dozen sections.
fn corpus(root: &Path, files: u32) {
    let mut state = 7u64;
    let mut word = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        WORDS[(state >> 33) as usize % WORDS.len()]
    };
    for file in 0..files {
        let folder = root.join(format!("topic-{}", file % 97));
        std::fs::create_dir_all(&folder).unwrap();
        let mut text = format!("# Page {file}\n\n");
        for section in 0..if file % 18 == 0 { 12 } else { 1 } {
            text += &format!("## Section {section}\n\n");
            for _ in 0..200 {
                text += word();
                text.push(' ');
            }
            text += &format!("with number {file}.{section}.\n\n");
        }
        std::fs::write(folder.join(format!("view_frame(width:height:alignment:)-{file}.md")), text).unwrap();
    }
}

/// The peak of a first update, and of one in which nothing has changed.
fn peaks(files: u32, dims: &str) -> [u64; 2] {
    let work = Work::empty();
    corpus(&work.path().join("docs"), files);
    let update = ["update", "docs", "--no-split", "--dims", dims, "--json"];
    for unchanged in [0, files] {
        let report = work.run(&update).expect(0).json();
        assert_eq!(report["collections"][0]["documents"]["unchanged"], unchanged);
    }
    let logs = std::fs::read_dir(work.path().join("logs")).unwrap().map(|entry| entry.unwrap().path());
    let history =
        logs.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "jsonl")).unwrap();
    let text = std::fs::read_to_string(history).unwrap();
    let peak = |line: &str| -> u64 {
        let run: Value = serde_json::from_str(line).unwrap();
        run["peak_memory_bytes"].as_u64().unwrap()
    };
    let peaks: Vec<u64> = text.lines().map(peak).collect();
    peaks.try_into().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn memory_does_not_follow_the_size_of_the_corpus() {
    let is_full = std::env::var("SILTSTONE_PROOF").is_ok_and(|mode| mode == "full");
    // Vectors of full width, from so many documents on that search codes are learnt from as many rows as they ever are.
    let (files, dims) = if is_full { (10_000, "1536") } else { (800, "64") };
    let (few, many) = (peaks(files, dims), peaks(files * 5, dims));
    let growth = [0, 1].map(|run| many[run].saturating_sub(few[run]) / (u64::from(files) * 4));
    println!(
        "{dims} dims, {files} and {} files: {:?} and {:?} MB at most, {growth:?} bytes a document",
        files * 5,
        few.map(|bytes| bytes / 1_000_000),
        many.map(|bytes| bytes / 1_000_000)
    );
    assert!(few.iter().chain(&many).all(|bytes| *bytes <= MOST_BYTES));
    if is_full {
        // A run in which nothing has changed is far below the first one; it grows by what is known of each document.
        assert!(many[0] * 10 <= few[0] * 11 && many[1] < few[0], "{few:?} and {many:?}");
        assert!(growth[1] <= 1_000, "{growth:?}");
    } else {
        // Few documents: what grows is what search codes are learnt from, up to a bound.
        assert!(growth.iter().all(|bytes| *bytes <= 6_000), "{growth:?}");
    }
}
