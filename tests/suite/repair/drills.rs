//! Damage drills, each named by its fault: what verification finds, what a repair would do, what it did and what it cost,
//! as text that was reviewed and is compared to the letter. `SILTSTONE_DRILLS=write` writes the texts anew, for review.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use harness::anatomy::{Anatomy, Part};
use harness::attack::verified;
use harness::damage::{Damage, Piece};
use harness::fixture::{self, STORE, later_environment};
use harness::proof::report;
use harness::sim_disk::SimDisk;
use serde_json::Value;
use siltstone::format::checksum::to_hex;
use siltstone::format::frame::Geometry;
use siltstone::{
    Compression, EmbeddingIdentity, Record, Remedy, RepairItem, RepairOptions, WriterOptions, plan_repair,
};

use super::interrupted::{OPEN, SEALED, frozen, guide, part, rows, zero};
use super::{is_sound, repaired};

/// The sector that holds an offset.
fn sector(path: PathBuf, offset: u64) -> Damage {
    Damage::Zero(Piece { path, offset: offset / 512 * 512, length: 512 })
}

/// The basic store, and a collection `wide` whose frames are so long that a sector lies wholly in rows, keys or texts, and
/// that a frame that others follow ends with a sector of zeros and trailer.
fn wide() -> SimDisk {
    let made = (0..512).step_by(32).map(|extra| {
        let disk = fixture::basic(Compression::None);
        fill_wide(&disk, extra);
        disk
    });
    let ends_alone = |disk: &SimDisk| trailer_alone(disk).is_some();
    made.into_iter().find(ends_alone).unwrap()
}

fn fill_wide(disk: &SimDisk, extra: usize) {
    let identity = EmbeddingIdentity { dims: 64, model: "random-64".to_owned(), ..Default::default() };
    let wide = fixture::open(disk).unwrap().create_collection("wide", identity).unwrap();
    let options = WriterOptions { compression: Compression::None, ..WriterOptions::default() };
    let mut writer = wide.writer_with(options).unwrap();
    for commit in 0..4u64 {
        for row in 0..12u64 {
            let key = format!("{commit}/{row:02}/{}", "k".repeat(150));
            let text = format!("Text of row {row}. {}", "It is long. ".repeat(30));
            let text = if row == 0 { text + &"x".repeat(extra) } else { text };
            let vector = fixture::vector(64, 700 + commit * 12 + row);
            writer.upsert(Record::new(&key, &vector).text(&text)).unwrap();
        }
        writer.commit().unwrap();
        if commit == 1 {
            writer.create_snapshot("half").unwrap();
        }
        if commit == 2 {
            writer.seal().unwrap();
        }
    }
}

fn wide_segment(disk: &SimDisk, name: &str) -> (PathBuf, Anatomy) {
    let path = fixture::open(disk).unwrap().collection("wide").unwrap().directory().join(name);
    let anatomy = harness::anatomy::dissect(&path, &disk.read_file(&path).unwrap());
    (path, anatomy)
}

/// A sector wholly within a section of a frame of `wide`.
fn sector_within(
    disk: &SimDisk,
    (segment, frame): (&str, usize),
    section: impl Fn(Geometry) -> (usize, usize),
) -> Damage {
    let (path, anatomy) = wide_segment(disk, segment);
    let at = &anatomy.frames[frame];
    let (from, to) = section(at.geometry);
    let offset = (at.bytes.start + from as u64).next_multiple_of(512);
    assert!(offset + 512 <= at.bytes.start + to as u64, "no sector lies in the section");
    sector(path, offset)
}

/// The last sector of a frame of `wide` that others follow, when it has nothing but zeros and the trailer.
fn trailer_alone(disk: &SimDisk) -> Option<Damage> {
    let (path, anatomy) = wide_segment(disk, SEALED);
    let (_, followed) = anatomy.frames.split_last()?;
    let frame = followed
        .iter()
        .find(|frame| frame.bytes.end - 512 >= frame.bytes.start + frame.geometry.zeros as u64)?;
    Some(sector(path, frame.bytes.end - 1))
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
    let pristine = wide();
    let sealed_bytes = pristine.read_file(guide(&pristine, SEALED)).unwrap().len() as u64;
    let cut = |length| Damage::Truncate { path: guide(&pristine, SEALED), length };
    let (_, in_rows, _) = part(&pristine, SEALED, |part| *part == Part::Trailer(2));
    let within = |place, section: fn(Geometry) -> (usize, usize)| sector_within(&pristine, place, section);
    let in_frame = |segment, frame| {
        let (path, offset, _) = part(&pristine, segment, |part| *part == Part::FrameHeader(frame));
        sector(path, offset)
    };
    let simple = vec![
        ("lost_manifest", Damage::Remove(guide(&pristine, "manifest"))),
        ("lost_witness", Damage::Remove(guide(&pristine, "witness"))),
        ("lost_snapshot", Damage::Remove(guide(&pristine, "snapshot"))),
        ("lost_catalogue", Damage::Remove(Path::new(STORE).join("catalogue.json"))),
        ("lost_sealed_segment", Damage::Remove(guide(&pristine, SEALED))),
        ("lost_open_segment", Damage::Remove(guide(&pristine, OPEN))),
        ("deleted_key_index", Damage::Remove(guide(&pristine, ".keys"))),
        ("zeroed_sector_in_witness", sector(guide(&pristine, "witness"), 0)),
        ("zeroed_sector_in_rows", within((SEALED, 1), |at| (Geometry::ROWS, at.index))),
        ("zeroed_sector_in_rows_of_the_open_segment", within((OPEN, 0), |at| (Geometry::ROWS, at.index))),
        ("zeroed_sector_in_keys", within((SEALED, 1), |at| (at.keys, at.metadata))),
        ("zeroed_sector_in_payload", within((SEALED, 1), |at| (at.text, at.zeros))),
        ("zeroed_sector_in_trailer", trailer_alone(&pristine).unwrap()),
        ("zeroed_frame_of_a_sealed_segment", in_frame(SEALED, 1)),
        ("zeroed_frame_of_the_open_segment", in_frame(OPEN, 1)),
        ("zeroed_header_page", zero(&pristine, SEALED, |part| *part == Part::Page)),
        ("zeroed_footer", zero(&pristine, SEALED, |part| *part == Part::Footer)),
        ("sealed_segment_cut_in_its_footer", cut(sealed_bytes - 300)),
        ("sealed_segment_cut_in_its_rows", cut(in_rows)),
    ];
    let mut drills: Vec<_> = simple
        .into_iter()
        .map(|(name, damage)| (name, pristine.clone_image(), damage.on(&pristine).unwrap()))
        .collect();
    let foreign = pristine.clone_image();
    let directory = guide(&pristine, SEALED).parent().unwrap().to_owned();
    foreign.write_file(directory.join("notes.txt"), "somebody's").unwrap();
    drills.push(("foreign_file", pristine, foreign));
    let (before, after) = stale_block();
    drills.push(("stale_block", before, after));
    drills.push(("segment_left_alone_after_damage", fixture::basic(Compression::None), frozen()));
    drills
}

/// What happens in a drill, as text without anything that changes from run to run.
fn told(pristine: &SimDisk, disk: &SimDisk) -> String {
    let mut text = String::new();
    let long = "k".repeat(150);
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
    let plan = plan_repair(&later_environment(disk), Path::new(STORE), &RepairOptions::default()).unwrap();
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
    let lost = report.lost.iter().map(|lost| match lost.key.is_some() || lost.rows == 1 {
        true => format!("{:?} of {}: {}", lost.key, short(&lost.path), lost.flaw),
        false if lost.rows == 0 => format!("nobody knows how many of {}: {}", short(&lost.path), lost.flaw),
        false => format!("{} rows of {}: {}", lost.rows, short(&lost.path), lost.flaw),
    });
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
    text.replace(&long, "k*")
}

/// The directories of the collections, by the names of these.
fn directories(disk: &SimDisk) -> BTreeMap<String, String> {
    let store = fixture::open(disk).unwrap();
    let names = store.all_names().unwrap().into_iter();
    let directory = |name: &String| store.collection(name).unwrap().directory().display().to_string();
    names.map(|name| (directory(&name), name)).collect()
}

/// What is known of rows that are taken out goes to a file of its own: the vectors whose texts are lost, the texts of a
/// damaged vector.
#[test]
fn what_can_still_be_read_of_lost_rows_is_kept() {
    let pristine = wide();
    let before = rows(&pristine).unwrap();
    let hex =
        |elements: &[u32]| to_hex(&elements.iter().flat_map(|bits| bits.to_le_bytes()).collect::<Vec<_>>());
    let sections: [fn(Geometry) -> (usize, usize); 2] =
        [|at| (Geometry::ROWS, at.index), |at| (at.text, at.zeros)];
    let mut kept = 0;
    for (section, is_vector_whole) in sections.into_iter().zip([false, true]) {
        let disk = sector_within(&pristine, (SEALED, 1), section).on(&pristine).unwrap();
        let told = repaired(&disk, true).unwrap();
        let path = told.kept.iter().find(|path| path.to_string_lossy().ends_with("rows.jsonl")).unwrap();
        let text = String::from_utf8(disk.read_file(path).unwrap()).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), told.lost.len());
        for (line, lost) in lines.iter().zip(&told.lost) {
            let key = lost.key.clone().unwrap();
            let (vector, _, text) = &before[&("wide".to_owned(), key.clone())];
            assert_eq!(line["key"], key);
            assert_eq!(line["flaw"], lost.flaw.to_string());
            if is_vector_whole {
                assert_eq!(line["vector"], hex(vector));
                assert!(line.get("text").is_none());
            } else {
                assert_eq!(line["text"], text.as_str());
                assert!(line.get("vector").is_none());
                assert_eq!(line["damaged_vector"].as_str().unwrap().len(), vector.len() * 8);
            }
            kept += 1;
        }
    }
    assert!(kept > 10);
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
            std::fs::create_dir_all(&folder).unwrap();
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
