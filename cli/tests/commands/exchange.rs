//! Export and import: the same rows come back bit for bit, the same rows give the same bytes, and nothing is lost silently.

use std::io::Write;
use std::process::Stdio;

use siltstone::Store;

use crate::harness::{Ended, Work};

fn export(work: &Work, arguments: &[&str]) -> String {
    work.run(&[&["export"], arguments].concat()).expect(0).stdout
}

#[test]
fn what_was_exported_is_imported_bit_for_bit_and_exported_the_same() {
    let work = Work::with_store();
    let exported = export(&work, &[]);
    assert_eq!(exported.lines().count(), 44);
    std::fs::write(work.path().join("all.jsonl"), &exported).unwrap();
    work.run(&["init", "--no-config", "--store", "other"]).expect(0);
    let ended =
        work.run(&["import", "all.jsonl", "--store", "other", "--batch", "7", "--json"]).expect(0).json();
    assert_eq!(
        (&ended["collections"][0]["rows"], &ended["collections"][0]["commits"]),
        (&20.into(), &3.into())
    );
    let without_commit =
        |text: &str| text.lines().filter(|line| !line.contains("\"commit\"")).collect::<Vec<_>>().join("\n");
    assert_eq!(without_commit(&export(&work, &["--store", "other"])), without_commit(&exported));
    let other = Store::open(work.path().join("other")).unwrap();
    let (before, after) =
        (work.collection("docs_Beta").view().unwrap(), other.collection("docs_Beta").unwrap());
    let difference = before.changes_until(&after.view().unwrap(), |_| Ok(())).unwrap();
    assert_eq!((difference.unchanged, difference.added + difference.removed + difference.changed), (20, 0));
    // Again: everything is replaced by itself. Under another name: only one collection may be in the file.
    let again = work.run(&["import", "all.jsonl", "--store", "other"]).expect(0);
    assert!(
        again.stdout.contains("docs_Alpha: 20 rows imported, 20 of them in place of others"),
        "{again:?}"
    );
    work.run(&["import", "all.jsonl", "--store", "other", "--collection", "x"]).expect(1);
}

#[test]
fn an_export_can_be_filtered_piped_and_of_a_snapshot() {
    let work = Work::with_store();
    work.run(&["snapshot", "create", "one"]).expect(0);
    let some = export(&work, &["--collection", "docs_Alpha", "--filter", "chunk_index = 2", "--no-vectors"]);
    assert!(some.lines().count() == 6 && !some.contains("\"vector\":"), "{some}");
    let mut writer = work.collection("docs_Alpha").writer().unwrap();
    writer.delete("guide/page0.md#0").unwrap();
    writer.commit().unwrap();
    drop(writer);
    assert_eq!(export(&work, &["--collection", "docs_Alpha"]).lines().count(), 21);
    let then = export(&work, &["--collection", "docs_Alpha", "--snapshot", "one"]);
    assert_eq!(then.lines().count(), 22);
    assert!(work.run(&["export", "--snapshot", "none"]).expect(2).stderr.contains("no snapshot named"));

    let mut import = work.command(&["import", "-", "--collection", "copy"]);
    let mut import =
        import.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    import.stdin.take().unwrap().write_all(then.as_bytes()).unwrap();
    Ended::of(import.wait_with_output().unwrap()).expect(0);
    assert_eq!(work.collection("copy").view().unwrap().len(), 20);
}

#[test]
fn a_bad_line_is_named_and_what_came_before_it_is_stored() {
    let work = Work::with_store();
    let good = export(&work, &["--collection", "docs_Alpha"]);
    let lines: Vec<&str> = good.lines().collect();
    let replace = |at: usize, with: String| {
        let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        lines[at] = with;
        lines.join("\n") + "\n"
    };
    let cases = [
        (replace(5, "{".into()), "line 6: EOF while parsing", 4),
        (replace(5, "[1]".into()), "line 6: it is no line of an export", 4),
        (replace(5, lines[4].into()), "line 6: the key \"guide/page0.md#3\" came before", 4),
        (
            replace(5, lines[5].replace("\"vector\":\"", "\"vector\":\"*")),
            "line 6: the vector is not base64",
            4,
        ),
        (
            replace(5, lines[5].replace("\"vector\":\"", "\"vector\":\"AAAA")),
            "line 6: the vector has 131 bytes",
            4,
        ),
        (replace(5, lines[5].replace("guide/page0.md#4", "")), "line 6: key is refused", 4),
        (replace(21, "{\"end_of\":\"docs_Alpha\",\"rows\":21}".into()), "line 22: 20 rows", 20),
        (lines[..12].join("\n"), "line 12: the file ends before", 11),
        (lines[1..].join("\n"), "line 1: a row or an end before", 0),
        (replace(0, lines[0].replace("\"siltstone_export\":1", "\"siltstone_export\":9")), "version 9", 0),
        (replace(0, lines[0].replace("\"vectors\":true", "\"vectors\":false")), "without vectors", 0),
        (String::new(), "nothing is there", 0),
    ];
    for (number, (text, says, stored)) in cases.iter().enumerate() {
        let store = format!("store{number}");
        work.run(&["init", "--no-config", "--store", &store]).expect(0);
        std::fs::write(work.path().join("bad.jsonl"), text).unwrap();
        let ended = work.run(&["import", "bad.jsonl", "--store", &store, "--batch", "3"]).expect(1);
        assert!(ended.stderr.contains(says), "{says}: {ended:?}");
        let collection = Store::open(work.path().join(&store)).unwrap().collection("docs_Alpha");
        assert_eq!(collection.map_or(0, |one| one.view().unwrap().len()), *stored, "{says}");
        if *stored > 0 {
            assert!(ended.stderr.contains(&format!("{stored} rows of")), "{ended:?}");
        }
    }
    let other = replace(0, lines[0].replace("lexical-1", "lexical-2"));
    std::fs::write(work.path().join("other.jsonl"), other).unwrap();
    let ended = work.run(&["import", "other.jsonl"]).expect(1);
    assert!(ended.stderr.contains("holds other embeddings: model"), "{ended:?}");
    assert!(ended.stderr.contains("into another collection"), "{ended:?}");
    work.run(&["import", "none.jsonl"]).expect(1);
}
