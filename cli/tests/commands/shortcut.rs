//! Files that have not changed are not read again; nobody relies on times that may not tell; and what is remembered of
//! files can be deleted or damaged: then they are read, and nothing is paid for again.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::harness::Work;
use crate::server::Server;

const PAGES: usize = 10;

fn work(server: &Server) -> Work {
    let work = Work::empty();
    let config = format!("[embedder]\nbase_url = \"{}\"\nmodel = \"scripted\"\ndims = 64\n", server.url);
    fs::write(work.path().join("siltstone.toml"), config).unwrap();
    fs::create_dir(work.path().join("docs")).unwrap();
    for page in 0..PAGES {
        fs::write(
            work.path().join(format!("docs/page{page}.md")),
            format!("# Page {page}\n\nText {page}.\n"),
        )
        .unwrap();
    }
    work
}

/// Files read, documents changed, documents unchanged.
fn update(work: &Work, more: &[&str]) -> (u64, u64, u64) {
    let report = work.run(&[&["update", "docs", "--json"][..], more].concat()).expect(0).json();
    let documents = &report["collections"][0]["documents"];
    let number = |member: &str| -> u64 { Value::as_u64(&documents[member]).unwrap() };
    (number("read"), number("changed"), number("unchanged"))
}

/// Longer than the coarsest clock of a file system takes for a tick.
fn let_the_clock_go_on() {
    std::thread::sleep(Duration::from_millis(2_200));
}

#[test]
fn unchanged_files_are_not_read_and_any_change_is_seen() {
    let server = Server::start();
    let work = work(&server);
    // Written a moment ago: a change in the same tick would not show, so they are read twice.
    assert_eq!(update(&work, &[]), (10, 0, 0));
    let_the_clock_go_on();
    assert_eq!(update(&work, &[]), (10, 0, 10));
    assert_eq!(update(&work, &[]), (0, 0, 10));
    assert_eq!(update(&work, &["--verify-content"]), (10, 0, 10));
    assert_eq!(update(&work, &["--dry-run"]), (0, 0, 10));

    // Of the same length, with the time of before.
    let page = work.path().join("docs/page3.md");
    let before = fs::metadata(&page).unwrap().modified().unwrap();
    fs::write(&page, "# Page 3\n\nTexx 3.\n").unwrap();
    fs::File::options().write(true).open(&page).unwrap().set_modified(before).unwrap();
    assert_eq!(update(&work, &[]), (1, 1, 9));
    // Once more at once, in the tick of the run that read it.
    fs::write(&page, "# Page 3\n\nTexy 3.\n").unwrap();
    assert_eq!(update(&work, &[]), (1, 1, 9));

    // Another file under the name, older than what was there.
    let_the_clock_go_on();
    update(&work, &[]);
    fs::rename(work.path().join("docs/page5.md"), work.path().join("docs/page4.md")).unwrap();
    let (read, changed, unchanged) = update(&work, &[]);
    assert_eq!((read, changed, unchanged), (1, 1, 8));
}

#[test]
fn what_is_remembered_can_go_and_costs_reading_only() {
    let server = Server::start();
    let work = work(&server);
    update(&work, &[]);
    let_the_clock_go_on();
    update(&work, &[]);
    let (paid, _) = server.counts();
    let file = work.store().join("seen/docs_docs");
    let whole = fs::read(&file).unwrap();
    let damages: [&dyn Fn(); 5] = [
        &|| fs::remove_file(&file).unwrap(),
        &|| fs::remove_dir_all(work.store().join("seen")).unwrap(),
        &|| fs::write(&file, "").unwrap(),
        &|| fs::write(&file, &whole[..whole.len() / 2]).unwrap(),
        &|| {
            let mut bytes = whole.clone();
            bytes[whole.len() / 2] ^= 1;
            fs::write(&file, bytes).unwrap();
        },
    ];
    for (number, damage) in damages.iter().enumerate() {
        damage();
        assert_eq!(update(&work, &[]), (10, 0, 10), "damage {number}");
        assert_eq!(update(&work, &[]), (0, 0, 10), "after damage {number}");
    }
    // One that says the opposite of the truth is believed about files, and never about the store.
    let view = work.collection("docs_docs");
    let mut writer = view.writer().unwrap();
    writer.delete("page0.md#0").unwrap();
    writer.commit().unwrap();
    drop(writer);
    assert_eq!(update(&work, &[]), (1, 0, 9));
    assert_eq!(server.counts().0, paid + 1);
    work.run(&["health"]).expect(0);
}
