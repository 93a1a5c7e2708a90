//! An update in which nothing has changed, beside plain reading of the same files: by size and times alone, and with every
//! file read. The command must have been built too: `cargo build --release`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rayon::prelude::*;
use siltstone_benches::stats::median;

const FILES: usize = 20_000;
const RUNS: usize = 5;

pub(crate) fn table(dir: &Path) {
    println!("## Update without changes\n");
    let program = std::env::current_exe().map(|path| path.with_file_name("siltstone")).unwrap_or_default();
    if !program.exists() {
        println!("skipped: no {}; `cargo build --release` makes it\n", program.display());
        return;
    }
    let work = dir.join("rescan");
    let paths = corpus(&work.join("docs"));
    let update = |more: &[&str]| {
        let started = Instant::now();
        let mut command = Command::new(&program);
        command
            .args(["update", "docs", "--no-split", "--dims", "64", "--quiet"])
            .args(more)
            .current_dir(&work);
        let ended = command.output().expect("the command runs");
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        started.elapsed()
    };
    update(&[]);
    // Times that are younger than a tick of the coarsest clock are not relied upon.
    std::thread::sleep(Duration::from_millis(2_500));
    update(&[]);
    let bytes: u64 =
        paths.iter().filter_map(|path| std::fs::metadata(path).ok()).map(|meta| meta.len()).sum();
    println!("{FILES} files, {:.0} MB, in the page cache; median of {RUNS}.\n", bytes as f64 / 1e6);
    println!("| what | ms | times plain reading |");
    println!("|---|---|---|");
    let (mut plain, mut hashed, mut listed) = (Vec::new(), Vec::new(), Vec::new());
    let (mut shortcut, mut read) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        plain.push(read_all(&paths, false));
        hashed.push(read_all(&paths, true));
        listed.push(list_and_read(&work.join("docs")));
        shortcut.push(update(&[]).as_secs_f64() * 1e3);
        read.push(update(&["--verify-content"]).as_secs_f64() * 1e3);
    }
    let base = median(&mut plain);
    for (what, mut times) in [
        ("plain reading", plain),
        ("reading and hashing, as b3sum does", hashed),
        ("`find docs -type f -print0 \\| xargs -0 -n 1000 -P 2 cat`", listed),
        ("update", shortcut),
        ("update --verify-content", read),
    ] {
        let ms = median(&mut times);
        println!("| {what} | {ms:.0} | {:.2} |", ms / base);
    }
    println!();
    let _ = std::fs::remove_dir_all(&work);
}

/// Every file from beginning to end, on all processors.
pub(crate) fn read_all(paths: &[PathBuf], hashing: bool) -> f64 {
    let started = Instant::now();
    let sum: u64 = paths
        .par_iter()
        .map(|path| {
            let bytes = std::fs::read(path).expect("a file of the corpus");
            match hashing {
                true => u64::from(blake3::hash(&bytes).as_bytes()[0]),
                false => bytes.len() as u64,
            }
        })
        .sum();
    std::hint::black_box(sum);
    started.elapsed().as_secs_f64() * 1e3
}

/// What the shell has for it: names are not known beforehand.
fn list_and_read(folder: &Path) -> f64 {
    let started = Instant::now();
    let command = "find \"$0\" -type f -print0 | xargs -0 -n 1000 -P 2 cat > /dev/null";
    let ended = Command::new("sh").args(["-c", command]).arg(folder).status();
    assert!(ended.is_ok_and(|status| status.success()));
    started.elapsed().as_secs_f64() * 1e3
}

fn corpus(root: &Path) -> Vec<PathBuf> {
    (0..FILES)
        .map(|file| {
            let folder = root.join(format!("topic-{}", file % 97));
            std::fs::create_dir_all(&folder).expect("a folder");
            let path = folder.join(format!("page-{file}.md"));
            let text = format!("A sentence about page {file} and others like it. ").repeat(60);
            std::fs::write(&path, format!("# Page {file}\n\n{text}\n")).expect("a file");
            path
        })
        .collect()
}
