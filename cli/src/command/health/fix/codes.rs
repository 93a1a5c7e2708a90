//! Search codes and what they are made with. All of it is derived: damaged, stale and missing files are made again from the
//! segments. When searches differ from brute force, nobody knows which file is to blame although each has its
//! checksum, and all are made anew.

use siltstone::{Error, Finding, verify_codes};

use super::repair::{Mend, Repaired};
use crate::command::context::Context;
use crate::command::health::privacy::Names;
use crate::exit::CliError;

/// What is wrong with the codes of the collections.
pub(super) struct Codes {
    findings: Vec<Finding>,
    /// Searches were answered wrongly.
    pub(super) are_doubted: bool,
}

impl Codes {
    pub(super) fn look(
        context: &Context,
        only: Option<&[String]>,
        are_doubted: bool,
    ) -> Result<Codes, CliError> {
        let report = verify_codes(&context.environment, &context.settings.store, only)?;
        Ok(Codes { findings: report.findings, are_doubted })
    }

    /// What would be made again.
    pub(super) fn planned(&self, context: &Context, names: &Names) -> Vec<Mend> {
        let doubted = self.are_doubted.then(|| doubted(context, names));
        doubted.into_iter().chain(self.findings.iter().map(|one| derived(names, one))).collect()
    }

    /// Makes it again, and adds to `repaired` what is good by then. What is not is said, and found by the next check: no
    /// answer is wrong for it.
    pub(super) fn make_again(
        self,
        context: &Context,
        names: &Names,
        only: Option<&[String]>,
        repaired: &mut Repaired,
    ) -> Result<(), CliError> {
        if self.findings.is_empty() && !self.are_doubted {
            return Ok(());
        }
        let made = make(context, only, self.are_doubted).and_then(|removed| {
            let mut left = Codes::look(context, only, false)?.findings;
            // A basis belongs to all collections.
            if only.is_some() && !left.is_empty() {
                make(context, None, false)?;
                left = Codes::look(context, only, false)?.findings;
            }
            Ok((removed, left))
        });
        let (removed, left) = match made {
            Ok(made) => made,
            Err(error) => {
                let (message, next) = (names.sentence(&error.message), names.sentence(&error.next_step));
                context.notices.warning(&format!("search codes were not made again: {message}; {next}"));
                return Ok(());
            }
        };
        repaired.mended.extend((removed > 0).then(|| doubted(context, names)));
        let done = self.findings.iter().filter(|one| left.iter().all(|left| left.path != one.path));
        repaired.mended.extend(done.map(|one| derived(names, one)));
        Ok(())
    }
}

fn derived(names: &Names, finding: &Finding) -> Mend {
    Mend::derived(names, &finding.path, &finding.flaw)
}

fn doubted(context: &Context, names: &Names) -> Mend {
    Mend::all_codes(names, &context.settings.store)
}

/// Returns how many files were removed because they were doubted.
fn make(context: &Context, only: Option<&[String]>, anew: bool) -> Result<u64, CliError> {
    let store = context.open_store()?;
    let removed = if anew { store.remove_codes()? } else { 0 };
    let mut busy = 0;
    let named = match only.filter(|_| !anew) {
        Some(only) => only.to_vec(),
        None => {
            busy += store.encode()?.busy;
            store.all_names()?.into_iter().filter(|name| name.starts_with('.')).collect()
        }
    };
    for name in named {
        match store.collection(&name)?.encode() {
            Err(Error::Locked { .. }) => busy += 1,
            encoded => drop(encoded?),
        }
    }
    if busy > 0 {
        context.notices.warning("some collections are being written to: run it again for their search codes");
    }
    Ok(removed)
}
