//! A store directory that is copied while somebody writes is no backup. Opening such a copy either works, and shows some
//! number of whole commits, or says what it looks like and what to do.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use harness::proof::{effort, report};
use siltstone::{EmbeddingIdentity, Record, Store, WriterOptions};

/// Copies a directory as a person's `cp -r` would: file by file, in whatever order, and passes by what is gone when its
/// turn comes. With `last`, files of that name come last, after a pause.
fn copy(from: &Path, to: &Path, last: Option<&str>) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    let mut entries = std::fs::read_dir(from)?.collect::<Result<Vec<_>, _>>()?;
    let is_last = |entry: &std::fs::DirEntry| last.is_some_and(|last| entry.file_name() == last);
    entries.sort_by_key(is_last);
    for entry in entries {
        let target = to.join(entry.file_name());
        if is_last(&entry) {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let result = match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &target, last),
            false => std::fs::copy(entry.path(), target).map(drop),
        };
        match result {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result?,
        }
    }
    Ok(())
}

/// Commit n holds row n, and replaces the row `latest`.
fn write(store: &Store, until: &AtomicBool) {
    let options = WriterOptions { seal_bytes: 40_000, ..WriterOptions::default() };
    let mut writer = store.collection("busy").unwrap().writer_with(options).unwrap();
    while !until.load(Ordering::Relaxed) {
        let number = writer.last_commit().0 + 1;
        let (key, text) = (format!("row {number:06}"), number.to_string());
        writer.upsert(Record::new(&key, &[number as f32, 1.0]).text(&text)).unwrap();
        writer.upsert(Record::new("latest", &[1.0, number as f32]).text(&text)).unwrap();
        writer.commit().unwrap();
    }
}

/// How many commits a copy shows; they must be all up to that one, and whole.
fn commits(path: &Path) -> siltstone::Result<u64> {
    let view = Store::open(path)?.collection("busy")?.view()?;
    let commit = view.commit().0;
    for number in 1..=commit {
        let row = view.get(&format!("row {number:06}"))?;
        assert_eq!(row.map(|row| row.text), Some(number.to_string()), "of {commit} commits");
    }
    if commit > 0 {
        assert_eq!(view.get("latest")?.map(|row| row.text), Some(commit.to_string()));
        assert_eq!(view.len(), commit + 1);
    }
    Ok(commit)
}

#[test]
fn a_copy_taken_while_somebody_writes_is_a_prefix_or_says_what_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let original = directory.path().join("store");
    let store = Store::create(&original).unwrap();
    let identity = EmbeddingIdentity { dims: 2, ..EmbeddingIdentity::default() };
    store.create_collection("busy", identity).unwrap();
    let done = AtomicBool::new(false);
    let (mut worked, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| write(&store, &done));
        // Whatever happens here, the writer must stop, or the scope would wait for ever.
        let tried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..effort(60, 1000) {
                let target = directory.path().join(format!("copy {round}"));
                // The witness, copied last, promises what was committed after the rest was copied.
                copy(&original, &target, (round % 2 == 1).then_some("witness")).unwrap();
                match commits(&target) {
                    Ok(_) => worked += 1,
                    Err(error) => {
                        assert!(error.is_damage(), "{error}");
                        assert!(
                            error.next_step().contains("looks like a copy"),
                            "{error}: {}",
                            error.next_step()
                        );
                        assert!(
                            error.next_step().contains("siltstone recover --to"),
                            "{}",
                            error.next_step()
                        );
                        refused += 1;
                    }
                }
                std::fs::remove_dir_all(&target).unwrap();
            }
        }));
        done.store(true, Ordering::Relaxed);
        if let Err(panic) = tried {
            std::panic::resume_unwind(panic);
        }
    });
    let written = commits(&original).unwrap();
    report(format_args!(
        "copies taken during {written} commits: {worked} showed a prefix, {refused} said what they look like"
    ));
    assert!(refused > 0, "copies with the witness of a later time must be noticed");
}

/// The same damage in a store that is no copy is not blamed on copying.
#[test]
fn damage_that_is_no_copy_is_not_called_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = Store::create(&path).unwrap();
    let identity = EmbeddingIdentity { dims: 2, ..EmbeddingIdentity::default() };
    let collection = store.create_collection("busy", identity).unwrap();
    let mut writer = collection.writer().unwrap();
    writer.upsert(Record::new("row 000001", &[1.0, 1.0])).unwrap();
    writer.commit().unwrap();
    drop(writer);
    let segment = collection.directory().join("segment-00000001.seg");
    let bytes = std::fs::read(&segment).unwrap();
    std::fs::write(&segment, &bytes[..4096]).unwrap();
    let error = commits(&path).unwrap_err();
    assert!(error.is_damage() && !error.next_step().contains("copy"), "{error}: {}", error.next_step());
}
