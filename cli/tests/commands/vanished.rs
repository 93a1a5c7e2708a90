//! A framework whose folder vanishes from its tree: everybody who looks says so, nothing is removed before somebody says that
//! it is really gone, and then nothing is left of it.

use std::fs;

use crate::harness::Work;
use crate::health::{codes, part, report, write};

fn with_tree() -> Work {
    let work = Work::empty();
    for framework in ["Alpha", "Beta", "Gamma"] {
        write(
            &work,
            &format!("{framework}/page.md"),
            &format!("# {framework}\n\nIt is about {framework}.\n"),
        );
    }
    let settings = "[embedder]\ndims = 32\n[[tree]]\npath = \"docs\"\n[compact]\nafter_update = false\n";
    fs::write(work.path().join("siltstone.toml"), settings).unwrap();
    work.run(&["update", "--force"]).expect(0);
    work.run(&["health"]).expect(0);
    assert!(work.run(&["doctor"]).expect(0).stdout.contains("3 folders are where documents were found"));
    work
}

fn collections(work: &Work) -> Vec<String> {
    let shown = work.run(&["status", "--json"]).expect(0).json();
    let names = shown["collections"].as_array().unwrap().iter();
    names.map(|one| one["collection"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn update_health_and_doctor_miss_it_and_nothing_of_it_is_removed_unattended() {
    let work = with_tree();
    fs::remove_dir_all(work.path().join("docs/Beta")).unwrap();
    for line in [
        &["update", "--force"][..],
        &["update", "docs"],
        &["update", "--dry-run"],
        &["update", "--framework", "Beta"],
    ] {
        let ended = work.run(line).expect(3);
        assert!(
            ended
                .stderr
                .contains("docs/Beta is not there, though the folder above it is: nothing is removed")
                && ended.stderr.contains("docs/Beta --allow-mass-removal`"),
            "{line:?}: {ended:?}"
        );
    }
    assert!(work.run(&["search", "Beta", "-k", "1"]).expect(0).stdout.contains("about Beta"));
    let found = report(&work, &[], 3);
    let orphaned = part(&found, "orphaned");
    assert_eq!(codes(&orphaned), [("folder-gone".to_owned(), 1)]);
    assert!(orphaned["examples"][0].as_str().unwrap().starts_with("docs_Beta: "), "{orphaned}");
    let fix = orphaned["fix"].as_str().unwrap();
    assert!(fix.contains("siltstone update /") && fix.contains("docs/Beta --allow-mass-removal"), "{fix}");
    assert!(!report(&work, &["--privacy"], 3).to_string().contains("Beta"));
    let doctor = work.run(&["doctor"]).expect(3).stdout;
    assert!(doctor.contains("FAIL  documents") && doctor.contains("docs/Beta"), "{doctor}");
    // `--fix` has no means against it, and says what has.
    work.run(&["health", "--fix"]).expect(3);
    assert_eq!(collections(&work), ["docs_Alpha", "docs_Beta", "docs_Gamma"]);
    // It comes back, and nothing is embedded again.
    write(&work, "Beta/page.md", "# Beta\n\nIt is about Beta.\n");
    let back = work.run(&["update", "--json"]).expect(0).json();
    assert_eq!(back["collections"][1]["documents"]["unchanged"], 1, "{back}");
    work.run(&["health"]).expect(0);
    work.run(&["doctor"]).expect(0);
}

#[test]
fn what_is_really_gone_goes_when_that_is_said_and_is_not_missed_any_more() {
    let work = with_tree();
    work.run(&["snapshot", "create", "kept", "--collection", "docs_Gamma"]).expect(0);
    for framework in ["Beta", "Gamma"] {
        fs::remove_dir_all(work.path().join("docs").join(framework)).unwrap();
    }
    work.run(&["update"]).expect(3);
    let dry = work.run(&["update", "docs/Beta", "--allow-mass-removal", "--dry-run"]).expect(0);
    assert!(
        dry.stdout.contains("docs_Beta: 0 documents") && dry.stdout.contains("1 would be removed"),
        "{dry:?}"
    );
    work.run(&["update", "docs/Beta", "--allow-mass-removal"]).expect(0);
    assert_eq!(collections(&work), ["docs_Alpha", "docs_Gamma"]);
    let rest = work.run(&["update", "--allow-mass-removal"]).expect(0);
    assert!(rest.stderr.contains("stays for the snapshots"), "{rest:?}");
    work.run(&["update"]).expect(0);
    work.run(&["health"]).expect(0);
    work.run(&["doctor"]).expect(0);
    work.run(&["snapshot", "restore", "kept", "--collection", "docs_Gamma"]).expect(0);
    assert!(work.run(&["search", "Gamma", "-k", "1"]).expect(0).stdout.contains("about Gamma"));
}

#[test]
fn a_tree_that_is_not_mounted_loses_nothing_even_when_removal_is_allowed() {
    let work = with_tree();
    for framework in ["Alpha", "Beta", "Gamma"] {
        fs::remove_dir_all(work.path().join("docs").join(framework)).unwrap();
    }
    for flags in [&["update"][..], &["update", "docs/Beta"]] {
        work.run(&[flags, &["--allow-mass-removal"]].concat()).expect(3);
    }
    fs::remove_dir(work.path().join("docs")).unwrap();
    work.run(&["update", "--allow-mass-removal"]).expect(3);
    assert_eq!(collections(&work), ["docs_Alpha", "docs_Beta", "docs_Gamma"]);
    // The documents may lie on another machine: that accuses nobody.
    report(&work, &[], 0);
    let doctor = work.run(&["doctor"]).expect(3).stdout;
    assert!(doctor.contains("names what is not there") && doctor.contains("out of sight"), "{doctor}");
    // A path that never was one is a mistake, and stays one.
    let wrong = work.run(&["update", "dosc", "--force"]).expect(2);
    assert!(wrong.stderr.contains("dosc is not there, and no document of it was ever indexed"), "{wrong:?}");
}
