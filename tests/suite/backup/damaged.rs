//! Damaged backups, and backups of damaged stores.

use std::path::Path;

use harness::fixture::{self, STORE};
use harness::proof::{each, effort, report};
use siltstone::backup::{self, BackupOptions, RestoreOptions, restore};
use siltstone::{Compression, Error};

use super::{BACKUPS, Scene, archives, create, on, repository, state};

/// Flips one bit of a backup's file, and checks that verification names the damage and that nothing is restored.
fn is_refused(
    disk: &harness::sim_disk::SimDisk,
    file: &Path,
    which: &Path,
    at: usize,
) -> Result<String, String> {
    let disk = disk.clone_image();
    let mut bytes = disk.read_file(file).unwrap();
    bytes[at] ^= 1 << (at % 8);
    disk.write_file(file, bytes).unwrap();
    let environment = &on(&disk, 30);
    let (before, files) = (state(&disk).unwrap(), disk.files());
    let place = if which.starts_with(BACKUPS) { archives() } else { repository() };
    let found = backup::find(environment, &place, Path::new(STORE), &which.display().to_string())
        .map_err(|error| format!("find: {error}"))?;
    for to in [None, Some("/elsewhere".into())] {
        match restore(environment, &found, Path::new(STORE), &RestoreOptions { to, collection: None }) {
            Err(error) if error.is_damage() => {}
            // A flipped version is indistinguishable from a newer one only where its digest agrees; it does not.
            Err(error) => return Err(format!("restore: {error}")),
            Ok(_) => return Err("it was restored".to_owned()),
        }
    }
    if state(&disk).unwrap() != before {
        return Err("the store is another".to_owned());
    }
    let litter: Vec<_> = disk.files().into_iter().filter(|file| !files.contains(file)).collect();
    if litter.iter().any(|file| file.file_name().is_none_or(|name| name != "lock")) {
        return Err(format!("something was restored: {litter:?}"));
    }
    match backup::verify(environment, &found) {
        Ok(found) if found.damage.len() == 1 => Ok(found.damage.into_iter().next().unwrap()),
        Ok(found) => Err(format!("{:?}", found.damage)),
        Err(error) => Err(format!("verify: {error}")),
    }
}

#[test]
fn every_flipped_byte_of_an_archive_is_found_named_and_nothing_is_restored() {
    let disk = fixture::basic(Compression::Zstd);
    let made = create(&disk, &archives(), 1);
    let length = disk.read_file(&made.path).unwrap().len();
    let places: Vec<usize> = (0..length).step_by(effort(7, 1)).collect();
    let found = each(&places, |&at| {
        is_refused(&disk, &made.path, &made.path, at).map_err(|e| format!("byte {at}: {e}"))
    });
    let found = found.unwrap_or_else(|error| panic!("{error}"));
    let named = |name: &str| found.iter().filter(|text| text.contains(name)).count();
    let whole = named("the archive as a whole");
    for text in &found {
        assert!(text.contains("at byte") && text.contains("member should be"), "{text}");
    }
    assert!(
        named("segment-00000001.seg") > 10 && named("backup.json") > 10 && whole * 50 < found.len(),
        "{whole}"
    );
    report(format_args!(
        "backup, damage: {} flipped bytes of an archive of {length}, all refused; {} in the index, {} in segments, {whole} \
         that change no member",
        found.len(),
        named("backup.json"),
        named(".seg"),
    ));
}

#[test]
fn every_flipped_byte_of_a_repository_is_found() {
    let disk = fixture::basic(Compression::Zstd);
    let made = create(&disk, &repository(), 1);
    let mut count = 0;
    for file in disk.files() {
        let is_object = file.starts_with("/repository/objects");
        if !is_object && file != made.path {
            continue;
        }
        let length = disk.read_file(&file).unwrap().len();
        let places: Vec<usize> = (0..length).step_by(effort(23, 1)).collect();
        let found = each(&places, |&at| {
            match is_refused(&disk, &file, &made.path, at) {
                Ok(text) => Ok(text),
                // An index that cannot be read is refused before anything is asked of it.
                Err(error) if !is_object && error.contains("is damaged") => Ok(error),
                // Bits that the decoder does not look at: the content is as it was, and that is what counts.
                Err(error) if is_object && error.contains("it was restored") => Ok(error),
                Err(error) => Err(format!("{} byte {at}: {error}", file.display())),
            }
        });
        count += found.unwrap_or_else(|error| panic!("{error}")).len();
    }
    report(format_args!("backup, damage: {count} flipped bytes of a repository, none gives another store"));
}

#[test]
fn an_archive_that_is_cut_or_goes_on_is_refused() {
    let disk = fixture::basic(Compression::Zstd);
    let made = create(&disk, &archives(), 1);
    let whole = disk.read_file(&made.path).unwrap();
    let root = Path::new(STORE);
    let lengths: Vec<usize> = (0..whole.len()).step_by(effort(97, 1)).collect();
    for &length in lengths.iter().chain([&(whole.len() + 1), &(whole.len() + 700)]) {
        let mut bytes = whole.clone();
        bytes.resize(length, 0);
        disk.write_file(&made.path, bytes).unwrap();
        // Its digest is gone with it: the archive speaks for itself.
        let _ = disk.remove_file(format!("{}.b3", made.path.display()));
        let info = backup::find(&on(&disk, 2), &archives(), root, &made.name).unwrap();
        let refused = restore(&on(&disk, 2), &info, root, &RestoreOptions::default()).unwrap_err();
        assert!(refused.is_damage(), "{length} bytes: {refused}");
    }
    report(format_args!(
        "backup, damage: {} lengths of an archive of {}, all refused",
        lengths.len() + 2,
        whole.len()
    ));
}

#[test]
fn a_backup_of_a_damaged_store_says_so_and_latest_passes_it_by() {
    let scene = Scene::new();
    let disk = scene.disk.clone_image();
    let segment = fixture::open_segment(&disk);
    let pristine = state(&disk).unwrap();
    let mut bytes = disk.read_file(&segment).unwrap();
    bytes[4096 + 300] ^= 1;
    disk.write_file(&segment, bytes).unwrap();
    let root = Path::new(STORE);
    for (place, to) in [(archives(), "/again"), (repository(), "/once-more")] {
        let good = backup::find(&on(&disk, 5), &place, root, "latest").unwrap();
        let marked = backup::create(&on(&disk, 6), root, &place, &BackupOptions::default()).unwrap().backup;
        assert!(!marked.damage.is_empty() && marked.name.ends_with("_damaged"), "{marked:?}");
        assert!(marked.damage[0].contains("segment-0000000"), "{marked:?}");
        assert_eq!(backup::find(&on(&disk, 7), &place, root, "latest").unwrap(), good);
        // It has all that there was: asked for by name, it comes back as it was, and says what is wrong.
        let options = RestoreOptions { to: Some(to.into()), ..RestoreOptions::default() };
        let restored = restore(&on(&disk, 8), &marked, root, &options).unwrap();
        assert_eq!(restored.damage, marked.damage);
    }
    // The latest sound one brings the store back.
    let latest = backup::find(&on(&disk, 9), &archives(), root, "latest").unwrap();
    restore(&on(&disk, 10), &latest, root, &RestoreOptions::default()).unwrap();
    assert!(state(&disk).unwrap() == pristine);
}

#[test]
fn a_newer_backup_says_so() {
    let disk = fixture::basic(Compression::Zstd);
    let made = create(&disk, &repository(), 1);
    let text = String::from_utf8(disk.read_file(&made.path).unwrap()).unwrap();
    let newer = text.replacen("\"version\": 1", "\"version\": 2", 1);
    let body = newer.rsplit_once(",\n  \"blake3\"").unwrap().0;
    let digest = blake3::hash(body.as_bytes()).to_hex();
    disk.write_file(&made.path, format!("{body},\n  \"blake3\": \"{digest}\"\n}}\n")).unwrap();
    let info = backup::find(&on(&disk, 2), &repository(), Path::new(STORE), &made.name).unwrap();
    let refused = restore(&on(&disk, 2), &info, Path::new(STORE), &RestoreOptions::default()).unwrap_err();
    assert!(matches!(refused, Error::NewerFormat { .. }), "{refused}");
    assert!(refused.to_string().contains("newer version"), "{refused}");
}
