//! What the machine has and what of it is in use: memory and room on disks.

use std::io;
use std::path::{Path, PathBuf};

/// The most memory that this process has had.
pub(crate) fn peak_memory_bytes() -> Option<u64> {
    kilobytes("/proc/self/status", "VmHWM:")
}

/// The memory of this machine.
pub(crate) fn machine_memory_bytes() -> Option<u64> {
    kilobytes("/proc/meminfo", "MemTotal:")
}

/// The memory that is in use on this machine: what could not be had for a new process.
pub(crate) fn machine_used_bytes() -> Option<u64> {
    let available = kilobytes("/proc/meminfo", "MemAvailable:")?;
    Some(machine_memory_bytes()?.saturating_sub(available))
}

/// A line such as `MemTotal:  8000000 kB` of a file that Linux has and others lack.
fn kilobytes(path: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// The folder itself, or the nearest above it that exists.
pub(crate) fn existing(path: &Path) -> PathBuf {
    path.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new(".")).to_owned()
}

/// Room on the disk of a folder, for this user.
#[cfg(unix)]
pub(crate) fn free_bytes(folder: &Path) -> io::Result<u64> {
    let figures = rustix::fs::statvfs(folder)?;
    Ok(figures.f_bavail.saturating_mul(figures.f_frsize))
}

#[cfg(not(unix))]
pub(crate) fn free_bytes(_folder: &Path) -> io::Result<u64> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system is not asked for it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_is_known_on_linux() {
        let (peak, all) = (peak_memory_bytes().unwrap(), machine_memory_bytes().unwrap());
        assert!(peak > 1 << 20 && peak < all);
        let used = machine_used_bytes().unwrap();
        assert!(used > 1 << 20 && used < all);
    }

    #[test]
    #[cfg(unix)]
    fn room_is_asked_of_the_nearest_folder_that_exists() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(existing(&folder.path().join("not/yet")), folder.path());
        assert!(free_bytes(folder.path()).unwrap() > 0);
        assert!(free_bytes(&folder.path().join("not/yet")).is_err());
    }
}
