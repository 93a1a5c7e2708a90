//! The `siltstone` command: documentation in, searchable and durable embeddings out.
//!
//! ```text
//! args --> Context (settings, stdout, stderr, signals) --> one command --> Exit
//! ```
//!
//! A command takes its arguments and a [`Context`], prints results through the context and returns how it ended. It
//! never prints by itself and never exits.

mod args;
mod command;
mod config;
mod exit;
mod ingest;
mod monitor;
mod render;
mod runs;
mod sources;
mod update;

use std::io::Write;
use std::process::ExitCode;

use args::{Cli, Command};
use command::context::Context;
use exit::{CliError, Exit};
use render::output::Output;

fn main() -> ExitCode {
    let (cli, name) = match Cli::of_process() {
        Ok(parsed) => parsed,
        Err(error) => {
            // Help and version come this way too. Nobody may be there to read them.
            let _ = error.print().and_then(|()| std::io::stdout().flush());
            let code = match error.use_stderr() {
                true if is_asked_by_nagios() => {
                    command::status::unknown(&first_line(&error), false, &Output::stdout())
                }
                true => Exit::Usage,
                false => Exit::Pass,
            };
            return ExitCode::from(code.code());
        }
    };
    allow_open_files();
    let json = cli.global.json;
    let exit = run(&cli, &name).unwrap_or_else(|error| {
        render::notices::error(&error, json);
        error.exit
    });
    ExitCode::from(exit.code())
}

/// Whether this is `status --check`, whose exit codes are not those of the other commands: 2 would be an alarm about the
/// store, and nobody has looked at it.
fn is_asked_by_nagios() -> bool {
    let has = |word: &str| std::env::args_os().skip(1).any(|argument| argument == word);
    has("status") && has("--check")
}

fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// Hundreds of collections have thousands of files, and a backup holds them open while it reads: as many as the system
/// allows. A system that refuses leaves it at what there is.
#[cfg(unix)]
fn allow_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    const MOST: u64 = 65_536;
    let mut limit = getrlimit(Resource::Nofile);
    let allowed = limit.maximum.unwrap_or(MOST).min(MOST);
    if limit.current.is_some_and(|current| current < allowed) {
        limit.current = Some(allowed);
        let _ = setrlimit(Resource::Nofile, limit);
    }
}

#[cfg(not(unix))]
fn allow_open_files() {}

fn run(cli: &Cli, name: &str) -> Result<Exit, CliError> {
    // These two are about the program itself: nothing of a store or a configuration can keep them from it.
    let output = Output::stdout();
    match &cli.command {
        Command::Completions(args) => return ended(command::completions::run(args, &output), &output),
        Command::Man(args) => return ended(command::man::run(args, &output), &output),
        _ => {}
    }
    let context = match Context::new(cli, name) {
        Err(error) if matches!(&cli.command, Command::Status(args) if args.check) => {
            let exit = command::status::unknown(&error.message, cli.global.json, &output);
            return ended(Ok(exit), &output);
        }
        context => context?,
    };
    let result = match &cli.command {
        Command::Init(args) => command::init::run(args, &context),
        Command::Update(args) => command::update::run(args, &context),
        Command::Search(args) => command::search::run(args, &context),
        Command::Health(args) => command::health::run(args, &context),
        Command::Doctor(args) => command::doctor::run(args, &context),
        Command::Status(args) => command::status::run(args, &context),
        Command::Dashboard(args) => command::dashboard::run(args, &context),
        Command::Bench(args) => command::bench::run(args, &context),
        Command::Selftest(args) => command::selftest::run(args, &context),
        Command::Usage(args) => command::usage::run(args, &context),
        Command::Log(args) => command::log::run(args, &context),
        Command::Stop(args) => command::stop::run(args, &context),
        Command::Snapshot(args) => command::snapshot::run(args, &context),
        Command::Backup(args) => command::backup::run(args, &context),
        Command::Compact(args) => command::compact::run(args, &context),
        Command::Inspect(args) => command::inspect::run(args, &context),
        Command::Recover(args) => command::recover::run(args, &context),
        Command::Report(args) => command::report::run(args, &context),
        Command::Export(args) => command::export::run(args, &context),
        Command::Import(args) => command::import::run(args, &context),
        Command::Completions(_) | Command::Man(_) => Ok(Exit::Pass),
    };
    // Who was told to end while waiting for a lock was interrupted.
    let given_up = |error: CliError| match error.exit {
        Exit::Locked if context.cancel.is_cancelled() => CliError::interrupted(),
        _ => error,
    };
    ended(result.map_err(given_up), &context.output)
}

/// What was printed before an error is a result all the same.
fn ended(result: Result<Exit, CliError>, output: &Output) -> Result<Exit, CliError> {
    let flushed = output.flush();
    let exit = result?;
    flushed.map(|()| exit)
}
