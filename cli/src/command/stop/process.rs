//! Processes of this machine: who is alive, who is the siltstone command, and the one signal that is ever sent.

use siltstone::Holder;

/// The name of this machine.
pub(crate) fn host_name() -> Option<String> {
    #[cfg(unix)]
    {
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Some(name).filter(|name| !name.is_empty())
    }
    #[cfg(not(unix))]
    {
        std::env::var("COMPUTERNAME").ok()
    }
}

/// Sends SIGTERM to the holder of a lock when that is certain to reach a siltstone command; else says why not.
#[cfg(unix)]
pub(super) fn ask_to_stop(holder: &Holder) -> Result<(), String> {
    use rustix::process::{Pid, Signal, kill_process, test_kill_process};

    if let Some(host) = holder.host.as_ref().filter(|host| host_name().as_ref() != Some(host)) {
        return Err(format!("it runs on {host}; run `siltstone stop` there"));
    }
    if holder.process == std::process::id() {
        return Err("it is this very process".to_owned());
    }
    let number = i32::try_from(holder.process).ok().filter(|number| *number > 1);
    let Some(process) = number.and_then(Pid::from_raw) else {
        return Err("its process number cannot be".to_owned());
    };
    if test_kill_process(process) == Err(rustix::io::Errno::SRCH) {
        return Err(
            "no such process runs here any more; somebody else holds the lock and has not said so".to_owned()
        );
    }
    if !is_siltstone(holder) {
        return Err("it is not the siltstone command; stop it by its own means".to_owned());
    }
    kill_process(process, Signal::TERM).map_err(|error| format!("it cannot be signalled: {error}"))
}

#[cfg(not(unix))]
pub(super) fn ask_to_stop(_holder: &Holder) -> Result<(), String> {
    Err("processes cannot be asked to stop on this system; end it by its own means".to_owned())
}

/// Whether a process is the siltstone command: by what the system says of it, or where the system says nothing, by what
/// it wrote into its lock.
#[cfg(unix)]
fn is_siltstone(holder: &Holder) -> bool {
    use std::path::{Path, PathBuf};

    let own = |path: &Path| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        // The system marks the file of a program that was replaced while it runs.
        name.trim_end_matches(" (deleted)") == "siltstone"
    };
    let directory = PathBuf::from(format!("/proc/{}", holder.process));
    if let Ok(program) = std::fs::read_link(directory.join("exe")) {
        return own(&program);
    }
    if let Ok(line) = std::fs::read(directory.join("cmdline")) {
        let first = line.split(|byte| *byte == 0).next().unwrap_or_default();
        return own(Path::new(&*String::from_utf8_lossy(first)));
    }
    holder.program.split(' ').next() == Some("siltstone")
}
