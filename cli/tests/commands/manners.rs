//! Manners: nothing hostile on the terminal, no panic on a closed pipe, signals obeyed, a read-only store readable.

use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

use siltstone::{EmbeddingIdentity, Record};

use crate::harness::{DIMS, Ended, Work, metadata};

const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{1b}[31mred\u{9b}2J\u{202e}right\r\n\u{8}\u{200b}\u{7f}";

fn is_plain(text: &str) -> bool {
    text.chars().all(|c| {
        c == '\n' || !(c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{200b}'..='\u{200f}'))
    })
}

#[test]
fn nothing_in_a_document_reaches_the_terminal_as_a_command() {
    let work = Work::with_store();
    let mut writer = work.collection("docs_Alpha").writer().unwrap();
    let mut fields = metadata("Alpha", &format!("guide/{HOSTILE}.md"), 0);
    fields.insert("heading".into(), HOSTILE.into());
    fields.insert("api_name".into(), HOSTILE.into());
    fields.insert("file_size".into(), HOSTILE.into());
    let (key, text) = (format!("key{HOSTILE}"), format!("install {HOSTILE} here"));
    writer.upsert(Record::new(&key, &[0.5; DIMS as usize]).metadata(fields).text(&text)).unwrap();
    writer.commit().unwrap();
    drop(writer);
    for arguments in [
        &["search", "install", "-k", "99"][..],
        &["search", "install", "-k", "99", "--json"],
        &["inspect", "docs_Alpha", "--keys"],
        &["inspect", "docs_Alpha", "--keys", "--json"],
        &["health"],
        &["health", "--json"],
        &["search", "x", "--collection", HOSTILE],
        &["search", "x", "--filter", HOSTILE],
        &["inspect", HOSTILE],
    ] {
        let ended = work.run(arguments);
        assert!(is_plain(&ended.stdout) && is_plain(&ended.stderr), "{arguments:?}: {ended:?}");
        assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    }
    // Escaped, not lost.
    let hits = work.run(&["search", "install", "-k", "99", "--json"]).json();
    let keys: Vec<&str> =
        hits["hits"].as_array().unwrap().iter().filter_map(|hit| hit["key"].as_str()).collect();
    assert!(keys.contains(&key.as_str()));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let work = Work::with_store();
    for arguments in
        [&["inspect", "docs_Alpha", "--keys"][..], &["search", "x", "-k", "99"], &["status"], &["--help"]]
    {
        let mut child =
            work.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ended = Ended::of(child.wait_with_output().unwrap()).expect(0);
        assert!(ended.stderr.is_empty(), "{ended:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_behind_stdout_is_an_error() {
    let work = Work::with_store();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = work.command(&["status"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert!(Ended::of(output).expect(1).stderr.contains("stdout"));
}

#[test]
#[cfg(unix)]
fn a_read_only_store_is_searched_and_checked() {
    use std::os::unix::fs::PermissionsExt;
    let work = Work::with_store();
    let directories = [
        work.collection("docs_Alpha").directory().to_owned(),
        work.collection("docs_Beta").directory().to_owned(),
        work.store(),
    ];
    let set = |mode| {
        for directory in &directories {
            for entry in
                std::fs::read_dir(directory).unwrap().flatten().filter(|entry| entry.path().is_file())
            {
                std::fs::set_permissions(entry.path(), PermissionsExt::from_mode(mode & 0o666)).unwrap();
            }
            std::fs::set_permissions(directory, PermissionsExt::from_mode(mode)).unwrap();
        }
    };
    set(0o555);
    let ended = [
        work.run(&["search", "install"]),
        work.run(&["status"]),
        work.run(&["health", "--deep-scan"]),
        work.run(&["inspect", "docs_Alpha"]),
        work.run(&["recover", "--to", "copy"]),
    ];
    let writing = work.run(&["snapshot", "create", "x"]);
    set(0o755);
    ended.into_iter().for_each(|ended| drop(ended.expect(0)));
    // The superuser may write anywhere.
    assert!(matches!(writing.code, 0 | 1), "{writing:?}");
    assert!(writing.code == 0 || writing.stderr.contains("give this user the right"), "{writing:?}");
}

#[test]
#[cfg(unix)]
fn two_signals_end_a_command_that_waits_for_a_server() {
    let work = Work::empty();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let store = siltstone::Store::create(work.store()).unwrap();
    let identity = EmbeddingIdentity { model: "m".into(), normalised: true, ..EmbeddingIdentity::default() };
    let collection = store.create_collection("paid", identity.clone()).unwrap();
    // The provider of a server is its name, which only the program knows how to write.
    let probe = work.run(&["search", "x", "--base-url", &url, "--model", "m"]).expect(2);
    let provider = probe.stderr.split("not by m of ").nth(1).unwrap().split(',').next().unwrap().to_owned();
    drop(collection);
    store.drop_collection("paid").unwrap();
    store.create_collection("paid", EmbeddingIdentity { provider, ..identity }).unwrap();
    let arguments = ["search", "x", "--base-url", &url, "--model", "m"];
    let mut child = work.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It is waiting once it has connected; nobody ever answers.
    let (mut stream, _) = listener.accept().unwrap();
    stream.read_exact(&mut [0; 4]).unwrap();
    let started = Instant::now();
    let signal = |name: &str| {
        let sent = std::process::Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    };
    signal("-INT");
    std::thread::sleep(Duration::from_millis(200));
    signal("-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(started.elapsed() < Duration::from_secs(8));
}

#[test]
fn what_cannot_be_had_back_wants_to_be_meant() {
    let work = Work::with_store();
    work.run(&["snapshot", "create", "kept"]).expect(0);
    work.run(&["backup", "create"]).expect(0);
    work.run(&["backup", "create"]).expect(0);
    for arguments in [
        &["snapshot", "drop", "kept"][..],
        &["backup", "prune", "--keep-last", "1"],
        &["backup", "restore", "latest"],
    ] {
        let refused = work.run(arguments).expect(2);
        assert!(refused.stderr.contains("--force") && refused.stdout.is_empty(), "{refused:?}");
        let says = work.run(&[arguments, &["--json"]].concat()).expect(2);
        assert!(says.stderr.contains("\"next_step\""), "{says:?}");
    }
    assert_eq!(work.collection("docs_Alpha").snapshots().unwrap().len(), 1);
    work.run(&["snapshot", "drop", "kept", "--force"]).expect(0);
    assert!(work.collection("docs_Alpha").snapshots().unwrap().is_empty());
    // What can be undone, and what only gives space back, does not ask.
    work.run(&["snapshot", "create", "again"]).expect(0);
    work.run(&["snapshot", "restore", "again"]).expect(0);
    work.run(&["compact"]).expect(0);
}
