//! `siltstone init`: an empty store, and a configuration file to edit. Nothing that is there is overwritten.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use clap::Args;
use serde::Serialize;
use siltstone::{Error, Store};

use super::context::Context;
use crate::exit::{CliError, Exit};

/// What the new configuration file says: everything, commented out.
pub(crate) const TEMPLATE: &str = include_str!("init_template.toml");

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Leave the configuration file out
    #[arg(long)]
    pub(crate) no_config: bool,
}

#[derive(Debug, Serialize)]
struct Created<'a> {
    store: &'a Path,
    store_created: bool,
    config: &'a Path,
    config_created: bool,
}

pub(crate) fn run(args: &InitArgs, context: &Context) -> Result<Exit, CliError> {
    let store = context.settings.store.as_path();
    make_parents(store)?;
    let store_created = match Store::create_in(context.environment.clone(), store) {
        Ok(_) => true,
        // Beginning twice is no mistake; but what is there must be a store that opens.
        Err(Error::PathTaken { .. }) if Store::open_in(context.environment.clone(), store).is_ok() => false,
        Err(error) => return Err(error.into()),
    };
    let config = context.config_file.as_path();
    let config_created = !args.no_config && write_new(config, TEMPLATE)?;
    if context.json {
        context.print_json(&Created { store, store_created, config, config_created })?;
        return Ok(Exit::Pass);
    }
    match store_created {
        true => context.output.line(format!("created an empty store in {}", store.display()))?,
        false => context.output.line(format!("{} is a store already; left as it is", store.display()))?,
    }
    match config_created {
        true => {
            context.output.line(format!("wrote {}, where every setting is explained", config.display()))?
        }
        false if args.no_config => {}
        false => context.output.line(format!("{} is there already; left as it is", config.display()))?,
    }
    context
        .notices
        .notice("next: `siltstone update PATH` with a folder of documents, then `siltstone search \"...\"`");
    Ok(Exit::Pass)
}

fn make_parents(store: &Path) -> Result<(), CliError> {
    let Some(parent) = store.parent().filter(|parent| !parent.as_os_str().is_empty()) else { return Ok(()) };
    std::fs::create_dir_all(parent).map_err(|error| {
        CliError::failed(
            format!("cannot create {}: {error}", parent.display()),
            "choose another place with --store, or get the right to write there",
        )
    })
}

/// Writes a file that must not exist yet; says whether it did not.
fn write_new(path: &Path, text: &str) -> Result<bool, CliError> {
    let written = OpenOptions::new().write(true).create_new(true).open(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(CliError::failed(
            format!("cannot write {}: {error}", path.display()),
            "the store is there; write the file elsewhere with --config, or leave it out with --no-config",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn the_template_is_a_configuration_with_or_without_its_comment_marks() {
        let path = Path::new("siltstone.toml");
        assert_eq!(config::File::parse(path, TEMPLATE).unwrap(), config::File::default());
        let setting = |line: &&str| line.starts_with("#[") || line.starts_with('#') && line.contains(" = ");
        let all: Vec<&str> =
            TEMPLATE.lines().filter(setting).map(|line| line.trim_start_matches('#')).collect();
        let file = config::File::parse(path, &all.join("\n")).unwrap();
        assert!(file.store.is_some() && file.embedder.base_url.is_some() && !file.framework.is_empty());
        assert!(file.metadata.contains_key("*") && !file.tree.is_empty() && file.update.max_files.is_some());
    }
}
