//! The program and the machine: versions, processor, memory, limits, and the disks that store, backups and logs lie on.

use std::path::Path;

use serde_json::{Value, json};
use siltstone_format::limits::FORMAT_VERSION;

use crate::command::context::Context;
use crate::command::health::Names;
use crate::monitor::machine_memory_bytes;

pub(super) fn machine(context: &Context, names: &Names) -> Value {
    let settings = &context.settings;
    let places = [("store", &settings.store), ("backups", &settings.backups), ("logs", &settings.logs)];
    let volumes: Vec<Value> = places.iter().map(|(what, path)| volume(context, names, what, path)).collect();
    json!({
        "siltstone": env!("CARGO_PKG_VERSION"),
        "format_version": FORMAT_VERSION,
        "now_ms": context.environment.clock.now_ms(),
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "kernel": kernel(),
        "system": system(),
        "processors": std::thread::available_parallelism().map_or(0, usize::from),
        "processor_features": processor_features(),
        "memory_bytes": machine_memory_bytes(),
        "open_files_limit": open_files_limit(),
        "volumes": volumes,
    })
}

/// What a path lies on; of one that is not there, what the nearest folder above it lies on.
fn volume(context: &Context, names: &Names, what: &str, path: &Path) -> Value {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = absolute.ancestors().find(|folder| folder.exists()).unwrap_or(&absolute);
    let found = context.environment.disk.volume(folder);
    let mount = mount_of(folder);
    json!({
        "of": what,
        "path": names.path(path),
        "exists": path.exists(),
        "free_bytes": found.as_ref().ok().and_then(|found| found.free_bytes),
        "network": found.as_ref().ok().and_then(|found| found.network),
        "error": found.as_ref().err().map(|error| error.to_string()),
        "file_system": mount.as_ref().map(|mount| &mount.kind),
        "read_only": mount.as_ref().map(|mount| mount.read_only),
    })
}

struct Mount {
    kind: String,
    read_only: bool,
}

/// The mount of a path, where the system lists them. Its device and options name servers and users, and stay here.
fn mount_of(path: &Path) -> Option<Mount> {
    let text = std::fs::read_to_string("/proc/self/mounts").ok()?;
    let path = std::fs::canonicalize(path).ok()?;
    mount_in(&text, &path)
}

/// Lines such as `device /mount/point kind options 0 0`; of two on one point the later one counts.
fn mount_in(text: &str, path: &Path) -> Option<Mount> {
    let mut best: Option<(usize, Mount)> = None;
    for line in text.lines() {
        let mut words = line.split(' ').skip(1);
        let (Some(point), Some(kind), Some(options)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let point = point.replace("\\040", " ");
        if path.starts_with(&point) && best.as_ref().is_none_or(|(length, _)| point.len() >= *length) {
            let read_only = options.split(',').any(|option| option == "ro");
            best = Some((point.len(), Mount { kind: kind.to_owned(), read_only }));
        }
    }
    best.map(|(_, mount)| mount)
}

#[cfg(unix)]
fn kernel() -> Option<String> {
    Some(rustix::system::uname().release().to_string_lossy().into_owned())
}

#[cfg(not(unix))]
fn kernel() -> Option<String> {
    None
}

#[cfg(unix)]
fn open_files_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

#[cfg(not(unix))]
fn open_files_limit() -> Option<u64> {
    None
}

/// The name of the distribution.
fn system() -> Option<String> {
    let text = std::fs::read_to_string("/etc/os-release").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(line.trim_matches('"').to_owned())
}

/// Those that decide which kernels a search runs.
#[cfg(target_arch = "x86_64")]
fn processor_features() -> Vec<&'static str> {
    let known = [
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
        ("avx512vnni", std::arch::is_x86_feature_detected!("avx512vnni")),
    ];
    known.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn processor_features() -> Vec<&'static str> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_mount_counts() {
        let text = "a / ext4 rw,x 0 0\nb /data nfs4 ro,addr=1.2.3.4 0 0\nc /data\\040two xfs rw 0 0\n";
        let kind = |path: &str| mount_in(text, Path::new(path)).map(|mount| (mount.kind, mount.read_only));
        assert_eq!(kind("/home"), Some(("ext4".into(), false)));
        assert_eq!(kind("/data/store"), Some(("nfs4".into(), true)));
        assert_eq!(kind("/data two/store"), Some(("xfs".into(), false)));
        assert_eq!(kind("/database"), Some(("ext4".into(), false)));
    }
}
