//! What cannot be stored, opened or named is refused with one clear error that says which thing it is and what to do;
//! and nothing that is stored is lost over it.

mod newer;
mod read_only;

use std::path::Path;

use harness::answers::{Moment, answers};
use harness::fixture::{self, STORE, later_environment};
use harness::sim_disk::SimDisk;
use serde_json::json;
use siltstone::{
    Compression, Depth, EmbeddingIdentity, Error, Metric, Record, Search, Severity, Store, verify,
};

/// A store, and what it answered before anything was tried.
struct Given {
    disk: SimDisk,
    store: Store,
    before: Vec<Moment>,
}

fn given() -> Given {
    let disk = fixture::basic(Compression::None);
    let store = fixture::open(&disk).unwrap();
    let before = answers(&store).unwrap();
    Given { disk, store, before }
}

impl Given {
    /// Nothing is lost, and nothing is damaged.
    fn is_unchanged(&self) {
        assert_eq!(answers(&fixture::open(&self.disk).unwrap()).unwrap(), self.before);
        let report = verify(&later_environment(&self.disk), Path::new(STORE), Depth::Deep, None).unwrap();
        assert!(!report.is_damaged(), "{:?}", report.findings);
    }
}

/// The error says each of `words`, and its next step says `step`.
#[track_caller]
fn refused<T: std::fmt::Debug>(result: siltstone::Result<T>, words: &[&str], step: &str) -> Error {
    let error = result.unwrap_err();
    let text = error.to_string();
    words.iter().for_each(|word| assert!(text.contains(word), "{word:?} is not in: {text}"));
    assert!(error.next_step().contains(step), "{step:?} is not in: {} ({text})", error.next_step());
    error
}

#[test]
fn vectors_that_cannot_be_compared() {
    let given = given();
    let guide = given.store.collection("guide").unwrap();
    let mut writer = guide.writer().unwrap();
    writer.upsert(Record::new("good", &[1.0, 0.0, 0.0, 0.0])).unwrap();
    let (nan, infinite) = (f32::NAN, f32::INFINITY);
    let none: &[f32] = &[];
    for (vector, word) in [
        (&[1.0, 2.0, 3.0][..], "3 elements, the collection has 4 dims"),
        (&[1.0, 2.0, 3.0, 4.0, 5.0], "5 elements, the collection has 4 dims"),
        (none, "0 elements"),
        (&[1.0, nan, 0.0, 0.0], "element 1 of the vector is NaN"),
        (&[1.0, 0.0, infinite, 0.0], "element 2 of the vector is inf"),
        (&[1.0, 0.0, 0.0, -infinite], "element 3 of the vector is -inf"),
        (&[0.0, -0.0, 0.0, 0.0], "zero"),
    ] {
        let step = if vector.len() == 4 { "embed the text again" } else { "correct the argument" };
        refused(writer.upsert(Record::new("bad", vector)), &["\"bad\"", word], step);
    }
    // What was refused is not in the batch, and what was not is.
    assert_eq!(writer.commit().unwrap().rows, 1);
    let view = guide.view().unwrap();
    assert!(view.contains("good").unwrap() && !view.contains("bad").unwrap());

    refused(view.search(&[1.0], &Search::new(1)), &["query", "1 elements", "4 dims"], "correct");
    refused(view.search(&[nan, 0.0, 0.0, 0.0], &Search::new(1)), &["query", "element 0", "NaN"], "embed");
    refused(view.search(&[0.0; 4], &Search::new(1)), &["query", "zero"], "embed");
    // Zero has a place under the dot product.
    let mut notes = given.store.collection("notes").unwrap().writer().unwrap();
    notes.upsert(Record::new("zero", &[0.0; 3])).unwrap();
}

#[test]
fn keys_that_cannot_be_told_apart() {
    let given = given();
    let mut writer = given.store.collection("guide").unwrap().writer().unwrap();
    let vector = [1.0, 0.0, 0.0, 0.0];
    refused(writer.upsert(Record::new("", &vector)), &["key", "empty"], "correct");
    let long = "k".repeat(1025);
    refused(writer.upsert(Record::new(&long, &vector)), &["key", "kkkk", "1025 bytes", "1024"], "correct");
    refused(writer.delete(""), &["key", "empty"], "correct");
    writer.upsert(Record::new(&long[1..], &vector)).unwrap();
    writer.upsert(Record::new("twice", &vector)).unwrap();
    refused(writer.upsert(Record::new("twice", &vector)), &["duplicate key", "\"twice\""], "correct");
    let metadata = json!({"long": "m".repeat(70_000)}).as_object().unwrap().clone();
    let record = Record::new("heavy", &vector);
    refused(writer.upsert(record.clone().metadata(metadata)), &["metadata", "\"heavy\"", "65536"], "correct");
    let text = "t".repeat((4 << 20) + 1);
    refused(writer.upsert(record.text(&text)), &["text", "\"heavy\"", "4194304"], "correct");
    drop(writer);
    given.is_unchanged();
}

#[test]
fn names_that_cannot_be() {
    let given = given();
    let long = "n".repeat(129);
    let identity = || EmbeddingIdentity { dims: 4, ..EmbeddingIdentity::default() };
    for (name, why) in [
        ("", "empty"),
        ("a/b", "'/' at byte 1"),
        ("..", "two dots"),
        ("../guide", "'/'"),
        ("-x", "begin with"),
        ("straße", "'ß' at byte 4"),
        ("a b", "' ' at byte 1"),
        ("a\0", "'\\0' at byte 1"),
        (long.as_str(), "129 bytes"),
    ] {
        let quoted = format!("{name:?}");
        refused(
            given.store.create_collection(name, identity()),
            &["collection name", &quoted, why],
            "correct",
        );
        let snapshot = given.store.collection("guide").unwrap().create_snapshot(name);
        refused(snapshot, &["snapshot name", &quoted, why], "correct");
    }
    for (dims, why) in [(0, "dims"), (8193, "dims")] {
        let identity = EmbeddingIdentity { dims, ..identity() };
        refused(given.store.create_collection("new", identity), &["embedding identity", why], "correct");
    }
    given.is_unchanged();
}

#[test]
fn names_that_are_not_there_or_are_taken() {
    let given = given();
    let guide = given.store.collection("guide").unwrap();
    refused(given.store.collection("gide"), &["\"gide\""], "did you mean guide?");
    refused(given.store.collection("nothing like it"), &["\"nothing like it\""], "siltstone status");
    let identity = guide.identity().clone();
    refused(given.store.create_collection("guide", identity), &["\"guide\" exists"], "open it instead");
    refused(guide.snapshot("third"), &["\"guide\"", "\"third\""], "there are: first, second");
    refused(guide.create_snapshot("first"), &["\"guide\"", "\"first\""], "another name");
    refused(guide.drop_snapshot("third"), &["\"third\""], "first, second");
    given.is_unchanged();
}

#[test]
fn a_collection_of_other_embeddings() {
    let given = given();
    let right = given.store.collection("guide").unwrap().identity().clone();
    for (other, words) in [
        (
            EmbeddingIdentity { provider: "elsewhere".into(), ..right.clone() },
            ["\"fixture\"", "\"elsewhere\""],
        ),
        (EmbeddingIdentity { model: "better".into(), ..right.clone() }, ["\"random-4\"", "\"better\""]),
        (EmbeddingIdentity { dims: 5, ..right.clone() }, ["dims 4", "5"]),
        (EmbeddingIdentity { metric: Metric::Dot, ..right.clone() }, ["cosine", "dot"]),
        (EmbeddingIdentity { normalised: true, ..right.clone() }, ["normalised false", "true"]),
        (EmbeddingIdentity { chunker: "markdown-2".into(), ..right.clone() }, ["markdown-1", "markdown-2"]),
    ] {
        let result = given.store.open_or_create("guide", &other);
        refused(result, &["\"guide\"", words[0], words[1]], "a new collection");
    }
    given.store.open_or_create("guide", &right).unwrap();
    given.is_unchanged();
}

#[test]
fn a_second_writer_is_told_who_the_first_is() {
    let given = given();
    let guide = given.store.collection("guide").unwrap();
    let mut first = guide.writer().unwrap();
    let process = format!("process {}", std::process::id());
    for second in [guide.clone(), fixture::open(&given.disk).unwrap().collection("guide").unwrap()] {
        // The clock of the fixture stands in January 2027.
        refused(second.writer(), &["lock", &process, "since 2027-01-15", "UTC"], "wait until it is done");
        refused(given.store.drop_collection("guide"), &[&process], "wait until it is done");
    }
    // The first goes on undisturbed, others too, and the next one gets in after it.
    given.store.collection("notes").unwrap().writer().unwrap();
    first.upsert(Record::new("mine", &[1.0, 0.0, 0.0, 0.0])).unwrap();
    first.commit().unwrap();
    drop(first);
    let mut second = guide.writer().unwrap();
    second.delete("mine").unwrap();
    second.commit().unwrap();
}

#[test]
fn paths_where_no_store_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("file"), "not a store").unwrap();
    std::fs::create_dir(path("empty")).unwrap();
    std::fs::create_dir(path("photos")).unwrap();
    std::fs::write(path("photos/cat.jpg"), "meow").unwrap();
    refused(Store::open(path("file")), &["file", "it is a file"], "siltstone init");
    refused(Store::open(path("missing")), &["missing", "nothing is there"], "siltstone init");
    refused(Store::open(path("empty")), &["empty", "no catalogue.json"], "siltstone init");
    refused(Store::open(path("photos")), &["photos", "no catalogue.json"], "siltstone init");
    refused(Store::create(path("file")), &["file"], "choose another path");
    refused(Store::create(path("photos")), &["photos", "cat.jpg"], "choose another path");
    refused(Store::create(path("no/such/place")), &["no/such/place"], "check the path");
    refused(Store::create(path("file/store")), &["file/store"], "");
    Store::create(path("empty")).unwrap();
    refused(Store::create(path("empty")), &["empty", "a store"], "choose another path");
    assert_eq!(std::fs::read(path("file")).unwrap(), b"not a store");
    assert_eq!(std::fs::read(path("photos/cat.jpg")).unwrap(), b"meow");
}

#[test]
fn foreign_files_are_noted_and_left_alone() {
    let given = given();
    let guide = given.store.collection("guide").unwrap().directory().to_owned();
    let strangers = [
        Path::new(STORE).join("README.txt"),
        Path::new(STORE).join("collections/.DS_Store"),
        guide.join("notes.txt"),
        guide.join("segment-1.seg"),
        guide.join("manifest-00000009.json.bak"),
    ];
    for path in &strangers {
        given.disk.write_file(path, "somebody's").unwrap();
    }
    let report = verify(&later_environment(&given.disk), Path::new(STORE), Depth::Deep, None).unwrap();
    let mut noted: Vec<_> =
        report.findings.iter().map(|found| (found.severity, found.path.clone())).collect();
    noted.sort();
    let mut expected: Vec<_> = strangers.iter().map(|path| (Severity::Note, path.clone())).collect();
    expected.sort();
    assert_eq!(noted, expected);
    for collection in ["guide", "notes"] {
        given.store.collection(collection).unwrap().writer().unwrap();
    }
    given
        .store
        .create_collection("new", EmbeddingIdentity { dims: 1, ..EmbeddingIdentity::default() })
        .unwrap();
    given.store.drop_collection("new").unwrap();
    for path in &strangers {
        assert_eq!(given.disk.read_file(path).unwrap(), b"somebody's", "{}", path.display());
    }
    given.is_unchanged();
}
