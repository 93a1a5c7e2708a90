//! The report for an incident: everything that tells what happened, nothing that nobody else may see, and the store as it
//! was.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::harness::{Work, flip, segments};
use crate::health::{with_documents, write};
use crate::server::Server;

/// The files of a report by their paths below its folder.
fn unpacked(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = zstd::stream::decode_all(std::fs::File::open(path).unwrap()).unwrap();
    let mut archive = tar::Archive::new(bytes.as_slice());
    let mut files = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        let (stem, inside) = path.split_once('/').unwrap();
        assert!(stem.starts_with("report_"), "{path}");
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        files.insert(inside.to_owned(), content);
    }
    files
}

fn document(files: &BTreeMap<String, Vec<u8>>, name: &str) -> Value {
    serde_json::from_slice(files.get(name).unwrap_or_else(|| panic!("{name}: {:?}", files.keys()))).unwrap()
}

/// Makes a report and unpacks it; the store is as it was, to the last byte and time.
fn reported(work: &Work, flags: &[&str]) -> (Value, BTreeMap<String, Vec<u8>>) {
    let before = tree(&work.store());
    let arguments = [&["report", "--json", "--output", "incident.tar.zst"], flags].concat();
    let written = work.run(&arguments).expect(0).json();
    assert_eq!(tree(&work.store()), before);
    let files = unpacked(&work.path().join("incident.tar.zst"));
    // What is listed is what is there.
    let listed = written["contents"].as_array().unwrap();
    let listed: Vec<&str> = listed.iter().map(|one| one["path"].as_str().unwrap()).collect();
    assert_eq!(listed.len() + 1, files.len(), "{listed:?}");
    assert!(listed.iter().all(|path| files.contains_key(*path)), "{listed:?}");
    assert_eq!(document(&files, "contents.json")["contents"], written["contents"]);
    (written, files)
}

/// Every file below a directory: bytes and time of the last change.
fn tree(directory: &Path) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, meta) = (entry.path(), entry.metadata().unwrap());
            if meta.is_dir() {
                folders.push(path.clone());
            }
            let bytes = if meta.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
            found.insert(path.display().to_string(), (bytes, meta.modified().unwrap()));
        }
    }
    found
}

fn has(files: &BTreeMap<String, Vec<u8>>, needle: &[u8]) -> Option<String> {
    let inside = |content: &[u8]| content.windows(needle.len()).any(|window| window == needle);
    files
        .iter()
        .find(|(name, content)| inside(content) || inside(name.as_bytes()))
        .map(|(name, _)| name.clone())
}

/// A store that was embedded by a server with a key, with logs that say too much.
fn with_a_key(server: &Server, key: &str) -> Work {
    let work = Work::empty();
    let config = format!(
        "[embedder]\nbase_url = \"{}\"\nmodel = \"scripted\"\ndims = 64\nusd_per_million_tokens = 1.0\n",
        server.url
    );
    std::fs::write(work.path().join("siltstone.toml"), config).unwrap();
    std::fs::write(work.path().join(".env"), format!("OPENAI_API_KEY={key}\nOTHER_TOKEN=geheimnis77\n"))
        .unwrap();
    for page in 0..4 {
        write(
            &work,
            &format!("Zebra/stripes{page}.md"),
            &format!("# Page {page}\n\nQuokka sentence number {page}.\n"),
        );
    }
    work.run(&["update", "docs", "--split", "--force"]).expect(0);
    let log = format!(
        "Authorization: Bearer {key}\ntoken geheimnis77, sk-old0123456789abcdef is revoked\nstripes1.md\n"
    );
    std::fs::write(work.path().join("logs/daily_update.log"), log).unwrap();
    std::fs::write(work.path().join("logs/notes.txt"), "Quokka sentence number 1").unwrap();
    work
}

#[test]
fn a_report_has_everything_but_keys_texts_and_vectors() {
    let server = Server::start();
    let key = "geheim-0123456789";
    let work = with_a_key(&server, key);
    let (written, files) = reported(&work, &[]);
    let errors: Vec<&Value> =
        written["contents"].as_array().unwrap().iter().filter(|one| !one["error"].is_null()).collect();
    assert!(errors.is_empty(), "{errors:?}");

    let fingerprint = document(&files, "settings.json")["embedder"]["key"]["fingerprint"].clone();
    let doctor = work.run(&["doctor", "--offline"]).expect(0).stdout;
    assert!(doctor.contains(fingerprint.as_str().unwrap()), "{doctor}");
    assert_eq!(document(&files, "status.json")["totals"]["chunks"], 4);
    assert_eq!(document(&files, "health.json")["schema"], "siltstone-health-1");
    assert_eq!(document(&files, "verification.json")["rows"], 4);
    let machine = document(&files, "machine.json");
    assert!(machine["volumes"][0]["free_bytes"].as_u64().unwrap() > 0, "{machine}");
    assert!(document(&files, "files.json")["files"].as_array().unwrap().len() >= 4);
    let docs = work.collection("docs_Zebra");
    let id = docs.directory().file_name().unwrap().to_str().unwrap().to_owned();
    let segment = document(&files, &format!("structure/collections/{id}/segment-00000001.seg.json"));
    assert!(segment["parts"].as_array().unwrap().iter().any(|part| part["part"] == "frame"), "{segment}");
    let catalogue = std::fs::read(work.store().join("catalogue.json")).unwrap();
    assert_eq!(files["store/catalogue.json"], catalogue);
    for log in ["logs/requests.jsonl", "logs/update.log", "logs/daily_update.log"] {
        assert!(!files[log].is_empty(), "{log}");
    }
    assert!(String::from_utf8_lossy(&files["logs/daily_update.log"]).contains("Bearer [key]"));

    for secret in [key, "geheimnis77", "sk-old0123456789", "Quokka"] {
        assert_eq!(has(&files, secret.as_bytes()), None, "{secret}");
    }
    let view = docs.view().unwrap();
    let mut vectors = 0;
    for row in view.vectors() {
        let row = row.unwrap();
        let raw: Vec<u8> = row.vector.iter().flat_map(|element| element.to_le_bytes()).collect();
        assert_eq!(has(&files, &raw[..12]), None);
        for element in row.vector.iter().filter(|element| **element != 0.0).take(3) {
            let digits = format!("{}", element.abs());
            assert_eq!(has(&files, digits.as_bytes()), None, "{digits}");
        }
        vectors += 1;
    }
    println!("report: {} files, no trace of the key, of 4 texts and of {vectors} vectors", files.len());
    assert_eq!(vectors, 4);
}

#[test]
fn a_private_report_names_nothing_and_agrees_with_private_health() {
    let server = Server::start();
    let work = with_a_key(&server, "geheim-0123456789");
    work.run(&["snapshot", "create", "zebras-of-march"]).expect(0);
    std::fs::write(work.store().join("zebra.txt"), "x").unwrap();
    let segment = segments(&work.collection("docs_Zebra"))[0].clone();
    flip(&segment, 4096 + 256 + 40);
    let (_, files) = reported(&work, &["--privacy"]);
    let here = work.path().file_name().unwrap().to_str().unwrap();
    for secret in ["zebra", "Zebra", "stripes", "Quokka", "scripted", "127.0.0.1", here, "zebras-of-march"] {
        assert_eq!(has(&files, secret.as_bytes()), None, "{secret}");
    }
    let health = work.run(&["health", "--privacy", "--json"]).json();
    let collection = health["surveyed"][0]["collection"].as_str().unwrap();
    assert!(collection.starts_with("collection-"), "{health}");
    assert_eq!(document(&files, "status.json")["collections"][0]["collection"], collection);
    assert_eq!(document(&files, "health.json")["store"], health["store"]);
    let found = document(&files, "verification.json");
    let damage =
        found["findings"].as_array().unwrap().iter().find(|one| one["severity"] == "damage").unwrap();
    assert_eq!(damage["collection"], collection);
    // The file that is damaged can be found again in the list, whose names are siltstone's own.
    let listed = document(&files, "files.json")["files"].clone();
    let listed =
        listed.as_array().unwrap().iter().find(|one| one["known_as"] == damage["path"]).cloned().unwrap();
    assert!(listed["path"].as_str().unwrap().ends_with("segment-00000001.seg"), "{listed}");
}

#[test]
fn a_damaged_store_is_reported_part_by_part() {
    let work = with_documents();
    let alpha = work.collection("docs_Alpha");
    flip(&segments(&alpha)[0], 4096 + 256 + 40);
    let (written, files) = reported(&work, &[]);
    assert!(written["contents"].as_array().unwrap().iter().all(|one| one["error"].is_null()), "{written}");
    let found = document(&files, "verification.json").to_string();
    assert!(found.contains("damage") && found.contains("segment-00000001.seg"), "{found}");
    let id = alpha.directory().file_name().unwrap().to_str().unwrap().to_owned();
    let segment = document(&files, &format!("structure/collections/{id}/segment-00000001.seg.json"));
    assert!(segment["flaws"].as_u64().unwrap() > 0, "{segment}");

    // Without a manifest, then without a catalogue, then without a store.
    let manifests = std::fs::read_dir(alpha.directory()).unwrap().map(|entry| entry.unwrap().path());
    let is_manifest = |path: &std::path::PathBuf| path.to_string_lossy().contains("manifest-");
    manifests.filter(is_manifest).for_each(|path| std::fs::remove_file(path).unwrap());
    let (_, files) = reported(&work, &[]);
    assert!(document(&files, "status.json")["damaged"].to_string().contains("docs_Alpha"));
    std::fs::write(work.store().join("catalogue.json"), "{").unwrap();
    let (_, files) = reported(&work, &[]);
    assert!(document(&files, "status.json")["error"].is_string());
    assert!(document(&files, "verification.json").to_string().contains("catalogue"));
    assert!(files.contains_key(&format!("structure/collections/{id}/segment-00000001.seg.json")));
    std::fs::remove_dir_all(work.store()).unwrap();
    let (written, files) = reported(&work, &[]);
    assert!(document(&files, "health.json")["error"].as_str().unwrap().contains("no store"), "{written}");
    assert!(files.contains_key("logs/update.log"), "{written}");
}

#[test]
fn a_locked_store_is_reported_with_its_holder() {
    let work = with_documents();
    let alpha = work.collection("docs_Alpha");
    let _writer = alpha.writer().unwrap();
    let (_, files) = reported(&work, &[]);
    let locks = document(&files, "locks.json");
    let held: Vec<&Value> =
        locks["locks"].as_array().unwrap().iter().filter(|lock| lock["held"] == true).collect();
    assert_eq!(held.len(), 1, "{locks}");
    assert_eq!(held[0]["last_holder"]["process"], std::process::id());
    assert!(document(&files, "status.json").to_string().contains(&format!("process {}", std::process::id())));
}

#[test]
fn a_report_is_named_after_its_time_and_never_lies_in_the_store() {
    let work = with_documents();
    let shown = work.run(&["report"]).expect(0);
    let line = shown.stdout.lines().last().unwrap();
    let name = line.split(':').next().unwrap();
    assert!(name.starts_with("report_20") && name.ends_with(".tar.zst"), "{shown:?}");
    assert!(work.path().join(name).is_file() && shown.stdout.contains("health.json"), "{shown:?}");
    assert_eq!(document(&unpacked(&work.path().join(name)), "contents.json")["privacy"], json!(false));
    let refused = work.run(&["report", "--output", "vectorstore/collections/r.tar.zst"]).expect(2);
    assert!(refused.stderr.contains("inside the store"), "{refused:?}");
    work.run(&["report", "--output", "no/where.tar.zst"]).expect(1);
}
