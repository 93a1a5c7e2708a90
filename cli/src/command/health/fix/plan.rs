//! What `--fix` would do: one step for each collection and each thing that is wrong with it. Reads only.

use std::collections::BTreeSet;
use std::io::IsTerminal;

use serde::Serialize;
use siltstone::{EmbeddingIdentity, Store};

use super::FixArgs;
use crate::command::context::Context;
use crate::command::embedder;
use crate::command::health::check::{Checked, Surveyed};
use crate::command::health::folders::{scan_options, source};
use crate::command::health::kind::Part;
use crate::command::health::privacy::Names;
use crate::exit::{CliError, Exit};
use crate::ingest::embed::Embedder;
use crate::ingest::price::{cost_usd, tokens_for};
use crate::render::units::counted;
use crate::update::{Mending, mend};

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Act {
    /// Passages of documents that are gone are removed.
    Remove,
    /// Documents are embedded that are missing, stale, incomplete or wrong.
    Embed,
}

/// One step, planned and later done.
#[derive(Debug, Serialize)]
pub(in super::super) struct Step {
    /// As it is shown.
    pub(in super::super) collection: String,
    pub(in super::super) act: Act,
    /// Documents that the step is about.
    pub(in super::super) planned: u64,
    /// Documents that were removed or embedded.
    pub(in super::super) done: u64,
    /// Tokens to be sent, by the estimate, and what they cost; null where nothing is sent or the price is not known.
    pub(in super::super) tokens: Option<u64>,
    pub(in super::super) cost_usd: Option<f64>,
    /// Why less was done than planned.
    pub(in super::super) held_back: Option<String>,
    pub(in super::super) next_step: Option<String>,
    #[serde(skip)]
    pub(super) exit: Exit,
    #[serde(skip)]
    pub(super) name: String,
}

impl Step {
    fn new(names: &Names, name: &str, act: Act, planned: u64) -> Step {
        Step {
            collection: names.collection(name),
            act,
            planned,
            done: 0,
            tokens: None,
            cost_usd: None,
            held_back: None,
            next_step: None,
            exit: Exit::Pass,
            name: name.to_owned(),
        }
    }

    /// Notes why a step was not done, or not all of it.
    pub(super) fn hold_back(&mut self, names: &Names, error: &CliError) {
        self.held_back = Some(names.sentence(&error.message));
        self.next_step = Some(names.sentence(&error.next_step));
        self.exit = error.exit;
    }

    /// What it is about, in words.
    pub(in super::super) fn described(&self) -> String {
        let documents = counted(self.planned, "document", "documents");
        let gone = counted(self.planned, "document that is gone", "documents that are gone");
        match (self.act, self.tokens, self.cost_usd) {
            (Act::Remove, ..) => format!("{}: remove {gone}", self.collection),
            (Act::Embed, Some(tokens), Some(cost)) => format!(
                "{}: embed {documents}, about {} for ${cost:.4}",
                self.collection,
                counted(tokens, "token", "tokens")
            ),
            (Act::Embed, ..) => format!("{}: embed {documents}", self.collection),
        }
    }
}

/// A step that can be done, with what it needs.
pub(super) struct Ready {
    pub(super) step: Step,
    pub(super) mending: Mending,
    pub(super) embedder: Box<dyn Embedder>,
}

/// The whole plan.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) ready: Vec<Ready>,
    /// Steps that cannot be done, with the reason.
    pub(super) refused: Vec<Step>,
}

impl Plan {
    pub(super) fn cost_usd(&self) -> f64 {
        self.ready.iter().filter_map(|one| one.step.cost_usd).sum()
    }
}

/// Whether somebody sits there who can be asked.
pub(super) fn is_attended(args: &FixArgs) -> bool {
    !args.force && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

pub(super) fn plan(
    context: &Context,
    names: &Names,
    checked: &Checked,
    args: &FixArgs,
    spared: &BTreeSet<String>,
) -> Result<Plan, CliError> {
    // A store that cannot be opened has nothing surveyed in it.
    if checked.surveyed.is_empty() {
        return Ok(Plan::default());
    }
    let store = &context.open_store()?;
    let mut planner =
        Planner { context, store, names, args, spared, plan: Plan::default(), left_usd: args.max_cost };
    for one in &checked.surveyed {
        context.check_cancelled()?;
        planner.collection(one)?;
    }
    Ok(planner.plan)
}

struct Planner<'a> {
    context: &'a Context,
    store: &'a Store,
    names: &'a Names,
    args: &'a FixArgs,
    /// Collections in which nothing is removed: rows have just come back to them.
    spared: &'a BTreeSet<String>,
    plan: Plan,
    /// What is left of `--max-cost`.
    left_usd: Option<f64>,
}

impl Planner<'_> {
    fn collection(&mut self, one: &Surveyed) -> Result<(), CliError> {
        let wants = |part| self.args.wants(part);
        let again = if wants(Part::Content) || wants(Part::Integrity) {
            one.again.clone()
        } else {
            Default::default()
        };
        let (new, changed) = (wants(Part::Missing) && one.missing > 0, wants(Part::Content) && one.stale > 0);
        let gone = wants(Part::Orphaned) && one.orphaned > 0;
        let Some(roots) = &one.roots else {
            if !again.is_empty() {
                let step = Step::new(self.names, &one.name, Act::Embed, again.len() as u64);
                self.refuse(
                    step,
                    &CliError::new(
                        Exit::Found,
                        "where the documents of the collection are is not known",
                        "index them with `siltstone update PATH`",
                    ),
                );
            }
            return Ok(());
        };
        // `update` keeps one folder a collection; what somebody else recorded is for them to bring up to date.
        let [root] = roots.roots.as_slice() else { return Ok(()) };
        let mending = |gone, new, changed, again| -> Result<Mending, CliError> {
            let source = source(&one.name, roots, root)?;
            Ok(Mending {
                source,
                scan_options: scan_options(roots),
                new,
                changed,
                gone,
                again,
                most_tokens: None,
            })
        };
        if gone {
            let step = Step::new(self.names, &one.name, Act::Remove, one.orphaned);
            if self.spared.contains(&one.name) {
                let message = "rows have just come back from a backup, and their documents may be among those that are gone";
                let next_step = "bring the documents back; or remove their passages with `siltstone health --fix --only orphans`";
                self.refuse(step, &CliError::new(Exit::Found, message, next_step));
            } else {
                let mending = mending(true, false, false, Default::default())?;
                // Nothing is embedded, so any embedder will do.
                let embedder = Box::new(crate::ingest::embed::Builtin::new(one.identity.dims as usize));
                self.plan.ready.push(Ready { step, mending, embedder });
            }
        }
        if new || changed || !again.is_empty() {
            let planned =
                if new { one.missing } else { 0 } + if changed { one.stale } else { again.len() as u64 };
            // A collection that is brought up to date in both ways is up to date.
            let (new, changed) = (new || changed && one.missing == 0, changed || new && one.stale == 0);
            let step = Step::new(self.names, &one.name, Act::Embed, planned);
            self.embed(step, mending(false, new, changed, again)?, &one.identity)?;
        }
        Ok(())
    }

    fn refuse(&mut self, mut step: Step, error: &CliError) {
        step.hold_back(self.names, error);
        self.plan.refused.push(step);
    }

    /// Plans a step that embeds, within what may be paid.
    fn embed(
        &mut self,
        mut step: Step,
        mut mending: Mending,
        identity: &EmbeddingIdentity,
    ) -> Result<(), CliError> {
        let settings = &self.context.settings.embedder;
        let embedder = match embedder::for_identity(identity, settings) {
            Ok(embedder) => embedder,
            Err(error) => {
                self.refuse(step, &error);
                return Ok(());
            }
        };
        if embedder.identity().provider == "builtin" {
            self.plan.ready.push(Ready { step, mending, embedder });
            return Ok(());
        }
        let estimate = match mend(self.context, self.store, &*embedder, &mending, true) {
            Ok(estimate) => estimate.tokens,
            Err(error) => {
                self.refuse(step, &error);
                return Ok(());
            }
        };
        step.tokens = Some(estimate);
        let Some(price) = settings.usd_per_million_tokens else {
            let message = format!("what {} costs is not known", settings.model);
            let next_step =
                "set usd_per_million_tokens under [embedder] in siltstone.toml; 0 for a server of your own";
            self.refuse(step, &CliError::new(Exit::CostLimit, message, next_step));
            return Ok(());
        };
        let cost = cost_usd(estimate, price);
        step.cost_usd = Some(cost);
        match self.left_usd {
            Some(left) => {
                mending.most_tokens = Some(tokens_for(left, price));
                self.left_usd = Some((left - cost).max(0.0));
            }
            // Whoever is asked agrees to the estimate and to no more.
            None if is_attended(self.args) || self.args.dry_run || cost == 0.0 => {
                mending.most_tokens = Some(estimate)
            }
            None => {
                let message = format!("about ${cost:.4} would be paid, and nobody is there to agree");
                let next_step = "say how much may be paid with --max-cost USD";
                self.refuse(step, &CliError::new(Exit::CostLimit, message, next_step));
                return Ok(());
            }
        }
        self.plan.ready.push(Ready { step, mending, embedder });
        Ok(())
    }
}
