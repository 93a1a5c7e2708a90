//! A collection holds the documents of one folder. Documents are known by their path below it, so another folder that
//! merely has the same name would take the place of what is stored, one same-named file after the other, without
//! anything being gone.

use std::collections::BTreeMap;

use crate::exit::CliError;
use crate::ingest::sources::Source;
use crate::sources::SourceRoots;

/// Refuses a folder whose collection holds the documents of another one that is still there. One that is not there any
/// more may have been moved: then the documents are compared as always.
pub(super) fn refuse(source: &Source, known: &BTreeMap<String, SourceRoots>) -> Result<(), CliError> {
    let Some(remembered) = known.get(&source.collection) else { return Ok(()) };
    if remembered.roots.iter().any(|root| root.path == source.root) {
        return Ok(());
    }
    match remembered.roots.iter().find(|root| root.path.is_dir()) {
        None => Ok(()),
        Some(other) => Err(CliError::usage(
            format!(
                "{} holds the documents of {}, which is still there; {} is another folder",
                source.collection,
                other.path.display(),
                source.root.display()
            ),
            "give it a collection of its own with --framework NAME; or rename the old folder, if this one takes its place",
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::exit::Exit;
    use crate::ingest::scan::Globs;
    use crate::ingest::sources::Scope;
    use crate::sources::SourceRoot;

    fn source(root: &Path) -> Source {
        Source {
            framework: "docs".to_owned(),
            collection: "docs_docs".to_owned(),
            root: root.to_owned(),
            scope: Scope::Tree,
            globs: Globs::default(),
        }
    }

    #[test]
    fn a_folder_of_the_same_name_is_refused_and_a_moved_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::create_dir_all(path("a/docs")).unwrap();
        let root = SourceRoot { path: path("a/docs"), include: Vec::new(), exclude: Vec::new() };
        let remembered = SourceRoots { roots: vec![root], ..SourceRoots::default() };
        let known = BTreeMap::from([("docs_docs".to_owned(), remembered)]);
        refuse(&source(&path("a/docs")), &known).unwrap();
        let error = refuse(&source(&path("b/docs")), &known).unwrap_err();
        assert_eq!(error.exit, Exit::Usage);
        assert!(error.message.contains("a/docs") && error.message.contains("b/docs"), "{error:?}");
        std::fs::rename(path("a"), path("b")).unwrap();
        refuse(&source(&path("b/docs")), &known).unwrap();
        refuse(&source(&path("b/docs")), &BTreeMap::new()).unwrap();
    }
}
