//! One file, or one folder, a command.

pub(crate) mod ask;
pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod compact;
pub(crate) mod completions;
pub(crate) mod context;
pub(crate) mod dashboard;
pub(crate) mod doctor;
pub(crate) mod embedder;
pub(crate) mod export;
pub(crate) mod health;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod lock_wait;
pub(crate) mod log;
pub(crate) mod man;
pub(crate) mod recover;
pub(crate) mod report;
pub(crate) mod search;
pub(crate) mod since;
pub(crate) mod snapshot;
pub(crate) mod status;
pub(crate) mod stop;
pub(crate) mod update;
pub(crate) mod usage;
