//! Searching several collections as one.

use rayon::prelude::*;

use super::{Answer, Search, run};
use crate::error::{Error, Result};
use crate::identity::EmbeddingIdentity;
use crate::store::Store;
use crate::view::{Damage, OnDamage, View};

/// Which collections to search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All that are not hidden. They must share one vector space.
    All,
    /// All that are not hidden and whose vectors are of the same space as these.
    Like(EmbeddingIdentity),
    /// These. They must share one vector space.
    Named(Vec<String>),
}

/// Views of several collections that are searched as one. Each shows its collection's last commit at the time when it
/// was opened or refreshed; there is no moment that all of them share.
#[derive(Debug, Clone)]
pub struct StoreView {
    views: Vec<View>,
}

impl Store {
    /// Opens a view of each collection in scope.
    ///
    /// # Errors
    /// [`Error::NoSuchCollection`]; [`Error::IdentityMismatch`] when the collections are of different vector spaces;
    /// damage, unless it is to be skipped.
    pub fn view(&self, scope: &Scope, on_damage: OnDamage) -> Result<StoreView> {
        let collections = match scope {
            Scope::All => self.collections()?,
            Scope::Like(identity) => self
                .collections()?
                .into_iter()
                .filter(|found| found.identity().same_space(identity))
                .collect(),
            Scope::Named(names) => {
                names.iter().map(|name| self.collection(name)).collect::<Result<Vec<_>>>()?
            }
        };
        if let Some((first, rest)) = collections.split_first()
            && let Some(other) = rest.iter().find(|other| !other.identity().same_space(first.identity()))
        {
            let difference = first.identity().difference(other.identity()).unwrap_or_default();
            let difference = format!(
                "{} has {difference} of {}; name the collections to search",
                first.name(),
                other.name()
            );
            return Err(Error::IdentityMismatch { collection: other.name().to_owned(), difference });
        }
        let views =
            collections.par_iter().map(|found| found.view_with(on_damage)).collect::<Result<Vec<_>>>()?;
        Ok(StoreView { views })
    }

    /// Opens the collections in scope and searches them as one. An application that searches often keeps a
    /// [`StoreView`] instead.
    ///
    /// # Errors
    /// As [`Store::view`] and [`View::search`].
    pub fn search(&self, vector: &[f32], scope: &Scope, search: &Search) -> Result<Answer> {
        self.view(scope, OnDamage::Fail)?.search(vector, search)
    }
}

impl StoreView {
    /// The best rows of all collections together.
    ///
    /// # Errors
    /// As [`View::search`].
    pub fn search(&self, vector: &[f32], search: &Search) -> Result<Answer> {
        let mut answers = self.search_batch(&[vector], search)?;
        answers.pop().ok_or_else(|| Error::invalid("query", "none was given"))
    }

    /// The best rows of all collections together, for each of several vectors, in one pass.
    ///
    /// # Errors
    /// As [`View::search`].
    pub fn search_batch(&self, vectors: &[&[f32]], search: &Search) -> Result<Vec<Answer>> {
        run(&self.views, vectors, search)
    }

    /// The views, sorted by name of their collections unless they were named in another order.
    pub fn views(&self) -> &[View] {
        &self.views
    }

    /// Number of rows in all of them.
    pub fn len(&self) -> u64 {
        self.views.iter().map(View::len).sum()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was left out because it is damaged.
    pub fn damage(&self) -> impl Iterator<Item = &Damage> {
        self.views.iter().flat_map(View::damage)
    }

    /// Shows the last commits of now. Costs little where nothing changed.
    ///
    /// # Errors
    /// As [`Store::view`].
    pub fn refresh(&mut self) -> Result<()> {
        self.views = self.views.par_iter().map(View::refreshed).collect::<Result<_>>()?;
        Ok(())
    }
}
