//! Whether the documents are where the configuration and the store say: a framework whose folder vanished stays searchable
//! as it was, and nobody notices that it is never updated again.

use std::path::{Path, PathBuf};

use super::Check;
use crate::command::context::{Context, quoted};
use crate::command::health::Status;
use crate::ingest::scan::has_vanished;
use crate::render::units::{counted, listed};
use crate::sources::{known_roots, load_all};

const NAME: &str = "documents";
/// Folders that are named.
const SHOWN: usize = 3;

pub(super) fn check(context: &Context) -> Vec<Check> {
    let settings = &context.settings;
    let declared = settings.trees.iter().map(|tree| &tree.path);
    let declared = declared.chain(settings.frameworks.iter().map(|framework| &framework.path));
    let absent: Vec<PathBuf> = declared.filter(|path| !path.exists()).cloned().collect();
    let mut checks = Vec::new();
    if !absent.is_empty() {
        let says = format!("the configuration names what is not there: {}", shown(&absent));
        checks.push(Check::new(NAME, Status::Fail, says).next(format!(
            "bring it back or mount it, or correct [[tree]] and [[framework]] in {}",
            context.config_file.display()
        )));
    }
    // A store that cannot be opened is told already; one that has no sources was made by somebody else.
    let known = match load_all(&settings.store) {
        Ok(known) => known_roots(&known),
        Err(error) => {
            checks.push(Check::failed(NAME, &error));
            return checks;
        }
    };
    let missing = |path: &Path| !path.exists() && !absent.iter().any(|told| told == path);
    let missing: Vec<PathBuf> =
        known.iter().map(|one| one.root.clone()).filter(|path| missing(path)).collect();
    let (vanished, hidden): (Vec<PathBuf>, Vec<PathBuf>) =
        missing.into_iter().partition(|path| has_vanished(path));
    if let Some(first) = vanished.first() {
        let update = context.siltstone(&format!("update {} --allow-mass-removal", quoted(first)));
        let folders = counted(vanished.len() as u64, "folder is", "folders are");
        let says = format!("{folders} gone, though the one above is there: {}", shown(&vanished));
        checks.push(
            Check::new(NAME, Status::Fail, says)
                .next(format!("bring it back; if it is really gone: `{update}`")),
        );
    }
    if !hidden.is_empty() {
        let says = format!("out of sight: {}", shown(&hidden));
        checks.push(Check::new(NAME, Status::Info, says).next("mount them, if they belong to this machine"));
    }
    if checks.is_empty() && !known.is_empty() {
        let folders = counted(known.len() as u64, "folder is", "folders are");
        checks.push(Check::new(NAME, Status::Pass, format!("{folders} where documents were found")));
    }
    checks
}

fn shown(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    listed(&paths, SHOWN)
}
