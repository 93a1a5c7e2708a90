//! The examples under `contrib/`: whatever understands them is asked, and every command line in them is the program's.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Ended, Work};

fn contrib() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(contrib().join(name)).unwrap()
}

fn names(ending: &str) -> Vec<String> {
    let names = std::fs::read_dir(contrib()).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap()).filter(|name| name.ends_with(ending));
    let mut names: Vec<String> = names.collect();
    names.sort();
    assert!(!names.is_empty(), "{ending}");
    names
}

/// The arguments after the program's name, up to where the shell takes over.
fn arguments(command: &str) -> Vec<String> {
    let words =
        command.split_whitespace().take_while(|word| !matches!(*word, ">" | ">>" | "2>&1" | "&&" | "|"));
    words.map(str::to_owned).collect()
}

/// Every command line of the cron file and the units.
fn command_lines() -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for line in read("siltstone.cron").lines().filter(|line| line.contains("&& siltstone ")) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        for (field, limit) in fields[..5].iter().zip([59, 23, 31, 12, 7]) {
            assert!(*field == "*" || field.parse::<u32>().is_ok_and(|number| number <= limit), "{line}");
        }
        assert_eq!(fields[5..9], ["siltstone", "cd", "/srv/docs", "&&"], "{line}");
        found.push(arguments(line.split_once("&& siltstone ").unwrap().1));
    }
    assert_eq!(found.len(), 7);
    for name in names(".service") {
        for line in read(&name).lines().filter_map(|line| line.strip_prefix("ExecStart=")) {
            let command = line.strip_prefix("/usr/local/bin/siltstone ");
            found.push(arguments(command.unwrap_or_else(|| panic!("{name}: {line}"))));
        }
    }
    found
}

#[test]
fn every_command_line_is_understood_and_does_what_it_says() {
    let work = Work::empty();
    let pages = work.path().join("documentation/Alpha");
    std::fs::create_dir_all(&pages).unwrap();
    std::fs::create_dir_all(work.path().join("logs")).unwrap();
    std::fs::write(pages.join("page.md"), "# A page\n\nIt says something.\n").unwrap();
    std::fs::write(work.path().join("siltstone.toml"), "[[tree]]\npath = \"documentation\"\n").unwrap();
    work.run(&["update"]).expect(0);
    let (mut understood, mut run) = (0, 0);
    for line in command_lines() {
        let textfile = "/var/lib/node_exporter/textfile/siltstone.prom";
        let line: Vec<String> = line.iter().map(|word| word.replace(textfile, "siltstone.prom")).collect();
        let mut words: Vec<&str> = line.iter().map(String::as_str).collect();
        // The dashboard does not end by itself; it has tests of its own.
        if words[0] != "dashboard" {
            work.run(&words).expect(0);
            run += 1;
        }
        words.push("--help");
        work.run(&words).expect(0);
        understood += 1;
    }
    println!("contrib: {understood} command lines understood, {run} of them run");
    assert!(understood >= 13 && run >= 12, "{understood} {run}");
    // A misspelt flag would have been seen.
    work.run(&["update", "--forse", "--help"]).expect(2);
}

#[test]
fn systemd_understands_the_units() {
    let here = tempfile::tempdir().unwrap();
    let mut units = Vec::new();
    for name in names(".service").into_iter().chain(names(".timer")) {
        let text = read(&name)
            .replace("/usr/local/bin/siltstone", env!("CARGO_BIN_EXE_siltstone"))
            .replace("/var/lib/node_exporter/textfile", "/tmp")
            .replace("/srv/docs", "/tmp");
        let path = here.path().join(&name);
        std::fs::write(&path, &text).unwrap();
        assert!(text.starts_with("[Unit]\nDescription="), "{name}");
        units.push(path);
    }
    // Each timer has its service.
    for timer in names(".timer") {
        assert!(contrib().join(timer.replace(".timer", ".service")).exists(), "{timer}");
    }
    match Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&units).output() {
        Ok(output) => {
            let ended = Ended::of(output).expect(0);
            assert!(ended.stderr.trim().is_empty(), "{ended:?}");
            println!("systemd-analyze verify: {} units", units.len());
        }
        Err(error) => println!("skipped: systemd-analyze cannot be run here ({error})"),
    }
}

/// The words of an expression that begin as the program's metrics do.
fn metrics(expression: &str) -> Vec<&str> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("siltstone_")).collect()
}

#[test]
fn every_metric_of_the_rules_is_one_that_the_program_writes() {
    let work = Work::with_store();
    work.run(&["status", "--prometheus", "figures.prom"]).expect(0);
    let text = std::fs::read_to_string(work.path().join("figures.prom")).unwrap();
    let known: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let rules = read("siltstone-alerts.yml");
    let (mut used, mut expressions) = (BTreeSet::new(), 0);
    for line in rules.lines().filter(|line| !line.trim_start().starts_with('#')) {
        assert!(!line.contains('\t') && (line.len() - line.trim_start().len()) % 2 == 0, "{line}");
        used.extend(metrics(line));
        if let Some(expression) = line.trim_start().strip_prefix("expr: ") {
            assert!(!metrics(expression).is_empty(), "{expression}");
            let depth = expression.chars().try_fold(0i32, |depth, c| match c {
                '(' => Some(depth + 1),
                ')' => (depth > 0).then_some(depth - 1),
                _ => Some(depth),
            });
            assert_eq!(depth, Some(0), "{expression}");
            expressions += 1;
        }
    }
    assert!(expressions >= 15 && used.len() >= 15, "{expressions} {used:?}");
    for name in &used {
        assert!(known.contains(name), "{name} is not written by status --prometheus");
    }
    // Each rule has all its parts.
    let parts =
        ["- alert: ", "expr: ", "labels:", "severity: ", "annotations:", "summary: ", "description: "];
    for part in parts {
        let count = rules.lines().filter(|line| line.trim_start().starts_with(part)).count();
        assert_eq!(count, expressions, "{part}");
    }
    match Command::new("promtool")
        .args(["check", "rules"])
        .arg(contrib().join("siltstone-alerts.yml"))
        .output()
    {
        Ok(output) => drop(Ended::of(output).expect(0)),
        Err(error) => println!("skipped: promtool cannot be run here ({error}); checked by name and shape"),
    }
    println!("contrib: {expressions} rules, {} metrics", used.len());
}

#[test]
fn logrotate_understands_its_file() {
    let text = read("siltstone.logrotate");
    assert_eq!((text.matches('{').count(), text.matches('}').count()), (1, 1));
    // What it rotates is what cron writes, and nothing that the program rotates itself.
    let files: BTreeSet<&str> = text
        .lines()
        .filter(|line| line.ends_with('{'))
        .flat_map(str::split_whitespace)
        .filter_map(|word| word.strip_prefix("/srv/docs/"))
        .collect();
    let cron = read("siltstone.cron");
    let written: BTreeSet<&str> =
        cron.lines().filter_map(|line| line.split(">> ").nth(1)?.split(' ').next()).collect();
    assert_eq!(files, written);
    let here = tempfile::tempdir().unwrap();
    let path = here.path().join("siltstone");
    let own = text.replace("/srv/docs", here.path().to_str().unwrap());
    std::fs::write(&path, own.replace("    su siltstone siltstone\n", "")).unwrap();
    let state = here.path().join("state");
    match Command::new("logrotate").args(["--debug", "--state"]).arg(state).arg(&path).output() {
        Ok(output) => drop(Ended::of(output).expect(0)),
        Err(error) => println!("skipped: logrotate cannot be run here ({error}); checked by shape"),
    }
}

#[test]
fn the_list_of_examples_is_whole() {
    let list = read("README.md");
    for entry in std::fs::read_dir(contrib()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let service = name.replace(".timer", ".service");
        assert!(name == "README.md" || list.contains(&service), "{name}");
    }
}
