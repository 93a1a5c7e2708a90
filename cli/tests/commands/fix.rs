//! `health --fix`: shows, keeps the way back, acts within its limits, and is honest about what it left.

use serde_json::{Value, json};
use siltstone::Record;

use crate::harness::{DIMS, Work, metadata};
use crate::health::{codes, component, part, report, with_documents, write};
use crate::server::Server;

pub(crate) fn remove(work: &Work, path: &str) {
    std::fs::remove_file(work.path().join("docs").join(path)).unwrap();
}

/// Ten more pages, so that one of them is less than a fifth.
pub(crate) fn with_many_documents() -> Work {
    let work = with_documents();
    for page in 10..20 {
        write(
            &work,
            &format!("Alpha/more/page{page}.md"),
            &format!("# Page {page}\n\nMore about part {page}.\n"),
        );
    }
    work.run(&["update", "docs"]).expect(0);
    work
}

pub(crate) fn snapshots(work: &Work) -> Vec<String> {
    let listed = work.run(&["snapshot", "list", "--json"]).expect(0).json();
    listed["snapshots"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect()
}

pub(crate) fn keys(work: &Work, collection: &str) -> Vec<String> {
    let view = work.collection(collection).view().unwrap();
    view.keys().unwrap().into_iter().map(str::to_owned).collect()
}

/// One page is gone, one is new, one has changed.
fn disturb(work: &Work) {
    remove(work, "Alpha/more/page10.md");
    write(work, "Alpha/new.md", "# New\n\nThis page came later.\n");
    write(work, "Alpha/guide/page0.md", "# Page 0\n\nIt says something else now.\n");
}

#[test]
fn everything_that_can_be_put_right_is_and_can_be_taken_back() {
    let work = with_many_documents();
    disturb(&work);
    let before = keys(&work, "docs_Alpha");
    let planned = report(&work, &["--fix", "--dry-run"], 3);
    assert_eq!(planned["fix"]["dry_run"], true);
    assert_eq!(planned["fix"]["steps"].as_array().unwrap().len(), 2, "{planned}");
    assert_eq!((keys(&work, "docs_Alpha"), snapshots(&work)), (before.clone(), vec![]));

    let fixed = report(&work, &["--fix"], 0);
    assert_eq!(fixed["status"], "pass", "{fixed}");
    let steps = fixed["fix"]["steps"].as_array().unwrap();
    assert_eq!((&steps[0]["act"], &steps[0]["done"]), (&json!("remove"), &json!(1)));
    assert_eq!((&steps[1]["act"], &steps[1]["done"]), (&json!("embed"), &json!(2)));
    let after = keys(&work, "docs_Alpha");
    assert!(after.contains(&"new.md#0".to_owned()) && !after.contains(&"more/page10.md#0".to_owned()));

    // The state before is kept, and the way back is named.
    let pinned = snapshots(&work);
    assert!(pinned.len() == 1 && pinned[0].starts_with("before-fix-"), "{pinned:?}");
    let undo = fixed["fix"]["undo"][0].as_str().unwrap();
    assert_eq!(undo, format!("siltstone snapshot restore {} --collection docs_Alpha", pinned[0]));
    let kept = work.collection("docs_Alpha").snapshot(&pinned[0]).unwrap();
    assert_eq!(kept.keys().unwrap(), before);

    // Nothing to do leaves nothing behind.
    let again = work.run(&["health", "--fix"]).expect(0).stdout;
    assert!(again.contains("nothing to fix"), "{again}");
    assert_eq!(snapshots(&work), pinned);
}

#[test]
fn only_what_was_asked_for_is_fixed() {
    let work = with_many_documents();
    disturb(&work);
    let fixed = report(&work, &["--fix", "--only", "orphans"], 3);
    assert_eq!(part(&fixed, "orphaned")["status"], "pass");
    assert_eq!(codes(&part(&fixed, "missing")), [("missing".to_owned(), 1)]);
    assert_eq!(codes(&part(&fixed, "content")), [("stale".to_owned(), 1)]);
    let fixed = report(&work, &["--fix", "--only", "missing"], 3);
    assert_eq!(part(&fixed, "missing")["status"], "pass");
    assert_eq!(codes(&part(&fixed, "content")), [("stale".to_owned(), 1)]);
    let fixed = report(&work, &["--fix", "--only", "content"], 0);
    assert_eq!(fixed["status"], "pass", "{fixed}");
}

#[test]
fn a_mass_removal_is_held_back_here_too() {
    let work = with_documents();
    remove(&work, "Alpha/guide/page0.md");
    let before = keys(&work, "docs_Alpha");
    let ended = work.run(&["health", "--fix"]).expect(3);
    assert!(
        ended.stdout.contains("held back:") && ended.stdout.contains("--allow-mass-removal"),
        "{ended:?}"
    );
    assert_eq!((keys(&work, "docs_Alpha"), snapshots(&work)), (before.clone(), vec![]));
    // A folder that is not there is no reason to remove anything.
    std::fs::rename(work.path().join("docs"), work.path().join("elsewhere")).unwrap();
    work.run(&["health", "--fix"]).expect(0);
    assert_eq!(keys(&work, "docs_Alpha"), before);
}

#[test]
fn wrong_vectors_words_and_missing_passages_are_made_again() {
    let work = with_documents();
    let pristine = |key: &str| {
        let view = work.collection("docs_Alpha").view().unwrap();
        let row = view.get(key).unwrap().unwrap();
        (row.vector.to_vec(), row.text.clone(), row.metadata.clone())
    };
    let (first, second) = (pristine("guide/page0.md#0"), pristine("guide/page1.md#0"));
    let mut writer = work.collection("docs_Alpha").writer().unwrap();
    let put = |writer: &mut siltstone::Writer,
               key: &str,
               vector: &[f32],
               text: &str,
               metadata: &serde_json::Map<String, Value>| {
        writer.upsert(Record::new(key, vector).text(text).metadata(metadata.clone())).unwrap();
    };
    put(&mut writer, "guide/page0.md#0", &[0.5; DIMS as usize], &first.1, &first.2);
    put(&mut writer, "guide/page1.md#0", &second.0, "Somebody else's words.", &second.2);
    writer.delete("guide/page2.md#0").unwrap();
    writer.commit().unwrap();
    drop(writer);
    let found = report(&work, &["--deep-scan"], 3);
    assert_eq!(codes(&part(&found, "integrity")), [("vector-norm".to_owned(), 1)]);
    let fixed = report(&work, &["--deep-scan", "--fix"], 0);
    assert_eq!(fixed["status"], "pass", "{fixed}");
    assert_eq!((pristine("guide/page0.md#0"), pristine("guide/page1.md#0")), (first, second));
}

#[test]
fn without_sources_there_is_no_way_to_embed_again_and_it_says_so() {
    let work = with_documents();
    let mut writer = work.collection("docs_Alpha").writer().unwrap();
    let fields = metadata("Alpha", "guide/page0.md", 0);
    writer.upsert(Record::new("guide/page0.md#0", &[0.5; DIMS as usize]).metadata(fields)).unwrap();
    writer.commit().unwrap();
    drop(writer);
    std::fs::remove_file(work.store().join("sources.json")).unwrap();
    let ended = work.run(&["health", "--fix"]).expect(3);
    assert!(ended.stdout.contains("not done") && ended.stdout.contains("update PATH"), "{ended:?}");
}

#[test]
fn a_collection_that_somebody_writes_to_is_left_alone_and_named() {
    let work = with_many_documents();
    remove(&work, "Alpha/more/page10.md");
    write(&work, "Beta/new.md", "# New\n\nThis page came later.\n");
    let writer = work.collection("docs_Alpha").writer().unwrap();
    let ended = work.run(&["health", "--fix"]).expect(11);
    assert!(ended.stdout.contains(&format!("process {}", std::process::id())), "{ended:?}");
    assert!(ended.stdout.contains("docs_Beta: embedded 1 document"), "{ended:?}");
    drop(writer);
    // A child of another test may have inherited the lock for the moment between its fork and its exec.
    let free = || work.collection("docs_Alpha").writer().is_ok();
    assert!((0..100).any(|_| free() || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        false
    }));
    work.run(&["health", "--fix"]).expect(0);
}

/// A store whose embeddings cost money, with one new page.
fn paid(server: &Server, price: &str) -> Work {
    let work = Work::empty();
    let config =
        format!("[embedder]\nbase_url = \"{}\"\nmodel = \"scripted\"\ndims = 64\n{price}\n", server.url);
    std::fs::write(work.path().join("siltstone.toml"), config).unwrap();
    for page in 0..8 {
        write(&work, &format!("Paid/page{page}.md"), &format!("# Page {page}\n\nIt says {page}.\n"));
    }
    work.run(&["update", "docs", "--split", "--force"]).expect(0);
    write(&work, "Paid/new.md", "# New\n\nThis page came later.\n");
    write(&work, "Paid/newer.md", &format!("# Newer\n\n{}\n", "It goes on. ".repeat(40)));
    work
}

#[test]
fn nobody_there_means_nothing_paid_without_a_limit_and_no_more_than_it_with_one() {
    let server = Server::start();
    let work = paid(&server, "usd_per_million_tokens = 1000.0");
    let asked = server.counts().0;
    for flags in [&["--fix"][..], &["--fix", "--force"]] {
        let left = report(&work, flags, 12);
        assert_eq!(codes(&part(&left, "missing"))[0].1, 2, "{left}");
        assert_eq!(server.counts().0, asked);
    }
    remove(&work, "Paid/page0.md");
    let fixed = report(&work, &["--fix", "--only", "orphans"], 3);
    assert_eq!((part(&fixed, "orphaned")["status"].clone(), server.counts().0), (json!("pass"), asked));

    let planned = report(&work, &["--fix", "--dry-run"], 3);
    let cost = planned["fix"]["steps"][0]["cost_usd"].as_f64().unwrap();
    report(&work, &["--fix", "--max-cost", "0"], 12);
    assert_eq!(server.counts().0, asked);
    // Enough for the short page, which comes first, and not for the long one.
    let some = report(&work, &["--fix", "--max-cost", &format!("{}", cost / 2.0)], 12);
    assert_eq!(some["fix"]["steps"][0]["done"], 1, "{some}");
    assert_eq!(server.counts().0, asked + 1);
    let rest = report(&work, &["--fix", "--max-cost", &format!("{cost}")], 0);
    assert_eq!(rest["status"], "pass", "{rest}");
    assert!(server.counts().0 > asked + 1);
}

#[test]
fn a_probe_embeds_samples_again_and_pays_no_more_than_it_may() {
    let server = Server::start();
    let work = paid(&server, "usd_per_million_tokens = 1000.0");
    let asked = server.counts().0;
    let found = report(&work, &["--probe", "3"], 3);
    let reasons = part(&found, "integrity")["not_checked"].to_string();
    assert!(reasons.contains("--max-cost") && found["probed"] == 0, "{found}");
    assert_eq!(server.counts().0, asked);
    let found = report(&work, &["--probe", "3", "--max-cost", "1"], 3);
    assert_eq!((&found["probed"], server.counts().0), (&json!(3), asked + 3));
    assert_eq!(part(&found, "integrity")["status"], "pass");

    // Vectors that the embedder would not make today.
    let paid = work.collection("docs_Paid");
    let view = paid.view().unwrap();
    let mut writer = paid.writer().unwrap();
    for row in view.iter(siltstone::Order::Storage).unwrap() {
        let row = row.unwrap();
        let other: Vec<f32> = row.vector.iter().rev().copied().collect();
        writer.upsert(Record::new(row.key, &other).metadata(row.metadata.clone()).text(&row.text)).unwrap();
    }
    writer.commit().unwrap();
    drop(writer);
    let found = report(&work, &["--probe", "3", "--max-cost", "1"], 3);
    assert_eq!(codes(&part(&found, "integrity")), [("probe-differs".to_owned(), 3)]);
    // The built-in embedder costs nothing.
    let free = with_documents();
    assert_eq!(report(&free, &["--probe", "5"], 0)["probed"], 5);
}

#[test]
fn a_probe_that_cannot_be_made_is_no_good_end() {
    let server = Server::start();
    let work = Work::empty();
    let settings = |url: &str, price: f64| {
        let text = format!(
            "[embedder]\nbase_url = \"{url}\"\nmodel = \"scripted\"\ndims = 64\n\
             usd_per_million_tokens = {price:?}\n"
        );
        std::fs::write(work.path().join("siltstone.toml"), text).unwrap();
    };
    settings(&server.url, 0.0);
    crate::health::write(&work, "Paid/page.md", "# Page\n\nIt costs.\n");
    work.run(&["update", "docs/Paid", "--force"]).expect(0);
    assert_eq!(report(&work, &["--probe", "1"], 0)["probed"], 1);
    let probe = |code: i32, says: &str| {
        let found = report(&work, &["--probe", "1"], code);
        assert_eq!((&found["status"], &found["probed"]), (&json!("info"), &json!(0)), "{found}");
        assert!(part(&found, "integrity")["not_checked"].to_string().contains(says), "{found}");
        let text = work.run(&["health", "--probe", "1"]).expect(code);
        assert!(text.stderr.contains("--probe did not do what was asked") || code == 0, "{text:?}");
    };
    server.then([crate::server::Act::Status(401, "{}"); 2]);
    probe(1, "401");
    settings(&server.url, 1000.0);
    probe(12, "--max-cost");
    settings("ftp://nowhere", 0.0);
    probe(2, "base_url");
    // Without being asked for, it is only said.
    report(&work, &[], 0);
}

#[test]
fn a_price_that_is_not_known_is_no_price() {
    let server = Server::start();
    let work = paid(&server, "");
    let asked = server.counts().0;
    let ended = work.run(&["health", "--fix", "--max-cost", "5"]).expect(12);
    assert!(ended.stdout.contains("usd_per_million_tokens"), "{ended:?}");
    assert_eq!(server.counts().0, asked);
    assert_eq!(component(&work, "missing", 3)["count"], 2);
}

#[test]
fn flipped_bits_are_mended_and_derived_files_made_again() {
    let work = with_many_documents();
    let alpha = work.collection("docs_Alpha");
    let mut writer = alpha.writer().unwrap();
    writer.seal().unwrap();
    drop(writer);
    let segment = crate::harness::segments(&alpha)[0].clone();
    let index = segment.with_extension("keys");
    let pristine = [&segment, &index].map(|path| std::fs::read(path).unwrap());
    crate::harness::flip(&segment, 4096 + 256 + 40);
    std::fs::remove_file(&index).unwrap();
    report(&work, &["--deep-scan"], 3);
    let planned = report(&work, &["--deep-scan", "--fix", "--dry-run"], 3);
    assert_eq!(planned["fix"]["repair"]["mended"].as_array().unwrap().len(), 2, "{planned}");
    assert!(!index.exists());
    let fixed = report(&work, &["--deep-scan", "--fix"], 0);
    let repair = &fixed["fix"]["repair"];
    let mut remedies: Vec<&str> =
        repair["mended"].as_array().unwrap().iter().map(|one| one["remedy"].as_str().unwrap()).collect();
    remedies.sort_unstable();
    assert_eq!(remedies, ["derive", "mend"], "{fixed}");
    assert_eq!(repair["kept"].as_array().unwrap().len(), 1, "{fixed}");
    assert_eq!([&segment, &index].map(|path| std::fs::read(path).unwrap()), pristine);
}

#[test]
fn rows_beyond_repair_are_taken_out_and_embedded_again_from_their_source() {
    let work = with_many_documents();
    let alpha = work.collection("docs_Alpha");
    let mut writer = alpha.writer().unwrap();
    writer.seal().unwrap();
    drop(writer);
    let before = keys(&work, "docs_Alpha");
    let segment = crate::harness::segments(&alpha)[0].clone();
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[4096 + 256..4096 + 256 + 100].fill(0xaa);
    std::fs::write(&segment, bytes).unwrap();
    let fixed = report(&work, &["--deep-scan", "--fix"], 0);
    let repair = &fixed["fix"]["repair"];
    assert!(!repair["lost"].as_array().unwrap().is_empty(), "{fixed}");
    assert!(fixed["fix"]["steps"].as_array().unwrap().iter().any(|step| step["act"] == "embed"), "{fixed}");
    assert_eq!(keys(&work, "docs_Alpha"), before);
    for path in repair["kept"].as_array().unwrap() {
        assert!(std::path::Path::new(path.as_str().unwrap()).exists(), "{path}");
    }
}
