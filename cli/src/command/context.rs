//! What every command is given: where the store is, what the settings are, where to print, and whether to stop.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};
use siltstone::{Caller, Collection, Environment, Store};

use super::lock_wait::LockWait;
use super::stop::host_name;
use crate::args::{Cli, Command};
use crate::config::{Inputs, Overrides, Provider, Settings};
use crate::exit::{CliError, Exit};
use crate::ingest::budget::{Budget, Terms};
use crate::ingest::cancel::Cancel;
use crate::ingest::embed::{ApiKey, Meter, place};
use crate::ingest::ledger::Ledger;
use crate::monitor::{Live, Watcher};
use crate::render::notices::Notices;
use crate::render::output::Output;
use crate::render::style::Style;
use crate::render::{json, units};

/// The surroundings of one run.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) settings: Settings,
    /// Whether results are printed as JSON.
    pub(crate) json: bool,
    pub(crate) output: Output,
    pub(crate) style: Style,
    pub(crate) notices: Arc<Notices>,
    /// What requests to an embedding server may cost, and where they are written down.
    pub(crate) budget: Option<Arc<Budget>>,
    /// Set by the first SIGINT or SIGTERM; a second one ends the process at once.
    pub(crate) cancel: Cancel,
    /// For other processes: how far a long run is.
    live: OnceLock<Arc<Live>>,
    watcher: Arc<Watcher>,
    /// For the engine: the machine itself, with the notices listening.
    pub(crate) environment: Environment,
    /// The configuration file that was named, or the one that `init` would write.
    pub(crate) config_file: PathBuf,
    /// `--store` and `--config` as they were given, for commands that are suggested.
    given: String,
}

impl Context {
    pub(crate) fn new(cli: &Cli, name: &str) -> Result<Context, CliError> {
        let cancel = Cancel::new();
        catch_signals(&cancel)?;
        let working_directory = std::env::current_dir().map_err(|error| {
            CliError::failed(
                format!("the working directory cannot be used: {error}"),
                "change to another directory",
            )
        })?;
        let config = cli.global.config.as_deref();
        let config_file = working_directory.join(config.unwrap_or(crate::config::FILE_NAME.as_ref()));
        // `init` may be asked to write the very file that `--config` names.
        let to_be_written = matches!(cli.command, Command::Init(_)) && !config_file.exists();
        let inputs = Inputs::gather(&working_directory, config.filter(|_| !to_be_written))?;
        let overrides = match &cli.command {
            Command::Update(args) => args.overrides(),
            Command::Search(args) => args.overrides(),
            Command::Bench(args) => args.overrides(),
            _ => Overrides::default(),
        };
        let overrides = Overrides { store: cli.global.store.clone().or(overrides.store), ..overrides };
        let mut settings = Settings::resolve(&overrides, &inputs)?;
        let notices = Arc::new(Notices::new(cli.global.verbosity()));
        let watcher = Arc::new(Watcher::new(Arc::clone(&notices)));
        let observer = Arc::clone(&watcher);
        let lock_wait =
            LockWait { time: cli.global.lock_wait, cancel: cancel.clone(), notices: Arc::clone(&notices) };
        let patience = Arc::new(lock_wait);
        let caller = Caller { program: format!("siltstone {name}"), host: host_name() };
        let environment = Environment { observer, patience, caller, ..Environment::default() };
        let budget = budget(&settings, &cli.command, name, &environment)
            .map(|budget| Arc::new(budget.telling(Arc::clone(&notices))));
        settings.embedder.meter = budget.clone().map(|budget| budget as Arc<dyn Meter>);
        Ok(Context {
            settings,
            json: cli.global.json,
            output: Output::stdout(),
            style: Style::for_stdout(),
            notices,
            budget,
            cancel,
            live: OnceLock::new(),
            watcher,
            environment,
            config_file,
            given: given(cli),
        })
    }

    /// From now on other processes see how far this run is, until it ends.
    pub(crate) fn publish(&self, command: &str, collections: usize) {
        let live = self.live.get_or_init(|| Arc::new(Live::begin(self, command, collections)));
        self.watcher.watch(live);
    }

    /// What others see of this run, if it is one that takes long.
    pub(crate) fn live(&self) -> Option<&Arc<Live>> {
        self.live.get()
    }

    /// A command line to suggest: this program, for the same store.
    pub(crate) fn siltstone(&self, command: &str) -> String {
        format!("siltstone {}{command}", self.given)
    }

    /// The store, which must be there.
    pub(crate) fn open_store(&self) -> Result<Store, CliError> {
        Ok(Store::open_in(self.environment.clone(), &self.settings.store)?)
    }

    /// Prints a result as JSON, on lines of its own.
    pub(crate) fn print_json(&self, value: &impl Serialize) -> Result<(), CliError> {
        self.output.line(json::text(value)?)
    }

    /// Ends a loop after SIGINT or SIGTERM.
    pub(crate) fn check_cancelled(&self) -> Result<(), CliError> {
        if self.cancel.is_cancelled() { Err(CliError::interrupted()) } else { Ok(()) }
    }

    /// The collections of these names, or all that are not hidden when none is named.
    pub(crate) fn collections(&self, store: &Store, names: &[String]) -> Result<Vec<Collection>, CliError> {
        if names.is_empty() {
            return Ok(store.collections()?);
        }
        let mut names = names.to_vec();
        names.sort();
        names.dedup();
        names.iter().map(|name| Ok(store.collection(name)?)).collect()
    }

    /// The names to work on: those given, checked, or all that are not hidden. Opens no collection, so that damage to
    /// one does not hide the others.
    pub(crate) fn names(&self, store: &Store, given: &[String]) -> Result<Vec<String>, CliError> {
        if given.is_empty() {
            return Ok(store.names()?);
        }
        let known = store.all_names()?;
        let mut names = given.to_vec();
        names.sort();
        names.dedup();
        for name in &names {
            if !known.contains(name) {
                // The engine's own error knows names that are like it.
                store.collection(name)?;
            }
        }
        Ok(names)
    }

    /// The exit code of a list of outcomes of which some may be errors: that of the gravest.
    pub(crate) fn worst(exits: impl IntoIterator<Item = Exit>) -> Exit {
        let rank = |exit: &Exit| match exit {
            Exit::Pass => 0,
            Exit::Usage => 1,
            Exit::Locked => 2,
            Exit::Failed => 3,
            Exit::Found => 4,
            _ => 5,
        };
        exits.into_iter().max_by_key(rank).unwrap_or(Exit::Pass)
    }

    /// `1,234 rows in 3 collections`, for summaries.
    pub(crate) fn rows_in(rows: u64, collections: usize) -> String {
        let collections = units::counted(collections as u64, "collection", "collections");
        format!("{} in {collections}", units::counted(rows, "row", "rows"))
    }
}

/// The books of a command that may send texts to a server. A query costs next to nothing: it is written down where it
/// can be, and no limit keeps anybody from searching.
fn budget(settings: &Settings, command: &Command, name: &str, environment: &Environment) -> Option<Budget> {
    let embedder = &settings.embedder;
    if embedder.provider != Provider::OpenAi {
        return None;
    }
    // An address that makes no sense is refused with the embedder.
    let (provider, is_here) = place(&embedder.base_url).ok()?;
    let pays = matches!(command, Command::Update(_) | Command::Health(_) | Command::Bench(_));
    let terms = Terms {
        command: name.to_owned(),
        key: embedder.key.as_ref().map(ApiKey::fingerprint),
        provider,
        model: embedder.model.clone(),
        // A model without a list price on this machine is one's own.
        usd_per_million_tokens: embedder.usd_per_million_tokens.or(is_here.then_some(0.0)),
        run_usd: pays.then_some(settings.budget.per_run_usd),
        day_usd: settings.budget.per_day_usd.filter(|_| pays),
        strict: pays,
    };
    Some(Budget::new(terms, Ledger::new(&settings.logs), environment.clone()))
}

fn given(cli: &Cli) -> String {
    let flag = |name: &str, path: &Option<PathBuf>| {
        path.as_deref().map(|path| format!("{name} {} ", quoted(path))).unwrap_or_default()
    };
    flag("--store", &cli.global.store) + &flag("--config", &cli.global.config)
}

/// A path as a shell takes it.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@,=".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// The first signal sets the flag, the second finds it set and ends the process: a command that does not look at the
/// flag can always be left.
fn catch_signals(cancel: &Cancel) -> Result<(), CliError> {
    for signal in [SIGINT, SIGTERM] {
        let exit = i32::from(Exit::Interrupted.code());
        let registered = signal_hook::flag::register_conditional_shutdown(signal, exit, cancel.flag())
            .and_then(|_| signal_hook::flag::register(signal, cancel.flag()));
        registered.map_err(|error| {
            CliError::failed(
                format!("signals cannot be handled: {error}"),
                "check the limits of this process",
            )
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suggested_path_can_be_pasted() {
        assert_eq!(quoted(Path::new("/docs/a_b-1.md")), "/docs/a_b-1.md");
        assert_eq!(quoted(Path::new("it's here")), "'it'\\''s here'");
    }

    #[test]
    fn the_gravest_outcome_decides() {
        assert_eq!(Context::worst([]), Exit::Pass);
        assert_eq!(Context::worst([Exit::Locked, Exit::Pass]), Exit::Locked);
        assert_eq!(Context::worst([Exit::Locked, Exit::Found, Exit::Failed]), Exit::Found);
    }
}
