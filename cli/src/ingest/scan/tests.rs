use super::*;
use crate::ingest::sources::{Scope, Source};
use std::fs;

fn source(root: &Path, include: &[&str], exclude: &[&str]) -> Source {
    let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    Source {
        framework: "f".into(),
        collection: "docs_f".into(),
        root: root.to_owned(),
        scope: Scope::Tree,
        globs: Globs::new(&owned(include), &owned(exclude)).unwrap(),
    }
}

fn options() -> ScanOptions {
    ScanOptions { max_file_size_bytes: 1_000, never_enter: Vec::new() }
}

fn write(root: &Path, name: &str, text: impl AsRef<[u8]>) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn ids(scan: &Scan) -> Vec<String> {
    scan.documents.iter().map(|document| document.id).collect()
}

fn reason_of<'a>(scan: &'a Scan, id: &str) -> &'a Reason {
    let found = scan.skipped.iter().find(|one| one.id.as_deref() == Some(id));
    &found.unwrap_or_else(|| panic!("{id} is not among {:?}", scan.skipped)).reason
}

#[test]
fn documents_come_sorted_with_ids_below_the_root() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b.md", "a/z.md", "a/b/c.html", "a.md", "B.txt", "a-b.md"] {
        write(folder.path(), name, "x");
    }
    let found = scan(&source(folder.path(), &[], &[]), &options());
    assert_eq!(ids(&found), ["B.txt", "a-b.md", "a.md", "a/b/c.html", "a/z.md", "b.md"]);
    assert_eq!(found.state, RootState::Listed);
    assert!(found.documents.iter().all(|d| d.path().is_absolute() && d.size_bytes == 1 && d.stamp.is_some()));
}

#[test]
fn ignore_files_count_outside_a_repository_and_hidden_files_do_not_appear() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), ".gitignore", "target/\n*.tmp.md\n");
    write(folder.path(), "sub/.siltstoneignore", "private.md\n");
    for name in
        ["a.md", "b.tmp.md", "target/c.md", "sub/private.md", "sub/public.md", ".hidden.md", ".dir/d.md"]
    {
        write(folder.path(), name, "x");
    }
    assert_eq!(ids(&scan(&source(folder.path(), &[], &[]), &options())), ["a.md", "sub/public.md"]);
}

#[test]
fn outer_ignore_files_count_only_inside_a_repository() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), ".gitignore", "*.md\n");
    write(folder.path(), "docs/a.md", "x");
    write(folder.path(), "docs/b.txt", "x");
    let docs = folder.path().join("docs");
    assert_eq!(ids(&scan(&source(&docs, &[], &[]), &options())), ["a.md", "b.txt"]);
    fs::create_dir(folder.path().join(".git")).unwrap();
    assert_eq!(ids(&scan(&source(&docs, &[], &[]), &options())), ["b.txt"]);
}

#[test]
fn globs_choose_and_an_included_name_needs_no_known_extension() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.md", "b.txt", "c.weird", "drafts/d.md"] {
        write(folder.path(), name, "x");
    }
    let found = scan(&source(folder.path(), &["*.md", "*.weird"], &["drafts/"]), &options());
    assert_eq!(ids(&found), ["a.md", "c.weird"]);
    assert_eq!(found.documents.iter().nth(1).unwrap().kind, Kind::Text);
}

#[test]
fn the_store_and_its_neighbours_are_never_entered() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.md", "x");
    write(folder.path(), "vectorstore/b.md", "x");
    let never_enter = vec![folder.path().join("vectorstore"), folder.path().join("missing")];
    let found = scan(&source(folder.path(), &[], &[]), &ScanOptions { never_enter, ..options() });
    assert_eq!(ids(&found), ["a.md"]);
}

#[test]
fn what_cannot_be_taken_is_reported_and_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "big.md", vec![b'x'; 1_001]);
    write(folder.path(), "empty.md", "");
    write(folder.path(), "picture.png", "x");
    write(folder.path(), "good.md", "x");
    write(folder.path(), &format!("{}/{}/long.md", "d".repeat(250), "e".repeat(250)), "x");
    let found = scan(&source(folder.path(), &[], &[]), &options());
    assert_eq!(found.documents.len(), 2);
    assert_eq!(*reason_of(&found, "big.md"), Reason::TooLarge { size_bytes: 1_001, limit_bytes: 1_000 });
    assert_eq!(*reason_of(&found, "empty.md"), Reason::Empty);
    assert_eq!(*reason_of(&found, "picture.png"), Reason::NotADocument);
}

#[cfg(unix)]
#[test]
fn links_make_no_loops_and_pipes_do_not_hang() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "sub/a.md", "x");
    symlink(folder.path(), folder.path().join("sub/loop")).unwrap();
    symlink("self", folder.path().join("self")).unwrap();
    symlink("a.md", folder.path().join("sub/again.md")).unwrap();
    symlink("nowhere.md", folder.path().join("dangling.md")).unwrap();
    let pipe = folder.path().join("pipe.md");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let found = scan(&source(folder.path(), &[], &[]), &options());
    assert_eq!(ids(&found), ["sub/a.md", "sub/again.md"]);
    assert!(matches!(reason_of(&found, "sub/loop"), Reason::LinkedFolder { .. }));
    assert!(matches!(reason_of(&found, "self"), Reason::Unreadable { .. }));
    assert_eq!(*reason_of(&found, "dangling.md"), Reason::DanglingLink);
    assert_eq!(*reason_of(&found, "pipe.md"), Reason::NotAFile);
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_utf8_is_reported() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let name = std::ffi::OsStr::from_bytes(b"caf\xE9.md");
    fs::write(folder.path().join(name), "x").unwrap();
    write(folder.path(), "a.md", "x");
    let found = scan(&source(folder.path(), &[], &[]), &options());
    assert_eq!(ids(&found), ["a.md"]);
    assert_eq!((found.skipped[0].id.clone(), found.skipped[0].reason.clone()), (None, Reason::NameNotUtf8));
}

#[test]
fn a_missing_an_empty_and_a_refused_root_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| scan(&source(&folder.path().join(name), &[], &[]), &options()).state;
    fs::create_dir(folder.path().join("empty")).unwrap();
    write(folder.path(), "file", "x");
    assert_eq!(at("missing"), RootState::Missing);
    assert_eq!(at("empty"), RootState::Empty);
    assert!(matches!(at("file"), RootState::Unreadable { .. }));
}

#[test]
fn only_what_was_surely_looked_at_can_be_gone() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.md", "x");
    let whole = source(folder.path(), &[], &[]);
    let mut found = scan(&whole, &options());
    assert!(found.is_gone("b.md") && !found.is_gone("a.md"));

    found.unlisted.push(Unlisted {
        path: "p".into(),
        id_prefix: Some("locked".into()),
        message: "no".into(),
    });
    assert!(!found.is_gone("locked/c.md") && found.is_gone("locked.md") && found.is_gone("lockedx/c.md"));
    found.skipped.push(Skipped {
        path: "p".into(),
        id: Some("d.md".into()),
        reason: Reason::Unreadable { message: "no".into() },
    });
    assert!(!found.is_gone("d.md"));

    let some = Source { scope: Scope::Files(vec![folder.path().join("a.md")]), ..whole };
    assert!(!scan(&some, &options()).is_gone("b.md"));
    assert!(!scan(&source(&folder.path().join("nowhere"), &[], &[]), &options()).is_gone("b.md"));
}

#[cfg(unix)]
#[test]
fn a_folder_without_permission_hides_its_documents_but_does_not_remove_them() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.md", "x");
    write(folder.path(), "locked/b.md", "x");
    let locked = folder.path().join("locked");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
    let found = scan(&source(folder.path(), &[], &[]), &options());
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o755)).unwrap();
    if ids(&found) == ["a.md", "locked/b.md"] {
        return; // The superuser may read everything; there is nothing to see.
    }
    assert_eq!(ids(&found), ["a.md"]);
    assert_eq!(found.unlisted[0].id_prefix.as_deref(), Some("locked"));
    assert!(!found.is_gone("locked/b.md"));
}

#[test]
fn a_file_named_outright_is_taken_whatever_its_name() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "NOTES.weird", "x");
    let scope = Scope::Files(vec![real_path(folder.path()).join("NOTES.weird")]);
    let found = scan(&Source { scope, ..source(folder.path(), &[], &[]) }, &options());
    assert_eq!(ids(&found), ["NOTES.weird"]);
}
