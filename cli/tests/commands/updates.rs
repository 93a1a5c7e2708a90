//! What `update` refuses, and what it says when something around it fails.

use std::fs;

use crate::harness::Work;

#[test]
fn another_folder_of_the_same_name_does_not_take_the_place_of_the_first() {
    let work = Work::empty();
    for (folder, word) in [("a/docs", "granite"), ("b/docs", "basalt")] {
        fs::create_dir_all(work.path().join(folder)).unwrap();
        for page in 0..10 {
            let text = format!("# Page {page}\n\nIt is about {word}.\n");
            fs::write(work.path().join(folder).join(format!("page{page}.md")), text).unwrap();
        }
    }
    work.run(&["update", "a/docs"]).expect(0);
    let refused = work.run(&["update", "b/docs"]).expect(2);
    for word in ["docs_docs", "a/docs", "b/docs", "--framework"] {
        assert!(refused.stderr.contains(word), "{word}: {refused:?}");
    }
    assert!(work.run(&["search", "granite", "-k", "1"]).expect(0).stdout.contains("granite"));
    work.run(&["update", "b/docs", "--framework", "volcanic"]).expect(0);
    assert!(work.run(&["search", "basalt", "-k", "1"]).expect(0).stdout.contains("basalt"));

    // A folder that was moved is the same one.
    fs::rename(work.path().join("a"), work.path().join("c")).unwrap();
    let moved = work.run(&["update", "c/docs", "--json"]).expect(0).json();
    assert_eq!(moved["collections"][0]["documents"]["unchanged"], 10, "{moved}");
}

#[test]
fn what_was_done_is_reported_even_when_it_cannot_be_noted_down() {
    let work = Work::empty();
    fs::create_dir(work.path().join("docs")).unwrap();
    fs::write(work.path().join("docs/page.md"), "# Page\n\nText.\n").unwrap();
    work.run(&["update", "docs"]).expect(0);
    // Stands where the new content of sources.json is written first.
    fs::create_dir(work.store().join("sources.json.tmp")).unwrap();
    let ended = work.run(&["update", "docs", "--json"]).expect(1);
    let report = ended.json();
    assert_eq!(report["collections"][0]["documents"]["unchanged"], 1, "{report}");
    assert!(report["unrecorded"].as_str().unwrap().contains("sources.json"), "{report}");
    let shown = work.run(&["update", "docs"]).expect(1);
    assert!(shown.stdout.contains("1 unchanged") && shown.stderr.contains("sources.json"), "{shown:?}");
}

#[test]
fn a_filter_that_cannot_be_read_is_told_by_its_character() {
    let work = Work::with_store();
    let ended = work.run(&["search", "install", "--filter", "file_path = "]).expect(2);
    assert!(ended.stderr.contains("at character 12") && ended.stderr.contains("file_path ="), "{ended:?}");
    let ended = work.run(&["search", "install", "--filter", "größe > 3"]).expect(2);
    assert!(ended.stderr.contains("at character 3"), "{ended:?}");
}
