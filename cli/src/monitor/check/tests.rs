use super::*;
use crate::command::health::LastHealth;
use crate::monitor::{Ages, Counts, Now, Seen, Storage};
use crate::runs::RunRecord;

const NOW: i64 = 1_000_000_000_000;
const GB: u64 = 1_000_000_000;

/// Of a store of which nothing can be said against.
fn figures() -> Figures {
    let run = RunRecord {
        started_ms: NOW - 60_000,
        finished_ms: NOW - 1_000,
        published: 100,
        ..RunRecord::default()
    };
    let at = Some(NOW - 5_000);
    let ages = Ages {
        update_ms: at,
        backup_ms: at,
        verification_ms: at,
        deep_scan_ms: at,
        born_ms: Some(NOW - 9_000),
        ..Ages::default()
    };
    Figures {
        now_ms: NOW,
        last_run: Some(run),
        ages,
        store_free_bytes: Some(9 * GB),
        backups_free_bytes: Some(9 * GB),
        machine_memory_bytes: Some(100),
        ..Figures::default()
    }
}

fn with(change: impl FnOnce(&mut Figures)) -> Figures {
    let mut figures = figures();
    change(&mut figures);
    figures
}

fn with_run(change: impl FnOnce(&mut RunRecord)) -> Figures {
    with(|figures| change(figures.last_run.as_mut().unwrap()))
}

fn running(change: impl FnOnce(&mut Now)) -> Figures {
    let mut now = Now {
        process: 7,
        command: "update".into(),
        started_ms: NOW - 1_000,
        moved_ms: NOW - 1_000,
        ..Now::default()
    };
    change(&mut now);
    with(|figures| figures.seen = vec![Seen { is_running: true, now }])
}

fn ago(seconds: i64) -> Option<i64> {
    Some(NOW - seconds * 1_000)
}

/// For each threshold: what is still good, what is not any more, and what is then said.
fn cases() -> Vec<(Figures, Figures, &'static str)> {
    let day = 86_400;
    vec![
        (
            with_run(|run| run.failed = 1),
            with_run(|run| run.failed = 2),
            "documents of the last update failed",
        ),
        (
            with(|f| f.storage.total_bytes = 2 * GB),
            with(|f| f.storage.total_bytes = 2 * GB + 1),
            "storage is 2.0 GB (live ",
        ),
        (with(|f| f.cost_today_usd = 5.0), with(|f| f.cost_today_usd = 5.01), "$5.01 was spent today"),
        (
            with_run(|run| run.peak_memory_bytes = Some(80)),
            with_run(|run| run.peak_memory_bytes = Some(81)),
            "the last update took 81 % of the machine's memory",
        ),
        (
            with_run(|run| run.machine_peak_bytes = Some(80)),
            with_run(|run| run.machine_peak_bytes = Some(81)),
            "81 % of the machine's memory was in use during the last update",
        ),
        (
            with(|f| f.machine_used_bytes = Some(80)),
            with(|f| f.machine_used_bytes = Some(81)),
            "81 % of the machine's memory is in use",
        ),
        (
            with_run(|run| run.started_ms = run.finished_ms - 14_400_000),
            with_run(|run| run.started_ms = run.finished_ms - 14_400_001),
            "took 4.0 h",
        ),
        (
            running(|now| now.started_ms = NOW - 14_400_000),
            running(|now| now.started_ms = NOW - 14_400_001),
            "process 7 is under way for 4.0 h",
        ),
        (
            running(|now| now.moved_ms = NOW - 900_000),
            running(|now| now.moved_ms = NOW - 900_001),
            "process 7 hangs: nothing has moved for 15 min",
        ),
        (
            with(|f| f.ages.update_ms = ago(2 * day)),
            with(|f| f.ages.update_ms = ago(2 * day + 1)),
            "the last good update was 48 h ago",
        ),
        (
            with(|f| f.ages.backup_ms = ago(2 * day)),
            with(|f| f.ages.backup_ms = ago(2 * day + 1)),
            "the last sound backup was 48 h ago",
        ),
        (
            with(|f| f.ages.verification_ms = ago(8 * day)),
            with(|f| f.ages.verification_ms = ago(8 * day + 1)),
            "the last verification of a backup was 8 days ago",
        ),
        (
            with(|f| f.ages.deep_scan_ms = ago(32 * day)),
            with(|f| f.ages.deep_scan_ms = ago(32 * day + 1)),
            "the last whole deep scan was 32 days ago",
        ),
        (
            with(|f| (f.requests, f.rate_limited) = (100, 5)),
            with(|f| (f.requests, f.rate_limited) = (100, 6)),
            "6.0 % of the requests of the last 24 hours were put off with 429",
        ),
        (
            with(|f| f.storage.compaction_needs_bytes = 9 * GB),
            with(|f| f.storage.compaction_needs_bytes = 9 * GB + 1),
            "the next compaction needs 9.0 GB",
        ),
        (
            with(|f| f.ages.backup_bytes = Some(9 * GB)),
            with(|f| f.ages.backup_bytes = Some(9 * GB + 1)),
            "the next backup needs 9.0 GB",
        ),
        (
            with(|f| f.store_free_bytes = Some(GB / 10)),
            with(|f| f.store_free_bytes = Some(GB / 10 - 1)),
            "only 100 MB are free where the compaction goes",
        ),
    ]
}

#[test]
fn each_threshold_of_the_guide_fires_when_it_is_exceeded_and_not_before() {
    let thresholds = MonitorSettings::default();
    for (below, above, said) in cases() {
        let verdict = check(&below, &thresholds);
        assert_eq!(verdict.state, State::Ok, "{said}: {}", verdict.line);
        let verdict = check(&above, &thresholds);
        let problem = verdict.problems.first().unwrap();
        assert!(verdict.state > State::Ok && verdict.line.contains(said), "{said}: {}", verdict.line);
        assert_eq!(verdict.problems.len(), 1, "{:?}", verdict.problems);
        assert!(verdict.line.contains(&format!(" {}=", problem.what)), "{}", verdict.line);
        let expected = if matches!(problem.what, "stalled") || said.starts_with("only") {
            State::Critical
        } else {
            State::Warning
        };
        assert_eq!(verdict.state, expected, "{said}");
    }
    println!("{} thresholds, each at its edge", cases().len());
}

#[test]
fn what_was_never_done_is_due_from_the_day_the_store_was_made() {
    let young = with(|f| f.ages = Ages { born_ms: ago(60), ..Ages::default() });
    assert_eq!(check(&young, &MonitorSettings::default()).state, State::Ok);
    let old = with(|f| f.ages = Ages { born_ms: ago(40 * 86_400), ..Ages::default() });
    let verdict = check(&old, &MonitorSettings::default());
    for said in ["no sound backup in the 40 days", "no whole deep scan in the 40 days"] {
        assert!(verdict.line.contains(said), "{}", verdict.line);
    }
    assert_eq!(verdict.problems.len(), 4);
    // Where nobody knows since when, nothing is said.
    let unknown = with(|f| f.ages = Ages::default());
    assert!(!check(&unknown, &MonitorSettings::default()).line.contains("backup_age"));
}

#[test]
fn damage_and_failed_runs_are_critical_and_the_line_is_a_plugins() {
    let thresholds = MonitorSettings::default();
    let verdict = check(&with(|f| f.counts = Counts { damaged: 1, ..Counts::default() }), &thresholds);
    assert_eq!((verdict.state, verdict.state.exit().code()), (State::Critical, 2));
    let line = verdict.line;
    assert!(
        line.starts_with("SILTSTONE CRITICAL - 1 collections are damaged | storage=0B;2000000000 "),
        "{line}"
    );
    assert!(line.contains(" free_store=9000000000B;100000000: "), "{line}");
    for (exit, state) in [
        (0, State::Ok),
        (130, State::Ok),
        (3, State::Warning),
        (11, State::Ok),
        (12, State::Warning),
        (1, State::Critical),
    ] {
        let verdict = check(&with_run(|run| run.exit = exit), &thresholds);
        assert_eq!(verdict.state, state, "{}", verdict.line);
    }
    let damaged = check(&with_run(|run| (run.exit, run.damaged) = (3, 1)), &thresholds);
    let found = LastHealth { has_failed: true, damage: 2, ..LastHealth::default() };
    let found = check(&with(|figures| figures.health = Some(found.clone())), &thresholds);
    assert_eq!((damaged.state, found.state), (State::Critical, State::Critical));
}

#[test]
fn a_run_that_died_failures_of_health_and_backups_that_cannot_be_read_are_warnings() {
    let thresholds = MonitorSettings::default();
    let died = with(|f| {
        f.seen = vec![Seen {
            is_running: false,
            now: Now { process: 9, command: "update".into(), ..Now::default() },
        }]
    });
    let failed = with(|f| f.health = Some(LastHealth { has_failed: true, ..LastHealth::default() }));
    let unread = with(|f| f.ages.troubles = vec!["a | b".to_owned()]);
    for (figures, said) in [
        (died, "the update of process 9 ended without a word"),
        (failed, "the last health check found failures"),
        (unread, "a / b"),
    ] {
        let verdict = check(&figures, &thresholds);
        assert!(verdict.state == State::Warning && verdict.line.contains(said), "{}", verdict.line);
        assert_eq!(verdict.line.matches('|').count(), 1);
    }
}

#[test]
fn the_line_says_what_cleaning_up_would_give_back() {
    let storage = Storage {
        total_bytes: 3 * GB,
        live_bytes: 2 * GB,
        dead_bytes: GB / 2,
        snapshot_bytes: GB / 4,
        reclaimable_bytes: GB / 2,
        ..Storage::default()
    };
    let line = check(&with(|f| f.storage = storage), &MonitorSettings::default()).line;
    assert!(line.contains("compaction would give back 500 MB, dropping snapshots 250 MB"), "{line}");
}
