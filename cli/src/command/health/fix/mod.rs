//! `health --fix`: plans, shows, keeps the way back, acts, and says what it did. Nothing is done that one command could
//! not undo: each collection that is changed is kept as a snapshot first.

mod act;
mod plan;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::check::Checked;
use super::kind::Part;
use super::privacy::Names;
use crate::command::context::Context;
use crate::exit::{CliError, Exit};

pub(super) use plan::{Act, Step};

#[derive(Debug, Args)]
#[command(next_help_heading = "Fixing")]
pub(crate) struct FixArgs {
    /// Put right what can be: remove orphans, embed what is missing or stale, make derived files anew, mend damage
    #[arg(long)]
    pub(crate) fix: bool,
    /// Say what --fix would do, and do nothing
    #[arg(long, requires = "fix")]
    pub(crate) dry_run: bool,
    /// Fix only this component; may be repeated
    #[arg(long, value_name = "COMPONENT", requires = "fix")]
    pub(crate) only: Vec<Only>,
    /// Pay at most so much for embeddings; without it an unattended run pays nothing
    #[arg(long, value_name = "USD", requires = "fix", value_parser = usd)]
    pub(crate) max_cost: Option<f64>,
    /// Never ask
    #[arg(long, requires = "fix")]
    pub(crate) force: bool,
}

/// A component, as `--only` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Only {
    Integrity,
    #[value(alias = "orphans")]
    Orphaned,
    Missing,
    #[value(alias = "stale")]
    Content,
}

impl FixArgs {
    /// Whether a component is to be put right.
    fn wants(&self, part: Part) -> bool {
        let named = |only: &Only| match only {
            Only::Integrity => part == Part::Integrity,
            Only::Orphaned => part == Part::Orphaned,
            Only::Missing => part == Part::Missing,
            Only::Content => part == Part::Content,
        };
        self.only.is_empty() || self.only.iter().any(named)
    }
}

/// An amount of money that is none of nonsense.
fn usd(text: &str) -> Result<f64, String> {
    let amount: f64 = text.trim_start_matches('$').parse().map_err(|_| "an amount like 0.50".to_owned())?;
    let is_sane = (0.0..=1e6).contains(&amount);
    if is_sane { Ok(amount) } else { Err("an amount from 0 to 1000000".to_owned()) }
}

/// What was done, or would be.
#[derive(Debug, Default, Serialize)]
pub(super) struct Fixed {
    pub(super) dry_run: bool,
    pub(super) steps: Vec<Step>,
    /// Commands that take back what was done.
    pub(super) undo: Vec<String>,
    #[serde(skip)]
    pub(super) exit: Exit,
}

impl Fixed {
    /// Whether the store is another one than before.
    pub(super) fn has_changed(&self) -> bool {
        self.steps.iter().any(|step| step.done > 0)
    }
}

/// Fixes what `checked` found.
pub(super) fn fix(
    context: &Context,
    names: &Names,
    checked: &Checked,
    args: &FixArgs,
) -> Result<Fixed, CliError> {
    let store = context.open_store()?;
    let plan = plan::plan(context, &store, names, checked, args)?;
    for one in &plan.ready {
        let would = if args.dry_run { "would" } else { "will" };
        context.notices.notice(&format!("{would} {}", one.step.described()));
    }
    if args.dry_run {
        let steps = plan.ready.into_iter().map(|one| one.step).chain(plan.refused).collect();
        return Ok(Fixed { dry_run: true, steps, ..Fixed::default() });
    }
    if !plan.ready.is_empty() && plan::is_attended(args) && !agreed(context, plan.cost_usd())? {
        return Err(CliError::failed("nothing was changed", "run it again and answer y, or give --force"));
    }
    act::act(context, &store, names, plan)
}

fn agreed(context: &Context, cost_usd: f64) -> Result<bool, CliError> {
    let price = if cost_usd > 0.0 { format!(" and pay about ${cost_usd:.4}") } else { String::new() };
    context.notices.question(&format!("go on{price}? [y/N]"));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(|error| {
        CliError::failed(format!("the answer cannot be read: {error}"), "give --force to be asked nothing")
    })?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
