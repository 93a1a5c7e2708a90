//! An application outside the workspace links the engine in a few lines and pulls in no command line, network or async
//! runtime.

use std::path::{Path, PathBuf};
use std::process::Command;

const PROGRAM: &str = r#"use siltstone::{EmbeddingIdentity, Record, Search, Store};

fn main() -> siltstone::Result<()> {
    let store = Store::create("store")?;
    let identity = EmbeddingIdentity { dims: 4, ..EmbeddingIdentity::default() };
    let pages = store.create_collection("pages", identity)?;
    let mut writer = pages.writer()?;
    writer.upsert(Record::new("a", &[1.0, 0.0, 0.0, 0.0]).text("north"))?;
    writer.upsert(Record::new("b", &[0.0, 1.0, 0.0, 0.0]).text("east"))?;
    writer.commit()?;
    for hit in pages.view()?.search(&[0.1, 0.9, 0.0, 0.0], &Search::new(2))?.hits {
        println!("{} {:.4} {}", hit.key, hit.score, hit.text);
    }
    Ok(())
}
"#;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn cargo(directory: &Path, args: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(args)
        .current_dir(directory)
        .env("CARGO_TARGET_DIR", workspace().join("target"))
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_application_links_the_engine_in_twenty_lines_and_few_crates() {
    assert!(PROGRAM.lines().count() <= 20);
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("src")).unwrap();
    std::fs::write(directory.path().join("src/main.rs"), PROGRAM).unwrap();
    let engine = workspace().join("engine");
    let manifest = format!(
        "[package]\nname = \"scratch-application\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [dependencies]\nsiltstone = {{ path = {engine:?} }}\n[workspace]\n"
    );
    std::fs::write(directory.path().join("Cargo.toml"), manifest).unwrap();
    // The same versions as here, so nothing is built twice and nothing is fetched.
    std::fs::copy(workspace().join("Cargo.lock"), directory.path().join("Cargo.lock")).unwrap();

    let output = cargo(directory.path(), &["run", "--release", "--quiet"]);
    assert_eq!(output, "b 0.9939 east\na 0.1104 north\n");

    let tree = cargo(directory.path(), &["tree", "--edges", "normal", "--prefix", "none", "--no-dedupe"]);
    let mut crates: Vec<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    crates.sort_unstable();
    crates.dedup();
    println!("{} crates: {crates:?}", crates.len());
    for heavy in ["clap", "reqwest", "tokio", "hyper", "async-std", "smol", "futures", "indicatif"] {
        assert!(!crates.contains(&heavy), "{heavy} is among {crates:?}");
    }
    assert!(crates.len() <= 50, "{crates:?}");
}
