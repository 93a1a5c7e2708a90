//! Whole directories: making one that only its maker uses, and removing one with all that is in it.

use std::io;
use std::path::Path;

use siltstone_format::names::LOCK_FILE;

use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::lock::{self, Lock};

/// Deepest nesting that is followed.
const MOST_LEVELS: usize = 32;

/// Whether there is a directory. One that cannot be looked at is an error, never taken for missing.
pub(crate) fn is_there(environment: &Environment, directory: &Path) -> Result<bool> {
    match environment.disk.list(directory) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("list", directory)(error)),
    }
}

/// Removes a directory and everything in it. What is gone already is no error.
pub(crate) fn remove(environment: &Environment, directory: &Path) -> Result<()> {
    empty(environment, directory, &|_| true, MOST_LEVELS)?;
    match environment.disk.remove(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", directory)(error)),
        _ => Ok(()),
    }
}

fn empty(
    environment: &Environment,
    directory: &Path,
    goes: &dyn Fn(&str) -> bool,
    levels: usize,
) -> Result<()> {
    let disk = &*environment.disk;
    let entries = match disk.list(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(Error::io("list", directory))?,
    };
    for entry in entries.into_iter().filter(|entry| goes(&entry.name)) {
        let path = directory.join(&entry.name);
        if entry.is_dir {
            let Some(levels) = levels.checked_sub(1) else {
                return Err(Error::invalid("directory", format!("{}: nested too deep", path.display())));
            };
            empty(environment, &path, &|_| true, levels)?;
        }
        match disk.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("remove", &path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// An empty directory that nobody else uses for as long as its lock is held. What an interrupted command left in it is
/// removed first.
pub(crate) fn claim(environment: &Environment, directory: &Path) -> Result<Lock> {
    match environment.disk.create_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(Error::io("create", directory)(error));
        }
        _ => {}
    }
    let lock = lock::acquire(environment, directory.join(LOCK_FILE))?;
    empty(environment, directory, &|name| name != LOCK_FILE, MOST_LEVELS)?;
    Ok(lock)
}

/// Removes a directory that somebody claimed and died over.
pub(crate) fn remove_abandoned(environment: &Environment, directory: &Path) -> Result<()> {
    match lock::acquire_now(environment, &directory.join(LOCK_FILE)) {
        Err(Error::Locked { .. }) => Ok(()),
        Err(error) => Err(error),
        Ok(_lock) => {
            remove(environment, directory)?;
            environment.observer.event(&Event::Swept { path: directory.to_owned() });
            Ok(())
        }
    }
}
