//! What a path lies on: how much room there is, and whether it is a mount over a network, where locks may hold only on
//! this machine and a sync may mean less than on a disk of one's own.

use std::io;
use std::path::Path;

use super::Volume;

/// File systems that lie on another machine, by the number that Linux has for them.
#[cfg(target_os = "linux")]
const NETWORK: [(u32, &str); 10] = [
    (0x6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x517b, "SMB"),
    (0x5346_414f, "AFS"),
    (0x00c3_6400, "Ceph"),
    (0x0102_1997, "9P"),
    (0x7461_636f, "OCFS2"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
];

#[cfg(target_os = "linux")]
pub(super) fn of(path: &Path) -> io::Result<Volume> {
    let found = rustix::fs::statfs(path)?;
    let free_bytes = u64::try_from(found.f_bsize).ok().map(|size| size.saturating_mul(found.f_bavail));
    // The number has 32 bits; the field's width differs between processors.
    let kind = found.f_type as u32;
    let network = NETWORK.iter().find(|(number, _)| *number == kind).map(|(_, name)| *name);
    Ok(Volume { free_bytes, network })
}

#[cfg(all(unix, not(target_os = "linux")))]
pub(super) fn of(path: &Path) -> io::Result<Volume> {
    let found = rustix::fs::statvfs(path)?;
    Ok(Volume { free_bytes: Some(found.f_frsize.saturating_mul(found.f_bavail)), network: None })
}

/// Other systems are not asked.
#[cfg(not(unix))]
pub(super) fn of(_path: &Path) -> io::Result<Volume> {
    Ok(Volume::default())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn there_is_room_where_a_scratch_directory_lies() {
        let scratch = tempfile::tempdir().unwrap();
        assert!(super::of(scratch.path()).unwrap().free_bytes.unwrap() > 0);
        assert!(super::of(&scratch.path().join("none")).is_err());
    }
}
