//! Restoring into a new directory: unpacked and verified under another name beside it, then renamed. So the directory is
//! there with all that belongs in it, or not at all.

use std::io;
use std::path::{Path, PathBuf};

use super::unpack::unpack;
use super::{Restored, Wanted, check_sound, rows_of};
use crate::backup::check_room;
use crate::backup::content::Content;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::verify::{Depth, verify};
use crate::{catalogue, tree};

pub(super) fn restore(
    environment: &Environment,
    content: Box<dyn Content>,
    to: &Path,
    wanted: Wanted,
) -> Result<Restored> {
    let disk = &*environment.disk;
    let is_there = match disk.list(to) {
        Ok(entries) => match entries.first() {
            None => true,
            Some(first) => {
                let found = format!("a directory with {:?} in it", first.name);
                return Err(Error::PathTaken { path: to.to_owned(), found });
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(Error::PathTaken { path: to.to_owned(), found: "a file".to_owned() });
        }
        Err(error) => return Err(Error::io("list", to)(error)),
    };
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(name) = to.file_name() else {
        return Err(Error::PathTaken { path: to.to_owned(), found: "a directory without a name".to_owned() });
    };
    let staging: PathBuf = parent.join(format!(".{}.restoring", name.to_string_lossy()));
    let _lock = tree::claim(environment, &staging)?;
    let restored = fill(environment, content, &staging, wanted).and_then(|mut restored| {
        if is_there {
            disk.remove(to).map_err(Error::io("remove", to))?;
        }
        disk.rename(&staging, to).map_err(Error::io("rename", &staging))?;
        restored.store = to.to_owned();
        Ok(restored)
    });
    match restored {
        Ok(restored) => disk.sync_dir(parent).map_err(Error::io("sync", parent)).map(|()| restored),
        Err(error) => {
            // Where even this fails, the next restore to here begins by removing it.
            let _ = tree::remove(environment, &staging);
            Err(error)
        }
    }
}

/// Makes a sound, durable store of the part that is wanted.
fn fill(
    environment: &Environment,
    content: Box<dyn Content>,
    staging: &Path,
    wanted: Wanted,
) -> Result<Restored> {
    let index = content.index().clone();
    check_room(environment, staging, index.bytes())?;
    let unpacked = unpack(environment, content, staging, wanted)?;
    let mut catalogue = catalogue::load(environment, staging)?;
    if wanted != Wanted::Everything {
        catalogue.collections.retain(|entry| wanted.has(&entry.collection));
        catalogue::write(environment, staging, &catalogue)?;
    }
    check_sound(&verify(environment, staging, Depth::Deep, None)?, !index.damage.is_empty())?;
    let (collections, rows) = rows_of(&index, |id| wanted.has(id));
    Ok(Restored {
        store: staging.to_owned(),
        collections,
        rows,
        files: unpacked.files,
        bytes: unpacked.bytes,
        safety_copy: None,
        damage: index.damage,
        left: unpacked.left,
    })
}
