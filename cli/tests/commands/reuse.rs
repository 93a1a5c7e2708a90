//! No text is paid for twice: neither in another file nor in another collection nor later in the same run. What cannot be
//! trusted is not reused, and what was saved is shown.

use serde_json::Value;

use crate::harness::{Work, flip, segments};
use crate::server::Server;

const FORCE: [&str; 4] = ["--json", "--force", "--max-cost", "100000"];

fn work(server: &Server) -> Work {
    let work = Work::empty();
    let config = format!(
        "[embedder]\nbase_url = \"{}\"\nmodel = \"scripted\"\ndims = 64\nbatch_size = 16\n\
         usd_per_million_tokens = 10000.0\n",
        server.url
    );
    std::fs::write(work.path().join("siltstone.toml"), config).unwrap();
    work
}

/// Files of a framework; file `n` has the text `n % different`.
fn pages(work: &Work, framework: &str, files: usize, different: usize) {
    let folder = work.path().join("docs").join(framework);
    std::fs::create_dir_all(&folder).unwrap();
    for file in 0..files {
        let page = file % different;
        let text = format!("# Page {page}\n\nOn page {page} it says {page} things.\n");
        std::fs::write(folder.join(format!("file{file:04}.md")), text).unwrap();
    }
}

fn update(work: &Work, more: &[&str]) -> Value {
    work.run(&[&["update", "docs", "--split"][..], &FORCE, more].concat()).expect(0).json()
}

fn chunks(report: &Value, collection: usize) -> (u64, u64) {
    let chunks = &report["collections"][collection]["chunks"];
    (chunks["embedded"].as_u64().unwrap(), chunks["reused"].as_u64().unwrap())
}

#[test]
fn a_text_is_paid_once_in_whatever_file_collection_or_run_it_comes_again() {
    let server = Server::start();
    let work = work(&server);
    // More files than are looked at together, the last of them with the texts of the first; two frameworks.
    pages(&work, "Alpha", 300, 100);
    pages(&work, "Beta", 30, 40);
    let dry = update(&work, &["--dry-run"]);
    assert_eq!(
        (dry["collections"][0]["tokens"]["counter"].as_str(), server.counts()),
        (Some("estimate"), (0, 0))
    );
    let report = update(&work, &[]);
    assert_eq!(server.counts(), (100, 100));
    assert_eq!((chunks(&report, 0), chunks(&report, 1)), ((100, 200), (0, 30)));
    let sum = |report: &Value, member: &str| -> u64 {
        report["collections"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["tokens"][member].as_u64().unwrap())
            .sum()
    };
    // What was said beforehand is what was done.
    assert_eq!(sum(&dry, "reused"), sum(&report, "reused"));
    let saved = report["saved_usd"].as_f64().unwrap();
    assert!((saved - sum(&report, "reused") as f64 / 100.0).abs() < 1e-9 && saved > 1.0, "{report}");

    // A later run finds them too, and only what is new is paid for.
    pages(&work, "Gamma", 110, 110);
    let shown = work.run(&["update", "docs", "--split", "--force", "--max-cost", "100000"]).expect(0);
    assert!(shown.stdout.contains("10 chunks embedded, 100 reused (about"), "{shown:?}");
    assert!(shown.stdout.contains("saved)"), "{shown:?}");
    assert_eq!(server.counts(), (110, 110));
    println!("440 chunks of 110 texts in three collections and two runs: each text paid once");
}

#[test]
fn a_damaged_row_is_not_reused_and_neither_is_one_of_another_model() {
    let server = Server::start();
    let work = work(&server);
    pages(&work, "Alpha", 8, 8);
    update(&work, &[]);
    let collection = work.collection("docs_Alpha");
    let row = collection.view().unwrap().get("file0003.md#0").unwrap().unwrap().vector.to_vec();
    let bytes: Vec<u8> = row.iter().flat_map(|x| x.to_le_bytes()).collect();
    let file = segments(&collection)[0].clone();
    let segment = std::fs::read(&file).unwrap();
    let at = segment.windows(bytes.len()).position(|part| part == bytes).unwrap();
    flip(&file, at + 5);

    // Only the framework that is new is updated, so that nothing mends the row.
    pages(&work, "Beta", 8, 8);
    let report = work.run(&[&["update", "docs/Beta"][..], &FORCE].concat()).expect(0).json();
    assert_eq!(chunks(&report, 0), (1, 7), "{report}");
    assert_eq!(server.counts(), (9, 8));

    pages(&work, "Gamma", 8, 8);
    let other = ["update", "docs/Gamma", "--model", "another"];
    let report = work.run(&[&other[..], &FORCE].concat()).expect(0).json();
    assert_eq!(chunks(&report, 0), (8, 0), "{report}");
}

#[test]
fn what_was_paid_for_and_not_published_is_found_by_another_framework_too() {
    let server = Server::start();
    let work = work(&server);
    pages(&work, "Alpha", 8, 8);
    // A long page of which only a part was paid for when the money was used up.
    let sections: String =
        (0..60).map(|n| format!("## Part {n}\n\n{}\n\n", "Many words of it. ".repeat(60))).collect();
    std::fs::write(work.path().join("docs/Alpha/long.md"), format!("# Long\n\n{sections}")).unwrap();
    server.counts_as(20);
    let limited = ["update", "docs/Alpha", "--json", "--force", "--batch-size", "4", "--concurrency", "1"];
    work.run(&[&limited[..], &["--max-cost", "25"]].concat()).expect(12);
    let (paid, _) = server.counts();
    assert!(paid > 8, "{paid}");
    std::fs::create_dir_all(work.path().join("docs/Beta")).unwrap();
    std::fs::copy(work.path().join("docs/Alpha/long.md"), work.path().join("docs/Beta/long.md")).unwrap();
    work.run(&[&["update", "docs/Beta"][..], &FORCE].concat()).expect(0);
    work.run(&[&["update", "docs/Alpha"][..], &FORCE].concat()).expect(0);
    let (embedded, different) = server.counts();
    assert_eq!(embedded, different);
    println!("{paid} texts paid before the limit, {different} in all, none of them twice");
}
