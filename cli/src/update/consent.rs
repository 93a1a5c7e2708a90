//! The question before money is spent. It is asked of a person; where there is none, `--force` is the answer, and it
//! answers this question only: no limit is lifted by it.

use std::io::IsTerminal;

use crate::command::context::Context;
use crate::exit::{CliError, Exit};
use crate::ingest::budget::Budget;
use crate::ingest::price::cost_usd;
use crate::render::units::count;

/// What a run may cost without a question.
const UNASKED_USD: f64 = 0.01;

/// Returns when the run may go on and pay. `estimate` gives the tokens that it would send; it is asked for only when
/// somebody is to agree to them, because it reads all documents once more.
pub(crate) fn to_pay(
    budget: &Budget,
    force: bool,
    context: &Context,
    estimate: impl FnOnce() -> u64,
) -> Result<(), CliError> {
    let Some(price) = budget.terms().usd_per_million_tokens else {
        return Err(CliError::new(
            Exit::CostLimit,
            format!(
                "what {} costs is not known, and a limit that rests on a guess is none",
                budget.terms().model
            ),
            "set usd_per_million_tokens under [embedder] in siltstone.toml; 0 for a server of your own",
        ));
    };
    if force || price == 0.0 {
        return Ok(());
    }
    let tokens = estimate();
    context.check_cancelled()?;
    let usd = cost_usd(tokens, price);
    if usd <= UNASKED_USD {
        return Ok(());
    }
    let amount = format!("about {} tokens for ${usd:.2}", count(tokens));
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Err(CliError::new(
            Exit::CostLimit,
            format!("this run would embed {amount}, and nobody is there to agree; nothing was sent"),
            "run it with --force to agree beforehand; MAX_EMBEDDING_COST and --max-cost still hold",
        ));
    }
    context.notices.question(&format!("embed {amount}? [y/N]"));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(|error| {
        CliError::failed(format!("the answer cannot be read: {error}"), "give --force to be asked nothing")
    })?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(CliError::failed("nothing was sent", "run it again and answer y, or give --force")),
    }
}
