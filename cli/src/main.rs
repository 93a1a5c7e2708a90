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
mod render;
mod sources;
mod update;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use command::context::Context;
use exit::{CliError, Exit};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too. Nobody may be there to read them.
            let _ = error.print().and_then(|()| std::io::stdout().flush());
            let code = if error.use_stderr() { Exit::Usage } else { Exit::Pass };
            return ExitCode::from(code.code());
        }
    };
    let json = cli.global.json;
    let exit = run(&cli).unwrap_or_else(|error| {
        render::notices::error(&error, json);
        error.exit
    });
    ExitCode::from(exit.code())
}

fn run(cli: &Cli) -> Result<Exit, CliError> {
    let context = Context::new(cli)?;
    let result = match &cli.command {
        Command::Init(args) => command::init::run(args, &context),
        Command::Update(args) => command::update::run(args, &context),
        Command::Search(args) => command::search::run(args, &context),
        Command::Health(args) => command::health::run(args, &context),
        Command::Status(args) => command::status::run(args, &context),
        Command::Snapshot(args) => command::snapshot::run(args, &context),
        Command::Inspect(args) => command::inspect::run(args, &context),
        Command::Recover(args) => command::recover::run(args, &context),
    };
    // What was printed before an error is a result all the same.
    let flushed = context.output.flush();
    let exit = result?;
    flushed.map(|()| exit)
}
