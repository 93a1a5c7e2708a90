//! The settings as they hold: of the key only where it came from and its fingerprint.

use serde_json::{Value, json};

use crate::command::context::Context;
use crate::command::health::Names;
use crate::config::Provider;
use crate::ingest::embed::without_secrets;

pub(super) fn settings(context: &Context, names: &Names) -> Value {
    let settings = &context.settings;
    let (update, compact) = (&settings.update, &settings.compact);
    let (budget, monitor, chunks) = (&settings.budget, &settings.monitor, &settings.chunks);
    // How many there are says something; what they are is a name.
    let globs = |globs: &[String]| match names.are_hidden() {
        true => json!(globs.len()),
        false => json!(globs),
    };
    let frameworks = settings.frameworks.iter().map(|one| {
        json!({
            "name": one.name.as_deref().map(|name| names.show("framework", name)),
            "path": names.path(&one.path),
            "collection": one.collection.as_deref().map(|name| names.collection(name)),
            "include": globs(&one.include), "exclude": globs(&one.exclude),
        })
    });
    let trees = settings.trees.iter().map(|one| {
        json!({ "path": names.path(&one.path), "include": globs(&one.include), "exclude": globs(&one.exclude) })
    });
    json!({
        "config_file": names.path(&context.config_file),
        "config_file_exists": context.config_file.is_file(),
        "store": names.path(&settings.store),
        "backups": names.path(&settings.backups),
        "logs": names.path(&settings.logs),
        "embedder": embedder(context, names),
        "chunks": {
            "target_tokens": chunks.target_tokens, "overlap_tokens": chunks.overlap_tokens,
            "max_tokens": chunks.max_tokens,
        },
        "update": {
            "collection_prefix": names.show("prefix", &update.collection_prefix),
            "max_file_size_bytes": update.max_file_size_bytes, "max_files": update.max_files,
            "max_removed_share": update.max_removed_share, "commit_rows": update.commit_rows,
        },
        "search": { "threads": settings.search.threads },
        "compact": { "after_update": compact.after_update, "min_dead": compact.min_dead },
        "budget": { "per_run_usd": budget.per_run_usd, "per_day_usd": budget.per_day_usd },
        "monitor": monitor,
        "frameworks": frameworks.collect::<Vec<_>>(),
        "trees": trees.collect::<Vec<_>>(),
    })
}

fn embedder(context: &Context, names: &Names) -> Value {
    let settings = &context.settings.embedder;
    // An address may carry a user's name, a password or a token.
    let address = without_secrets(&settings.base_url);
    let address = address.split(['?', '#']).next().unwrap_or_default();
    let key = settings.key.as_ref().map(|key| {
        let from = settings.key_from.as_deref().map(|from| names.sentence(from));
        json!({ "fingerprint": key.fingerprint(), "from": from })
    });
    json!({
        "provider": match settings.provider {
            Provider::Builtin => "builtin",
            Provider::OpenAi => "openai",
        },
        "base_url": names.show("server", address),
        "model": names.show("model", &settings.model),
        "dims": settings.dims,
        "send_dimensions": settings.send_dimensions,
        "key": key,
        "allow_plain_http": settings.allow_plain_http,
        "batch_size": settings.batch_size,
        "timeout_s": settings.timeout.as_secs(),
        "usd_per_million_tokens": settings.usd_per_million_tokens,
        "concurrency": settings.concurrency,
        "requests_per_minute": settings.requests_per_minute,
        "tokens_per_minute": settings.tokens_per_minute,
    })
}
