//! From a folder of documents to answers and a clean bill of health, with nothing but the binary.

use crate::harness::Work;

#[test]
fn a_folder_becomes_a_searchable_and_healthy_store_and_stays_one() {
    let work = Work::empty();
    let docs = work.path().join("docs");
    std::fs::create_dir_all(docs.join("guide")).unwrap();
    let page = |name: &str, text: &str| std::fs::write(docs.join(name), text).unwrap();
    page("guide/install.md", "# Installing\n\nOn Linux, install the package with apt and log in again.\n");
    page("guide/remove.md", "# Removing\n\nPurge the package. Settings in the home directory stay.\n");
    page("theory.md", "# Theory\n\nSediment is laid down in layers; pressure makes stone of it.\n");
    work.run(&["init"]).expect(0);
    work.run(&["update", "docs"]).expect(0);

    let hits = work.run(&["search", "how do I install the package on linux?", "--json"]).expect(0).json();
    assert_eq!(hits["hits"][0]["file"], "guide/install.md", "{hits}");
    let shown =
        work.run(&["search", "layers of sediment", "-k", "1", "--framework", "docs"]).expect(0).stdout;
    assert!(shown.contains("theory.md:") && shown.contains("Sediment is laid down"), "{shown}");
    let report = work.run(&["health", "--deep-scan", "--json"]).expect(0).json();
    assert_eq!(report["status"], "pass", "{report}");
    assert_eq!(report["components"][2]["coverage_percent"], 100.0, "{report}");

    std::fs::remove_file(docs.join("guide/remove.md")).unwrap();
    page("new.md", "# New\n\nThis page came later.\n");
    let report = work.run(&["health", "--json"]).expect(3).json();
    let fix = report["components"][1]["fix"].as_str().unwrap().to_owned();
    assert_eq!(report["components"][2]["fix"].as_str().unwrap(), fix);
    // The suggested command is one, and it helps; one document of three is more than a fifth.
    let arguments: Vec<&str> = fix.split(' ').skip(1).chain(["--allow-mass-removal"]).collect();
    work.run(&arguments).expect(0);
    assert_eq!(work.run(&["health", "--json"]).expect(0).json()["status"], "pass");
    let status = work.run(&["status", "--documents", "--json"]).expect(0).json();
    assert_eq!(status["totals"]["documents"], 3, "{status}");
}
