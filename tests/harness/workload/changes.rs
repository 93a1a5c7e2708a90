//! The steps of a workload. What the engine returns is compared with what it should at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use siltstone::{Error, Filter, Record, Result, Search, Store};

use super::{ROOT, Seat, Workload, rows};
use crate::model::{Content, Kept, Rows, Stored, rows_of};

impl Workload {
    pub(super) fn create_store(&mut self) -> Result<()> {
        self.changing(
            None,
            |_| Some(()),
            |w| {
                w.store = Some(Store::create_in(w.environment.clone(), ROOT)?);
                Ok(())
            },
        )
    }

    pub(super) fn reopen_store(&mut self) -> Result<()> {
        self.abandon();
        self.store = Some(Store::open_in(self.environment.clone(), ROOT)?);
        Ok(())
    }

    pub(super) fn create_collection(&mut self) -> Result<()> {
        self.names_given += 1;
        let name = format!("{}c{}", [".", "", ""][self.rng.index(3)], self.names_given);
        // Mostly of one vector space, so that they can be searched as one.
        let new = rows::identity(&mut self.rng, self.dims);
        let identity = match &self.identity {
            Some(identity) if self.rng.chance(3, 4) => identity.clone(),
            _ => new,
        };
        self.identity.get_or_insert_with(|| identity.clone());
        let kept = Kept { identity: identity.clone(), rows: Rows::new(), snapshots: BTreeMap::new() };
        self.changing(
            None,
            |stored| {
                stored.0.insert(name.clone(), kept.clone());
                Some(())
            },
            |w| w.store().create_collection(&name, identity).map(drop),
        )
    }

    pub(super) fn drop_collection(&mut self) -> Result<()> {
        let name = self.any_collection();
        self.seats.remove(&name);
        self.changing(None, |stored| stored.0.remove(&name).map(drop), |w| w.store().drop_collection(&name))
    }

    fn any_collection(&mut self) -> String {
        let names: Vec<_> = self.expected().0.keys().cloned().collect();
        self.rng.pick(&names).clone()
    }

    /// Any collection, open for writing.
    fn any_seat(&mut self) -> Result<String> {
        let name = self.any_collection();
        self.sit(&name)?;
        Ok(name)
    }

    pub(super) fn sit(&mut self, name: &str) -> Result<()> {
        if self.seats.contains_key(name) {
            return Ok(());
        }
        let options = rows::options(&mut self.rng);
        let writer = self.store().collection(name)?.writer_with(options)?;
        let working = self.expected().0[name].rows.clone();
        let (upserted, deleted) = (BTreeSet::new(), BTreeSet::new());
        self.seats.insert(name.to_owned(), Seat { writer, working, upserted, deleted, counts: (0, 0, 0) });
        Ok(())
    }

    pub(super) fn reopen_writer(&mut self) -> Result<()> {
        let name = self.any_collection();
        self.seats.remove(&name);
        self.sit(&name)
    }

    pub(super) fn upsert_some(&mut self) -> Result<()> {
        let name = self.any_seat()?;
        (0..=self.rng.below(5)).try_for_each(|_| self.upsert(&name))
    }

    pub(super) fn upsert(&mut self, name: &str) -> Result<()> {
        let kept = &self.acknowledged.as_ref().unwrap().0[name];
        let key = rows::key(&mut self.rng);
        let content = Arc::new(rows::content(&mut self.rng, &kept.identity));
        let seat = self.seats.get_mut(name).unwrap();
        let Content { vector, metadata, text } = &*content;
        let record = Record::new(&key, vector).metadata(metadata.clone()).text(text);
        let result = seat.writer.upsert(record);
        if seat.upserted.contains(&key) {
            assert!(matches!(result, Err(Error::Invalid { what: "duplicate key", .. })), "{result:?}");
            return Ok(());
        }
        result?;
        // A row that this batch deleted before is not superseded a second time.
        seat.counts.0 += 1;
        seat.counts.1 += u64::from(kept.rows.contains_key(&key) && !seat.deleted.contains(&key));
        seat.deleted.remove(&key);
        seat.upserted.insert(key.clone());
        seat.working.insert(key, content);
        Ok(())
    }

    pub(super) fn delete(&mut self) -> Result<()> {
        let name = self.any_seat()?;
        let seat = self.seats.get_mut(&name).unwrap();
        let keys: Vec<_> = seat.working.keys().cloned().collect();
        let key = match keys.is_empty() || self.rng.chance(1, 4) {
            true => rows::key(&mut self.rng),
            false => self.rng.pick(&keys).clone(),
        };
        let was_there = seat.writer.delete(&key)?;
        assert_eq!(was_there, seat.working.remove(&key).is_some(), "delete {key:?}");
        if was_there {
            seat.counts.2 += 1;
            seat.upserted.remove(&key);
            seat.deleted.insert(key);
        }
        Ok(())
    }

    pub(super) fn delete_where(&mut self) -> Result<()> {
        let name = self.any_seat()?;
        let committed = &self.acknowledged.as_ref().unwrap().0[&name].rows;
        let seat = self.seats.get_mut(&name).unwrap();
        let n = self.rng.below(6);
        let deleted = seat.writer.delete_where(&Filter::eq("n", n))?;
        let is_meant = |key: &String, content: &Content| {
            content.metadata.get("n").is_some_and(|value| *value == n)
                && !seat.upserted.contains(key)
                && !seat.deleted.contains(key)
        };
        let meant: Vec<_> = committed.iter().filter(|(key, row)| is_meant(key, row)).collect();
        assert_eq!(deleted, meant.len() as u64, "delete where n = {n}");
        seat.counts.2 += deleted;
        for (key, _) in meant {
            seat.working.remove(key);
            seat.deleted.insert(key.clone());
        }
        Ok(())
    }

    pub(super) fn commit(&mut self) -> Result<()> {
        let name = self.any_seat()?;
        self.commit_in(&name)
    }

    pub(super) fn commit_in(&mut self, name: &str) -> Result<()> {
        let working = self.seats[name].working.clone();
        self.changing(
            Some(name),
            |stored| stored.0.get_mut(name).map(|kept| kept.rows = working.clone()),
            |w| {
                let seat = w.seats.get_mut(name).unwrap();
                let before = seat.writer.last_commit().0;
                let receipt = seat.writer.commit()?;
                let counts = std::mem::take(&mut seat.counts);
                assert_eq!((receipt.rows, receipt.superseded, receipt.deleted), counts);
                assert_eq!(receipt.commit.0, before + u64::from(counts != (0, 0, 0)));
                seat.upserted.clear();
                seat.deleted.clear();
                Ok(())
            },
        )
    }

    pub(super) fn rollback(&mut self) -> Result<()> {
        let name = self.any_seat()?;
        let seat = self.seats.get_mut(&name).unwrap();
        seat.writer.rollback()?;
        seat.working = self.acknowledged.as_ref().unwrap().0[&name].rows.clone();
        seat.upserted.clear();
        seat.deleted.clear();
        seat.counts = (0, 0, 0);
        Ok(())
    }

    pub(super) fn seal(&mut self) -> Result<()> {
        let name = self.any_seat()?;
        self.commit_in(&name)?;
        self.seats.get_mut(&name).unwrap().writer.seal().map(drop)
    }

    /// Nothing changes but the files, and the rows that are asked to go.
    pub(super) fn compact(&mut self) -> Result<()> {
        let name = self.any_seat()?;
        self.commit_in(&name)?;
        let options = rows::compaction(&mut self.rng);
        let rows = &self.expected().0[&name].rows;
        let dropped: BTreeSet<_> = options.drop_keys.iter().filter(|key| rows.contains_key(*key)).collect();
        // Not called busy: until a group is written, a writer that fails has changed nothing and may go on.
        self.changing(
            None,
            |stored| {
                let rows = &mut stored.0.get_mut(&name)?.rows;
                dropped.iter().for_each(|key| drop(rows.remove(*key)));
                Some(())
            },
            |w| {
                let seat = w.seats.get_mut(&name).unwrap();
                let before = seat.writer.last_commit();
                let result = seat.writer.compact(&options);
                // What is dropped is committed first; what fails after that undoes nothing.
                if seat.writer.last_commit() > before {
                    dropped.iter().for_each(|key| drop(seat.working.remove(*key)));
                }
                assert_eq!(result?.dropped_rows, dropped.len() as u64);
                Ok(())
            },
        )
    }

    pub(super) fn create_snapshot(&mut self) -> Result<()> {
        let name = self.any_seat()?;
        let snapshot = format!("s{}", self.rng.below(4));
        let seat = self.seats.get_mut(&name).unwrap();
        let is_new = !self.acknowledged.as_ref().unwrap().0[&name].snapshots.contains_key(&snapshot);
        let is_between = seat.counts == (0, 0, 0);
        if !is_new || !is_between {
            let refused = seat.writer.create_snapshot(&snapshot).unwrap_err();
            assert!(matches!(refused, Error::SnapshotExists { .. } | Error::Invalid { .. }), "{refused}");
            return Ok(());
        }
        let keep = |stored: &mut Stored| {
            let kept = stored.0.get_mut(&name)?;
            kept.snapshots.insert(snapshot.clone(), kept.rows.clone());
            Some(())
        };
        self.changing(Some(&name), keep, |w| {
            w.seats.get_mut(&name).unwrap().writer.create_snapshot(&snapshot).map(drop)
        })
    }

    pub(super) fn drop_snapshot(&mut self) -> Result<()> {
        let name = self.any_seat()?;
        let names: Vec<_> = self.expected().0[&name].snapshots.keys().cloned().collect();
        if names.is_empty() {
            return Ok(());
        }
        let snapshot = self.rng.pick(&names).clone();
        self.changing(
            Some(&name),
            |stored| stored.0.get_mut(&name)?.snapshots.remove(&snapshot).map(drop),
            |w| w.seats.get_mut(&name).unwrap().writer.drop_snapshot(&snapshot),
        )
    }

    /// Goes back to a snapshot; the moment before becomes another one.
    pub(super) fn restore_snapshot(&mut self) -> Result<()> {
        let name = self.any_seat()?;
        let kept = &self.expected().0[&name];
        let names: Vec<_> = kept.snapshots.keys().cloned().collect();
        if names.is_empty() {
            return Ok(());
        }
        let snapshot = self.rng.pick(&names).clone();
        let before = format!("b{}", self.rng.below(3));
        let seat = self.seats.get_mut(&name).unwrap();
        if names.contains(&before) || seat.counts != (0, 0, 0) {
            let refused = seat.writer.restore_snapshot(&snapshot, &before).unwrap_err();
            assert!(matches!(refused, Error::SnapshotExists { .. } | Error::Invalid { .. }), "{refused}");
            return Ok(());
        }
        let last_commit = seat.writer.last_commit();
        let go_back = |stored: &mut Stored| {
            let kept = stored.0.get_mut(&name)?;
            let then = kept.snapshots.get(&snapshot)?.clone();
            let now = std::mem::replace(&mut kept.rows, then);
            kept.snapshots.insert(before.clone(), now);
            Some(())
        };
        self.changing(Some(&name), go_back, |w| {
            let seat = w.seats.get_mut(&name).unwrap();
            let restored = seat.writer.restore_snapshot(&snapshot, &before)?;
            assert_eq!((restored.snapshot.name, restored.before.name), (snapshot.clone(), before.clone()));
            assert_eq!(seat.writer.last_commit(), last_commit, "commit numbers go on rising");
            Ok(())
        })?;
        let rows = self.expected().0[&name].rows.clone();
        self.seats.get_mut(&name).unwrap().working = rows;
        Ok(())
    }

    /// Readers see the last commit, whatever a batch holds.
    pub(super) fn read(&mut self) -> Result<()> {
        let name = self.any_collection();
        let identity = self.expected().0[&name].identity.clone();
        let vector = rows::vector(&mut self.rng, &identity);
        let view = self.store().collection(&name)?.view()?;
        let found = rows_of(&view)?;
        assert_eq!(found, self.expected().0[&name].rows);
        assert_eq!(view.search(&vector, &Search::new(1000))?.hits.len(), found.len());
        Ok(())
    }
}
