//! A new embedding beside the old one. With another model, width or way of cutting, none of a collection's vectors can
//! stay, and embedding everything again takes hours and money. So the new embedding is built under a hidden name by the
//! same update as any other: committed as it comes, continued by the next run, paid for once. Searches go on with the old
//! one. When the new one is whole, it takes the name from one instant to the next, and the old one is kept as a safety
//! copy.

use siltstone::{OnDamage, Store};

use crate::exit::CliError;
use crate::ingest::sources::{Scope, Source};
use crate::render::units::count;
use crate::sources;

use super::collection::Run;
use super::report::Ended;
use super::seen::SeenFiles;
use super::stored::Stored;
use super::texts::Texts;

/// The name under which the new embedding of a collection grows.
fn beside(collection: &str) -> String {
    let name = format!(".reembed.{collection}");
    match name.len() > siltstone::format::limits::MAX_NAME_BYTES {
        true => format!(".reembed.{}", blake3::hash(collection.as_bytes()).to_hex()),
        false => name,
    }
}

impl Run<'_> {
    /// Embeds all documents of the collection anew, or goes on with that.
    pub(super) fn reembed(&self, store: &Store, texts: &mut Texts) -> Result<Ended, CliError> {
        let name = &self.source.collection;
        let names = store.all_names()?;
        if !names.contains(name) {
            return self.update(store, texts);
        }
        if store.collection(name)?.identity() == self.identity {
            self.context.notices.notice(&format!(
                "{name} has this embedding already and is only brought up to date; another revision under [embedder] in \
                 siltstone.toml embeds all of it anew"
            ));
            return self.update(store, texts);
        }
        if self.source.scope != Scope::Tree {
            return Err(CliError::usage(
                format!("{name} cannot be embedded anew from some of its files"),
                "name the folder that holds all of them",
            ));
        }
        let mut new = beside(name);
        if names.contains(&new) && store.collection(&new)?.identity() != self.identity {
            match self.extent.dry_run {
                // Nothing of it would be used.
                true => new.push_str(".again"),
                // Left by a run with yet another model.
                false => store.drop_collection(&new)?,
            }
        }
        let source = Source { collection: new.clone(), ..self.source.clone() };
        let mut ended =
            Run { source: &source, scan_options: self.scan_options.clone(), ..*self }.update(store, texts)?;
        let roots = ended.roots.take();
        // Of the new embedding; the old one holds what it held.
        ended.coverage = None;
        if self.extent.dry_run {
            return Ok(ended);
        }
        let is_whole = ended.failed.is_empty() && ended.held_back.is_none() && !ended.has_unreadable();
        let Some((_, roots)) =
            roots.filter(|_| is_whole && store.all_names().is_ok_and(|names| names.contains(&new)))
        else {
            self.context.notices.notice(&format!(
                "{name}: the new embedding is not complete, and the old one is searched until it is"
            ));
            return Ok(ended);
        };
        if let Some(reason) = self.would_lose(store, &new)? {
            ended.held_back = Some(reason);
            return Ok(ended);
        }
        // Where the documents come from is known of the collection itself.
        sources::edit(store.path(), |known| drop(known.remove(&new)))?;
        ended.kept_as = Some(store.replace_collection(name, &new)?);
        SeenFiles::forget(store.path(), &new);
        ended.roots = Some((name.clone(), roots));
        Ok(ended)
    }

    /// Why the new embedding must not take the place of the old one: it lacks documents, as if their folder were gone.
    fn would_lose(&self, store: &Store, new: &str) -> Result<Option<String>, CliError> {
        let read = |name: &str| -> siltstone::Result<Stored> {
            Ok(Stored::read(&store.collection(name)?.view_with(OnDamage::Skip)?)?.0)
        };
        let (old, new) = (read(&self.source.collection)?, read(new)?);
        let lost = old.ids().filter(|id| !new.contains(id)).count();
        let most = self.context.settings.update.max_removed_share * old.len() as f64;
        Ok((lost as f64 > most && !self.extent.allow_mass_removal).then(|| {
            format!(
                "{} of {} documents would go at once: the new embedding does not take the place of the old one; if they \
                 are really gone, run again with --allow-mass-removal",
                count(lost as u64),
                count(old.len() as u64)
            )
        }))
    }
}
