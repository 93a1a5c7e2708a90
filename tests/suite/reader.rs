//! A reader in another language, written from SPEC.md alone, finds in every store what the engine finds, to the last
//! bit, and notices damage to every file: the page describes the format, and nothing else is needed to read it.
//!
//! It needs Python with a few packages: `$SILTSTONE_PYTHON`, or `python3`. Without them the tests say so and pass,
//! unless `SILTSTONE_REQUIRE_READER` is set.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use harness::rng::Rng;
use serde_json::{Map, Value, json};
use siltstone::{
    Collection, Compression, EmbeddingIdentity, Metric, OnDamage, Order, Record, Row, Store, View, Writer,
    WriterOptions,
};
use tempfile::TempDir;

const MISSING: &str = "skipped: the independent reader needs numpy, blake3 and zstandard: \
                       pip install -r format-spec/reader/requirements.txt";

/// Damages each file in turn, in one process because starting Python takes long. Reads lines of file, offset and the
/// bits to flip, and writes for each the exit code and what the reader said.
const FLIPPER: &str = r#"
import contextlib, io, json, sys
import siltstone_reader
store = sys.argv[1]
for line in sys.stdin:
    path, offset, bits = json.loads(line)
    with open(path, "rb") as file:
        whole = file.read()
    damaged = bytearray(whole)
    damaged[offset] ^= bits
    with open(path, "wb") as file:
        file.write(damaged)
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        code = siltstone_reader.main([store])
    with open(path, "wb") as file:
        file.write(whole)
    print(json.dumps([code, said.getvalue()]))
"#;

fn format_spec() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../format-spec")
}

/// Python, if it has what the reader needs.
fn python() -> Option<Command> {
    let program = std::env::var_os("SILTSTONE_PYTHON").unwrap_or_else(|| "python3".into());
    let probe = Command::new(&program).args(["-c", "import numpy, blake3, zstandard"]).output();
    if probe.is_ok_and(|probe| probe.status.success()) {
        let mut python = Command::new(program);
        python.arg("-B").env("PYTHONPATH", format_spec().join("reader")).env("PYTHONIOENCODING", "utf-8");
        return Some(python);
    }
    assert!(std::env::var_os("SILTSTONE_REQUIRE_READER").is_none(), "{MISSING}");
    println!("{MISSING}");
    None
}

/// What the reader printed: rows, what it said on stderr, and its exit code.
struct Reading {
    rows: Vec<Value>,
    said: String,
    code: Option<i32>,
}

fn read(mut python: Command, store: &Path, options: &[&str]) -> Reading {
    python.arg(format_spec().join("reader/siltstone_reader.py")).arg(store).args(["--json", "--hidden"]);
    let output = python.args(options).output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    Reading {
        rows: lines.lines().map(|line| from_reader(serde_json::from_str(line).unwrap())).collect(),
        said: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code(),
    }
}

/// Metadata as a value. Absent and empty are the same to the engine.
fn from_reader(mut row: Value) -> Value {
    let metadata = row["metadata"].as_str().map_or(json!({}), |text| serde_json::from_str(text).unwrap());
    row["metadata"] = metadata;
    row.as_object_mut().unwrap().remove("collection");
    row
}

fn from_engine(row: &Row<'_>) -> Value {
    let vector: String = row.vector.iter().flat_map(|element| element.to_le_bytes()).map(hex).collect();
    json!({
        "key": row.key,
        "vector": vector,
        "metadata": row.metadata,
        "text": row.text,
        "commit": row.commit.0,
        "segment": row.place.segment.0,
        "row": row.place.row.0,
    })
}

fn rows_of(view: &View) -> Vec<Value> {
    view.iter(Order::Storage).unwrap().map(|row| from_engine(&row.unwrap())).collect()
}

fn hex(byte: u8) -> String {
    format!("{byte:02x}")
}

/// A row of an `expected.json`, which writes elements by their highest digits first.
fn from_expected(mut row: Value) -> Value {
    let elements = row["vector"].as_str().unwrap().split(' ').filter(|element| !element.is_empty());
    let bits = elements.map(|element| u32::from_str_radix(element, 16).unwrap());
    row["vector"] = bits.flat_map(u32::to_le_bytes).map(hex).collect::<String>().into();
    if row["metadata"].is_null() {
        row["metadata"] = json!({});
    }
    row
}

fn by_key(mut rows: Vec<Value>) -> Vec<Value> {
    rows.sort_by(|a, b| a["key"].as_str().cmp(&b["key"].as_str()));
    rows
}

/// Compares one by one, so that a difference is readable.
fn assert_same(read: &[Value], expected: &[Value], what: &str) {
    for (read, expected) in read.iter().zip(expected) {
        assert_eq!(read, expected, "{what}");
    }
    assert_eq!(read.len(), expected.len(), "{what}: number of rows");
}

#[test]
fn it_finds_in_golden_stores_what_is_expected() {
    if python().is_none() {
        return;
    }
    let (mut rows, mut stores) = (0, 0);
    for entry in std::fs::read_dir(format_spec().join("golden/v1")).unwrap() {
        let directory = entry.unwrap().path();
        let expected = std::fs::read(directory.join("expected.json")).unwrap();
        let expected: Value = serde_json::from_slice(&expected).unwrap();
        for collection in expected["collections"].as_array().unwrap() {
            rows += compare_golden(&directory, collection);
        }
        stores += 1;
    }
    println!("{rows} rows in {stores} golden stores");
}

/// Compares all moments of a collection and returns how many rows they have.
fn compare_golden(directory: &Path, collection: &Value) -> usize {
    let torn = directory.ends_with("torn-tail");
    let name = collection["name"].as_str().unwrap();
    let mut rows = 0;
    for moment in collection["moments"].as_array().unwrap() {
        let mut options = vec!["--collection", name];
        options.extend(moment["snapshot"].as_str().into_iter().flat_map(|snapshot| ["--snapshot", snapshot]));
        let reading = read(python().unwrap(), &directory.join("store"), &options);
        let what = format!("{} {options:?}", directory.display());
        assert_eq!(reading.code, Some(0), "{what}: {}", reading.said);
        let unexpected = reading.said.lines().find(|line| !(torn && line.starts_with("tear: ")));
        assert_eq!(unexpected, None, "{what}");
        let expected = moment["rows"].as_array().unwrap().iter().cloned().map(from_expected).collect();
        assert_same(&by_key(reading.rows), &by_key(expected), &what);
        rows += moment["rows"].as_array().unwrap().len();
    }
    rows
}

#[test]
fn it_reports_the_tear_of_the_torn_golden_store() {
    let Some(python) = python() else { return };
    let reading = read(python, &format_spec().join("golden/v1/torn-tail/store"), &[]);
    assert_eq!(reading.said.lines().filter(|line| line.starts_with("tear: ")).count(), 1, "{}", reading.said);
}

/// A store with everything that a writer can do, made on a real disk.
struct Fresh {
    directory: TempDir,
    rng: Rng,
}

impl Fresh {
    /// With so many collections that have rows, up to four, and an empty one.
    fn new(seed: u64, collections: usize) -> Self {
        let mut fresh = Self { directory: TempDir::new().unwrap(), rng: Rng::new(seed) };
        let store = Store::create(fresh.path()).unwrap();
        let kinds = [
            ("cosine-33", 33, Metric::Cosine, Compression::Zstd),
            ("dot-1", 1, Metric::Dot, Compression::None),
            ("euclidean-8", 8, Metric::Euclidean, Compression::Zstd),
            (".hidden", 5, Metric::Dot, Compression::Zstd),
        ];
        for (name, dims, metric, compression) in kinds.into_iter().take(collections) {
            let identity = EmbeddingIdentity {
                provider: "reader \"test\"".to_owned(),
                dims,
                metric,
                ..EmbeddingIdentity::default()
            };
            let collection = store.create_collection(name, identity).unwrap();
            fresh.fill(&collection, compression);
        }
        store.create_collection("empty", EmbeddingIdentity::default()).unwrap();
        fresh
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("store")
    }

    fn store(&self) -> Store {
        Store::open(self.path()).unwrap()
    }

    /// Commits of one frame and of several, replaced and deleted rows, a sealed segment or two, snapshots between.
    fn fill(&mut self, collection: &Collection, compression: Compression) {
        let options = WriterOptions { frame_bytes: 20_000, compression, ..WriterOptions::default() };
        let mut writer = collection.writer_with(options).unwrap();
        writer.create_snapshot("before-all").unwrap();
        for round in 0..9 {
            let rows = if round == 4 { 150 } else { 12 };
            self.commit(&mut writer, collection.identity().dims, rows);
            match round {
                2 => drop(writer.create_snapshot("early").unwrap()),
                3 | 6 => assert!(writer.seal().unwrap()),
                5 => drop(writer.create_snapshot("middle").unwrap()),
                7 => drop(writer.create_snapshot("let-go").unwrap()),
                _ => {}
            }
        }
        writer.drop_snapshot("let-go").unwrap();
    }

    fn commit(&mut self, writer: &mut Writer, dims: u32, rows: usize) {
        for _ in 0..self.rng.index(6) {
            writer.delete(&key(self.rng.below(200))).unwrap();
        }
        let numbers: BTreeSet<u64> = (0..rows).map(|_| self.rng.below(200)).collect();
        for number in numbers {
            let (key, vector, text) = (key(number), self.vector(dims), self.text());
            let record = Record::new(&key, &vector).text(&text);
            let record = if self.rng.chance(1, 4) { record } else { record.metadata(self.metadata()) };
            writer.upsert(record).unwrap();
        }
        writer.commit().unwrap();
    }

    /// Elements of any size, tiny and huge ones too.
    fn vector(&mut self, dims: u32) -> Vec<f32> {
        let scale = *self.rng.pick(&[1.0, 1e-42, 1e-20, 1e15]);
        (0..dims)
            .map(|_| self.rng.signed_unit_f32() * scale)
            .map(|x| if x == 0.0 { scale } else { x })
            .collect()
    }

    fn text(&mut self) -> String {
        let words = *self.rng.pick(&[0, 1, 30, 600]);
        (0..words).map(|_| *self.rng.pick(&["silt ", "Löss ", "粘土 ", "𝄞\n", "\u{0}"])).collect()
    }

    fn metadata(&mut self) -> Map<String, Value> {
        let value = json!({
            "number": self.rng.next_u64(),
            "float": f64::from(self.rng.signed_unit_f32()) * 1e-7,
            "nested": {"list": [null, true, -1, "\u{1f30b} \"quoted\" \u{7f}"], "Ключ": {}},
        });
        value.as_object().unwrap().clone()
    }

    /// Every file but the locks, which hold nothing that counts.
    fn files(&self) -> Vec<PathBuf> {
        let mut directories = vec![self.path()];
        let mut files = Vec::new();
        while let Some(directory) = directories.pop() {
            for path in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() { directories.push(path) } else { files.push(path) }
            }
        }
        files.retain(|path| !path.ends_with("lock"));
        files.sort();
        files
    }
}

fn key(number: u64) -> String {
    format!("docs/päge-{}.md#{number}", number % 7)
}

#[test]
fn it_finds_in_a_fresh_store_what_the_engine_finds() {
    let Some(python) = python() else { return };
    let fresh = Fresh::new(1, 4);
    let store = fresh.store();
    let whole = read(python, &fresh.path(), &[]);
    assert_eq!((whole.code, whole.said.as_str()), (Some(0), ""));
    let (mut all, mut rows, mut elements) = (Vec::new(), 0, 0);
    for name in store.all_names().unwrap() {
        let collection = store.collection(&name).unwrap();
        let mut moments = vec![(None, collection.view().unwrap())];
        for snapshot in collection.snapshots().unwrap() {
            moments.push((Some(snapshot.name.clone()), collection.snapshot(&snapshot.name).unwrap()));
        }
        for (snapshot, view) in moments {
            let expected = compare_moment(&fresh, &name, snapshot.as_deref(), &view);
            rows += expected.len();
            elements += expected.len() * view.identity().dims as usize;
            if snapshot.is_none() {
                all.extend(expected);
            }
        }
    }
    assert_same(&whole.rows, &all, "all collections at once");
    assert!(rows > 1000, "{rows} rows are too few to show anything");
    println!("{rows} rows with {elements} elements in a fresh store");
}

fn compare_moment(fresh: &Fresh, name: &str, snapshot: Option<&str>, view: &View) -> Vec<Value> {
    let expected = rows_of(view);
    let mut options = vec!["--collection", name];
    options.extend(snapshot.into_iter().flat_map(|snapshot| ["--snapshot", snapshot]));
    let reading = read(python().unwrap(), &fresh.path(), &options);
    assert_eq!((reading.code, reading.said.as_str()), (Some(0), ""), "{name} {snapshot:?}");
    assert_same(&reading.rows, &expected, &format!("{name} {snapshot:?}"));
    expected
}

#[test]
fn it_notices_flipped_bits_in_every_file() {
    let Some(python) = python() else { return };
    let fresh = Fresh::new(2, 2);
    let flips = flips(&fresh, &mut Rng::new(3));
    let answers = read_flipped(python, &fresh, &flips);
    for ((path, offset, bits), (code, said)) in flips.iter().zip(&answers) {
        let what = format!("{} offset {offset} bits {bits:#04x}: {said}", path.display());
        assert_eq!(*code, 3, "{what}");
        assert!(said.lines().any(|line| covers(line, path, *offset)), "no line covers {what}");
    }
    assert_eq!(answers.len(), flips.len());
    println!("{} flips in {} files", flips.len(), fresh.files().len());
}

/// File, offset, and which bits of the byte change.
type Flip = (PathBuf, u64, u8);

/// Some in every file, more in the segments, where the rows are.
fn flips(fresh: &Fresh, rng: &mut Rng) -> Vec<Flip> {
    let mut flips = Vec::new();
    for path in fresh.files() {
        let bytes = std::fs::metadata(&path).unwrap().len();
        let count = if path.extension().is_some_and(|extension| extension == "seg") { 24 } else { 5 };
        for _ in 0..count {
            flips.push((path.clone(), rng.below(bytes), 1 + rng.next_u64().to_le_bytes()[0] % 255));
        }
    }
    flips
}

fn read_flipped(mut python: Command, fresh: &Fresh, flips: &[Flip]) -> Vec<(i64, String)> {
    python.args(["-c", FLIPPER]).arg(fresh.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = python.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let lines: String = flips.iter().map(|flip| json!(flip).to_string() + "\n").collect();
    let feeder = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Whether a line of the reader names this file and a range that holds the offset.
fn covers(line: &str, path: &Path, offset: u64) -> bool {
    let Some(rest) = line.strip_prefix(&format!("damage: {}: offset ", path.display())) else { return false };
    let mut numbers = rest.split([',', ' ']).filter_map(|word| word.parse::<u64>().ok());
    let (Some(start), Some(length)) = (numbers.next(), numbers.next()) else { return false };
    (start..start + length).contains(&offset)
}

#[test]
fn it_tells_a_tear_from_a_lost_tail() {
    let Some(python) = python() else { return };
    let fresh = Fresh::new(4, 1);
    let segment = fresh.files().into_iter().rfind(|path| path.ends_with("segment-00000003.seg")).unwrap();
    let whole = std::fs::read(&segment).unwrap();
    let before = read(python, &fresh.path(), &[]);

    let unfinished = [&whole[..], &whole[4096..4096 + 300], &[7; 500]].concat();
    std::fs::write(&segment, unfinished).unwrap();
    let torn = read(self::python().unwrap(), &fresh.path(), &[]);
    assert_eq!(torn.code, Some(0), "{}", torn.said);
    let tear = format!("tear: {}: offset {}, 800 bytes", segment.display(), whole.len());
    assert!(torn.said.starts_with(&tear), "{}", torn.said);
    assert_same(&torn.rows, &before.rows, "after a tear");

    std::fs::write(&segment, &whole[..whole.len() - 1]).unwrap();
    let lost = read(self::python().unwrap(), &fresh.path(), &[]);
    assert_eq!(lost.code, Some(3), "{}", lost.said);
    assert!(lost.said.starts_with(&format!("damage: {}: offset ", segment.display())), "{}", lost.said);
}

/// The second of four commits is lost: with it rows that later commits replace and delete, and
/// the note that a row of the first commit was replaced.
#[test]
fn it_reads_past_the_damage_of_a_frozen_segment() {
    let Some(python) = python() else { return };
    let fresh = Fresh::new(5, 0);
    let identity = EmbeddingIdentity { dims: 2, ..EmbeddingIdentity::default() };
    let collection = fresh.store().create_collection("frozen", identity).unwrap();
    let put = |keys: &[&str], deleted: &[&str]| {
        let mut writer = collection.writer().unwrap();
        for key in keys {
            writer.upsert(Record::new(key, &[1.0, -2.0]).text(key)).unwrap();
        }
        for key in deleted {
            assert!(writer.delete(key).unwrap());
        }
        writer.commit().unwrap();
    };
    put(&["a", "b", "c"], &[]);
    put(&["b", "d"], &[]);
    put(&["b", "e"], &["d"]);
    put(&["f"], &[]);

    let segment = fresh.files().into_iter().rfind(|path| path.ends_with("segment-00000001.seg")).unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    let second = 4096 + u64::from_le_bytes(bytes[4104..4112].try_into().unwrap());
    bytes[usize::try_from(second).unwrap() + 20] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    put(&["a", "g"], &[]);

    let reading = read(python, &fresh.path(), &[]);
    assert_eq!(reading.code, Some(3), "{}", reading.said);
    assert!(reading.said.lines().any(|line| covers(line, &segment, second + 20)), "{}", reading.said);
    let view = collection.view_with(OnDamage::Skip).unwrap();
    assert_same(&reading.rows, &rows_of(&view), "after the damage");
    assert_eq!(reading.rows.len(), 6);
}
