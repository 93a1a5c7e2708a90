//! What the program says about itself: completion scripts and manual pages, without a store.

use crate::harness::Work;

#[test]
fn every_shell_gets_its_completions_whatever_the_configuration() {
    let work = Work::empty();
    std::fs::write(work.path().join("siltstone.toml"), "not toml at all").unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = work.run(&["completions", shell]).expect(0).stdout;
        assert!(script.contains("snapshot") && script.contains("lock-wait"), "{shell}");
    }
    work.run(&["completions", "tcsh"]).expect(2);
}

#[test]
fn manual_pages_cover_every_command() {
    let work = Work::empty();
    let page = work.run(&["man"]).expect(0).stdout;
    assert!(page.contains(".TH siltstone 1") && page.contains("Exit codes"), "{page}");
    let written = work.run(&["man", "--to", "pages"]).expect(0).stdout;
    for name in ["siltstone.1", "siltstone-search.1", "siltstone-snapshot-diff.1"] {
        assert!(written.contains(name), "{written}");
        let page = std::fs::read_to_string(work.path().join("pages").join(name)).unwrap();
        assert!(page.contains(&format!(".TH {} 1", name.trim_end_matches(".1"))), "{page}");
    }
}
