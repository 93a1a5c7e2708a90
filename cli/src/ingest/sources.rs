//! From the PATHs of a command line, or the entries of `siltstone.toml`, to frameworks with a collection each.
//!
//! A PATH is one framework named after its folder, unless it is a *tree*: a folder without documents of its own, with at
//! least two child folders that hold some, and not a repository. Then every child is a framework. `Split` overrides the
//! rule, and a store that already knows the PATH keeps what it decided first ([`SourceRules::known`]): a README
//! added later must not fold 341 collections into one.

use super::collection_name::collection_name;
use super::scan::walker;
use super::scan::{BadGlob, Globs, Kind, Reason, Skipped, has_vanished, real_path};
use crate::config::nearest;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// What a run covers of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All of it: documents that are stored but not found may be gone.
    Tree,
    /// Only these files, named one by one: nothing can be said about any other.
    Files(Vec<PathBuf>),
}

/// One framework: a folder of documents, and the collection they go to.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) framework: String,
    pub(crate) collection: String,
    pub(crate) root: PathBuf,
    pub(crate) scope: Scope,
    pub(crate) globs: Globs,
}

/// Whether folders of folders become several frameworks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Split {
    #[default]
    Auto,
    Always,
    Never,
}

/// A framework as the configuration declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Declared {
    /// `None`: named after the folder.
    pub(crate) name: Option<String>,
    pub(crate) path: PathBuf,
    pub(crate) include: Vec<String>,
    pub(crate) exclude: Vec<String>,
    /// `None`: prefix and name.
    pub(crate) collection: Option<String>,
}

/// A folder whose children are frameworks, as the configuration declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeclaredTree {
    pub(crate) path: PathBuf,
    pub(crate) include: Vec<String>,
    pub(crate) exclude: Vec<String>,
}

/// Everything besides the PATHs that decides.
#[derive(Clone, Debug, Default)]
pub(crate) struct SourceRules {
    /// `--framework`: the name of the one PATH given, or, without a PATH, the one declared framework to take.
    pub(crate) framework: Option<String>,
    pub(crate) split: Split,
    pub(crate) prefix: String,
    pub(crate) declared: Vec<Declared>,
    pub(crate) trees: Vec<DeclaredTree>,
    /// Folders never entered: the store, the backups, the logs.
    pub(crate) never_enter: Vec<PathBuf>,
    /// Source roots that collections of the store remember.
    pub(crate) known: Vec<Known>,
}

/// A folder that the store remembers documents from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) framework: String,
    pub(crate) collection: String,
    pub(crate) root: PathBuf,
    pub(crate) include: Vec<String>,
    pub(crate) exclude: Vec<String>,
}

/// The frameworks of a run, sorted by collection, and what was left out on the way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    pub(crate) sources: Vec<Source>,
    pub(crate) skipped: Vec<Skipped>,
    /// Trees that are not there or cannot be listed: their frameworks are unknown, none of them may be called gone.
    pub(crate) unlisted_trees: Vec<(PathBuf, String)>,
}

/// Why the frameworks cannot be told. Nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SourceError {
    NothingToDo,
    UnknownFramework { name: String, known: Vec<String> },
    OneNameForSeveral { name: String, paths: Vec<PathBuf> },
    SameCollection { collection: String, first: PathBuf, second: PathBuf },
    Glob { path: PathBuf, error: BadGlob },
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SourceError::NothingToDo => f.write_str(
                "no documents named: give a PATH, or declare [[framework]] or [[tree]] in siltstone.toml",
            ),
            SourceError::UnknownFramework { name, known } => {
                let names = || known.iter().map(String::as_str);
                write!(f, "no framework {name:?} is declared; ")?;
                let lower = name.to_lowercase();
                let near = names().find(|known| known.to_lowercase() == lower);
                if let Some(near) = near.or_else(|| nearest(name, names())) {
                    return write!(f, "did you mean {near}?");
                }
                let shown: Vec<&str> = names().take(10).collect();
                write!(f, "there are: {}", shown.join(", "))?;
                match known.len() - shown.len() {
                    0 => Ok(()),
                    more => write!(f, " and {more} more"),
                }
            }
            SourceError::OneNameForSeveral { name, paths } => {
                let shown: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
                write!(
                    f,
                    "--framework {name} cannot name {} folders at once ({})",
                    paths.len(),
                    shown.join(", ")
                )?;
                f.write_str("; run update once for each, or declare them as [[framework]] in siltstone.toml")
            }
            SourceError::SameCollection { collection, first, second } => write!(
                f,
                "{} and {} would both go to the collection {collection}; name one of them with --framework, or \
                 declare both as [[framework]] with a name in siltstone.toml",
                first.display(),
                second.display()
            ),
            SourceError::Glob { path, error } => write!(f, "for {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for SourceError {}

/// Decides the frameworks. Reads folder listings only as far as the rule needs.
pub(crate) fn plan_sources(paths: &[PathBuf], rules: &SourceRules) -> Result<Sources, SourceError> {
    // With PATHs, --framework names; without, it chooses among the declared.
    let forced = rules.framework.clone().filter(|_| !paths.is_empty());
    let mut plan = Planner { rules, forced, found: Sources::default(), missed: Vec::new() };
    if paths.is_empty() {
        plan.declared()?;
    } else {
        plan.given(paths)?;
    }
    let mut found = plan.found;
    found.sources.sort_by(|a, b| (&a.collection, &a.root).cmp(&(&b.collection, &b.root)));
    for (a, b) in found.sources.iter().zip(found.sources.iter().skip(1)) {
        if a.collection == b.collection {
            let (collection, first, second) = (a.collection.clone(), a.root.clone(), b.root.clone());
            return Err(SourceError::SameCollection { collection, first, second });
        }
    }
    Ok(found)
}

struct Planner<'a> {
    rules: &'a SourceRules,
    forced: Option<String>,
    found: Sources,
    /// Folders that vanished from what the run is about.
    missed: Vec<&'a Known>,
}

impl<'a> Planner<'a> {
    fn declared(&mut self) -> Result<(), SourceError> {
        for declared in &self.rules.declared {
            self.add_declared(declared, None)?;
        }
        for tree in &self.rules.trees {
            self.add_children(&real_path(&tree.path), &tree.include, &tree.exclude)?;
        }
        self.add_vanished()?;
        if let Some(name) = &self.rules.framework {
            let known: Vec<String> =
                self.found.sources.iter().map(|source| source.framework.clone()).collect();
            self.found.sources.retain(|source| source.framework == *name);
            if self.found.sources.is_empty() {
                return Err(SourceError::UnknownFramework { name: name.clone(), known });
            }
        }
        let nothing = self.rules.declared.is_empty() && self.rules.trees.is_empty();
        if nothing { Err(SourceError::NothingToDo) } else { Ok(()) }
    }

    fn given(&mut self, paths: &[PathBuf]) -> Result<(), SourceError> {
        let mut folders: Vec<PathBuf> = Vec::new();
        let mut files: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
        for path in paths {
            let path = real_path(path);
            match path.parent() {
                Some(parent) if path.is_file() => files.entry(parent.to_owned()).or_default().push(path),
                _ => folders.push(path),
            }
        }
        folders.sort();
        folders.dedup();
        // A folder given as a whole covers the files of it that were also named.
        files.retain(|parent, _| !folders.contains(parent));
        if let Some(name) = &self.forced
            && folders.len() + files.len() > 1
        {
            let paths = folders.iter().chain(files.keys()).cloned().collect();
            return Err(SourceError::OneNameForSeveral { name: name.clone(), paths });
        }
        for folder in folders {
            self.folder(&folder)?;
        }
        for (parent, mut list) in files {
            list.sort();
            list.dedup();
            let declared = self.declared_for(&parent);
            self.add_declared(&declared, Some(list))?;
        }
        self.add_vanished()
    }

    fn folder(&mut self, folder: &Path) -> Result<(), SourceError> {
        if let Some(tree) = self.rules.trees.iter().find(|tree| real_path(&tree.path) == folder) {
            return self.of_tree(folder, &tree.include, &tree.exclude);
        }
        let is_declared = self.rules.declared.iter().any(|one| real_path(&one.path) == folder);
        if let Some(known) = self.vanished().find(|one| one.root == folder).filter(|_| !is_declared)
            && self.forced.as_ref().is_none_or(|name| *name == known.framework)
        {
            self.missed.push(known);
            return Ok(());
        }
        let split = match self.rules.split {
            Split::Always => true,
            Split::Never => false,
            Split::Auto if self.forced.is_some() || is_declared => false,
            Split::Auto => match self.remembered(folder) {
                Some(split) => split,
                None => self.is_tree(folder),
            },
        };
        if split {
            self.add_children(folder, &[], &[])
        } else {
            let declared = self.declared_for(folder);
            self.add_declared(&declared, None)
        }
    }

    /// Of a tree, `--framework` can only choose: its children have their own names.
    fn of_tree(&mut self, tree: &Path, include: &[String], exclude: &[String]) -> Result<(), SourceError> {
        let chosen = self.forced.take();
        self.add_children(tree, include, exclude)?;
        let Some(name) = chosen else { return Ok(()) };
        let all = self.found.sources.iter().map(|source| source.framework.clone());
        let known = all.chain(self.missed.iter().map(|known| known.framework.clone())).collect();
        self.found.sources.retain(|source| source.framework == name);
        self.missed.retain(|known| known.framework == name);
        match self.found.sources.len() + self.missed.len() {
            0 => Err(SourceError::UnknownFramework { name, known }),
            _ => Ok(()),
        }
    }

    /// What the store says about this folder: one collection, one a child, or nothing yet.
    fn remembered(&self, folder: &Path) -> Option<bool> {
        let known = &self.rules.known;
        if known.iter().any(|one| one.root == folder) {
            return Some(false);
        }
        let children = known.iter().filter(|one| one.root.parent() == Some(folder)).count();
        (children >= 2).then_some(true)
    }

    fn is_tree(&self, folder: &Path) -> bool {
        if folder.join(".git").exists() {
            return false;
        }
        let (children, files) = self.list(folder);
        files.is_empty() && children.iter().filter(|child| self.holds_documents(child)).take(2).count() == 2
    }

    /// Child folders, and documents directly inside, after ignore rules.
    fn list(&self, folder: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let (mut folders, mut files) = (Vec::new(), Vec::new());
        for entry in self.walk(folder).max_depth(Some(1)).build().flatten().filter(|entry| entry.depth() == 1)
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            match entry.file_type() {
                Some(kind) if kind.is_dir() => folders.push(entry.into_path()),
                Some(_) if Kind::of(&name).is_some() && entry.path().is_file() => {
                    files.push(entry.into_path())
                }
                _ => {}
            }
        }
        folders.sort();
        files.sort();
        (folders, files)
    }

    fn holds_documents(&self, folder: &Path) -> bool {
        let mut entries = self.walk(folder).build().flatten();
        entries
            .any(|entry| entry.path().is_file() && Kind::of(&entry.file_name().to_string_lossy()).is_some())
    }

    fn walk(&self, folder: &Path) -> ignore::WalkBuilder {
        let never: Vec<PathBuf> = self.rules.never_enter.iter().map(|path| real_path(path)).collect();
        walker(folder, &never, &Globs::default())
    }

    fn add_children(
        &mut self,
        tree: &Path,
        include: &[String],
        exclude: &[String],
    ) -> Result<(), SourceError> {
        if let Err(error) = std::fs::read_dir(tree) {
            self.found.unlisted_trees.push((tree.to_owned(), error.to_string()));
            return Ok(());
        }
        let (children, files) = self.list(tree);
        if children.is_empty() {
            self.found.unlisted_trees.push((tree.to_owned(), "it holds no folders".to_owned()));
        }
        self.found.skipped.extend(files.into_iter().map(|path| Skipped {
            path,
            id: None,
            reason: Reason::OutsideFrameworks,
        }));
        for child in children {
            let mut declared = self.declared_for(&child);
            declared.include.extend_from_slice(include);
            declared.exclude.extend_from_slice(exclude);
            self.add_declared(&declared, None)?;
        }
        self.missed.extend(self.vanished().filter(|one| one.root.parent() == Some(tree)));
        Ok(())
    }

    /// What the store remembers of folders that are gone by themselves.
    fn vanished(&self) -> impl Iterator<Item = &'a Known> + use<'a> {
        self.rules.known.iter().filter(|one| has_vanished(&one.root))
    }

    /// A folder that was a framework belongs to a run of what is around it: else nobody would ever miss it. Unless
    /// another folder has taken its place.
    fn add_vanished(&mut self) -> Result<(), SourceError> {
        for known in std::mem::take(&mut self.missed) {
            let Known { framework, collection, root, include, exclude } = known.clone();
            if self.found.sources.iter().all(|source| source.collection != collection) {
                let (name, collection) = (Some(framework), Some(collection));
                self.add_declared(&Declared { name, path: root, include, exclude, collection }, None)?;
            }
        }
        Ok(())
    }

    /// The entry of the configuration for this folder, or one that says nothing.
    fn declared_for(&self, folder: &Path) -> Declared {
        let found = self.rules.declared.iter().find(|one| real_path(&one.path) == folder).cloned();
        let mut declared = found.unwrap_or_else(|| Declared {
            name: None,
            path: folder.to_owned(),
            include: Vec::new(),
            exclude: Vec::new(),
            collection: None,
        });
        // A forced name brings its own collection: two names must not share one.
        if let Some(name) = &self.forced
            && declared.name.as_ref() != Some(name)
        {
            declared.name = Some(name.clone());
            declared.collection = None;
        }
        declared
    }

    fn add_declared(&mut self, declared: &Declared, files: Option<Vec<PathBuf>>) -> Result<(), SourceError> {
        let root = real_path(&declared.path);
        let framework = declared.name.clone().unwrap_or_else(|| folder_name(&root));
        let collection =
            declared.collection.clone().unwrap_or_else(|| collection_name(&self.rules.prefix, &framework));
        let globs = Globs::new(&declared.include, &declared.exclude)
            .map_err(|error| SourceError::Glob { path: declared.path.clone(), error })?;
        // Declared by name and found again as a child of a tree: once is enough.
        if self.found.sources.iter().any(|source| source.root == root && source.collection == collection) {
            return Ok(());
        }
        let scope = files.map_or(Scope::Tree, Scope::Files);
        self.found.sources.push(Source { framework, collection, root, scope, globs });
        Ok(())
    }
}

/// The real name of a folder, whatever it was called by.
fn folder_name(root: &Path) -> String {
    root.file_name().map_or_else(|| "root".to_owned(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
#[path = "sources_tests.rs"]
mod tests;
