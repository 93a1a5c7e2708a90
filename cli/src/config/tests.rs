use super::*;
use std::path::Path;

fn inputs(text: &str) -> Result<Inputs, ConfigError> {
    let path = Path::new("siltstone.toml");
    Ok(Inputs {
        base: "/project".into(),
        file_path: Some(path.to_owned()),
        file: File::parse(path, text)?,
        ..Inputs::default()
    })
}

fn with(mut inputs: Inputs, variables: &[(&str, &str)], dotenv: &[(&str, &str)]) -> Inputs {
    let owned =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    inputs.environment = owned(variables);
    inputs.dotenv = owned(dotenv);
    inputs
}

fn resolve(text: &str) -> Result<Settings, ConfigError> {
    Settings::resolve(&Overrides::default(), &inputs(text)?)
}

#[test]
fn nothing_at_all_is_enough() {
    let settings = resolve("").unwrap();
    assert_eq!(settings.store, Path::new("/project/vectorstore"));
    assert_eq!(settings.embedder.provider, Provider::Builtin);
    assert_eq!((settings.embedder.dims, settings.embedder.batch_size), (1_536, 100));
    assert_eq!(settings.update.max_file_size_bytes, 10 * 1024 * 1024);
    assert_eq!(settings.update.max_removed_share, 0.2);
    assert_eq!(settings.required_metadata("any").len(), 7);
}

#[test]
fn every_key_of_the_file_is_understood() {
    let text = r#"
        store = "s"
        backups = "/b"
        logs = "l"
        [embedder]
        provider = "openai"
        base_url = "http://127.0.0.1:1/v1"
        model = "e5"
        dims = 384
        send_dimensions = true
        allow_plain_http = true
        batch_size = 7
        timeout_s = 5
        [chunks]
        target_tokens = 200
        overlap_tokens = 0
        max_tokens = 1000
        [update]
        collection_prefix = "apple_docs"
        max_file_size_mb = 0.5
        max_files = 3
        max_removed_share = 0.5
        commit_rows = 64
        [search]
        threads = 2
        [[framework]]
        name = "Swift UI"
        path = "docs/SwiftUI"
        include = ["*.md"]
        exclude = ["drafts/"]
        collection = "swift"
        [[tree]]
        path = "documentation"
        [metadata."*"]
        title = "string"
        [metadata.swift]
        n = "integer"
        x = "number"
        b = "boolean"
    "#;
    let settings = resolve(text).unwrap();
    assert_eq!(
        (settings.store.as_path(), settings.backups.as_path()),
        (Path::new("/project/s"), Path::new("/b"))
    );
    assert_eq!(settings.embedder.provider, Provider::OpenAi);
    assert_eq!(settings.embedder.timeout.as_secs(), 5);
    assert_eq!(settings.chunks.target_tokens, 200);
    assert_eq!(settings.update.max_file_size_bytes, 512 * 1024);
    assert_eq!((settings.update.commit_rows, settings.search.threads), (64, Some(2)));
    assert_eq!(settings.frameworks[0].path, Path::new("/project/docs/SwiftUI"));
    assert_eq!(settings.trees[0].path, Path::new("/project/documentation"));
    assert_eq!(settings.required_metadata("swift").len(), 3);
    assert_eq!(settings.required_metadata("other")["title"], FieldType::String);
}

#[test]
fn flags_beat_the_environment_beats_dotenv_beats_the_file() {
    let base = inputs("[embedder]\nbatch_size = 1").unwrap();
    let size = |overrides: Overrides, inputs: &Inputs| {
        Settings::resolve(&overrides, inputs).unwrap().embedder.batch_size
    };
    assert_eq!(size(Overrides::default(), &base), 1);
    let dotenv = with(base.clone(), &[], &[("EMBEDDING_BATCH_SIZE", "2")]);
    assert_eq!(size(Overrides::default(), &dotenv), 2);
    let both = with(base, &[("EMBEDDING_BATCH_SIZE", "3")], &[("EMBEDDING_BATCH_SIZE", "2")]);
    assert_eq!(size(Overrides::default(), &both), 3);
    assert_eq!(size(Overrides { batch_size: Some(4), ..Overrides::default() }, &both), 4);
}

#[test]
fn errors_name_the_file_the_line_and_what_was_meant() {
    let cases = [
        ("\n[embedder]\nprovder = \"x\"", "line 3: unknown field `provder`; did you mean `provider`?"),
        ("stor = 1", "line 1: unknown field `stor`; did you mean `store`?"),
        ("[[framework]]\nname = \"x\"", "missing field `path`"),
        ("[embedder]\ndims = \"many\"", "line 2: invalid type"),
        ("[metadata.a]\nx = \"strin\"", "line 2: unknown variant `strin`; did you mean `string`?"),
        ("a = = 1", "line 1"),
    ];
    for (text, expected) in cases {
        let message = resolve(text).unwrap_err().to_string();
        assert!(message.starts_with("siltstone.toml, ") && message.contains(expected), "{message}");
    }
}

#[test]
fn a_key_in_the_file_is_refused_and_not_shown() {
    let message = resolve("[embedder]\napi_key = \"sk-Secret\"").unwrap_err().to_string();
    assert!(message.contains("OPENAI_API_KEY") && !message.contains("Secret"), "{message}");
}

#[test]
fn nonsense_is_refused_with_the_name_of_its_source() {
    for (text, from) in [
        ("[embedder]\ndims = 0", "embedder.dims in siltstone.toml: 0 is out of range"),
        ("[embedder]\ndims = 8193", "embedder.dims"),
        ("[embedder]\nbatch_size = -1", "embedder.batch_size"),
        ("[embedder]\nprovider = \"opnai\"", "did you mean openai?"),
        ("[embedder]\nmodel = \"\"", "embedder.model"),
        ("[embedder]\ntimeout_s = 0", "embedder.timeout_s"),
        ("[chunks]\ntarget_tokens = 6000", "chunks.target_tokens"),
        ("[chunks]\noverlap_tokens = 300", "chunks.overlap_tokens"),
        ("[chunks]\nmax_tokens = 9000", "chunks.max_tokens"),
        ("[update]\nmax_removed_share = 1.5", "update.max_removed_share"),
        ("[update]\nmax_removed_share = nan", "update.max_removed_share"),
        ("[update]\ncommit_rows = 0", "update.commit_rows"),
        ("[search]\nthreads = 0", "search.threads"),
        ("[update]\nmax_file_size_mb = 0.0", "update.max_file_size_mb"),
        ("[update]\ncollection_prefix = \"a b\"", "update.collection_prefix"),
        ("[[framework]]\npath = \"p\"\ncollection = \"a/b\"", "framework.collection"),
    ] {
        let message = resolve(text).unwrap_err().to_string();
        assert!(message.contains(from), "{message}");
    }
    for (name, value) in [
        ("EMBEDDING_BATCH_SIZE", "0"),
        ("EMBEDDING_BATCH_SIZE", "lots"),
        ("MAX_FILE_SIZE_MB", "nan"),
        ("MAX_FILES_TO_EMBED", "-5"),
        ("MAX_TOKENS_PER_DOC", "1"),
    ] {
        let inputs = with(inputs("").unwrap(), &[(name, value)], &[]);
        let message = Settings::resolve(&Overrides::default(), &inputs).unwrap_err().to_string();
        assert!(message.starts_with(&format!("{name} in the environment: ")), "{message}");
    }
}

#[test]
fn the_environment_of_the_old_system_keeps_its_meaning() {
    let variables =
        [("MAX_FILE_SIZE_MB", "10"), ("MAX_FILES_TO_EMBED", "300000"), ("MAX_TOKENS_PER_DOC", "8000")];
    let inputs = with(inputs("").unwrap(), &variables, &[]);
    let settings = Settings::resolve(&Overrides::default(), &inputs).unwrap();
    assert_eq!((settings.update.max_files, settings.chunks.max_tokens), (300_000, 8_000));
}

#[test]
fn a_server_that_is_named_is_used_but_a_key_alone_sends_nothing_anywhere() {
    let provider = |text: &str, overrides: Overrides| {
        let inputs =
            with(inputs(text).unwrap(), &[("OPENAI_API_KEY", "k"), ("OPENAI_BASE_URL", "https://x/v1")], &[]);
        Settings::resolve(&overrides, &inputs).map(|settings| settings.embedder.provider)
    };
    assert_eq!(provider("", Overrides::default()).unwrap(), Provider::Builtin);
    assert_eq!(provider("[embedder]\nmodel = \"m\"", Overrides::default()).unwrap(), Provider::OpenAi);
    let flag = Overrides { base_url: Some("https://y/v1".into()), ..Overrides::default() };
    assert_eq!(provider("", flag.clone()).unwrap(), Provider::OpenAi);
    assert!(provider("", Overrides { provider: Some("builtin".into()), ..flag }).is_err());
}

#[test]
fn the_key_comes_from_the_environment_dotenv_or_a_file_and_is_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key.txt"), "sk-FromFile\n").unwrap();
    std::fs::write(folder.path().join(".env"), "OPENAI_API_KEY='sk-FromDotEnv'\n").unwrap();
    let text = "[embedder]\nprovider = \"openai\"\napi_key_file = \"key.txt\"";
    std::fs::write(folder.path().join(FILE_NAME), text).unwrap();
    let key =
        |inputs: &Inputs| Settings::resolve(&Overrides::default(), inputs).unwrap().embedder.key.unwrap();
    let print = |text: &str| crate::ingest::embed::ApiKey::new(text).unwrap().fingerprint();

    let mut gathered = Inputs::gather(folder.path(), None).unwrap();
    gathered.environment.clear();
    assert_eq!(key(&gathered).fingerprint(), print("sk-FromDotEnv"));
    assert!(!format!("{gathered:?}").contains("FromDotEnv"));
    gathered.dotenv.clear();
    assert_eq!(key(&gathered).fingerprint(), print("sk-FromFile"));
    gathered.environment.insert("OPENAI_API_KEY".into(), "sk-FromEnv".into());
    assert_eq!(key(&gathered).fingerprint(), print("sk-FromEnv"));
    assert!(!format!("{:?}", Settings::resolve(&Overrides::default(), &gathered)).contains("From"));

    gathered.environment.insert("OPENAI_API_KEY".into(), "sk Bad".into());
    let message = Settings::resolve(&Overrides::default(), &gathered).unwrap_err().to_string();
    assert!(message.contains("OPENAI_API_KEY") && !message.contains("Bad"), "{message}");
}

#[test]
fn a_missing_default_file_is_fine_and_a_missing_named_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Inputs::gather(folder.path(), None).unwrap().file_path.is_none());
    let error = Inputs::gather(folder.path(), Some(Path::new("other.toml"))).unwrap_err().to_string();
    assert!(error.contains("other.toml") && error.contains("no such file"), "{error}");
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    std::fs::write(folder.path().join("sub/other.toml"), "store = \"x\"").unwrap();
    let inputs = Inputs::gather(folder.path(), Some(Path::new("sub/other.toml"))).unwrap();
    let settings = Settings::resolve(&Overrides::default(), &inputs).unwrap();
    assert_eq!(settings.store, folder.path().join("sub/x"));
}

#[test]
fn settings_make_the_embedder_they_describe() {
    assert_eq!(resolve("").unwrap().embedder.embedder().unwrap().identity().provider, "builtin");
    let text = "[embedder]\nbase_url = \"http://127.0.0.1:1/v1\"\nmodel = \"e5\"\ndims = 384";
    let embedder = resolve(text).unwrap().embedder.embedder().unwrap();
    let identity = embedder.identity();
    assert_eq!(
        (identity.provider.as_str(), identity.model.as_str(), identity.dims),
        ("127.0.0.1", "e5", 384)
    );
    let missing = resolve("[embedder]\nprovider = \"openai\"").unwrap().embedder.embedder();
    assert!(missing.is_err_and(|error| error.next_step().contains("OPENAI_API_KEY")));
}
