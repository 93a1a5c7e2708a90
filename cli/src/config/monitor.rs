//! What `status --check` warns about: the thresholds of the operations guide, unless the configuration says otherwise.

use super::{ConfigError, Inputs};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MonitorSettings {
    /// Share of the documents of a run that could not be embedded.
    pub(crate) max_error_percent: f64,
    pub(crate) max_storage_gb: f64,
    pub(crate) max_cost_per_day_usd: f64,
    /// Peak memory of a run, as a share of the machine's.
    pub(crate) max_memory_percent: f64,
    pub(crate) max_run_hours: f64,
    /// Since the last run that ended well.
    pub(crate) max_update_age_hours: f64,
}

impl Default for MonitorSettings {
    fn default() -> MonitorSettings {
        MonitorSettings {
            max_error_percent: 1.0,
            max_storage_gb: 2.0,
            max_cost_per_day_usd: 5.0,
            max_memory_percent: 80.0,
            max_run_hours: 4.0,
            max_update_age_hours: 48.0,
        }
    }
}

pub(super) fn monitor(inputs: &Inputs) -> Result<MonitorSettings, ConfigError> {
    let (file, default) = (&inputs.file.monitor, MonitorSettings::default());
    let threshold = |name: &str, value: Option<f64>, default: f64| {
        let given = inputs.key(&format!("monitor.{name}"), value);
        given.map_or(Ok(default), |given| given.between(0.0, 1e9))
    };
    Ok(MonitorSettings {
        max_error_percent: threshold("max_error_percent", file.max_error_percent, default.max_error_percent)?,
        max_storage_gb: threshold("max_storage_gb", file.max_storage_gb, default.max_storage_gb)?,
        max_cost_per_day_usd: threshold(
            "max_cost_per_day_usd",
            file.max_cost_per_day_usd,
            default.max_cost_per_day_usd,
        )?,
        max_memory_percent: threshold(
            "max_memory_percent",
            file.max_memory_percent,
            default.max_memory_percent,
        )?,
        max_run_hours: threshold("max_run_hours", file.max_run_hours, default.max_run_hours)?,
        max_update_age_hours: threshold(
            "max_update_age_hours",
            file.max_update_age_hours,
            default.max_update_age_hours,
        )?,
    })
}
