//! What `status --check` warns about: the thresholds of the operations guide, unless the configuration says otherwise.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{ConfigError, Inputs};

/// Writes down each threshold once: its name in `siltstone.toml`, and what holds without a word about it.
macro_rules! thresholds {
    ($($(#[$doc:meta])* $name:ident = $default:literal;)*) => {
        /// The section `[monitor]` as it is written.
        #[derive(Clone, Debug, Default, Deserialize, PartialEq)]
        #[serde(deny_unknown_fields, default)]
        pub(crate) struct Monitor {
            /// Where backups go that are made with `backup create --repository`.
            pub(crate) repository: Option<PathBuf>,
            $(pub(crate) $name: Option<f64>,)*
        }

        #[derive(Clone, Debug, PartialEq, Serialize)]
        pub(crate) struct MonitorSettings {
            #[serde(skip)]
            pub(crate) repository: Option<PathBuf>,
            $($(#[$doc])* pub(crate) $name: f64,)*
        }

        impl Default for MonitorSettings {
            fn default() -> MonitorSettings {
                MonitorSettings { repository: None, $($name: $default,)* }
            }
        }

        pub(super) fn monitor(inputs: &Inputs) -> Result<MonitorSettings, ConfigError> {
            let file = &inputs.file.monitor;
            let threshold = |name: &str, value: Option<f64>, default: f64| {
                let given = inputs.key(&format!("monitor.{name}"), value);
                given.map_or(Ok(default), |given| given.between(0.0, 1e9))
            };
            Ok(MonitorSettings {
                repository: file.repository.as_ref().map(|path| inputs.base.join(path)),
                $($name: threshold(stringify!($name), file.$name, $default)?,)*
            })
        }
    };
}

thresholds! {
    /// Share of the documents of a run that could not be embedded.
    max_error_percent = 1.0;
    max_storage_gb = 2.0;
    max_cost_per_day_usd = 5.0;
    /// Peak memory of a run, and what is in use on the machine, as a share of the machine's.
    max_memory_percent = 80.0;
    /// Of a run that has ended, and of one that is under way.
    max_run_hours = 4.0;
    /// Since the last run that ended well.
    max_update_age_hours = 48.0;
    /// Since the last sound backup was made.
    max_backup_age_hours = 48.0;
    /// Since a backup was last verified; the guide does it every week.
    max_verification_age_days = 8.0;
    /// Since every byte was last read; the guide does it every month.
    max_deep_scan_age_days = 32.0;
    /// Share of the requests of the last 24 hours that the server put off with 429.
    max_rate_limited_percent = 5.0;
    /// A run whose progress has not moved for so long hangs.
    max_stall_minutes = 15.0;
    /// Free space, as a multiple of what the next compaction and the next backup need.
    min_free_ratio = 1.0;
    /// Free space in any case.
    min_free_gb = 0.1;
}
