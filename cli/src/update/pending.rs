//! Documents that were handed to the writer and are not committed yet. A commit costs a sync of the disk, whatever is in it,
//! so documents wait for each other until there are rows enough; each is in one commit as a whole, and is read back
//! after it.

use siltstone::Writer;

use crate::exit::CliError;

use super::job::Job;
use super::read_back::read_back;
use super::report::Ended;
use super::stored::Stored;

pub(super) struct Pending {
    jobs: Vec<Job>,
    rows: usize,
    /// From so many rows on they are committed.
    most_rows: usize,
}

impl Pending {
    pub(super) fn new(most_rows: usize) -> Pending {
        Pending { jobs: Vec::new(), rows: 0, most_rows }
    }

    /// Takes a document whose rows the writer has. Says whether there are enough.
    pub(super) fn add(&mut self, job: Job) -> bool {
        self.rows += job.chunks.len();
        self.jobs.push(job);
        self.rows >= self.most_rows
    }

    /// Commits what there is, and compares it with what was meant.
    pub(super) fn commit(
        &mut self,
        writer: &mut Writer,
        stored: &Stored,
        collection: &str,
        ended: &mut Ended,
    ) -> Result<(), CliError> {
        if self.jobs.is_empty() {
            return Ok(());
        }
        writer.commit()?;
        read_back(self.jobs.iter(), writer, collection)?;
        ended.published += self.jobs.len() as u64;
        ended.missing -= self.jobs.iter().filter(|job| !stored.contains(&job.document.id)).count() as u64;
        self.jobs.clear();
        self.rows = 0;
        Ok(())
    }
}
