//! Exit codes are a promise: each situation has its own.

use crate::harness::Work;

#[test]
fn without_a_store_every_command_ends_with_10() {
    let work = Work::empty();
    for arguments in [
        &["status"][..],
        &["search", "anything"],
        &["health"],
        &["snapshot", "list"],
        &["snapshot", "create", "x"],
        &["recover", "--to", "new"],
        &["compact"],
    ] {
        let ended = work.run(arguments).expect(10);
        assert!(ended.stdout.is_empty(), "{ended:?}");
        let lines: Vec<&str> = ended.stderr.lines().filter(|line| !line.starts_with("reading")).collect();
        assert!(lines[0].starts_with("error: no store at ") && lines[1].starts_with("  next: "), "{ended:?}");
        assert_eq!(lines.len(), 2, "{ended:?}");
    }
    assert!(!work.path().join("new").exists());
}

#[test]
fn a_store_path_that_is_a_file_is_no_store_and_is_left_alone() {
    let work = Work::empty();
    std::fs::write(work.store(), "mine").unwrap();
    assert!(work.run(&["status"]).expect(10).stderr.contains("it is a file"));
    assert!(work.run(&["health"]).expect(10).stderr.contains("it is a file"));
    assert!(work.run(&["init"]).expect(1).stderr.contains("is taken: a file"));
    assert_eq!(std::fs::read_to_string(work.store()).unwrap(), "mine");
    let deeper = work.store().join("deeper");
    work.run(&["--store", deeper.to_str().unwrap(), "init"]).expect(1);
}

#[test]
fn a_command_line_that_makes_no_sense_ends_with_2() {
    let work = Work::with_store();
    for (arguments, says) in [
        (&["serach", "x"][..], "unrecognized subcommand"),
        (&["search"], "QUERY"),
        (&["search", "  "], "query is empty"),
        (&["search", "x", "--top-k", "0"], "top-k"),
        (&["search", "x", "--filter", "framework = "], "filter"),
        (&["search", "x", "--collection", "docs_Alhpa"], "did you mean docs_Alpha?"),
        (&["search", "x", "--framework", "Gamma"], "no collection holds the framework"),
        (&["search", "x", "--snapshot", "none"], "no snapshot named"),
        (&["health", "--collection", "docs_Alhpa"], "did you mean docs_Alpha?"),
        (&["health", "--output", "report.txt"], "JSON or a page"),
        (&["health", "--max-time", "5m"], "--deep-scan"),
        (&["health", "--deep-scan", "--max-time", "soon"], "10m"),
        (&["status", "--collection", "nope"], "no collection is named"),
        (&["snapshot", "create", "a b"], "is refused"),
        (&["compact", "--min-dead", "1.5"], "it must be 0 to 1"),
        (&["compact", "--collection", "docs_Alhpa"], "did you mean docs_Alpha?"),
        (&["snapshot", "drop", "none"], "no collection has a snapshot"),
        (&["inspect", "docs_Alpa"], "did you mean docs_Alpha?"),
        (&["inspect", "/etc/hostname"], "not a file of a store"),
        (&["recover", "--to", "vectorstore/inside"], "lies inside the store"),
        (&["--config", "none.toml", "status"], "none.toml"),
        (&["-q", "-v", "status"], "cannot be used with"),
    ] {
        let ended = work.run(arguments).expect(2);
        assert!(ended.stderr.contains(says) && ended.stdout.is_empty(), "{arguments:?}: {ended:?}");
    }
    std::fs::write(work.path().join("siltstone.toml"), "stor = \"x\"").unwrap();
    assert!(work.run(&["status"]).expect(2).stderr.contains("did you mean `store`?"));
}

#[test]
fn a_second_writer_ends_with_11_and_says_who_the_first_is() {
    let work = Work::with_store();
    let writer = work.collection("docs_Alpha").writer().unwrap();
    let ended = work.run(&["snapshot", "create", "x"]).expect(11);
    let who = format!("process {}", std::process::id());
    assert!(ended.stderr.contains(&who) && ended.stdout.is_empty(), "{ended:?}");
    // All or none.
    assert!(work.collection("docs_Beta").snapshots().unwrap().is_empty());
    // Reading needs no lock.
    assert!(work.run(&["status"]).expect(0).stdout.contains(&who));
    work.run(&["search", "install"]).expect(0);
    work.run(&["health"]).expect(0);
    drop(writer);
    let ended = work.run(&["snapshot", "create", "x"]).expect(0);
    assert!(ended.stdout.contains("docs_Alpha: created at commit 2"), "{ended:?}");
}

#[test]
fn a_newer_format_ends_with_1_and_says_so() {
    let work = Work::with_store();
    let path = work.store().join("catalogue.json");
    let text = std::fs::read_to_string(&path).unwrap().replace("\"version\": 1", "\"version\": 9");
    let body = text.split(",\n  \"blake3\"").next().unwrap();
    let digest = siltstone_format::checksum::to_hex(&siltstone_format::checksum::digest(body.as_bytes()));
    std::fs::write(&path, format!("{body},\n  \"blake3\": \"{digest}\"\n}}\n")).unwrap();
    for arguments in [&["status"][..], &["health"], &["search", "x"]] {
        assert!(work.run(arguments).expect(1).stderr.contains("newer version of siltstone"));
    }
}

#[test]
fn settings_that_make_no_sense_end_with_2_wherever_they_come_from() {
    let work = Work::with_store();
    std::fs::create_dir_all(work.path().join("docs")).unwrap();
    std::fs::write(work.path().join("docs/page.md"), "# Page\n\nText.\n").unwrap();
    let key = |file: &str| format!("[embedder]\nmodel = \"m\"\napi_key_file = \"{file}\"\n");
    let plain = "[embedder]\nbase_url = \"http://embeddings.invalid/v1\"\nmodel = \"m\"\n";
    for (settings, env, says) in [
        ("[embedder]\nbase_url = \"ftp://x\"\n", "", "base_url"),
        ("[embedder]\nbase_url = \"not an address\"\n", "", "base_url"),
        ("[embedder]\nmodel = \"m\"\n", "", "OPENAI_API_KEY"),
        (plain, "sk-x", "unencrypted"),
        (&key("none.key"), "", "none.key"),
        ("[embedder]\ndims = 0\n", "", "embedder.dims"),
        ("[[framework]]\npath = \"docs\"\ninclude = [\"a{\"]\n", "", "docs"),
    ] {
        std::fs::write(work.path().join("siltstone.toml"), settings).unwrap();
        let mut command = work.command(&["update", "docs", "--force"]);
        if !env.is_empty() {
            command.env("OPENAI_API_KEY", env);
        }
        let ended = crate::harness::Ended::of(command.output().unwrap()).expect(2);
        assert!(ended.stderr.contains(says), "{settings}: {ended:?}");
    }
}

#[test]
fn help_and_version_end_with_0() {
    let work = Work::empty();
    assert!(work.run(&["--help"]).expect(0).stdout.contains("130  interrupted"));
    assert!(work.run(&["--version"]).expect(0).stdout.starts_with("siltstone "));
    assert!(work.run(&["help", "search"]).expect(0).stdout.contains("With --json"));
    work.run(&[]).expect(2);
}

#[test]
fn another_embedder_is_refused_with_what_to_set() {
    let work = Work::empty();
    let store = siltstone::Store::create(work.store()).unwrap();
    let identity = siltstone::EmbeddingIdentity {
        provider: "openai".into(),
        model: "text-embedding-3-small".into(),
        normalised: true,
        ..Default::default()
    };
    store.create_collection("paid", identity).unwrap();
    let ended = work.run(&["search", "x"]).expect(2);
    assert!(
        ended.stderr.contains("text-embedding-3-small") && ended.stderr.contains("base_url"),
        "{ended:?}"
    );
    let ended = work.run(&["search", "x", "--base-url", "https://api.openai.com/v1"]).expect(2);
    assert!(ended.stderr.contains("OPENAI_API_KEY"), "{ended:?}");
}
