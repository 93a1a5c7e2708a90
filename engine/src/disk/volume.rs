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

/// The number of every file system that a process serves.
#[cfg(target_os = "linux")]
const FUSE: u32 = 0x6573_5546;

/// Those of them that lie on another machine, by the names that mounts have, and what they are called.
#[cfg(target_os = "linux")]
const NETWORK_FUSE: [(&str, &str); 10] = [
    ("fuse.sshfs", "sshfs"),
    ("fuse.rclone", "rclone"),
    ("fuse.s3fs", "s3fs"),
    ("fuse.gcsfuse", "gcsfuse"),
    ("fuse.blobfuse2", "blobfuse"),
    ("fuse.davfs", "davfs"),
    ("fuse.curlftpfs", "curlftpfs"),
    ("fuse.glusterfs", "GlusterFS"),
    ("fuse.ceph-fuse", "Ceph"),
    ("fuse.juicefs", "JuiceFS"),
];

#[cfg(target_os = "linux")]
pub(super) fn of(path: &Path) -> io::Result<Volume> {
    let found = rustix::fs::statfs(path)?;
    let free_bytes = u64::try_from(found.f_bsize).ok().map(|size| size.saturating_mul(found.f_bavail));
    // The number has 32 bits; the field's width differs between processors.
    let kind = found.f_type as u32;
    let network = match kind {
        FUSE => network_fuse(path),
        _ => NETWORK.iter().find(|(number, _)| *number == kind).map(|(_, name)| *name),
    };
    Ok(Volume { free_bytes, network })
}

/// What serves the mount that a path lies on, if that is a network: as the table of mounts says (proc_pid_mountinfo(5)).
#[cfg(target_os = "linux")]
fn network_fuse(path: &Path) -> Option<&'static str> {
    let device = rustix::fs::stat(path).ok()?.st_dev;
    let device = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let mounts = std::fs::read("/proc/self/mountinfo").ok()?;
    let mounts = String::from_utf8_lossy(&mounts);
    kind_of(&mounts, &device)
}

#[cfg(target_os = "linux")]
fn kind_of(mounts: &str, device: &str) -> Option<&'static str> {
    let mount = mounts.lines().find(|line| line.split(' ').nth(2) == Some(device))?;
    let (_, source) = mount.split_once(" - ")?;
    let kind = source.split(' ').next()?;
    NETWORK_FUSE.iter().find(|(name, _)| *name == kind).map(|(_, name)| *name)
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

    #[test]
    fn a_mount_that_a_process_serves_is_known_by_its_name() {
        let mounts = "27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
            42 27 0:39 / /mnt/a\\040b rw,nosuid - fuse.sshfs me@there:/docs rw,user_id=0\n\
            43 27 0:40 / /mnt/c rw master:3 - fuse.ntfs-3g /dev/sdb1 rw\n";
        assert_eq!(super::kind_of(mounts, "0:39"), Some("sshfs"));
        for other in ["254:0", "0:40", "0:3", "0:399"] {
            assert_eq!(super::kind_of(mounts, other), None, "{other}");
        }
    }
}
