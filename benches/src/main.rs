//! Prints tables of siltstone's speed beside the bare machine's, measured in turns in one run:
//! `cargo run --release -p siltstone-benches -- [ingest] [search] [codes] [filters] [hard] [shapes] [appends] [peers] [open] [backup]
//! [rescan] [workload] [unchanged] [--rows N] [--dir DIR] [--python PYTHON] [--peers NAMES]`.

mod appends;
mod backup;
mod codes;
mod documentation;
mod filters;
mod hard;
mod ingest;
mod open;
mod peers;
mod rescan;
mod search;
mod shapes;
mod workload;

use std::path::PathBuf;

use siltstone_benches::data::Source;

fn main() {
    let mut args = std::env::args().skip(1);
    let (mut parts, mut rows, mut dir) = (Vec::new(), 100_000, PathBuf::from("target/bench"));
    let (mut python, mut peers) = (None, None);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--rows" => rows = args.next().and_then(|n| n.parse().ok()).expect("--rows N"),
            "--python" => python = args.next(),
            "--peers" => peers = args.next(),
            "--dir" => dir = args.next().expect("--dir DIR").into(),
            // What `open` starts as a process of its own, to measure the memory of nothing but opening.
            "open-once" => return open::once(&args.collect::<Vec<_>>()),
            part => parts.push(part.to_owned()),
        }
    }
    std::fs::create_dir_all(&dir).expect("the directory can be created");
    let parent = dir;
    let dir = tempfile::tempdir_in(&parent).expect("a scratch directory");
    let source = Source::load();
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|p| p == part);
    println!(
        "Data: {}. Processors: {}.\n",
        source.name,
        std::thread::available_parallelism().map_or(0, usize::from)
    );
    if wanted("ingest") {
        ingest::table(&source, dir.path());
    }
    if wanted("search") {
        search::table(&source, dir.path(), rows);
    }
    if wanted("codes") {
        codes::table(&source, dir.path(), rows);
    }
    if wanted("filters") {
        filters::table(&source, dir.path(), rows);
    }
    if wanted("hard") {
        hard::table(&source, dir.path(), rows.min(40_000));
    }
    if wanted("shapes") {
        shapes::table(&source, dir.path(), rows);
    }
    if wanted("appends") {
        appends::table(&source, dir.path(), rows);
    }
    if wanted("peers") {
        let others = peers::Others::find(python, peers);
        peers::table(&source, dir.path(), rows, others.as_ref());
    }
    if wanted("backup") {
        backup::table(&source, dir.path(), rows.min(source.real_rows()));
    }
    if wanted("rescan") {
        rescan::table(dir.path());
    }
    // Only when they are asked for: they take a quarter of an hour. What the first leaves is for the second.
    if parts.iter().any(|part| part == "workload") {
        workload::first(&parent);
    }
    if parts.iter().any(|part| part == "unchanged") {
        workload::unchanged(&parent);
    }
    if wanted("open") {
        open::table(&source, dir.path(), rows);
    }
}
