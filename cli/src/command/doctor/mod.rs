//! `siltstone doctor`: whatever an unattended run will need, tried while somebody is there to read the answer. Nothing is
//! kept of what it tries: files that it writes to test rights are removed again.

mod documents;
mod machine;

use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::embedder::from_settings;
use super::health::Status;
use crate::config::Provider;
use crate::exit::{CliError, Exit};
use crate::ingest::embed::Outcome;
use crate::render::plain::one_line;
use crate::render::units::{count, counted};

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Do not call the embedding server: the call embeds three words, which may cost a fraction of a cent
    #[arg(long)]
    pub(crate) offline: bool,
}

/// One thing that was tried.
#[derive(Debug, Serialize)]
struct Check {
    check: &'static str,
    status: Status,
    says: String,
    next_step: Option<String>,
}

impl Check {
    fn new(check: &'static str, status: Status, says: impl Into<String>) -> Check {
        Check { check, status, says: one_line(&says.into()), next_step: None }
    }

    fn failed(check: &'static str, error: &CliError) -> Check {
        Check { next_step: Some(error.next_step.clone()), ..Check::new(check, Status::Fail, &error.message) }
    }

    fn next(self, next_step: impl Into<String>) -> Check {
        Check { next_step: Some(next_step.into()), ..self }
    }
}

#[derive(Debug, Serialize)]
struct Examined<'a> {
    status: Status,
    checks: &'a [Check],
}

pub(crate) fn run(args: &DoctorArgs, context: &Context) -> Result<Exit, CliError> {
    let mut checks = vec![configuration(context), store(context)];
    checks.extend(documents::check(context));
    checks.extend(machine::rights(context));
    checks.push(machine::space(context));
    checks.push(machine::clock(context));
    checks.push(key(context));
    checks.extend(machine::secrets(context));
    checks.push(server(args, context));
    let status = checks.iter().map(|one| one.status).max().unwrap_or(Status::Pass);
    if context.json {
        context.print_json(&Examined { status, checks: &checks })?;
        return Ok(status.exit());
    }
    for one in &checks {
        let word = match one.status {
            Status::Pass => context.style.green(one.status.word()),
            Status::Info => context.style.yellow(one.status.word()),
            Status::Fail => context.style.red(one.status.word()),
        };
        context.output.line(format!("{word}  {:<14} {}", one.check, one.says))?;
        if let Some(next) = &one.next_step {
            context.output.line(format!("      next: {next}"))?;
        }
    }
    Ok(status.exit())
}

/// The settings were read and understood, or no command would have begun.
fn configuration(context: &Context) -> Check {
    let file = &context.config_file;
    match file.exists() {
        true => Check::new("configuration", Status::Pass, format!("{} makes sense", file.display())),
        false => {
            Check::new("configuration", Status::Info, format!("no {}: the defaults hold", file.display()))
                .next("`siltstone init` writes one in which every setting is explained")
        }
    }
}

fn store(context: &Context) -> Check {
    let path = context.settings.store.display();
    match context.open_store().and_then(|store| Ok(store.names()?.len() as u64)) {
        Ok(0) => {
            Check::new("store", Status::Info, format!("{path} is empty")).next("`siltstone update PATH`")
        }
        Ok(names) => {
            let collections = counted(names, "collection", "collections");
            Check::new("store", Status::Pass, format!("{path} opens and has {collections}"))
        }
        Err(error) if error.exit == Exit::NoStore => {
            Check::new("store", Status::Info, format!("there is none at {path} yet"))
                .next("`siltstone update PATH` creates it")
        }
        Err(error) => Check::failed("store", &error),
    }
}

/// Whether there is a key and where it comes from; never the key.
fn key(context: &Context) -> Check {
    let settings = &context.settings.embedder;
    match (settings.provider, &settings.key, &settings.key_from) {
        (Provider::Builtin, ..) => Check::new("key", Status::Pass, "the built-in embedder needs none"),
        (Provider::OpenAi, Some(key), Some(from)) => Check::new(
            "key",
            Status::Pass,
            format!("found: {from}; its fingerprint is {}", key.fingerprint()),
        ),
        (Provider::OpenAi, ..) => Check::new("key", Status::Info, "there is none; the server may need one")
            .next("set OPENAI_API_KEY in the environment or in .env, or api_key_file under [embedder]"),
    }
}

/// Whether the embedder gives vectors of the width that the settings say.
fn server(args: &DoctorArgs, context: &Context) -> Check {
    const NAME: &str = "embedder";
    let settings = &context.settings.embedder;
    let embedder = match from_settings(settings) {
        Ok(embedder) => embedder,
        Err(error) => return Check::failed(NAME, &error),
    };
    let dims = count(settings.dims as u64);
    if settings.provider == Provider::Builtin {
        return Check::new(NAME, Status::Pass, format!("built in, {dims} dims"));
    }
    if args.offline {
        return Check::new(NAME, Status::Info, format!("{} was not called: --offline", settings.base_url));
    }
    let started = Instant::now();
    let mut reply = embedder.embed(&["siltstone doctor calls".to_owned()], &context.cancel);
    match (reply.outcomes.pop(), reply.stopped) {
        (Some(Outcome::Vector(_)), _) => {
            let (url, model, took) = (&settings.base_url, &settings.model, started.elapsed().as_millis());
            Check::new(NAME, Status::Pass, format!("{url} answered in {took} ms: {model}, {dims} dims"))
        }
        (_, Some(error)) => Check::failed(NAME, &error.into()),
        (Some(Outcome::Refused(reason)), None) => {
            Check::failed(NAME, &CliError::failed(reason, "check model and dims under [embedder]"))
        }
        _ => Check::failed(
            NAME,
            &CliError::failed("the server returned nothing", "check base_url under [embedder]"),
        ),
    }
}
