//! Letting old backups go: a pure plan, then an act. The newest sound backup that is not of a snapshot is always kept,
//! whatever the rules say.

use std::collections::BTreeSet;
use std::path::Path;

use super::list::{BackupInfo, BackupKind, Place};
use super::{repository, shelf};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::safety;
use crate::stamp::stamp;

const DAY_MS: i64 = 86_400_000;

/// Which backups to keep. One that any rule keeps is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keep {
    /// Those of the last so many days.
    pub days: Option<u32>,
    /// The last so many.
    pub last: Option<u32>,
    /// The newest of each of the last so many days that have one.
    pub daily: Option<u32>,
    /// The newest of each of the last so many weeks that have one; a week begins on Monday.
    pub weekly: Option<u32>,
    /// The newest of each of the last so many months that have one.
    pub monthly: Option<u32>,
}

impl Keep {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a prune would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PrunePlan {
    /// What stays, the oldest first.
    pub keep: Vec<BackupInfo>,
    /// What goes, the oldest first.
    pub remove: Vec<BackupInfo>,
}

/// What a prune did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Backups that were removed.
    pub removed: u64,
    /// Bytes that were freed.
    pub freed_bytes: u64,
}

/// Decides what to keep of `backups`, which are in the order in which they were made, and of safety copies, at `now_ms`.
///
/// Days, weeks and months are those of UTC. The rules that count (`last`, `daily`, ...) count sound backups only; one of a
/// damaged store stays for as long as `days` says, or while there is no sound one. Backups of snapshots are counted apart:
/// neither kind pushes out the other. Safety copies follow `days` and `last`.
///
/// # Errors
/// [`Error::Invalid`] without any rule: nothing is ever pruned by default.
pub fn plan_prune(
    backups: Vec<BackupInfo>,
    safety_copies: Vec<BackupInfo>,
    keep: Keep,
    now_ms: i64,
) -> Result<PrunePlan> {
    if keep.is_empty() {
        let reason = "no rule is given: keep days, last, daily, weekly or monthly";
        return Err(Error::invalid("prune", reason));
    }
    let mut plan = PrunePlan::default();
    for (all, must_keep_one) in [(backups, true), (safety_copies, false)] {
        let kept = kept(&all, keep, must_keep_one, now_ms);
        for (number, info) in all.into_iter().enumerate() {
            if kept.contains(&number) { plan.keep.push(info) } else { plan.remove.push(info) }
        }
    }
    Ok(plan)
}

/// Names the period that a backup falls into: a rule keeps the newest of each of so many.
type Period = fn(usize, &BackupInfo) -> String;

fn day(info: &BackupInfo) -> i64 {
    info.created_at_ms.div_euclid(DAY_MS)
}

fn kept(all: &[BackupInfo], keep: Keep, must_keep_one: bool, now_ms: i64) -> BTreeSet<usize> {
    let newest_first = all.iter().enumerate().rev().filter(|(_, info)| info.is_sound());
    let (current, of_snapshots): (Vec<_>, Vec<_>) = newest_first.partition(|(_, info)| info.is_current());
    let mut kept = BTreeSet::new();
    if must_keep_one {
        match current.first() {
            Some((number, _)) => kept.extend([*number]),
            // Without a sound one of the last commits, the newest of all and of the snapshots are the best there is.
            None => kept.extend(
                of_snapshots.first().map(|(number, _)| *number).into_iter().chain(all.len().checked_sub(1)),
            ),
        }
    }
    if let Some(days) = keep.days {
        let since = now_ms.saturating_sub(i64::from(days) * DAY_MS);
        // What tells no time at all stays until somebody looked at it.
        let is_young = |info: &BackupInfo| info.created_at_ms >= since || info.created_at_ms == 0;
        kept.extend(all.iter().enumerate().filter(|(_, info)| is_young(info)).map(|(number, _)| number));
    }
    let rules: [(Option<u32>, Period); 4] = [
        (keep.last, |number, _| number.to_string()),
        (keep.daily, |_, info| day(info).to_string()),
        // Day 0 was a Thursday.
        (keep.weekly, |_, info| (day(info) + 3).div_euclid(7).to_string()),
        (keep.monthly, |_, info| stamp(info.created_at_ms).chars().take(6).collect()),
    ];
    for (most, period) in rules {
        for group in [&current, &of_snapshots] {
            let mut seen = BTreeSet::new();
            for &(number, info) in group {
                if seen.len() as u64 >= u64::from(most.unwrap_or(0)) {
                    break;
                }
                if seen.insert(period(number, info)) {
                    kept.insert(number);
                }
            }
        }
    }
    kept
}

/// Removes what a plan lets go. Dying on the way leaves each backup whole or gone.
///
/// # Errors
/// [`Error::Locked`] while somebody else changes the repository or a safety copy; damage to the index of a backup that is
/// kept in a repository, whose objects then nobody knows; a disk that refuses.
pub fn prune(environment: &Environment, place: &Place, root: &Path, plan: &PrunePlan) -> Result<Pruned> {
    let mut pruned = Pruned::default();
    let mut stored = Vec::new();
    for info in &plan.remove {
        match info.kind {
            BackupKind::Archive => shelf::remove(environment, &info.path)?,
            BackupKind::Safety => safety::discard(environment, root, &info.path)?,
            BackupKind::Repository => stored.push(info.path.clone()),
        }
        pruned.removed += 1;
        if info.kind != BackupKind::Repository {
            pruned.freed_bytes += info.bytes;
        }
    }
    if let Place::Repository(repository) = place {
        pruned.freed_bytes += repository::remove(environment, repository, &stored)?;
    }
    Ok(pruned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup(day: i64, is_sound: bool) -> BackupInfo {
        BackupInfo {
            name: format!("day {day}"),
            path: format!("{day}").into(),
            kind: BackupKind::Archive,
            created_at_ms: 1_700_000_000_000 + day * DAY_MS,
            bytes: 1,
            rows: 1,
            collections: Vec::new(),
            damage: if is_sound { Vec::new() } else { vec!["a row".to_owned()] },
            snapshot: None,
            verified_at_ms: None,
            verification: Vec::new(),
        }
    }

    fn kept_days(backups: &[BackupInfo], keep: Keep, today: i64) -> Vec<String> {
        let now_ms = 1_700_000_000_000 + today * DAY_MS;
        let plan = plan_prune(backups.to_vec(), Vec::new(), keep, now_ms).unwrap();
        assert_eq!(plan.keep.len() + plan.remove.len(), backups.len());
        plan.keep.into_iter().map(|info| info.name.trim_start_matches("day ").to_owned()).collect()
    }

    #[test]
    fn each_rule_keeps_what_it_says_and_the_newest_sound_one_always_stays() {
        // Day 0 is Tuesday, 2023-11-14.
        let all: Vec<_> = (0..40).map(|day| backup(day, true)).collect();
        assert_eq!(kept_days(&all, Keep { last: Some(3), ..Keep::default() }, 40), ["37", "38", "39"]);
        assert_eq!(kept_days(&all, Keep { days: Some(2), ..Keep::default() }, 40), ["38", "39"]);
        assert_eq!(kept_days(&all, Keep { days: Some(2), ..Keep::default() }, 400), ["39"]);
        assert_eq!(kept_days(&all, Keep { daily: Some(2), ..Keep::default() }, 40), ["38", "39"]);
        assert_eq!(kept_days(&all, Keep { weekly: Some(3), ..Keep::default() }, 40), ["26", "33", "39"]);
        assert_eq!(kept_days(&all, Keep { monthly: Some(9), ..Keep::default() }, 40), ["16", "39"]);
        let both = Keep { last: Some(1), monthly: Some(2), ..Keep::default() };
        assert_eq!(kept_days(&all, both, 40), ["16", "39"]);
    }

    #[test]
    fn backups_of_snapshots_never_push_out_current_ones() {
        let of_snapshot = |day| BackupInfo { snapshot: Some("cut".to_owned()), ..backup(day, true) };
        let all = [backup(0, true), backup(1, true), of_snapshot(2), of_snapshot(3)];
        assert_eq!(kept_days(&all, Keep { days: Some(0), ..Keep::default() }, 4), ["1"]);
        assert_eq!(kept_days(&all, Keep { last: Some(1), ..Keep::default() }, 4), ["1", "3"]);
        let alone = [of_snapshot(2), backup(3, false)];
        assert_eq!(kept_days(&alone, Keep { days: Some(0), ..Keep::default() }, 4), ["2", "3"]);
    }

    #[test]
    fn backups_of_damaged_stores_never_push_out_sound_ones() {
        let all = [backup(0, true), backup(1, true), backup(2, false), backup(3, false)];
        assert_eq!(kept_days(&all, Keep { last: Some(1), ..Keep::default() }, 4), ["1"]);
        assert_eq!(kept_days(&all, Keep { days: Some(1), ..Keep::default() }, 4), ["1", "3"]);
        let damaged = [backup(2, false), backup(3, false)];
        assert_eq!(kept_days(&damaged, Keep { last: Some(1), ..Keep::default() }, 4), ["3"]);
        assert!(plan_prune(all.to_vec(), Vec::new(), Keep::default(), 0).is_err());
    }
}
