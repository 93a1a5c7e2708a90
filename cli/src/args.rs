//! The command line. Each command declares its own arguments beside its code; what all of them share is here.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::command::lock_wait::duration;
use crate::command::{
    backup, bench, compact, completions, dashboard, doctor, export, health, import, init, inspect, log, man,
    recover, report, search, selftest, snapshot, status, stop, update, usage,
};
use crate::exit;
use crate::render::json;
use crate::render::notices::Verbosity;

/// An embedded store for the embeddings of your documents: durable, exact, checked to the last byte.
#[derive(Debug, Parser)]
#[command(name = "siltstone", version, propagate_version = true, after_long_help = exit::TABLE)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// The command line of this process, and the name of its command: `snapshot create`.
    ///
    /// # Errors
    /// What clap says about it; help and version come this way too.
    pub(crate) fn of_process() -> Result<(Cli, String), clap::Error> {
        let matches = Cli::command().try_get_matches()?;
        let mut names = Vec::new();
        let mut below = matches.subcommand();
        while let Some((name, matches)) = below {
            names.push(name);
            below = matches.subcommand();
        }
        Ok((Cli::from_arg_matches(&matches)?, names.join(" ")))
    }
}

/// What every command understands.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Directory of the store [default: `store` of siltstone.toml, else vectorstore/]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Global options")]
    pub(crate) store: Option<PathBuf>,
    /// Configuration file [default: siltstone.toml in the working directory, if there is one]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub(crate) config: Option<PathBuf>,
    /// Print results as JSON; the shape is described under --help of each command
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) json: bool,
    /// When another command holds a lock that is needed, wait for it this long, such as 30s or 10m
    #[arg(long, global = true, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    #[arg(help_heading = "Global options")]
    pub(crate) lock_wait: Duration,
    /// Print results and errors only
    #[arg(long, short, global = true, conflicts_with = "verbose", help_heading = "Global options")]
    pub(crate) quiet: bool,
    /// Print what is being done as well
    #[arg(long, short, global = true, help_heading = "Global options")]
    pub(crate) verbose: bool,
}

impl Global {
    pub(crate) fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, true) => Verbosity::Verbose,
            (false, false) => Verbosity::Normal,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create an empty store, and a commented siltstone.toml if there is none
    #[command(after_long_help = json::INIT)]
    Init(init::InitArgs),
    /// Bring the store up to date with folders of documents
    #[command(after_long_help = json::UPDATE)]
    Update(update::UpdateArgs),
    /// Find the passages that are closest to a question
    #[command(after_long_help = json::SEARCH)]
    Search(search::SearchArgs),
    /// Check the store, and compare it with the documents that it was made from
    #[command(after_long_help = health::help())]
    Health(health::HealthArgs),
    /// Check what the first run from cron will need: settings, key, server, rights, clock, space
    #[command(after_long_help = json::DOCTOR)]
    Doctor(doctor::DoctorArgs),
    /// Show what is in the store
    #[command(after_long_help = json::STATUS)]
    Status(status::StatusArgs),
    /// Serve the figures of `status --check` as a page for a browser on this machine
    #[command(after_long_help = json::DASHBOARD)]
    Dashboard(dashboard::DashboardArgs),
    /// Measure commits, searches and the embedding server, and recommend settings
    #[command(after_long_help = json::BENCH)]
    Bench(bench::BenchArgs),
    /// Try on this machine and this disk what a store must be able to rely on
    #[command(after_long_help = json::SELFTEST)]
    Selftest(selftest::SelftestArgs),
    /// Show what requests to embedding servers have cost
    #[command(after_long_help = json::USAGE)]
    Usage(usage::UsageArgs),
    /// Show what the runs of update have logged
    #[command(after_long_help = json::LOG)]
    Log(log::LogArgs),
    /// Ask whoever writes to the store to finish its batch and end, and wait for it
    #[command(after_long_help = json::STOP)]
    Stop(stop::StopArgs),
    /// Keep moments of collections under names
    #[command(subcommand, after_long_help = json::SNAPSHOT)]
    Snapshot(snapshot::SnapshotCommand),
    /// Back up the store, check and restore backups, remove old ones
    #[command(subcommand, after_long_help = json::BACKUP)]
    Backup(backup::BackupCommand),
    /// Give back the space of rows that no longer count, and merge small segments
    #[command(after_long_help = json::COMPACT)]
    Compact(compact::CompactArgs),
    /// Print what is inside a file of a store, byte by byte, even a damaged one
    #[command(after_long_help = json::INSPECT)]
    Inspect(inspect::InspectArgs),
    /// Save everything that is whole of a damaged store into a new one
    #[command(after_long_help = json::RECOVER)]
    Recover(recover::RecoverArgs),
    /// Gather what is known about an incident into one file that can be sent
    #[command(after_long_help = json::REPORT)]
    Report(report::ReportArgs),
    /// Print the rows of collections as JSON lines
    #[command(after_long_help = json::EXPORT)]
    Export(export::ExportArgs),
    /// Read rows that `export` wrote
    #[command(after_long_help = json::IMPORT)]
    Import(import::ImportArgs),
    /// Print the completion script of a shell
    Completions(completions::CompletionsArgs),
    /// Print the manual page, or write those of all commands
    Man(man::ManArgs),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_flags_stand_before_or_after_the_command() {
        for line in [["siltstone", "--json", "status"], ["siltstone", "status", "--json"]] {
            assert!(Cli::try_parse_from(line).unwrap().global.json);
        }
        assert!(Cli::try_parse_from(["siltstone", "-q", "-v", "status"]).is_err());
    }
}
