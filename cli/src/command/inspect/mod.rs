//! `siltstone inspect`: what the bytes of a store's files say, structure by structure, by plain reads and the decoders of
//! the format: no lock, no map, no recovery. A damaged file is printed as far as it goes, with every flaw at its place.

mod attributes;
mod codes;
mod derived;
mod document;
mod file;
mod frame;
mod key_index;
mod part;
mod place;
mod segment;
mod show;
mod source;
mod target;
#[cfg(test)]
mod tests;
mod witness;

use std::fs::File;
use std::path::Path;

use clap::Args;
use serde_json::Value;

use super::context::Context;
use crate::exit::{CliError, Exit};
use show::Shown;
use source::Source;
pub(crate) use target::of_collection as files_of_collection;

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// A file of a store, a collection's directory, a store's directory, or the name of a collection
    #[arg(value_name = "FILE|COLLECTION")]
    pub(crate) target: String,
    /// List the keys of every frame as well
    #[arg(long)]
    pub(crate) keys: bool,
}

pub(crate) fn run(args: &InspectArgs, context: &Context) -> Result<Exit, CliError> {
    let mut shown = Shown::new(context);
    for path in target::files(&args.target, context)? {
        context.check_cancelled()?;
        if context.output.is_closed() {
            break;
        }
        file::inspect(&path, &mut open(&path)?, args.keys, &mut shown)?;
    }
    shown.finish()?;
    Ok(if shown.flaws > 0 { Exit::Found } else { Exit::Pass })
}

fn open(path: &Path) -> Result<Source<File>, CliError> {
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let (length, file) = opened.map_err(|error| {
        CliError::failed(
            format!("cannot read {}: {error}", path.display()),
            "check the path and the rights to it",
        )
    })?;
    Ok(Source::new(file, length))
}

/// The structure of one file as `--json` has it, with `most` parts at most, and as many again that have flaws.
pub(crate) fn gather(context: &Context, path: &Path, most: usize) -> Result<Value, CliError> {
    let mut shown = Shown::gathering(context, most);
    file::inspect(path, &mut open(path)?, false, &mut shown)?;
    Ok(shown.last().unwrap_or_default())
}
