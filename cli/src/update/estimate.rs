//! What a run would send, counted without sending it.

use crate::exit::CliError;

use super::job::Job;
use super::report::Ended;
use super::vectors::Sources;

/// Counts the texts that have no vector anywhere: what a run would send. Says that the run may go on.
pub(super) fn estimate(
    jobs: &[Job],
    sources: &mut Sources<'_, '_>,
    ended: &mut Ended,
) -> Result<bool, CliError> {
    for job in jobs {
        for (chunk, hash) in job.chunks.iter().zip(&job.hashes) {
            let tokens = chunk.tokens as u64;
            if sources.counts(hash, job.afresh)? {
                ended.to_send += 1;
                ended.tokens_to_send += tokens;
            } else {
                ended.spent.reused += 1;
                ended.spent.reused_tokens += tokens;
            }
        }
    }
    sources.texts.let_go();
    Ok(true)
}
