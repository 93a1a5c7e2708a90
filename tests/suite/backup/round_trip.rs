//! What comes back is what was there: every moment, every answer, and every file's bytes, times and permissions.

use std::path::Path;

use harness::answers::answers;
use harness::fixture::{self, STORE};
use harness::proof::report;
use harness::sim_disk::SimDisk;
use siltstone::backup::{self, BackupOptions, Extra, Keep, Place, RestoreOptions, restore};
use siltstone::{Compression, Environment, Store};

use super::{Scene, archives, below, create, damage, on, repository, state, touch};

#[test]
fn every_fixture_comes_back_with_the_same_answers_in_place_and_elsewhere() {
    let fixtures: [(&str, SimDisk); 5] = [
        ("basic", fixture::basic(Compression::None)),
        ("zstd", fixture::zstd()),
        ("metrics", fixture::metrics()),
        ("twins", fixture::twins()),
        ("torn tail", fixture::torn_tail()),
    ];
    for (name, disk) in &fixtures {
        let before = state(disk).unwrap();
        for place in [archives(), repository()] {
            let made = create(disk, &place, 1);
            assert!(made.damage.is_empty(), "{name}: {made:?}");
            let checked = backup::verify(&on(disk, 2), &made).unwrap();
            assert!(checked.damage.is_empty() && checked.rows > 0, "{name}: {checked:?}");
            let listed = backup::find(&on(disk, 2), &place, Path::new(STORE), &made.name).unwrap();
            assert_eq!(listed.verified_at_ms, checked.backup.verified_at_ms, "{name}");
            let there = disk.clone_image();
            let elsewhere = RestoreOptions { to: Some("/new".into()), ..Default::default() };
            restore(&on(&there, 3), &made, Path::new(STORE), &elsewhere).unwrap();
            let store = Store::open_in(on(&there, 4), "/new").unwrap();
            assert!(answers(&store).unwrap() == before, "{name}");
            assert_eq!(damage(&on(&there, 4), "/new"), Vec::<String>::new());

            touch(&on(&there, 5)).unwrap();
            assert!(state(&there).unwrap() != before);
            let restored =
                restore(&on(&there, 6), &made, Path::new(STORE), &RestoreOptions::default()).unwrap();
            assert!(restored.safety_copy.is_some(), "{name}");
            assert!(state(&there).unwrap() == before, "{name}");
            assert_eq!(damage(&on(&there, 7), STORE), Vec::<String>::new());
            touch(&on(&there, 8)).unwrap();
        }
    }
}

#[test]
fn a_restore_can_be_undone_and_undone_again() {
    let scene = Scene::new();
    let disk = scene.disk.clone_image();
    let root = Path::new(STORE);
    restore(&on(&disk, 10), &scene.first, root, &RestoreOptions::default()).unwrap();
    assert!(state(&disk).unwrap() == scene.before);
    for round in 0..4 {
        let copies = backup::safety_copies(&on(&disk, 11), root).unwrap();
        assert_eq!(copies.len(), 1, "{copies:?}");
        restore(&on(&disk, 12 + round), &copies[0], root, &RestoreOptions::default()).unwrap();
        let expected = if round % 2 == 0 { &scene.now } else { &scene.before };
        assert!(state(&disk).unwrap() == *expected, "round {round}");
        touch_nothing_is_damaged(&disk, 20 + round);
    }
    // A copy that is let go takes its directories with it, and nothing of the store.
    let files = disk.files().len();
    let copies = backup::safety_copies(&on(&disk, 30), root).unwrap();
    let keep = Keep { last: Some(0), ..Keep::default() };
    let plan = backup::plan_prune(Vec::new(), copies, keep, i64::MAX).unwrap();
    backup::prune(&on(&disk, 31), &archives(), root, &plan).unwrap();
    assert!(disk.files().len() < files);
    assert!(backup::safety_copies(&on(&disk, 32), root).unwrap().is_empty());
    assert!(state(&disk).unwrap() == scene.before);
    touch(&on(&disk, 33)).unwrap();
}

fn touch_nothing_is_damaged(disk: &SimDisk, seed: u64) {
    assert_eq!(damage(&on(disk, seed), STORE), Vec::<String>::new());
}

#[test]
fn one_collection_comes_back_and_the_others_stay() {
    let scene = Scene::new();
    let disk = scene.disk.clone_image();
    touch(&on(&disk, 10)).unwrap();
    let only = RestoreOptions { collection: Some("guide".to_owned()), ..Default::default() };
    let touched = state(&disk).unwrap();
    restore(&on(&disk, 11), &scene.first, Path::new(STORE), &only).unwrap();
    let of = |moments: &[harness::answers::Moment], name: &str| {
        moments.iter().filter(|moment| moment.collection == name).cloned().collect::<Vec<_>>()
    };
    let after = state(&disk).unwrap();
    assert!(of(&after, "guide") == of(&scene.before, "guide"));
    assert!(of(&after, "notes") == of(&touched, "notes") && of(&after, "touched") == of(&touched, "touched"));
    let none = RestoreOptions { collection: Some("none".to_owned()), ..Default::default() };
    restore(&on(&disk, 12), &scene.first, Path::new(STORE), &none).unwrap_err();
    // A writer that waits holds what would be replaced.
    let store = Store::open_in(on(&disk, 13), STORE).unwrap();
    let writer = store.collection("guide").unwrap().writer().unwrap();
    let refused = restore(&on(&disk, 14), &scene.first, Path::new(STORE), &only).unwrap_err();
    assert!(matches!(refused, siltstone::Error::Locked { .. }), "{refused}");
    drop(writer);
    // A handle from before the restore does not write into what is now the safety copy.
    let stale = store.collection("guide").unwrap();
    restore(&on(&disk, 15), &scene.first, Path::new(STORE), &only).unwrap();
    stale.writer().unwrap_err();
    store.collection("guide").unwrap().writer().unwrap();
}

#[test]
fn a_snapshot_can_be_backed_up_alone() {
    let disk = fixture::basic(Compression::Zstd);
    let root = Path::new(STORE);
    for snapshot in ["first", "second"] {
        let options = BackupOptions { snapshot: Some(snapshot.to_owned()), ..Default::default() };
        let made = backup::create(&on(&disk, 1), root, &archives(), &options).unwrap().backup;
        assert!(made.damage.is_empty(), "{made:?}");
        assert_eq!(made.collections, ["guide"]);
        let to = format!("/{snapshot}");
        let elsewhere = RestoreOptions { to: Some((&to).into()), ..Default::default() };
        restore(&on(&disk, 2), &made, root, &elsewhere).unwrap();
        let found = answers(&Store::open_in(on(&disk, 3), &to).unwrap()).unwrap();
        let kept =
            state(&disk).unwrap().into_iter().find(|moment| moment.snapshot.as_deref() == Some(snapshot));
        let kept = kept.unwrap();
        let now = found.iter().find(|moment| moment.snapshot.is_none()).unwrap();
        assert!(now.rows == kept.rows && now.searches == kept.searches, "{snapshot}");
        assert_eq!(damage(&on(&disk, 4), &to), Vec::<String>::new());
        let store = Store::open_in(on(&disk, 5), &to).unwrap();
        store.collection("guide").unwrap().writer().unwrap();
    }
    let options = BackupOptions { snapshot: Some("none".to_owned()), ..Default::default() };
    backup::create(&on(&disk, 1), root, &archives(), &options).unwrap_err();
}

#[test]
fn a_repository_stores_what_backups_share_once_and_prunes_only_what_none_needs() {
    let scene = Scene::new();
    let disk = scene.disk.clone_image();
    let root = Path::new(STORE);
    let add =
        |seed| backup::create(&on(&disk, seed), root, &repository(), &BackupOptions::default()).unwrap();
    let (again, unchanged) = (add(10), add(11));
    let full = again.backup.bytes;
    assert!(unchanged.added_bytes < full / 2, "only the index is added: {} of {full}", unchanged.added_bytes);
    let objects = |disk: &SimDisk| below(disk, "/repository/objects").len();
    let many = objects(&disk);
    let all = backup::list(&on(&disk, 12), &repository()).unwrap();
    let plan =
        backup::plan_prune(all, Vec::new(), Keep { last: Some(1), ..Keep::default() }, i64::MAX).unwrap();
    let pruned = backup::prune(&on(&disk, 13), &repository(), root, &plan).unwrap();
    assert!(pruned.removed == 3 && pruned.freed_bytes > 0 && objects(&disk) < many, "{pruned:?}");
    let left = backup::find(&on(&disk, 14), &repository(), root, "latest").unwrap();
    assert!(backup::verify(&on(&disk, 15), &left).unwrap().damage.is_empty());
    restore(&on(&disk, 16), &left, root, &RestoreOptions::default()).unwrap();
    assert!(state(&disk).unwrap() == scene.now);
    report(format_args!(
        "backup, repository: {many} objects of four backups, {} of the last",
        objects(&disk)
    ));
}

#[test]
fn times_permissions_and_files_beside_the_store_are_kept_and_plain_tar_unpacks_a_store() {
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name);
    fixture::basic(Compression::Zstd).export(scratch.path()).unwrap();
    let (store, environment) = (path("store"), Environment::default());
    let before = answers(&Store::open(&store).unwrap()).unwrap();
    std::fs::write(path("settings.toml"), "x = 1\n").unwrap();
    let segment = std::fs::read_dir(store.join("collections"))
        .unwrap()
        .map(|entry| entry.unwrap().path().join("segment-00000001.seg"))
        .find(|path| path.exists())
        .unwrap();
    let old = std::time::UNIX_EPOCH + std::time::Duration::new(1_234_567_890, 123_456_789);
    let file = std::fs::File::options().write(true).open(&segment).unwrap();
    file.set_times(std::fs::FileTimes::new().set_modified(old)).unwrap();
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    let mode = file.metadata().unwrap().permissions();
    drop(file);

    let place = Place::Directory(path("backups"));
    let extra = |from: &str, to: &str| Extra { from: path(from), path: to.to_owned() };
    let options = BackupOptions {
        extras: vec![extra("settings.toml", "settings.toml"), extra("none", "none")],
        ..Default::default()
    };
    let made = backup::create(&environment, &store, &place, &options).unwrap().backup;
    let to = RestoreOptions { to: Some(path("restored")), ..Default::default() };
    let restored = restore(&environment, &made, &store, &to).unwrap();
    assert_eq!(restored.left, ["settings.toml"]);
    let copy = path("restored").join(segment.strip_prefix(&store).unwrap());
    let metadata = std::fs::metadata(&copy).unwrap();
    assert_eq!((metadata.modified().unwrap(), metadata.permissions()), (old, mode));
    assert_eq!(std::fs::read(&copy).unwrap(), std::fs::read(&segment).unwrap());

    let unpacked = path("unpacked");
    std::fs::create_dir(&unpacked).unwrap();
    let tar = std::process::Command::new("tar")
        .args(["--zstd", "-xf"])
        .arg(&made.path)
        .current_dir(&unpacked)
        .status();
    match tar {
        Ok(status) if status.success() => {
            let store = unpacked.join("vectorstore");
            assert!(answers(&Store::open(&store).unwrap()).unwrap() == before);
            assert_eq!(damage(&environment, &store.display().to_string()), Vec::<String>::new());
            assert_eq!(std::fs::read(unpacked.join("settings.toml")).unwrap(), b"x = 1\n");
            let plain = std::fs::metadata(store.join(segment.strip_prefix(path("store")).unwrap())).unwrap();
            let seconds =
                |at: std::time::SystemTime| at.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
            assert_eq!(seconds(plain.modified().unwrap()), 1_234_567_890);
            report(format_args!("backup, round trip: plain tar unpacked a store with the same answers"));
        }
        other => report(format_args!("backup, round trip: no tar that knows zstd, not tried: {other:?}")),
    }
    let line = std::fs::read_to_string(format!("{}.b3", made.path.display())).unwrap();
    let digest = blake3::hash(&std::fs::read(&made.path).unwrap()).to_hex();
    assert_eq!(line, format!("{digest}  {}.tar.zst\n", made.name));
}
