//! The operations guide, run: every command of its `bash` blocks in order, against this repository's own documents, and
//! the counterpart of every command line of the guide of the scripts that siltstone replaces.
// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const GUIDE: &str = include_str!("../GUIDE.md");

/// Each command line of the old guide, and what does it now. All of the right are in the guide.
const COUNTERPARTS: &[(&str, &str)] = &[
    ("python3 scripts/vectorstore_health_check.py --collection all", "siltstone health --collection all"),
    (
        "python3 scripts/vectorstore_health_check.py --collection apple_docs_SwiftUI",
        "siltstone health --collection apple_docs_SwiftUI",
    ),
    (
        "python3 scripts/vectorstore_health_check.py --output health_report.json",
        "siltstone health --output health_report.json",
    ),
    ("python3 scripts/backup_vectorstore.py --create", "siltstone backup create"),
    (
        "python3 scripts/backup_vectorstore.py --restore backup_20240610_120000.tar.gz",
        "siltstone backup restore latest --force",
    ),
    (
        "python3 scripts/backup_vectorstore.py --verify backup_20240610_120000.tar.gz",
        "siltstone backup verify latest",
    ),
    (
        "0 2 * * * cd /path/to/project && python3 scripts/backup_vectorstore.py --create",
        "0 2 * * * cd /path/to/project && siltstone backup create >> logs/backup.log 2>&1",
    ),
    ("python3 scripts/build_index_incremental.py --force", "siltstone update --force"),
    (
        "python3 scripts/build_index_incremental.py --framework SwiftUI --force",
        "siltstone update --framework SwiftUI --force",
    ),
    (
        "0 3 * * * cd /path/to/project && python3 scripts/build_index_incremental.py --force >> logs/daily_update.log 2>&1",
        "0 3 * * * cd /path/to/project && siltstone update --force --lock-wait 30m >> logs/daily_update.log 2>&1",
    ),
    ("python3 scripts/vectorstore_health_check.py", "siltstone health"),
    ("cat .hashes/embedding_checkpoint.json", "siltstone status"),
    ("pkill -f build_index_incremental.py", "siltstone stop"),
    ("python3 scripts/build_index_incremental.py", "siltstone update --force"),
    ("pkill -f build_index", "siltstone stop"),
    ("python3 scripts/backup_vectorstore.py --restore latest", "siltstone backup restore latest --force"),
    ("python3 scripts/vectorstore_health_check.py --fix", "siltstone health --fix"),
    ("export MAX_EMBEDDING_COST=\"1.00\"", "export MAX_EMBEDDING_COST=\"1.00\""),
    (
        "python3 scripts/build_index_incremental.py --framework SmallFramework",
        "siltstone update --framework SmallFramework --force",
    ),
    ("python3 scripts/backup_vectorstore.py --verify latest", "siltstone backup verify latest"),
    ("du -sh vectorstore/", "du -sh vectorstore/"),
    ("ls -la backups/", "siltstone backup list"),
    ("python3 scripts/vectorstore_health_check.py --deep-scan", "siltstone health --deep-scan"),
    ("find backups/ -name \"*.tar.gz\" -mtime +30 -delete", "siltstone backup prune --keep-days 30 --force"),
    (
        "grep \"Processing rate\" logs/daily_update.log | tail -30",
        "grep \"Processing rate\" logs/daily_update.log | tail -30",
    ),
];

/// Commands that end otherwise than with 0 where the guide has them, and how.
const ENDS_WITH: &[(&str, i32)] = &[("siltstone health --deep-scan --fix --dry-run", 3)];

/// Commands that measure for seconds, and what they are here.
const SHORTER: &[(&str, &str)] = &[("siltstone bench", "siltstone bench --seconds 0.02")];

/// A section of the guide, and the lines of its blocks.
struct Section {
    title: String,
    lines: Vec<String>,
}

/// The blocks of one language, section by section.
fn sections(language: &str) -> Vec<Section> {
    let mut sections = vec![Section { title: String::new(), lines: Vec::new() }];
    let (mut inside, fence) = (false, format!("```{language}"));
    for line in GUIDE.lines() {
        match line {
            _ if line == fence => inside = true,
            "```" => inside = false,
            _ if inside && !line.trim().is_empty() && !line.starts_with('#') => {
                sections.last_mut().unwrap().lines.push(line.to_owned());
            }
            _ if !inside && line.starts_with('#') => {
                let title = line.trim_start_matches('#').trim().to_owned();
                sections.push(Section { title, lines: Vec::new() });
            }
            _ => {}
        }
    }
    sections
}

fn lines(language: &str) -> Vec<String> {
    sections(language).into_iter().flat_map(|section| section.lines).collect()
}

/// A project as the guide describes it, with this repository's documents in two frameworks.
struct Project {
    directory: tempfile::TempDir,
    path: std::ffi::OsString,
}

impl Project {
    fn new() -> Project {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        copy_documents(
            &repository.join("format-spec"),
            &root.join("documentation/SwiftUI/format"),
            &["md", "rs"],
        );
        copy_documents(&repository.join("engine/src"), &root.join("documentation/SwiftUI/engine"), &["rs"]);
        copy_documents(&repository.join("tests"), &root.join("documentation/SmallFramework"), &["md"]);
        let config = GUIDE.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        std::fs::write(root.join("siltstone.toml"), config).unwrap();
        // `siltstone` by its name, as the guide calls it.
        let bin = root.join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_siltstone"), bin.join("siltstone")).unwrap();
        let mut path = bin.into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        Project { directory, path }
    }

    fn root(&self) -> &Path {
        self.directory.path()
    }

    fn shell(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(self.root()).env("PATH", &self.path).stdin(Stdio::null());
        for variable in ["OPENAI_API_KEY", "OPENAI_BASE_URL"] {
            command.env_remove(variable);
        }
        command
    }

    /// Runs a line, which must end as the guide says.
    fn run(&self, line: &str) {
        if line.starts_with("siltstone dashboard") {
            return self.look_at_the_dashboard(line);
        }
        let shorter = SHORTER.iter().find(|(known, _)| *known == line).map_or(line, |(_, shorter)| shorter);
        let output = self.shell(shorter).output().unwrap();
        let shown =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let expected = ENDS_WITH.iter().find(|(known, _)| *known == line).map_or(0, |(_, code)| *code);
        if line == "siltstone status --check" && shown.starts_with("SILTSTONE WARNING - ") {
            // How full the memory of this machine is says nothing about the guide.
            let said = shown.split(" - ").nth(1).and_then(|rest| rest.split(" | ").next()).unwrap();
            assert!(said.split(", ").all(|text| text.contains("of the machine's memory")), "{shown}");
            return;
        }
        assert_eq!(output.status.code(), Some(expected), "{line}:\n{shown}");
    }

    /// Starts it at a port that is free, asks for the page, and ends it as Ctrl-C does.
    fn look_at_the_dashboard(&self, line: &str) {
        let mut command = self.shell(&format!("exec {line} --port 0"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
        let address = said.trim().rsplit('/').nth(1).unwrap().to_owned();
        let mut stream = std::net::TcpStream::connect(&address).unwrap();
        write!(stream, "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        assert!(page.starts_with("HTTP/1.1 200") && page.contains("apple_docs_SwiftUI"), "{page}");
        let kill = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

fn copy_documents(from: &Path, to: &Path, endings: &[&str]) {
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        if path.is_dir() && name != "golden" {
            copy_documents(&path, &to.join(name), endings);
        } else if path.extension().is_some_and(|ending| endings.iter().any(|known| ending == *known)) {
            std::fs::create_dir_all(to).unwrap();
            std::fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

fn segment_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "aside") {
            segment_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "seg") {
            found.push(path);
        }
    }
}

/// Damages the store: one bit of a row here, a hundred bytes of rows there.
fn damage(project: &Project) {
    let mut segments = Vec::new();
    segment_files(&project.root().join("vectorstore"), &mut segments);
    segments.sort_by_key(|path| std::fs::metadata(path).unwrap().len());
    let change = |path: &Path, change: &dyn Fn(&mut [u8])| {
        let mut bytes = std::fs::read(path).unwrap();
        change(&mut bytes);
        std::fs::write(path, bytes).unwrap();
    };
    change(segments.first().unwrap(), &|bytes| bytes[4096 + 256 + 77] ^= 16);
    change(segments.last().unwrap(), &|bytes| bytes[4096 + 256 + 6144..4096 + 256 + 6244].fill(0x5a));
    let ended = project.shell("siltstone health --deep-scan").output().unwrap();
    assert_eq!(ended.status.code(), Some(3), "the damage is seen");
}

#[test]
fn every_command_of_the_guide_runs_in_order() {
    let project = Project::new();
    let mut run = 0;
    for section in sections("bash") {
        if section.title.starts_with("2. The store is damaged") {
            damage(&project);
        }
        if section.title.starts_with("1. An update hangs") {
            run += hanging_update(&section.lines);
            continue;
        }
        for line in &section.lines {
            project.run(line);
            run += 1;
            if section.title == "Setting up" && line.starts_with("siltstone update") {
                // What the nightly runs would have left.
                project.run(&format!("{line} >> logs/daily_update.log 2>&1"));
            }
        }
    }
    for line in lines("cron") {
        let command = line.split_once(" cd /path/to/project && ").map(|(_, command)| command).unwrap();
        assert_eq!(
            line.split(' ').take(5).filter(|field| field.parse::<u8>().is_ok() || *field == "*").count(),
            5
        );
        project.run(command);
        run += 1;
    }
    println!("guide: {run} commands ran");
    assert!(run >= 30, "{run}");
    // What was to be sent to somebody names nothing.
    let page = std::fs::read_to_string(project.root().join("report-to-send.html")).unwrap();
    assert!(!page.contains("SwiftUI") && page.contains("collection-"));
}

/// The commands for an update that hangs, in a project in which one does. Returns how many ran.
fn hanging_update(lines: &[String]) -> usize {
    let project = Project::new();
    let mut hanging = hang(&project);
    for line in lines {
        project.run(line);
        if line == "siltstone stop" {
            // It has returned, so the update has ended.
            assert_eq!(hanging.try_wait().unwrap().and_then(|ended| ended.code()), Some(130));
        }
    }
    let ended = hanging.try_wait().unwrap().is_some();
    let _ = hanging.kill();
    let _ = hanging.wait();
    assert!(ended, "no command of these stopped the update");
    lines.len()
}

/// An update whose embedding server never answers.
fn hang(project: &Project) -> std::process::Child {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let pages = project.root().join("elsewhere/Hanging");
    std::fs::create_dir_all(&pages).unwrap();
    std::fs::write(pages.join("page.md"), "# A page\n\nNobody will ever embed it.\n").unwrap();
    let line = format!("exec siltstone update elsewhere/Hanging --base-url {url} --model m --dims 8");
    let mut command = project.shell(&line);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // It is waiting once it has connected. The connection stays open for as long as the test runs.
    std::mem::forget(listener.accept().unwrap());
    std::mem::forget(listener);
    child
}

#[test]
fn every_line_of_the_old_guide_has_its_counterpart_here() {
    let here: BTreeSet<String> = lines("bash").into_iter().chain(lines("cron")).collect();
    for (old, new) in COUNTERPARTS {
        assert!(here.contains(*new), "{old}: {new} is not in the guide");
    }
}

#[test]
fn the_table_of_findings_is_the_programs() {
    let help = Command::new(env!("CARGO_BIN_EXE_siltstone")).args(["health", "--findings"]).output().unwrap();
    let table = String::from_utf8(help.stdout).unwrap();
    let here = GUIDE.split("<!-- findings -->\n").nth(1).and_then(|rest| rest.split("<!-- end -->").next());
    assert_eq!(
        here,
        Some(table.as_str()),
        "GUIDE.md: the table between the marks is `siltstone health --findings`"
    );
}
