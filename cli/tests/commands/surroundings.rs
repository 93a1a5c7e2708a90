//! What goes on around an update: other processes, documents that change while they are read or cannot be read, names that
//! are misspelt, and a disk that fills up.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::harness::{Ended, Work};
use crate::server::Server;

fn pages(work: &Work, framework: &str, count: usize) {
    let folder = work.path().join("docs").join(framework);
    std::fs::create_dir_all(&folder).unwrap();
    for page in 0..count {
        let text =
            format!("# Page {page}\n\nOf {framework} it says {page}. {}\n", "And more of it. ".repeat(20));
        std::fs::write(folder.join(format!("page{page}.md")), text).unwrap();
    }
}

fn configure(work: &Work, server: &Server, more: &str) {
    let config = format!(
        "{more}\n[embedder]\nbase_url = \"{}\"\nmodel = \"scripted\"\ndims = 64\nbatch_size = 8\n\
         [[tree]]\npath = \"docs\"\n",
        server.url
    );
    std::fs::write(work.path().join("siltstone.toml"), config).unwrap();
}

/// Every row of every visible collection: key, vector bits, text.
fn content(work: &Work) -> Vec<(String, Vec<u32>, String)> {
    let store = siltstone::Store::open(work.store()).unwrap();
    let mut all = Vec::new();
    for collection in store.collections().unwrap() {
        let view = collection.view().unwrap();
        for row in view.iter(siltstone::Order::Key).unwrap().map(Result::unwrap) {
            let key = format!("{}/{}", collection.name(), row.key);
            all.push((key, row.vector.iter().map(|x| x.to_bits()).collect(), row.text));
        }
    }
    all
}

#[test]
fn two_processes_update_two_frameworks_at_once() {
    let server = Server::start();
    let (together, one_by_one) = (Work::empty(), Work::empty());
    for work in [&together, &one_by_one] {
        configure(work, &server, "");
        pages(work, "Alpha", 60);
        pages(work, "Beta", 60);
    }
    one_by_one.run(&["update", "--force"]).expect(0);
    let (_, different) = server.counts();
    // The store is there before both begin, as it is every night but the first.
    together.run(&["init"]).expect(0);
    let children: Vec<_> = ["Alpha", "Beta"]
        .map(|name| {
            let mut command = together.command(&["update", "--framework", name, "--force", "--json"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .into_iter()
        .collect();
    for child in children {
        let ended = Ended::of(child.wait_with_output().unwrap()).expect(0);
        assert_eq!(ended.json()["collections"].as_array().unwrap().len(), 1);
    }
    assert!(content(&together) == content(&one_by_one));
    assert_eq!(server.counts(), (2 * different, different));
    together.run(&["health"]).expect(0);
}

#[test]
fn two_updates_a_search_and_a_backup_go_on_at_once() {
    let server = Server::start();
    let (together, one_by_one) = (Work::empty(), Work::empty());
    for work in [&together, &one_by_one] {
        configure(work, &server, "");
        pages(work, "Alpha", 10);
        pages(work, "Beta", 10);
        work.run(&["update", "--force"]).expect(0);
        pages(work, "Alpha", 150);
        pages(work, "Beta", 150);
    }
    one_by_one.run(&["update", "--force"]).expect(0);
    let before = content(&together);
    // Slow enough that all of it meets.
    server.shaped(crate::server::Shape { fixed_ms: 20, per_input_us: 500, lanes: 8 });
    let mut children: Vec<_> = ["Alpha", "Beta"]
        .map(|name| {
            let mut command = together.command(&["update", "--framework", name, "--force"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .into_iter()
        .collect();
    let (mut searches, mut backups) = (0, Vec::new());
    while children.iter_mut().any(|child| child.try_wait().unwrap().is_none()) {
        let found = together.run(&["search", "what does it say", "-k", "3", "--json"]).expect(0);
        assert_eq!(found.json()["hits"].as_array().unwrap().len(), 3, "{found:?}");
        searches += 1;
        let made = together.run(&["backup", "create", "--json"]).expect(0).json();
        let rows = made["backup"]["rows"].as_u64().unwrap();
        // What was paid for and is not yet in its collection is in the backup too.
        assert!((before.len() as u64..=600).contains(&rows), "{made}");
        backups.push(made["backup"]["name"].as_str().unwrap().to_owned());
    }
    for child in children {
        Ended::of(child.wait_with_output().unwrap()).expect(0);
    }
    assert!(content(&together) == content(&one_by_one));
    for name in &backups {
        together.run(&["backup", "verify", name]).expect(0);
    }
    println!("beside two updates: {searches} searches and {} backups", backups.len());
    assert!(searches > 0 && !backups.is_empty());
}

#[test]
fn a_framework_that_is_misspelt_is_answered_with_the_name_that_was_meant() {
    let work = Work::empty();
    pages(&work, "SwiftUI", 2);
    pages(&work, "UIKit", 2);
    std::fs::write(work.path().join("siltstone.toml"), "[[tree]]\npath = \"docs\"\n").unwrap();
    for (name, says) in
        [("SwfitUI", "did you mean SwiftUI?"), ("uikit", "did you mean UIKit?"), ("Foo", "there are: ")]
    {
        let ended = work.run(&["update", "--framework", name]).expect(2);
        assert!(ended.stderr.contains(says), "{name}: {ended:?}");
    }
    work.run(&["update", "--framework", "UIKit"]).expect(0);
    assert_eq!(siltstone::Store::open(work.store()).unwrap().names().unwrap(), ["docs_UIKit"]);
}

#[test]
#[cfg(unix)]
fn a_document_that_cannot_be_read_stays_as_it_was_and_the_run_ends_with_3() {
    let work = Work::empty();
    pages(&work, "Alpha", 5);
    work.run(&["update", "docs/Alpha"]).expect(0);
    let page = work.path().join("docs/Alpha/page2.md");
    std::fs::remove_file(&page).unwrap();
    // A link to itself: nobody can read that, not even root.
    std::os::unix::fs::symlink("page2.md", &page).unwrap();
    let ended = work.run(&["update", "docs/Alpha"]).expect(3);
    assert!(ended.stderr.contains("page2.md: cannot be read"), "{ended:?}");
    assert_eq!(content(&work).len(), 5);
    std::fs::remove_file(&page).unwrap();
    work.run(&["update", "docs/Alpha"]).expect(0);
    assert_eq!(content(&work).len(), 4);
}

#[test]
fn a_document_that_changes_while_it_is_read_ends_as_it_is_in_the_end() {
    let work = Work::empty();
    pages(&work, "Alpha", 20);
    let page = work.path().join("docs/Alpha/page7.md");
    let over = AtomicBool::new(false);
    let ended = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while !over.load(Ordering::SeqCst) {
                number += 1;
                let mut file = std::fs::File::create(&page).unwrap();
                for line in 0..200 {
                    writeln!(file, "Version {number:06} of line {line}.\n").unwrap();
                }
            }
        });
        let ended: Vec<i32> = (0..6).map(|_| work.run(&["update", "docs/Alpha"]).code).collect();
        over.store(true, Ordering::SeqCst);
        ended
    });
    // Taken as it was at some moment, or left for later, and said so.
    assert!(ended.iter().all(|code| [0, 3].contains(code)), "{ended:?}");
    work.run(&["update", "docs/Alpha"]).expect(0);
    let last = std::fs::read_to_string(&page).unwrap();
    let texts: Vec<String> = content(&work)
        .into_iter()
        .filter(|(key, ..)| key.contains("page7"))
        .map(|(_, _, text)| text)
        .collect();
    let version = last.split_whitespace().nth(1).unwrap();
    assert!(
        texts.iter().all(|text| text.contains(version) && !text.contains(&format!("{:06}", 0))),
        "{texts:?}"
    );
    assert!(texts.iter().any(|text| text.contains("of line 199.")));
    work.run(&["health", "--deep-scan"]).expect(0);
}

/// A small file system with the store in it, or a limit to the size of files where none can be mounted.
struct Narrow {
    mounted: Option<std::path::PathBuf>,
}

impl Narrow {
    fn new(folder: std::path::PathBuf) -> Narrow {
        std::fs::create_dir_all(&folder).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=384k", "tmpfs"]).arg(&folder).stderr(Stdio::null());
        let is_mounted = cfg!(target_os = "linux") && mount.status().is_ok_and(|status| status.success());
        Narrow { mounted: is_mounted.then_some(folder) }
    }

    fn widen(&self) {
        if let Some(folder) = &self.mounted {
            let done = Command::new("mount").args(["-o", "remount,size=64m"]).arg(folder).status();
            assert!(done.unwrap().success());
        }
    }
}

impl Drop for Narrow {
    fn drop(&mut self) {
        if let Some(folder) = &self.mounted {
            let _ = Command::new("umount").arg(folder).status();
        }
    }
}

#[test]
#[cfg(unix)]
fn a_disk_that_fills_up_loses_nothing_that_was_paid_but_what_is_in_flight() {
    let server = Server::start();
    let undisturbed = Work::empty();
    configure(&undisturbed, &server, "");
    pages(&undisturbed, "Alpha", 600);
    undisturbed.run(&["update", "--force"]).expect(0);
    let (first, different) = server.counts();

    let work = Work::empty();
    configure(&work, &server, "store = \"narrow/vectorstore\"");
    pages(&work, "Alpha", 600);
    let narrow = Narrow::new(work.path().join("narrow"));
    let arguments = ["update", "--force", "--json", "--concurrency", "2"];
    let ended = match narrow.mounted {
        Some(_) => work.run(&arguments),
        // A file that would grow larger is refused; the signal that goes with it is ignored.
        None => {
            let mut shell = Command::new("sh");
            let script = "trap '' XFSZ; ulimit -f 256; exec \"$0\" \"$@\"";
            shell
                .args(["-c", script, env!("CARGO_BIN_EXE_siltstone")])
                .args(arguments)
                .current_dir(work.path());
            Ended::of(shell.stdin(Stdio::null()).env_remove("OPENAI_API_KEY").output().unwrap())
        }
    };
    let ended = ended.expect(1);
    assert!(ended.stdout.contains("next_step"), "{ended:?}");
    let (in_vain, _) = server.counts();
    narrow.widen();
    work.run(&arguments).expect(0);
    let (embedded, _) = server.counts();
    let again = embedded - first - different;
    println!(
        "{} full after {} texts; {again} of {different} texts embedded twice",
        if narrow.mounted.is_some() { "a small file system was" } else { "a limit to files was" },
        in_vain - first
    );
    // Two requests of eight texts.
    assert!(again <= 16, "{again}");
    let rows = |store: std::path::PathBuf| {
        let store = siltstone::Store::open(store).unwrap();
        let view = store.collection("docs_Alpha").unwrap().view().unwrap();
        let rows = view.iter(siltstone::Order::Key).unwrap().map(Result::unwrap);
        rows.map(|row| (row.key.to_owned(), row.vector.to_vec(), row.text)).collect::<Vec<_>>()
    };
    assert!(rows(work.path().join("narrow/vectorstore")) == rows(undisturbed.store()));
}
