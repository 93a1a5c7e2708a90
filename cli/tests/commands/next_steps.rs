//! Whoever meets damage, or has nothing to do, says what the matter is and which command comes next.

use std::process::{Command, Stdio};

use crate::fix::with_many_documents;
use crate::harness::{Work, builtin, segments, unit};
use crate::health::write;

const MENDS: &str = "siltstone health --deep-scan --fix";

#[test]
fn every_command_that_meets_damage_names_what_mends_it() {
    let work = with_many_documents();
    let alpha = work.collection("docs_Alpha");
    alpha.writer().unwrap().seal().unwrap();
    write(&work, "Alpha/new.md", "# New\n\nThis page came later.\n");
    std::fs::remove_file(&segments(&alpha)[0]).unwrap();
    let commands: [&[&str]; 7] = [
        &["search", "install", "--collection", "docs_Alpha"],
        &["update", "docs"],
        &["compact"],
        &["export", "--collection", "docs_Alpha"],
        &["snapshot", "create", "moment"],
        &["backup", "create"],
        &["health"],
    ];
    for arguments in commands {
        let ended = work.run(arguments);
        let said = ended.stdout.clone() + &ended.stderr;
        let mends =
            said.contains(MENDS) || arguments == ["health"] && said.contains("siltstone health --fix");
        assert!(ended.code == 3 && mends, "{arguments:?}: {ended:?}");
    }
    // The snapshot is of no collection, also not of those that are whole; these can be named.
    assert!(!work.run(&["snapshot", "list"]).stdout.contains("moment"));
    work.run(&["snapshot", "create", "moment", "--collection", "docs_Beta"]).expect(0);
}

#[test]
fn compact_says_why_there_is_nothing_to_do() {
    let work = Work::with_store();
    let store = siltstone::Store::open(work.store()).unwrap();
    let one = store.create_collection("one", builtin()).unwrap();
    let mut writer = one.writer().unwrap();
    for row in 0..20 {
        writer.upsert(siltstone::Record::new(&format!("page{row}.md#0"), &unit(row))).unwrap();
    }
    writer.commit().unwrap();
    let said = work.run(&["compact", "--collection", "one"]).expect(11).stdout;
    assert!(said.contains("failed:"), "{said}");
    assert!(writer.delete("page0.md#0").unwrap());
    writer.commit().unwrap();
    drop(writer);
    let said = work.run(&["compact", "--collection", "one"]).expect(0).stdout;
    assert!(said.contains("nothing to do: ") && said.contains("as much as 30 % (at most 5 %)"), "{said}");
    work.run(&["snapshot", "create", "kept", "--collection", "one"]).expect(0);
    for arguments in [&["compact", "--min-dead", "0.01"][..], &["compact", "--min-dead", "0.01", "--dry-run"]]
    {
        let said = work.run(&[arguments, &["--collection", "one"]].concat()).expect(0).stdout;
        assert!(said.contains("for the snapshots kept") && said.contains("snapshot drop"), "{said}");
    }
}

#[test]
fn an_archive_without_its_digest_is_verified_by_its_members_and_that_is_said() {
    let work = Work::with_store();
    work.run(&["backup", "create"]).expect(0);
    let verified = work.run(&["backup", "verify", "latest", "--json"]).expect(0).json();
    assert_eq!(verified["whole_digest"], true);
    let archives = std::fs::read_dir(work.path().join("backups")).unwrap().map(|entry| entry.unwrap().path());
    let digest = { archives }.find(|path| path.extension().is_some_and(|ending| ending == "b3")).unwrap();
    std::fs::remove_file(&digest).unwrap();
    let said = work.run(&["backup", "verify", "latest"]).expect(0);
    assert!(said.stderr.contains(".b3 is missing") && said.stderr.contains("every member"), "{said:?}");
    assert_eq!(work.run(&["backup", "verify", "latest", "--json"]).expect(0).json()["whole_digest"], false);
}

/// Where nobody may mount anything, this says so and tries nothing.
#[test]
#[cfg(target_os = "linux")]
fn doctor_writes_bytes_and_not_only_a_name() {
    let work = Work::with_store();
    let logs = work.path().join("logs");
    std::fs::create_dir_all(&logs).unwrap();
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(&logs).stderr(Stdio::null());
    if !mount.status().is_ok_and(|status| status.success()) {
        eprintln!("no file system can be mounted here: a full disk was not tried");
        return;
    }
    let filled = std::fs::write(logs.join("filler"), vec![1; 64 << 10]);
    let ended = work.run(&["doctor", "--json"]);
    assert!(Command::new("umount").arg(&logs).status().unwrap().success());
    filled.unwrap();
    let found = ended.expect(3).json();
    let rights = found["checks"].as_array().unwrap().iter().find(|one| one["check"] == "rights").unwrap();
    assert_eq!(rights["status"], "fail", "{found}");
    assert!(rights["next_step"].as_str().unwrap().contains("free some space"), "{found}");
}
