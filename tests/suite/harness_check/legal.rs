//! What was synced is there, in every image: a disk that breaks its word would accuse an engine that is right.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use harness::rng::Rng;
use harness::sim_disk::{SimDisk, Survivors};
use siltstone::disk::{Disk, Mode};

/// Random work on a few files. Returns what is durable by the rules alone: the bytes of files whose name and content
/// were both synced and not touched since.
fn work(disk: &SimDisk, rng: &mut Rng, steps: usize) -> BTreeMap<PathBuf, Vec<u8>> {
    let names = ["/d/a", "/d/b", "/d/c", "/d/e"].map(PathBuf::from);
    let mut synced: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    let mut durable: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    for _ in 0..steps {
        let path = rng.pick(&names).clone();
        let Ok(file) = disk.open(&path, Mode::Write).or_else(|_| disk.open(&path, Mode::Create)) else {
            continue;
        };
        match rng.below(24) {
            0..5 => {
                let (length, offset) = (1 + rng.index(3000), rng.below(6000));
                file.write_at(&rng.bytes(length), offset).unwrap();
            }
            5 => file.truncate(rng.below(4000)).unwrap(),
            6..16 => {
                file.sync().unwrap();
                let bytes = disk.read_file(&path).unwrap();
                if durable.contains_key(&path) {
                    durable.insert(path.clone(), bytes.clone());
                }
                synced.insert(path, bytes);
                continue;
            }
            16..21 => {
                disk.sync_dir(Path::new("/d")).unwrap();
                durable = synced.clone();
                continue;
            }
            21..23 => {
                let to = rng.pick(&names).clone();
                if to != path {
                    disk.rename(&path, &to).unwrap();
                    [&path, &to]
                        .into_iter()
                        .for_each(|name| drop((synced.remove(name), durable.remove(name))));
                    continue;
                }
            }
            _ => disk.remove(&path).unwrap(),
        }
        synced.remove(&path);
        durable.remove(&path);
    }
    durable
}

#[test]
fn synced_files_are_in_every_crash_image() {
    let mut checked = 0;
    for run in 0..100 {
        let disk = SimDisk::new();
        disk.write_file("/d/old", [9; 5000]).unwrap();
        let durable = work(&disk, &mut Rng::new(run), 40 + run as usize);
        let corners = disk.corners().into_iter();
        for survivors in corners.chain((0..100).map(|seed| Survivors::Random(run * 1000 + seed))) {
            let image = disk.crash_as(survivors);
            assert_eq!(image.read_file("/d/old").unwrap(), [9; 5000]);
            for (path, bytes) in &durable {
                assert!(
                    image.read_file(path).unwrap() == *bytes,
                    "run {run} {survivors:?} {}",
                    path.display()
                );
                checked += 1;
            }
        }
    }
    assert!(checked > 10_000, "{checked} files looked at");
}

#[test]
fn a_synced_prefix_is_whole_whatever_is_appended() {
    let disk = SimDisk::new();
    disk.write_file("/f", b"").unwrap();
    let file = disk.open(Path::new("/f"), Mode::Write).unwrap();
    let mut rng = Rng::new(3);
    let mut durable = Vec::new();
    for commit in 0..100 {
        for _ in 0..3 {
            let length = 1 + rng.index(900);
            file.write_at(&rng.bytes(length), file.len().unwrap()).unwrap();
        }
        for seed in 0..100 {
            let bytes = disk.crash(commit * 100 + seed).read_file("/f").unwrap();
            assert!(bytes.starts_with(&durable), "commit {commit} seed {seed}");
        }
        file.sync().unwrap();
        durable = disk.read_file("/f").unwrap();
    }
}

#[test]
fn everything_and_nothing_are_the_live_and_the_durable_view() {
    for run in 0..50 {
        let disk = SimDisk::new();
        disk.write_file("/d/old", b"old").unwrap();
        work(&disk, &mut Rng::new(run), 60);
        let image = disk.crash_as(Survivors::Everything);
        assert_eq!(image.files(), disk.files());
        assert!(
            disk.files().iter().all(|path| image.read_file(path).unwrap() == disk.read_file(path).unwrap())
        );
        assert_eq!(image.pending(), 0);

        disk.sync_dir(Path::new("/d")).unwrap();
        for path in disk.files() {
            disk.open(&path, Mode::Write).unwrap().sync().unwrap();
        }
        assert_eq!(disk.pending(), 0);
        assert_eq!(disk.crash_as(Survivors::Nothing).files(), disk.files());
    }
}

#[test]
fn a_seed_gives_the_same_image_every_time() {
    let images = || {
        let disk = SimDisk::new();
        disk.write_file("/d/old", b"old").unwrap();
        work(&disk, &mut Rng::new(7), 80);
        let image = |seed| {
            let image: SimDisk = disk.crash(seed);
            image.files().into_iter().map(|path| (image.read_file(&path).unwrap(), path)).collect::<Vec<_>>()
        };
        (0..200).map(image).collect::<Vec<_>>()
    };
    assert!(images() == images());
}

#[test]
fn images_are_disks_of_their_own() {
    let disk = SimDisk::new();
    disk.write_file("/f", b"old").unwrap();
    let file = disk.open(Path::new("/f"), Mode::Write).unwrap();
    let (image, killed, copy) = (disk.crash(0), disk.kill(), disk.clone_image());
    file.write_at(b"new", 0).unwrap();
    file.sync().unwrap();
    for other in [&image, &killed, &copy] {
        assert_eq!(other.read_file("/f").unwrap(), b"old");
        other.write_file("/f", b"theirs").unwrap();
    }
    assert_eq!(disk.read_file("/f").unwrap(), b"new");
}
