//! `update --reembed`: the new embedding grows beside the old one, which is searched until the new one is whole; what was
//! paid stays paid; and the old one can be had back.

use crate::harness::Work;
use crate::server::Server;

fn configure(work: &Work, server: &Server, model: &str) {
    let config = format!(
        "[embedder]\nbase_url = \"{}\"\nmodel = \"{model}\"\ndims = 64\nbatch_size = 4\nconcurrency = 1\n\
         usd_per_million_tokens = 10000.0\n",
        server.url
    );
    std::fs::write(work.path().join("siltstone.toml"), config).unwrap();
}

fn work(server: &Server) -> Work {
    let work = Work::empty();
    configure(&work, server, "first");
    for framework in ["Alpha", "Beta"] {
        let folder = work.path().join("docs").join(framework);
        std::fs::create_dir_all(&folder).unwrap();
        for page in 0..12 {
            let text = format!("# Page {page}\n\nOf {framework} it says {page}.\n");
            std::fs::write(folder.join(format!("page{page}.md")), text).unwrap();
        }
    }
    work
}

const UPDATE: [&str; 5] = ["update", "docs", "--split", "--force", "--max-cost"];

fn model(work: &Work, collection: &str) -> String {
    work.collection(collection).identity().model.clone()
}

#[test]
fn the_old_embedding_is_searched_until_the_new_one_is_whole_and_can_be_had_back() {
    let server = Server::start();
    let work = work(&server);
    work.run(&[&UPDATE[..], &["100000"]].concat()).expect(0);
    assert_eq!(server.counts(), (24, 24));
    configure(&work, &server, "second");
    let refused = work.run(&[&UPDATE[..], &["100000"]].concat()).expect(2);
    assert!(refused.stderr.contains("--reembed"), "{refused:?}");
    let dry = work.run(&["update", "docs", "--split", "--reembed", "--dry-run"]).expect(0);
    assert!(dry.stdout.contains("12 chunks to embed") && server.counts().0 == 24, "{dry:?}");

    // The money is used up half-way, several times: four pages of fifteen tokens a run.
    server.counts_as(15);
    let mut runs = 0;
    let limited = [&UPDATE[..], &["1.2", "--reembed"]].concat();
    while work.run(&limited).code == 12 {
        runs += 1;
        assert!(runs < 20);
        let names = siltstone::Store::open(work.store()).unwrap().all_names().unwrap();
        let is_switched = |name: &str| !names.contains(&format!(".reembed.{name}"));
        for name in ["docs_Alpha", "docs_Beta"] {
            let expected = if model(&work, name) == "second" { 12 } else { 0 };
            assert!(expected == 0 || is_switched(name));
            // Whole, whichever it is.
            assert_eq!(work.collection(name).view().unwrap().len(), 12);
        }
        let found =
            work.run(&["search", "what does it say", "--collection", "docs_Beta", "--model", "first"]);
        assert!(model(&work, "docs_Beta") == "second" || found.code == 0, "{found:?}");
    }
    assert!(runs >= 2, "{runs}");
    assert_eq!((model(&work, "docs_Alpha"), model(&work, "docs_Beta")), ("second".into(), "second".into()));
    // Each text once for each model, and searches for it.
    assert_eq!(server.counts(), (2 * 24 + runs, 24 + 1));
    work.run(&["search", "page"]).expect(0);
    work.run(&["health", "--deep-scan"]).expect(0);
    let again = work.run(&[&UPDATE[..], &["100000", "--reembed", "--json"]].concat()).expect(0);
    assert!(again.stderr.contains("another revision"), "{again:?}");
    let again = again.json();
    assert_eq!(again["collections"][0]["documents"]["unchanged"], 12, "{again}");
    assert_eq!(again["collections"][0]["chunks"]["embedded"], 0, "{again}");

    // Back to the first, without paying.
    let list = work.run(&["backup", "list", "--json"]).expect(0).json();
    let copies: Vec<String> = list["backups"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["kind"] == "safety")
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(copies.len(), 2, "{list}");
    work.run(&["backup", "restore", &copies[0], "--force"]).expect(0);
    assert_eq!((model(&work, "docs_Alpha"), model(&work, "docs_Beta")), ("first".into(), "first".into()));
    println!("two collections embedded anew over {} runs, each text paid once; and back", runs + 1);
}

#[test]
fn a_new_embedding_that_lacks_documents_does_not_take_the_place_of_the_old_one() {
    let server = Server::start();
    let work = work(&server);
    work.run(&[&UPDATE[..], &["100000"]].concat()).expect(0);
    configure(&work, &server, "second");
    for page in 0..8 {
        std::fs::remove_file(work.path().join(format!("docs/Alpha/page{page}.md"))).unwrap();
    }
    let held = work.run(&[&UPDATE[..], &["100000", "--reembed"]].concat()).expect(3);
    assert!(held.stderr.contains("8 of 12 documents"), "{held:?}");
    assert_eq!((model(&work, "docs_Alpha"), model(&work, "docs_Beta")), ("first".into(), "second".into()));
    let (paid, _) = server.counts();
    work.run(&[&UPDATE[..], &["100000", "--reembed", "--allow-mass-removal"]].concat()).expect(0);
    assert_eq!((model(&work, "docs_Alpha"), server.counts().0), ("second".into(), paid));
}

#[test]
fn other_vectors_under_the_same_name_are_told_apart_by_a_revision() {
    let server = Server::start();
    let work = work(&server);
    work.run(&[&UPDATE[..], &["100000"]].concat()).expect(0);
    let path = work.path().join("siltstone.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replace("dims = 64", "dims = 64\nrevision = \"b\"")).unwrap();
    let refused = work.run(&[&UPDATE[..], &["100000"]].concat()).expect(2);
    assert!(refused.stderr.contains("first, revision b"), "{refused:?}");
    work.run(&[&UPDATE[..], &["100000", "--reembed"]].concat()).expect(0);
    // No vector of the old ones was reused, and the server knows nothing of revisions.
    assert_eq!(server.counts(), (48, 24));
    assert_eq!(model(&work, "docs_Alpha"), "first, revision b");
    work.run(&["search", "page"]).expect(0);
    std::fs::write(&path, config).unwrap();
    let refused = work.run(&["search", "page"]).expect(2);
    assert!(refused.stderr.contains("revision = \"b\""), "{refused:?}");
}
