//! `siltstone backup`, as the guide's daily and emergency sections use it, with plain tar and b3sum beside it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use siltstone::{Depth, Environment, Order, Record, Store};

use crate::harness::{DIMS, Work, flip, segments};

/// Key and text of every row of every collection.
fn rows(store: &Path) -> Vec<(String, String)> {
    let store = Store::open(store).unwrap();
    let mut rows = Vec::new();
    for collection in store.collections().unwrap() {
        let view = collection.view().unwrap();
        rows.extend(view.iter(Order::Key).unwrap().map(|row| {
            let row = row.unwrap();
            (format!("{}/{}", collection.name(), row.key), row.text)
        }));
    }
    rows
}

fn add(work: &Work, key: &str) {
    let mut writer = work.collection("docs_Alpha").writer().unwrap();
    let vector = vec![0.5; DIMS as usize];
    writer.upsert(Record::new(key, &vector).text("Added later.")).unwrap();
    writer.commit().unwrap();
}

fn created(work: &Work) -> Value {
    work.run(&["backup", "create", "--json"]).expect(0).json()
}

fn path_of(made: &Value) -> PathBuf {
    made["backup"]["path"].as_str().unwrap().into()
}

#[test]
fn the_guides_commands_back_up_verify_list_and_restore() {
    let work = Work::with_store();
    std::fs::write(work.path().join("siltstone.toml"), "backups = \"backups\"\n").unwrap();
    std::fs::write(work.path().join(".env"), "OPENAI_API_KEY=sk-secret\n").unwrap();
    std::fs::create_dir(work.path().join("logs")).unwrap();
    std::fs::write(work.path().join("logs/history.jsonl"), "{}\n").unwrap();
    std::fs::write(work.path().join("logs/key.txt"), "sk-secret\n").unwrap();
    let before = rows(&work.store());
    let made = created(&work);
    assert_eq!(made["backup"]["rows"], 40, "{made}");
    add(&work, "later");

    work.run(&["backup", "verify", "latest"]).expect(0);
    let listed = work.run(&["backup", "list", "--json"]).expect(0).json();
    assert_eq!(listed["backups"].as_array().unwrap().len(), 1);
    assert!(listed["backups"][0]["verified_at_ms"].is_number(), "{listed}");
    let shown = work.run(&["backup", "list"]).expect(0).stdout;
    assert!(shown.contains("backup_") && shown.contains("good"), "{shown}");

    // Unattended, a restore in place wants to be meant.
    let refused = work.run(&["backup", "restore", "latest"]).expect(2);
    assert!(refused.stderr.contains("--force"), "{refused:?}");
    assert_ne!(rows(&work.store()), before);
    let restored = work.run(&["backup", "restore", "latest", "--force"]).expect(0);
    assert!(restored.stderr.contains("to undo: siltstone backup restore safety_"), "{restored:?}");
    assert_eq!(rows(&work.store()), before);
    work.run(&["health", "--deep-scan", "--json"]).expect(0);

    // And back again, by the command that was suggested.
    let undo = restored.stderr.split("to undo: siltstone ").nth(1).unwrap().lines().next().unwrap();
    work.run(&undo.split(' ').collect::<Vec<_>>()).expect(0);
    assert_eq!(rows(&work.store()).len(), before.len() + 1);

    // The store is lost altogether.
    std::fs::remove_dir_all(work.store()).unwrap();
    work.run(&["health"]).expect(10);
    work.run(&["backup", "restore", "latest"]).expect(0);
    assert_eq!(rows(&work.store()), before);
    let elsewhere = work.run(&["backup", "restore", "latest", "--to", "copy", "--json"]).expect(0).json();
    assert_eq!(elsewhere["left"], serde_json::json!([]));
    assert_eq!(elsewhere["beside"].as_array().unwrap().len(), 2, "{elsewhere}");
    assert_eq!(rows(&work.path().join("copy")), before);
    work.run(&["backup", "restore", "latest", "--to", "copy"]).expect(1);
}

#[test]
fn plain_tools_unpack_and_check_an_archive() {
    let work = Work::with_store();
    let before = rows(&work.store());
    let archive = path_of(&created(&work));
    let target = work.path().join("unpacked");
    std::fs::create_dir(&target).unwrap();
    let tar = Command::new("tar").args(["--zstd", "-xf"]).arg(&archive).current_dir(&target).status();
    if tar.is_ok_and(|status| status.success()) {
        assert_eq!(rows(&target.join("vectorstore")), before);
        let health = work.command(&["health", "--deep-scan"]).current_dir(&target).status().unwrap();
        assert_eq!(health.code(), Some(0));
        let list = Command::new("tar").args(["--zstd", "-tf"]).arg(&archive).output().unwrap();
        assert!(String::from_utf8(list.stdout).unwrap().starts_with("backup.json\n"));
    } else {
        println!("not tried: there is no tar that knows zstd");
    }
    let sum = format!("{}.b3", archive.file_name().unwrap().to_string_lossy());
    match Command::new("b3sum").args(["-c", &sum]).current_dir(archive.parent().unwrap()).status() {
        Ok(status) => assert!(status.success()),
        Err(_) => println!("not tried: there is no b3sum"),
    }
}

#[test]
fn a_damaged_backup_is_named_and_latest_takes_the_one_before() {
    let work = Work::with_store();
    let first = path_of(&created(&work));
    add(&work, "later");
    let second = path_of(&created(&work));
    assert_ne!(first, second);
    let middle = std::fs::read(&second).unwrap().len() / 2;
    flip(&second, middle);
    let before = rows(&work.store());
    let refused = work.run(&["backup", "restore", "latest", "--force"]).expect(3);
    assert!(
        refused.stderr.contains("member should be vectorstore/") && refused.stderr.contains("at byte"),
        "{refused:?}"
    );
    assert!(refused.stderr.contains("choose another backup"), "{refused:?}");
    assert_eq!(rows(&work.store()), before);
    let found = work.run(&["backup", "verify", "latest", "--json"]).expect(3).json();
    assert_eq!((&found["sound"], found["damage"].as_array().unwrap().len()), (&Value::Bool(false), 1));
    // Known by now.
    work.run(&["backup", "restore", "latest", "--force"]).expect(0);
    assert_eq!(rows(&work.store()).len(), 40);
    work.run(&["backup", "verify", "none"]).expect(1);
}

#[test]
fn a_backup_of_a_damaged_store_is_marked() {
    let work = Work::with_store();
    let good = created(&work);
    let segment = segments(&work.collection("docs_Alpha"))[0].clone();
    flip(&segment, 4096 + 300);
    let marked = work.run(&["backup", "create", "--json"]).expect(3).json();
    assert!(marked["backup"]["name"].as_str().unwrap().ends_with("_damaged"), "{marked}");
    // What `latest` gives is sound, but it is not the newest.
    let found = work.run(&["backup", "verify", "latest", "--json"]).expect(3).json();
    assert_eq!(found["backup"]["name"], good["backup"]["name"]);
    assert_eq!(
        (&found["sound"], &found["passed_over"][0]["name"]),
        (&Value::Bool(true), &marked["backup"]["name"])
    );
    work.run(&["backup", "restore", "latest", "--force"]).expect(0);
    work.run(&["health", "--deep-scan"]).expect(0);
}

#[test]
fn a_backup_of_a_snapshot_is_never_the_latest_and_protects_nothing_from_a_prune() {
    let work = Work::with_store();
    let before = rows(&work.store());
    work.run(&["snapshot", "create", "cut"]).expect(0);
    add(&work, "later");
    let after = rows(&work.store());
    for place in [&[][..], &["--repository", "repo"]] {
        let run = |arguments: &[&str]| work.run(&[arguments, place].concat());
        let whole = run(&["backup", "create", "--json"]).expect(0).json()["backup"]["name"].clone();
        let made = run(&["backup", "create", "--snapshot", "cut", "--json"]).expect(0).json();
        assert_eq!(made["backup"]["snapshot"], "cut", "{made}");
        let cut = made["backup"]["name"].as_str().unwrap();
        assert!(run(&["backup", "list"]).expect(0).stdout.contains("of snapshot cut"));

        let verified = run(&["backup", "verify", "latest", "--json"]).expect(0);
        assert!(verified.stderr.contains(&format!("passes over {cut}, which is of snapshot cut")));
        let verified = verified.json();
        assert_eq!((&verified["backup"]["name"], &verified["passed_over"][0]["name"]), (&whole, &cut.into()));
        run(&["backup", "verify", cut]).expect(0);

        // The state of the store is what must survive, whatever else is let go.
        let plan = run(&["backup", "prune", "--keep-days", "0", "--dry-run", "--json"]).expect(0).json();
        assert!(plan["kept"].as_array().unwrap().iter().any(|one| one["name"] == whole), "{plan}");
        assert!(plan["removed"].as_array().unwrap().iter().any(|one| one["name"] == cut), "{plan}");
        let plan = run(&["backup", "prune", "--keep-last", "1", "--dry-run", "--json"]).expect(0).json();
        assert!(plan["kept"].as_array().unwrap().iter().any(|one| one["name"] == whole), "{plan}");

        run(&["backup", "restore", cut, "--force"]).expect(0);
        assert_eq!(rows(&work.store()), before);
        let restored = run(&["backup", "restore", "latest", "--force"]).expect(0);
        assert!(restored.stderr.contains("of snapshot cut"), "{restored:?}");
        assert_eq!(rows(&work.store()), after);
    }
}

#[test]
fn a_newest_backup_that_cannot_be_read_is_never_passed_over_in_silence() {
    let work = Work::with_store();
    for place in [&[][..], &["--repository", "repo"]] {
        let run = |arguments: &[&str]| work.run(&[arguments, place].concat());
        let cut = |made: &Value| std::fs::write(work.path().join(path_of(made)), b"{\"form").unwrap();
        let first = run(&["backup", "create", "--json"]).expect(0).json();
        let second = run(&["backup", "create", "--json"]).expect(0).json();
        let name = second["backup"]["name"].as_str().unwrap();
        run(&["backup", "verify", "latest"]).expect(0);
        cut(&second);
        let verified = run(&["backup", "verify", "latest"]).expect(3);
        assert!(verified.stdout.contains(first["backup"]["name"].as_str().unwrap()), "{verified:?}");
        assert!(verified.stderr.contains(&format!("passes over {name}, which is damaged: ")), "{verified:?}");
        let found = run(&["backup", "verify", "latest", "--json"]).expect(3).json();
        assert_eq!(found["passed_over"].as_array().unwrap().len(), 1, "{found}");
        assert_eq!((&found["sound"], &found["passed_over"][0]["name"]), (&Value::Bool(true), &name.into()));
        let restored = run(&["backup", "restore", "latest", "--force", "--json"]).expect(0);
        assert!(restored.stderr.contains(&format!("passes over {name}")), "{restored:?}");
        assert_eq!(restored.json()["passed_over"][0]["name"], name);
        // Asked for by name, the sound one is no concern of the others.
        run(&["backup", "verify", first["backup"]["name"].as_str().unwrap()]).expect(0);
        cut(&first);
        let verified = run(&["backup", "verify", "latest"]).expect(3);
        assert!(verified.stderr.contains("none of the 2"), "{verified:?}");
    }
}

#[test]
fn a_repository_serves_every_command() {
    let work = Work::with_store();
    let before = rows(&work.store());
    let repository = ["--repository", "repo"];
    let run = |arguments: &[&str]| work.run(&[arguments, &repository].concat());
    run(&["backup", "create"]).expect(0);
    add(&work, "later");
    let second = run(&["backup", "create", "--json"]).expect(0).json();
    assert!(second["added_bytes"].as_u64() < second["backup"]["bytes"].as_u64(), "{second}");
    let listed = run(&["backup", "list", "--json"]).expect(0).json();
    let first = listed["backups"][0]["name"].as_str().unwrap().to_owned();
    run(&["backup", "verify", "latest"]).expect(0);
    run(&["backup", "restore", &first, "--force"]).expect(0);
    assert_eq!(rows(&work.store()), before);
    run(&["backup", "prune", "--keep-last", "1"]).expect(2);
    run(&["backup", "prune"]).expect(2);
    let plan = run(&["backup", "prune", "--keep-last", "1", "--dry-run", "--json"]).expect(0).json();
    assert_eq!(plan["removed"].as_array().unwrap().len(), 1, "{plan}");
    let pruned = run(&["backup", "prune", "--keep-last", "1", "--force", "--json"]).expect(0).json();
    assert!(pruned["freed_bytes"].as_u64().unwrap() > 0, "{pruned}");
    run(&["backup", "verify", "latest"]).expect(0);
    work.run(&["backup", "list", "--repository", "vectorstore"]).expect(0);
    work.run(&["backup", "create", "--repository", "vectorstore"]).expect(1);
}

#[test]
fn one_collection_is_restored_and_a_held_one_is_not_touched() {
    let work = Work::with_store();
    created(&work);
    add(&work, "later");
    let only = ["backup", "restore", "latest", "--collection", "docs_Alpha", "--force"];
    let writer = work.collection("docs_Alpha").writer().unwrap();
    let refused = work.run(&only).expect(11);
    assert!(refused.stderr.contains("is held by"), "{refused:?}");
    drop(writer);
    work.run(&only).expect(0);
    assert_eq!(rows(&work.store()).len(), 40);
    work.run(&["backup", "restore", "latest", "--collection", "none", "--force"]).expect(2);
}

/// A small deterministic generator (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// Runs a command and kills it after a random part of the time that it usually takes; says whether it died.
fn killed(work: &Work, arguments: &[&str], usual: Duration, random: &mut Random) -> bool {
    let mut child = work
        .command(arguments)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_micros(random.below(usual.as_micros() as u64 + 1)));
    let _ = child.kill();
    !child.wait().unwrap().success()
}

#[test]
fn kill_9_leaves_the_old_state_or_the_new_and_only_whole_backups() {
    let wanted = if std::env::var("SILTSTONE_PROOF").is_ok_and(|mode| mode == "full") { 400 } else { 24 };
    let work = Work::with_store();
    let old = rows(&work.store());
    let first = path_of(&created(&work));
    let first = first.to_str().unwrap();
    add(&work, "later");
    let new = rows(&work.store());
    let mut random = Random(11);
    let commands: [&[&str]; 4] = [
        &["backup", "create"],
        &["backup", "create", "--repository", "repo"],
        &["backup", "restore", first, "--force"],
        &["backup", "restore", "latest", "--force"],
    ];
    let started = Instant::now();
    work.run(commands[0]).expect(0);
    let usual = started.elapsed() * 2;
    let mut counts = [0; 4];
    for round in 0..wanted {
        let which = round % commands.len();
        counts[which] += usize::from(killed(&work, commands[which], usual, &mut random));
        let found = rows(&work.store());
        assert!(found == old || found == new, "after kill {round}");
        let environment = Environment::default();
        let report = siltstone::verify(&environment, &work.store(), Depth::Deep, None).unwrap();
        assert!(!report.is_damaged(), "{:?}", report.findings);
        for place in ["backups", "repo"].map(|name| work.path().join(name)) {
            let place = match place.ends_with("repo") {
                true => siltstone::backup::Place::Repository(place),
                false => siltstone::backup::Place::Directory(place),
            };
            // A repository that was only begun has no mark yet, and is not one.
            for info in siltstone::backup::list(&environment, &place).unwrap_or_default() {
                assert!(info.is_sound(), "{info:?}");
            }
        }
        if found == old {
            add(&work, "later");
        }
    }
    work.run(&["backup", "verify", "latest"]).expect(0);
    work.run(&["backup", "create"]).expect(0);
    work.run(&["backup", "create", "--repository", "repo"]).expect(0);
    work.run(&["backup", "verify", "latest", "--repository", "repo"]).expect(0);
    work.run(&["backup", "prune", "--keep-last", "1", "--force"]).expect(0);
    let left: Vec<String> = std::fs::read_dir(work.path().join("backups"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".tmp") || name.starts_with('.'))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    println!(
        "backup, kill -9: {counts:?} of {wanted} runs died (create, create in a repository, restore, restore latest)"
    );
}

/// Every backup of a place that there is, as the binary lists it.
fn listed(work: &Work, place: &[&str]) -> Vec<String> {
    let list = work.run(&[&["backup", "list", "--json"], place].concat()).expect(0).json();
    let backups = list["backups"].as_array().unwrap().iter();
    let backups = backups.filter(|one| one["kind"] != "safety");
    backups.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn kill_9_of_a_prune_leaves_whole_backups_and_the_newest_always() {
    let wanted = if std::env::var("SILTSTONE_PROOF").is_ok_and(|mode| mode == "full") { 200 } else { 16 };
    let work = Work::with_store();
    let places: [&[&str]; 2] = [&[], &["--repository", "repo"]];
    let prune =
        |place: &[&'static str]| [&["backup", "prune", "--keep-last", "1", "--force"], place].concat();
    let create = |place: &[&str]| {
        for _ in 0..4 {
            work.run(&[&["backup", "create"], place].concat()).expect(0);
        }
    };
    let mut random = Random(13);
    let mut usual = Duration::ZERO;
    for place in places {
        create(place);
        let started = Instant::now();
        work.run(&prune(place)).expect(0);
        usual = usual.max(started.elapsed());
    }
    let (mut died, mut halfway, mut checked) = (0, 0, 0);
    for round in 0..wanted {
        let place = places[round % 2];
        create(place);
        let before = listed(&work, place);
        died += usize::from(killed(&work, &prune(place), usual, &mut random));
        let left = listed(&work, place);
        assert_eq!(left.last(), before.last(), "round {round}: the newest is gone");
        assert!(left.iter().all(|name| before.contains(name)), "round {round}: {left:?}");
        halfway += usize::from(left.len() > 1 && left.len() < before.len());
        // The newest and the oldest that is left are read to their last byte, and restored for trial.
        for name in [left.first(), left.last()].into_iter().flatten() {
            work.run(&[&["backup", "verify", name], place].concat()).expect(0);
            checked += 1;
        }
        // The next one ends what the killed one began.
        work.run(&prune(place)).expect(0);
        assert_eq!(listed(&work, place).len(), 1, "round {round}");
        work.run(&[&["backup", "verify", "latest"], place].concat()).expect(0);
    }
    println!(
        "backup prune, kill -9: {died} of {wanted} runs died, {halfway} halfway; {checked} backups verified"
    );
}

#[test]
fn what_lies_beside_the_store_comes_back_when_it_is_lost_and_never_replaces_what_is_newer() {
    let work = crate::health::with_documents();
    let write = |path: &str, text: &str| std::fs::write(work.path().join(path), text).unwrap();
    let read = |path: &str| std::fs::read_to_string(work.path().join(path)).unwrap();
    write("logs/requests.jsonl", "{\"event\":\"old\"}\n");
    let (config, sources) = (read("siltstone.toml"), read("vectorstore/sources.json"));
    created(&work);

    // In place: newer ledgers and lists stay.
    write("logs/requests.jsonl", "{\"event\":\"old\"}\n{\"event\":\"newer\"}\n");
    let restored = work.run(&["backup", "restore", "latest", "--force", "--json"]).expect(0).json();
    assert_eq!(restored["beside"], serde_json::json!([]), "{restored}");
    assert!(restored["left"].to_string().contains("logs/requests.jsonl"), "{restored}");
    assert!(read("logs/requests.jsonl").contains("newer"));

    // The machine is lost, all but its backups.
    for gone in ["logs", "vectorstore"] {
        std::fs::remove_dir_all(work.path().join(gone)).unwrap();
    }
    std::fs::remove_file(work.path().join("siltstone.toml")).unwrap();
    let restored = work.run(&["backup", "restore", "latest", "--json"]).expect(0).json();
    assert!(restored["beside"].to_string().contains("logs/requests.jsonl"), "{restored}");
    assert_eq!(read("logs/requests.jsonl"), "{\"event\":\"old\"}\n");
    assert_eq!((read("siltstone.toml"), read("vectorstore/sources.json")), (config.clone(), sources.clone()));
    // What was embedded is known to be, and the last commit has its time.
    work.run(&["health"]).expect(0);
    let status = work.run(&["status", "--json"]).expect(0).json();
    assert!(status["collections"][0]["last_commit_ms"].is_number(), "{status}");

    // The list of sources alone.
    std::fs::remove_file(work.store().join("sources.json")).unwrap();
    work.run(&["backup", "restore", "latest", "--force"]).expect(0);
    assert_eq!(read("vectorstore/sources.json"), sources);
    let status = work.run(&["status", "--json"]).expect(0).json();
    assert!(status["collections"][0]["last_commit_ms"].is_number(), "{status}");

    // Elsewhere: all of it, beside nothing that is there.
    std::fs::create_dir(work.path().join("new")).unwrap();
    work.run(&["backup", "restore", "latest", "--to", "new/copy"]).expect(0);
    assert_eq!(read("new/copy/sources.json"), sources);
    assert_eq!(read("new/copy.beside/siltstone.toml"), config);
    assert_eq!(read("new/copy.beside/logs/requests.jsonl"), "{\"event\":\"old\"}\n");
    work.run(&["--store", "new/copy", "health"]).expect(0);
}

#[cfg(unix)]
#[test]
fn an_interrupted_backup_ends_as_such_and_leaves_nothing() {
    let work = Work::with_store();
    let mut interrupted = 0;
    for round in 0..40u64 {
        let child = work.command(&["backup", "create"]).stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(500 * round));
        let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        let status = child.wait_with_output().unwrap().status;
        // Before the signals are caught, the process dies of it; after that it ends by itself.
        interrupted += usize::from(status.code() == Some(130));
        assert!(matches!(status.code(), None | Some(0 | 130)), "{status}");
        if status.code().is_some() {
            let left = std::fs::read_dir(work.path().join("backups")).into_iter().flatten().flatten();
            let left: Vec<_> = left.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
            assert!(left.iter().all(|name| !name.ends_with(".tmp") && !name.starts_with('.')), "{left:?}");
        }
    }
    println!("backup, SIGTERM: {interrupted} of 40 runs were interrupted, none left anything");
}

/// Hundreds of segments, and a system that lets a process have a hundred files open.
#[test]
#[cfg(unix)]
fn a_backup_of_many_segments_keeps_to_the_files_it_may_have_open() {
    let work = Work::with_store();
    for name in ["docs_Alpha", "docs_Beta"] {
        let mut writer = work.collection(name).writer().unwrap();
        for row in 0..90 {
            let key = format!("many/{row}#0");
            writer.upsert(siltstone::Record::new(&key, &crate::harness::unit(row % 32))).unwrap();
            writer.commit().unwrap();
            writer.seal().unwrap();
        }
    }
    for arguments in ["backup create", "backup create --repository repository", "backup verify latest"] {
        let line = format!("ulimit -n 100 && exec {} {arguments}", env!("CARGO_BIN_EXE_siltstone"));
        let output = std::process::Command::new("sh").args(["-c", &line]).current_dir(work.path()).output();
        let ended = crate::harness::Ended::of(output.unwrap());
        assert_eq!(ended.code, 0, "{arguments}: {ended:?}");
    }
}
