//! An update makes search codes once a vector space has enough rows, a search uses them, and `--explain` says so.

use siltstone::{Record, Store};

use crate::harness::{DIMS, Work, builtin, metadata};

const QUERY: &[&str] = &["search", "install a part", "--collection", "docs_Big", "--explain", "--json"];

/// Twelve hundred rows in an open segment.
fn fill(work: &Work) {
    let collection = Store::open(work.store()).unwrap().create_collection("docs_Big", builtin()).unwrap();
    let mut writer = collection.writer().unwrap();
    let mut state = 1u32;
    for row in 0..1200u32 {
        let vector: Vec<f32> = (0..DIMS)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect();
        let file = format!("guide/page{row}.md");
        let record = Record::new(&file, &vector).metadata(metadata("docs_Big", &file, 0));
        writer.upsert(record.text("Install a part.")).unwrap();
    }
    writer.commit().unwrap();
}

#[test]
fn an_update_makes_search_codes_and_explain_shows_what_they_saved() {
    let work = Work::with_store();
    fill(&work);
    let before = work.run(QUERY).expect(0).json();
    assert_eq!(before["explain"]["rows_with_codes"], 0, "{before}");

    std::fs::create_dir(work.path().join("pages")).unwrap();
    std::fs::write(work.path().join("pages/one.md"), "# One\n\nIt says something.\n").unwrap();
    work.run(&["update", "pages"]).expect(0);

    let after = work.run(QUERY).expect(0).json();
    let number = |name: &str| after["explain"][name].as_u64().unwrap();
    assert_eq!(number("rows_with_codes"), 1200, "{after}");
    assert!(number("passed_signs") <= number("passed_heads"), "{after}");
    assert!(number("bytes_read") > 0, "{after}");
    assert_eq!(after["hits"], before["hits"]);

    let filtered = [QUERY, &["--filter", "file_path prefix 'guide/page11'"]].concat();
    let found = work.run(&filtered).expect(0).json();
    let number = |name: &str| found["explain"][name].as_u64().unwrap();
    assert_eq!((number("filtered_by_index"), number("filtered_by_metadata")), (1200, 0), "{found}");
    assert_eq!(found["rows_scanned"], 111, "{found}");
    let plain: Vec<&str> = filtered.iter().copied().filter(|arg| *arg != "--json").collect();
    let plain = work.run(&plain).expect(0).stdout;
    assert!(plain.contains("filtered: 1,200 by the attribute index, 0 by reading metadata"), "{plain}");

    let plain = work.run(&QUERY[..QUERY.len() - 1]).expect(0).stdout;
    assert!(plain.contains("1,200 of them by their search codes"), "{plain}");
}
