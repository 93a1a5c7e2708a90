//! What a run would send, counted without sending it.

use std::collections::HashSet;

use crate::exit::CliError;

use super::job::Job;
use super::report::Ended;
use super::staging::Staging;
use super::stored::Stored;

/// Counts the texts that have no vector anywhere: what a run would send. Says that the run may go on.
pub(super) fn estimate(
    jobs: &[Job],
    stored: &Stored,
    staging: Option<&Staging<'_>>,
    seen: &mut HashSet<u64>,
    ended: &mut Ended,
) -> Result<bool, CliError> {
    for job in jobs {
        for (chunk, hash) in job.chunks.iter().zip(&job.hashes) {
            // A part of a digest is enough to count by.
            let short = hash.get(..16).and_then(|part| u64::from_str_radix(part, 16).ok());
            let is_known = !job.afresh && stored.chunks.contains_key(hash)
                || staging.map_or(Ok(None), |staging| staging.get(hash))?.is_some()
                || !short.is_none_or(|short| seen.insert(short));
            if is_known {
                ended.spent.reused += 1;
            } else {
                ended.to_send += 1;
                ended.tokens_to_send += chunk.tokens as u64;
            }
        }
    }
    Ok(true)
}
