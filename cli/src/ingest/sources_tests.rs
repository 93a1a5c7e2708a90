use super::*;
use std::fs;

fn tree(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    folder
}

fn rules() -> SourceRules {
    SourceRules { prefix: "docs".into(), ..SourceRules::default() }
}

fn declared(path: PathBuf) -> Declared {
    Declared { name: None, path, include: vec![], exclude: vec![], collection: None }
}

fn collections(paths: &[PathBuf], rules: &SourceRules) -> Vec<String> {
    plan_sources(paths, rules).unwrap().sources.into_iter().map(|source| source.collection).collect()
}

#[test]
fn a_folder_of_frameworks_becomes_one_collection_each() {
    let folder = tree(&["SwiftUI/a.md", "UIKit/b.md", "C++/c.md", ".cache/d.md"]);
    let made = collections(&[folder.path().to_owned()], &rules());
    assert_eq!(made.len(), 3);
    assert!(made[0].starts_with("docs_C__-"), "{made:?}");
    assert_eq!(made[1..], ["docs_SwiftUI", "docs_UIKit"]);
}

#[test]
fn a_folder_with_documents_of_its_own_is_one_framework() {
    let folder = tree(&["project/Cargo.toml", "project/engine/a.rs", "project/cli/b.rs"]);
    assert_eq!(collections(&[folder.path().join("project")], &rules()), ["docs_project"]);
}

#[test]
fn a_repository_is_one_framework_even_without_documents_at_the_top() {
    let folder = tree(&["repo/.git/HEAD", "repo/a/a.md", "repo/b/b.md"]);
    assert_eq!(collections(&[folder.path().join("repo")], &rules()), ["docs_repo"]);
}

#[test]
fn one_child_folder_makes_no_tree_and_pictures_do_not_count_as_documents() {
    let folder = tree(&["one/html/a.html", "one/img/b.png"]);
    assert_eq!(collections(&[folder.path().join("one")], &rules()), ["docs_one"]);
}

#[test]
fn the_rule_can_be_overridden_both_ways() {
    let folder = tree(&["docs/README.md", "docs/a/a.md", "docs/b/b.md"]);
    let path = [folder.path().join("docs")];
    let always = SourceRules { split: Split::Always, ..rules() };
    let plan = plan_sources(&path, &always).unwrap();
    assert_eq!(plan.sources.iter().map(|s| s.framework.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(plan.skipped[0].reason, Reason::OutsideFrameworks);
    fs::remove_file(folder.path().join("docs/README.md")).unwrap();
    assert_eq!(collections(&path, &rules()), ["docs_a", "docs_b"]);
    assert_eq!(collections(&path, &SourceRules { split: Split::Never, ..rules() }), ["docs_docs"]);
    let named = SourceRules { framework: Some("mine".into()), ..rules() };
    assert_eq!(collections(&path, &named), ["docs_mine"]);
}

fn known(root: &Path) -> Known {
    let framework = root.file_name().unwrap().to_str().unwrap().to_owned();
    Known { collection: format!("kept_{framework}"), framework, root: root.to_owned(), ..Known::default() }
}

#[test]
fn a_framework_that_vanished_from_its_tree_is_missed_and_one_whose_tree_is_out_of_sight_is_not() {
    let folder = tree(&["docs/a/a.md", "docs/b/b.md"]);
    let docs = real_path(&folder.path().join("docs"));
    let rules = SourceRules { known: vec![known(&docs.join("b")), known(&docs.join("gone"))], ..rules() };
    let declared = DeclaredTree { path: docs.clone(), include: Vec::new(), exclude: Vec::new() };
    let by_tree = SourceRules { trees: vec![declared], ..rules.clone() };
    for plan in [plan_sources(&[], &by_tree), plan_sources(std::slice::from_ref(&docs), &rules)] {
        let found: Vec<String> = plan.unwrap().sources.into_iter().map(|one| one.collection).collect();
        assert_eq!(found, ["docs_a", "docs_b", "kept_gone"]);
    }
    // By its own path it is known again, under the name that it had.
    assert_eq!(collections(&[docs.join("gone")], &rules), ["kept_gone"]);
    let chosen = SourceRules { framework: Some("gone".into()), ..by_tree };
    assert_eq!(collections(&[], &chosen), ["kept_gone"]);
    // A tree that is named with one of its frameworks is not that framework.
    assert_eq!(collections(std::slice::from_ref(&docs), &chosen), ["kept_gone"]);
    let one = SourceRules { framework: Some("a".into()), ..chosen.clone() };
    assert_eq!(collections(std::slice::from_ref(&docs), &one), ["docs_a"]);
    let none = SourceRules { framework: Some("aa".into()), ..chosen.clone() };
    let error = plan_sources(std::slice::from_ref(&docs), &none).unwrap_err();
    assert!(error.to_string().contains("did you mean a?"), "{error}");
    fs::remove_dir_all(docs.join("a")).unwrap();
    fs::remove_dir_all(docs.join("b")).unwrap();
    assert!(collections(&[], &SourceRules { framework: None, ..chosen }).is_empty());
}

#[test]
fn what_the_store_decided_once_stays_decided() {
    let folder = tree(&["docs/README.md", "docs/a/a.md", "docs/b/b.md"]);
    let docs = real_path(&folder.path().join("docs"));
    let split = SourceRules { known: vec![known(&docs.join("a")), known(&docs.join("b"))], ..rules() };
    assert_eq!(collections(std::slice::from_ref(&docs), &split), ["docs_a", "docs_b"]);
    fs::remove_file(docs.join("README.md")).unwrap();
    let whole = SourceRules { known: vec![known(&docs)], ..rules() };
    assert_eq!(collections(&[docs], &whole), ["docs_docs"]);
}

#[test]
fn single_files_belong_to_the_framework_of_their_folder_and_cover_nothing_else() {
    let folder = tree(&["docs/a.md", "docs/b.md", "docs/c.md"]);
    let docs = real_path(&folder.path().join("docs"));
    let plan = plan_sources(&[docs.join("b.md"), docs.join("a.md"), docs.join("a.md")], &rules()).unwrap();
    assert_eq!(plan.sources.len(), 1);
    assert_eq!(plan.sources[0].collection, "docs_docs");
    assert_eq!(plan.sources[0].scope, Scope::Files(vec![docs.join("a.md"), docs.join("b.md")]));
    let plan = plan_sources(&[docs.join("b.md"), docs], &rules()).unwrap();
    assert_eq!(plan.sources[0].scope, Scope::Tree);
}

#[test]
fn a_missing_path_is_still_a_source_so_that_the_guard_sees_it() {
    let folder = tree(&["x.md"]);
    let plan = plan_sources(&[folder.path().join("gone")], &rules()).unwrap();
    assert_eq!(plan.sources[0].framework, "gone");
}

#[test]
fn two_folders_of_one_name_are_refused_with_the_way_out() {
    let folder = tree(&["x/docs/a.md", "y/docs/a.md"]);
    let error =
        plan_sources(&[folder.path().join("x/docs"), folder.path().join("y/docs")], &rules()).unwrap_err();
    assert!(error.to_string().contains("docs_docs") && error.to_string().contains("--framework"), "{error}");
    let named = SourceRules { framework: Some("n".into()), ..rules() };
    let error = plan_sources(&[folder.path().join("x"), folder.path().join("y")], &named).unwrap_err();
    assert!(matches!(error, SourceError::OneNameForSeveral { .. }), "{error}");
}

#[test]
fn the_same_folder_twice_is_once() {
    let folder = tree(&["docs/a.md"]);
    let docs = folder.path().join("docs");
    assert_eq!(collections(&[docs.clone(), docs.join("../docs"), docs], &rules()), ["docs_docs"]);
}

#[test]
fn the_configuration_names_collections_globs_and_trees() {
    let folder = tree(&["t/A/a.md", "t/B/b.md", "t/loose.md", "w/c.md"]);
    let rules = SourceRules {
        declared: vec![
            Declared {
                name: Some("Bee".into()),
                collection: Some("bees".into()),
                ..declared(folder.path().join("t/B"))
            },
            declared(folder.path().join("w")),
        ],
        trees: vec![DeclaredTree {
            path: folder.path().join("t"),
            include: vec!["*.md".into()],
            exclude: vec![],
        }],
        ..rules()
    };
    assert_eq!(collections(&[], &rules), ["bees", "docs_A", "docs_w"]);
    let only = SourceRules { framework: Some("Bee".into()), ..rules.clone() };
    assert_eq!(collections(&[], &only), ["bees"]);
    let unknown = SourceRules { framework: Some("Nope".into()), ..rules.clone() };
    let message = plan_sources(&[], &unknown).unwrap_err().to_string();
    assert!(message.contains("Nope") && message.contains("Bee"), "{message}");
    assert_eq!(collections(&[folder.path().join("t")], &rules), ["bees", "docs_A"]);
}

#[test]
fn nothing_named_and_a_lost_tree_are_said() {
    assert_eq!(plan_sources(&[], &rules()).unwrap_err(), SourceError::NothingToDo);
    let lost = DeclaredTree { path: "/definitely/not/here".into(), include: vec![], exclude: vec![] };
    let plan = plan_sources(&[], &SourceRules { trees: vec![lost], ..rules() }).unwrap();
    assert_eq!(plan.unlisted_trees.len(), 1);
}
