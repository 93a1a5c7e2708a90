//! `status --check`: one line and an exit code for Nagios and whoever speaks its language.
//!
//! A threshold that is exceeded is a warning: nothing is broken, somebody should look. Damage, and a last run that
//! could not do its work, are critical.

use super::figures::Figures;
use crate::config::MonitorSettings;
use crate::exit::Exit;

/// States in the order of their gravity, as Nagios numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Ok,
    Warning,
    Critical,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            State::Ok => "OK",
            State::Warning => "WARNING",
            State::Critical => "CRITICAL",
        }
    }

    /// The exit codes of this command follow Nagios; their numbers are those of others in the table of all commands.
    pub(super) fn exit(self) -> Exit {
        match self {
            State::Ok => Exit::Pass,
            State::Warning => Exit::Failed,
            State::Critical => Exit::Usage,
        }
    }
}

/// What a plugin that could not look says, with its exit code.
pub(super) const UNKNOWN: (&str, Exit) = ("SILTSTONE UNKNOWN", Exit::Found);

/// A figure, its unit as Nagios writes it, and what it should not exceed.
struct Probe {
    name: &'static str,
    value: f64,
    unit: &'static str,
    most: f64,
    /// What is said when it does.
    what: String,
}

/// The state, and the line with its figures.
pub(super) fn check(figures: &Figures, thresholds: &MonitorSettings) -> (State, String) {
    let mut state = State::Ok;
    let mut said: Vec<String> = Vec::new();
    let mut note = |gravity: State, text: String| {
        state = state.max(gravity);
        said.push(text);
    };
    if figures.damaged > 0 {
        note(State::Critical, format!("{} collections are damaged", figures.damaged));
    }
    match &figures.last_run {
        // Interrupted on request is nobody's fault.
        Some(run) if !matches!(run.exit, 0 | 130) => {
            let gravity = if matches!(run.exit, 3 | 12) { State::Warning } else { State::Critical };
            note(gravity, format!("the last update ended with exit code {}", run.exit));
        }
        Some(_) => {}
        None => note(State::Ok, "no update has run yet".to_owned()),
    }
    let probes = probes(figures, thresholds);
    for probe in probes.iter().filter(|probe| probe.value > probe.most) {
        note(State::Warning, probe.what.clone());
    }
    if said.is_empty() {
        said.push(format!("{} chunks in {} collections", figures.chunks, figures.collections));
    }
    let figure =
        |probe: &Probe| format!("{}={}{};{}", probe.name, shown(probe.value), probe.unit, shown(probe.most));
    let data: Vec<String> = probes.iter().map(figure).collect();
    (state, format!("SILTSTONE {} - {} | {}", state.word(), said.join(", "), data.join(" ")))
}

fn probes(figures: &Figures, thresholds: &MonitorSettings) -> Vec<Probe> {
    let mut probes = vec![
        Probe {
            name: "storage",
            value: figures.store_bytes as f64,
            unit: "B",
            most: thresholds.max_storage_gb * 1e9,
            what: format!("storage is {:.1} GB", figures.store_bytes as f64 / 1e9),
        },
        Probe {
            name: "cost_today",
            value: figures.cost_today_usd,
            unit: "",
            most: thresholds.max_cost_per_day_usd,
            what: format!("${:.2} was spent today", figures.cost_today_usd),
        },
    ];
    if let Some(run) = &figures.last_run {
        let (errors, seconds) = (run.error_percent(), run.seconds());
        probes.push(Probe {
            name: "errors",
            value: errors,
            unit: "%",
            most: thresholds.max_error_percent,
            what: format!("{errors:.1} % of the documents of the last update failed"),
        });
        probes.push(Probe {
            name: "run_time",
            value: seconds,
            unit: "s",
            most: thresholds.max_run_hours * 3_600.0,
            what: format!("the last update took {:.1} h", seconds / 3_600.0),
        });
    }
    if let Some(percent) = figures.memory_percent() {
        probes.push(Probe {
            name: "memory",
            value: percent,
            unit: "%",
            most: thresholds.max_memory_percent,
            what: format!("the last update took {percent:.0} % of the machine's memory"),
        });
    }
    if let Some(age) = figures.success_age_s {
        probes.push(Probe {
            name: "update_age",
            value: age,
            unit: "s",
            most: thresholds.max_update_age_hours * 3_600.0,
            what: format!("the last good update ended {:.0} h ago", age / 3_600.0),
        });
    }
    probes
}

/// Without an exponent, which plugins do not understand.
fn shown(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::RunRecord;

    fn figures() -> Figures {
        let run = RunRecord { started_ms: 0, finished_ms: 60_000, published: 100, ..RunRecord::default() };
        Figures { last_run: Some(run), success_age_s: Some(5.0), ..Figures::default() }
    }

    fn with_run(change: impl FnOnce(&mut RunRecord)) -> Figures {
        let mut figures = figures();
        change(figures.last_run.as_mut().unwrap());
        figures
    }

    #[test]
    fn each_threshold_of_the_guide_warns_when_it_is_exceeded_and_not_before() {
        let at = |figures: &Figures| check(figures, &MonitorSettings::default());
        assert_eq!(at(&figures()).0, State::Ok);
        let cases = [
            (with_run(|run| run.failed = 1), with_run(|run| run.failed = 2), "failed"),
            (
                Figures { store_bytes: 2_000_000_000, ..figures() },
                Figures { store_bytes: 2_000_000_001, ..figures() },
                "storage is 2.0 GB",
            ),
            (
                Figures { cost_today_usd: 5.0, ..figures() },
                Figures { cost_today_usd: 5.01, ..figures() },
                "$5.01 was spent today",
            ),
            (
                Figures {
                    machine_memory_bytes: Some(100),
                    ..with_run(|run| run.peak_memory_bytes = Some(80))
                },
                Figures {
                    machine_memory_bytes: Some(100),
                    ..with_run(|run| run.peak_memory_bytes = Some(81))
                },
                "81 % of the machine's memory",
            ),
            (
                with_run(|run| run.finished_ms = 14_400_000),
                with_run(|run| run.finished_ms = 14_400_001),
                "took 4.0 h",
            ),
            (
                Figures { success_age_s: Some(172_800.0), ..figures() },
                Figures { success_age_s: Some(172_801.0), ..figures() },
                "48 h ago",
            ),
        ];
        for (below, above, said) in cases {
            assert_eq!(at(&below).0, State::Ok, "{said}");
            let (state, line) = at(&above);
            assert!(state == State::Warning && line.contains(said), "{line}");
        }
    }

    #[test]
    fn damage_and_failed_runs_are_critical_and_the_line_is_a_plugins() {
        let (state, line) = check(&Figures { damaged: 1, ..figures() }, &MonitorSettings::default());
        assert_eq!((state, state.exit().code()), (State::Critical, 2));
        assert!(
            line.starts_with("SILTSTONE CRITICAL - 1 collections are damaged | storage=0B;2000000000 "),
            "{line}"
        );
        for (exit, state) in [
            (0, State::Ok),
            (130, State::Ok),
            (3, State::Warning),
            (12, State::Warning),
            (1, State::Critical),
        ] {
            let (found, line) = check(&with_run(|run| run.exit = exit), &MonitorSettings::default());
            assert_eq!(found, state, "{line}");
        }
    }
}
