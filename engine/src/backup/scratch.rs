//! Scratch directories beside backups: a backup is unpacked there to be looked at, and what was unpacked is removed. Their
//! names tell what they are, so the next command in the directory removes what an interrupted one left.

use std::path::Path;

use siltstone_format::checksum::to_hex;

use super::content::Content;
use super::list::BackupInfo;
use super::shelf::REHEARSAL_PREFIX;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::restore::{self, Unpacked, Wanted};
use crate::tree;

/// Unpacks what is wanted of a backup, `bytes` in all, and has `look` look at it. What `look` returns comes back, or why
/// nothing could be unpacked, as an error inside.
pub(crate) fn unpacked<T>(
    environment: &Environment,
    backup: &BackupInfo,
    (content, wanted, bytes): (Box<dyn Content>, Wanted, u64),
    look: impl FnOnce(&Path, Unpacked) -> Result<T>,
) -> Result<Result<T>> {
    let directory = backup.path.parent().unwrap_or(Path::new("."));
    let id = environment.entropy.id().map_err(Error::io("draw random bytes for", directory))?;
    let scratch = directory.join(format!("{REHEARSAL_PREFIX}{}", to_hex(&id)));
    let result = tree::claim(environment, &scratch).and_then(|_lock| {
        super::check_room(environment, &scratch, bytes)?;
        match restore::unpack(environment, content, &scratch, wanted) {
            Ok(unpacked) => look(&scratch, unpacked).map(Ok),
            Err(error) => Ok(Err(error)),
        }
    });
    let removed = tree::remove(environment, &scratch);
    let result = result?;
    removed.map(|()| result)
}
