//! `siltstone usage`: what requests to embedding servers cost, from the ledger. Needs no store and no key.

use std::collections::{BTreeMap, HashMap};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::context::Context;
use super::since::since;
use crate::exit::{CliError, Exit};
use crate::ingest::ledger::{Entry, Ledger, Outcome, Reserved};
use crate::render::plain::name;
use crate::render::table::Table;
use crate::render::units::{count, day};

#[derive(Debug, Args)]
pub(crate) struct UsageArgs {
    /// Only requests since then: a date such as 2025-06-30, or a time ago such as 7d
    #[arg(long, value_name = "WHEN", value_parser = since)]
    pub(crate) since: Option<i64>,
    /// What to add up by
    #[arg(long, value_name = "WHAT", default_value = "day")]
    pub(crate) by: By,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum By {
    /// The day (UTC) on which they were sent
    Day,
    Framework,
    /// The key's fingerprint
    Key,
}

/// Requests with something in common.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct Sum {
    requests: u64,
    inputs: u64,
    tokens: u64,
    cost_usd: f64,
    /// Those that the server refused, which cost nothing.
    refused: u64,
    /// Those that were sent and had no usable answer, which are taken as paid.
    unanswered: u64,
    /// Those that are under way, or were cut off; taken as paid too.
    unsettled: u64,
    #[serde(skip)]
    latency_ms: u64,
    #[serde(skip)]
    answered: u64,
    mean_latency_ms: Option<u64>,
}

impl Sum {
    fn settled(&mut self, inputs: u64, settled: &crate::ingest::ledger::Settled) {
        self.tokens += settled.tokens;
        self.cost_usd += settled.cost_usd;
        match settled.outcome {
            Outcome::Answered => {
                self.inputs += inputs;
                self.answered += 1;
                self.latency_ms += settled.latency_ms;
            }
            Outcome::Refused => self.refused += 1,
            Outcome::Unanswered => self.unanswered += 1,
        }
        self.requests += 1;
    }

    fn unsettled(&mut self, reserved: &Reserved) {
        self.requests += 1;
        self.unsettled += 1;
        self.tokens += reserved.tokens;
        self.cost_usd += reserved.cost_usd;
    }

    fn add(&mut self, other: &Sum) {
        self.requests += other.requests;
        self.inputs += other.inputs;
        self.tokens += other.tokens;
        self.cost_usd += other.cost_usd;
        self.refused += other.refused;
        self.unanswered += other.unanswered;
        self.unsettled += other.unsettled;
        self.latency_ms += other.latency_ms;
        self.answered += other.answered;
    }

    fn with_mean(mut self) -> Sum {
        self.mean_latency_ms = self.latency_ms.checked_div(self.answered);
        self
    }
}

#[derive(Debug, Serialize)]
struct Group {
    group: String,
    #[serde(flatten)]
    sum: Sum,
}

#[derive(Debug, Serialize)]
struct Usage<'a> {
    ledger: &'a std::path::Path,
    since_ms: Option<i64>,
    by: By,
    groups: &'a [Group],
    totals: &'a Sum,
}

pub(crate) fn run(args: &UsageArgs, context: &Context) -> Result<Exit, CliError> {
    let ledger = Ledger::new(&context.settings.logs);
    let sums = sums(&ledger, args.since, args.by)?;
    let mut totals = Sum::default();
    sums.values().for_each(|sum| totals.add(sum));
    let totals = totals.with_mean();
    let groups: Vec<Group> =
        sums.into_iter().map(|(group, sum)| Group { group, sum: sum.with_mean() }).collect();
    let path = ledger.path();
    if context.json {
        let usage =
            Usage { ledger: &path, since_ms: args.since, by: args.by, groups: &groups, totals: &totals };
        context.print_json(&usage)?;
        return Ok(Exit::Pass);
    }
    if groups.is_empty() {
        context.output.line(format!("no requests in {}", path.display()))?;
        return Ok(Exit::Pass);
    }
    let by = match args.by {
        By::Day => "day",
        By::Framework => "framework",
        By::Key => "key",
    };
    let header =
        [by, "requests", "inputs", "tokens", "cost", "refused", "unanswered", "unsettled", "mean ms"];
    let mut table = Table::new(&header, 1, header.len());
    for group in &groups {
        table.row(cells(&name(&group.group), &group.sum));
    }
    if groups.len() > 1 {
        table.row(cells("in all", &totals));
    }
    for line in table.lines() {
        context.output.line(line)?;
    }
    Ok(Exit::Pass)
}

fn cells(group: &str, sum: &Sum) -> Vec<String> {
    let mut cells = vec![if group.is_empty() { "(none)".to_owned() } else { group.to_owned() }];
    cells.extend([sum.requests, sum.inputs, sum.tokens].map(count));
    cells.push(format!("${:.4}", sum.cost_usd));
    cells.extend([sum.refused, sum.unanswered, sum.unsettled].map(count));
    cells.push(sum.mean_latency_ms.map_or_else(String::new, count));
    cells
}

/// Adds up the ledger. Only requests without their second line are held in memory.
fn sums(ledger: &Ledger, since_ms: Option<i64>, by: By) -> Result<BTreeMap<String, Sum>, CliError> {
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    let mut open: HashMap<String, Reserved> = HashMap::new();
    let group = |one: &Reserved| match by {
        By::Day => day(one.time_ms),
        By::Framework => one.framework.clone(),
        By::Key => one.key.clone().unwrap_or_default(),
    };
    let read = ledger.read(|entry| match entry {
        Entry::Reserved(one) if since_ms.is_none_or(|since| one.time_ms >= since) => {
            open.insert(one.id.clone(), one);
        }
        Entry::Reserved(_) => {}
        Entry::Settled(settled) => {
            if let Some(one) = open.remove(&settled.id) {
                sums.entry(group(&one)).or_default().settled(one.inputs, &settled);
            }
        }
    });
    read.map_err(|failed| {
        CliError::failed(
            format!("{} cannot be read: {}", failed.path.display(), failed.error),
            "make the folder of logs readable, or name another one in siltstone.toml",
        )
    })?;
    for one in open.values() {
        sums.entry(group(one)).or_default().unsettled(one);
    }
    Ok(sums)
}
