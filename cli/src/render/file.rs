//! Files that others watch: whoever reads one sees the old content or the new, never half of it.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Replaces a file in a folder that exists. Durable when it returns.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    put(path, bytes, true)?;
    #[cfg(unix)]
    {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// As [`replace`], for what is worth nothing after a power cut: costs no sync.
pub(crate) fn replace_unsynced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    put(path, bytes, false)
}

fn put(path: &Path, bytes: &[u8], durably: bool) -> io::Result<()> {
    // Two processes that write the same file each write their own.
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = Path::new(&temporary);
    let written = File::create(temporary)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            if durably { file.sync_all() } else { Ok(()) }
        })
        .and_then(|()| std::fs::rename(temporary, path));
    if written.is_err() {
        // Whatever is left of it is of no use; that it cannot be removed changes nothing.
        let _ = std::fs::remove_file(temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report.json");
        replace(&path, b"one").unwrap();
        replace_unsynced(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        assert!(replace(&path.join("below"), b"x").is_err());
    }
}
