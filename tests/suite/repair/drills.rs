//! Damage drills, each named by its fault: what verification finds, what a repair would do, what it did and what it cost,
//! as text that was reviewed and is compared to the letter. `SILTSTONE_DRILLS=write` writes the texts anew, for review.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use harness::anatomy::Part;
use harness::attack::verified;
use harness::damage::{Damage, Piece};
use harness::fixture::{self, STORE, later_environment};
use harness::proof::report;
use harness::sim_disk::SimDisk;
use siltstone::{Compression, Remedy, RepairItem, plan_repair};

use super::interrupted::{OPEN, SEALED, frozen, guide, part, rows, zero};
use super::{is_sound, repaired};

/// The sector that holds an offset.
fn sector(path: PathBuf, offset: u64) -> Damage {
    Damage::Zero(Piece { path, offset: offset / 512 * 512, length: 512 })
}

fn zeroed_sector(disk: &SimDisk, segment: &str, wanted: impl Fn(&Part) -> bool) -> Damage {
    let (path, offset, length) = part(disk, segment, wanted);
    sector(path, offset + length / 2)
}

/// A sector that holds nothing but zeros and the trailer of a frame that others follow.
fn zeroed_trailer(disk: &SimDisk) -> Damage {
    let found = [SEALED, OPEN].into_iter().find_map(|segment| {
        let path = guide(disk, segment);
        let anatomy = harness::anatomy::dissect(&path, &disk.read_file(&path).unwrap());
        let (_, followed) = anatomy.frames.split_last()?;
        let frame = followed
            .iter()
            .find(|frame| frame.bytes.end - 512 >= frame.bytes.start + frame.geometry.zeros as u64)?;
        Some(sector(path, frame.bytes.end - 1))
    });
    // No frame of the store ends so: the trailer alone is lost.
    found.unwrap_or_else(|| zero(disk, SEALED, |part| *part == Part::Trailer(0)))
}

/// A frame of another history of the same store, good by itself, where the one of this history was.
fn stale_block() -> (SimDisk, SimDisk) {
    let history = |edition| {
        let disk = fixture::basic(Compression::None);
        fixture::go_on(&disk, "guide", edition);
        disk
    };
    let (pristine, other) = (history(500), history(600));
    let path = guide(&pristine, OPEN);
    let anatomy = harness::anatomy::dissect(&path, &pristine.read_file(&path).unwrap());
    let frame = &anatomy.frames[anatomy.frames.len() - 2];
    let (from, to) = (frame.bytes.start as usize, frame.bytes.end as usize);
    let bytes = other.read_file(&path).unwrap()[from..to].to_vec();
    let disk = Damage::Overwrite { path, offset: from as u64, bytes }.on(&pristine).unwrap();
    (pristine, disk)
}

/// A drill: its name, the store as it was, and as it is.
fn drills() -> Vec<(&'static str, SimDisk, SimDisk)> {
    let pristine = fixture::basic(Compression::None);
    let sealed_bytes = pristine.read_file(guide(&pristine, SEALED)).unwrap().len() as u64;
    let cut = |length| Damage::Truncate { path: guide(&pristine, SEALED), length };
    let (_, last_row, _) = part(&pristine, SEALED, |part| *part == Part::Trailer(2));
    let simple = vec![
        ("lost_manifest", Damage::Remove(guide(&pristine, "manifest"))),
        ("lost_witness", Damage::Remove(guide(&pristine, "witness"))),
        ("lost_snapshot", Damage::Remove(guide(&pristine, "snapshot"))),
        ("lost_catalogue", Damage::Remove(Path::new(STORE).join("catalogue.json"))),
        ("lost_sealed_segment", Damage::Remove(guide(&pristine, SEALED))),
        ("deleted_key_index", Damage::Remove(guide(&pristine, ".keys"))),
        ("zeroed_sector_in_witness", sector(guide(&pristine, "witness"), 0)),
        ("zeroed_sector_in_rows", zeroed_sector(&pristine, SEALED, |part| *part == Part::Row(1))),
        (
            "zeroed_sector_in_rows_of_the_open_segment",
            zeroed_sector(&pristine, OPEN, |part| *part == Part::Row(3)),
        ),
        ("zeroed_sector_in_keys", zeroed_sector(&pristine, SEALED, |part| *part == Part::Key(4))),
        ("zeroed_sector_in_payload", zeroed_sector(&pristine, SEALED, |part| *part == Part::Text(1))),
        ("zeroed_sector_in_trailer", zeroed_trailer(&pristine)),
        ("zeroed_header_page", zero(&pristine, SEALED, |part| *part == Part::Page)),
        ("zeroed_footer", zero(&pristine, SEALED, |part| *part == Part::Footer)),
        ("sealed_segment_cut_in_its_footer", cut(sealed_bytes - 300)),
        ("sealed_segment_cut_in_its_rows", cut(last_row)),
    ];
    let mut drills: Vec<_> = simple
        .into_iter()
        .map(|(name, damage)| (name, pristine.clone_image(), damage.on(&pristine).unwrap()))
        .collect();
    let foreign = pristine.clone_image();
    let directory = guide(&pristine, SEALED).parent().unwrap().to_owned();
    foreign.write_file(directory.join("notes.txt"), "somebody's").unwrap();
    drills.push(("foreign_file", pristine.clone_image(), foreign));
    let (before, after) = stale_block();
    drills.push(("stale_block", before, after));
    drills.push(("segment_left_alone_after_damage", pristine, frozen()));
    drills
}

/// What happens in a drill, as text without anything that changes from run to run.
fn told(pristine: &SimDisk, disk: &SimDisk) -> String {
    let mut text = String::new();
    let mut line = |section: &str, lines: Vec<String>| {
        writeln!(text, "{section}").unwrap();
        lines.iter().for_each(|line| writeln!(text, "  {line}").unwrap());
    };
    let directories = directories(pristine);
    let short = |path: &Path| {
        let mut text = path.display().to_string();
        for (directory, name) in &directories {
            text = text.replace(directory, name);
        }
        text.trim_start_matches("/store/").to_owned()
    };
    let findings = verified(disk).unwrap().findings;
    let found = |finding: &siltstone::Finding| {
        format!("{:?} {}: {}", finding.severity, short(&finding.path), finding.flaw)
    };
    line("verification finds", findings.iter().map(found).collect());
    let item = |item: &RepairItem| {
        let remedy = match &item.remedy {
            Remedy::Mend { bits } => format!("mend, {bits} bits"),
            Remedy::Rebuild { flaw } => format!("rebuild: {flaw}"),
            Remedy::Derive { flaw } => format!("derive: {flaw}"),
            Remedy::Seal => "seal".to_owned(),
            Remedy::Quarantine { flaw } => format!("quarantine: {flaw}"),
            other => format!("{other:?}"),
        };
        let place = format!("{} {}..{}", item.structure, item.offset, item.offset + item.length);
        format!("{} {place}: {remedy}", short(&item.path))
    };
    let plan = plan_repair(&later_environment(disk), Path::new(STORE), None).unwrap();
    line("a repair would", plan.items.iter().map(item).collect());
    let report = repaired(disk, true).unwrap();
    line("a repair did", report.done.iter().map(item).collect());
    line("it left", report.left.iter().map(item).collect());
    let kept = |path: &PathBuf| {
        let name = short(path);
        // The time is in the name.
        name.split_once("damaged-")
            .map_or(name.clone(), |(before, after)| format!("{before}damaged-*{}", &after[13..]))
    };
    line("it kept", report.kept.iter().map(kept).collect());
    let lost =
        report.lost.iter().map(|lost| format!("{:?} of {}: {}", lost.key, short(&lost.path), lost.flaw));
    line("rows lost", lost.collect());
    let dropped = report.dropped_snapshots.iter().map(|(collection, name)| format!("{name} of {collection}"));
    line("snapshots dropped", dropped.collect());
    if !report.left.is_empty() {
        return text;
    }
    is_sound(disk).unwrap();
    let (before, after) = (rows(pristine).unwrap(), rows(disk).unwrap());
    let missing = before.keys().filter(|place| !after.contains_key(*place));
    let mut line = |section: &str, lines: Vec<String>| {
        writeln!(text, "{section}").unwrap();
        lines.iter().for_each(|line| writeln!(text, "  {line}").unwrap());
    };
    line("rows that are missing afterwards", missing.map(|(name, key)| format!("{name} {key}")).collect());
    let others = after.iter().filter(|(place, row)| before.get(*place) != Some(*row));
    line("rows that are others afterwards", others.map(|((name, key), _)| format!("{name} {key}")).collect());
    text
}

/// The directories of the collections, by the names of these.
fn directories(disk: &SimDisk) -> BTreeMap<String, String> {
    let store = fixture::open(disk).unwrap();
    let names = store.all_names().unwrap().into_iter();
    let directory = |name: &String| store.collection(name).unwrap().directory().display().to_string();
    names.map(|name| (directory(&name), name)).collect()
}

#[test]
fn damage_drills_go_as_reviewed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("suite/drills");
    let write = std::env::var_os("SILTSTONE_DRILLS").is_some_and(|value| value == "write");
    let mut wrong = Vec::new();
    let drills = drills();
    for (name, pristine, disk) in &drills {
        let text = told(pristine, disk);
        let path = folder.join(format!("{name}.txt"));
        if write {
            std::fs::write(&path, &text).unwrap();
        }
        let reviewed = std::fs::read_to_string(&path).unwrap_or_default();
        if reviewed != text {
            wrong.push(format!("{name}: reviewed\n{reviewed}\nnow\n{text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    report(format_args!("damage drills: {} tried, all as reviewed", drills.len()));
}
