//! `siltstone compact`: gives back the space of rows that no longer count, and merges small segments. A failure in one
//! collection stops none of the others.

use clap::Args;
use serde::Serialize;
use siltstone::{Collection, CompactOptions, CompactPlan, CompactReport, SegmentShape};

use super::context::Context;
use crate::exit::{CliError, Exit};
use crate::render::plain::name as plain;
use crate::render::units::{bytes, count, counted, listed};

#[derive(Debug, Args)]
pub(crate) struct CompactArgs {
    /// Only this collection; may be repeated [default: all]
    #[arg(long, value_name = "NAME")]
    pub(crate) collection: Vec<String>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Rewrite segments of which at least this share, 0 to 1, is dead [default: `min_dead` of siltstone.toml, else 0.3]
    #[arg(long, value_name = "RATIO", value_parser = ratio)]
    pub(crate) min_dead: Option<f64>,
    /// Rewrite segments that snapshots keep too: shorter to search, but frees nothing before those are dropped
    #[arg(long)]
    pub(crate) rewrite_held: bool,
}

fn ratio(text: &str) -> Result<f64, String> {
    let ratio: f64 = text.parse().map_err(|_| "a number from 0 to 1 is expected".to_owned())?;
    match (0.0..=1.0).contains(&ratio) {
        true => Ok(ratio),
        false => Err("it must be 0 to 1".to_owned()),
    }
}

/// What was done in all collections, or would be.
#[derive(Debug, Serialize)]
struct Results {
    dry_run: bool,
    reclaimed_bytes: u64,
    collections: Vec<Done>,
}

/// What was done in one collection.
#[derive(Debug, Default, Serialize)]
struct Done {
    collection: String,
    /// `compacted`, `planned`, `nothing` or `failed`.
    outcome: &'static str,
    groups: Vec<Group>,
    reclaimed_bytes: u64,
    /// Dead bytes that stay because snapshots keep their segments; not known once it was done.
    kept_for_snapshots_bytes: Option<u64>,
    /// Bytes of segments that only snapshots keep; not known before it is done.
    held_bytes: Option<u64>,
    /// Why there is nothing to do.
    why: Option<String>,
    reason: Option<String>,
    next_step: Option<String>,
    #[serde(skip)]
    exit: Option<Exit>,
    /// Groups that were not begun, because the user wanted to stop.
    #[serde(skip)]
    left_groups: usize,
}

#[derive(Debug, Serialize)]
struct Group {
    inputs: Vec<u64>,
    output: Option<u64>,
    rows_kept: u64,
    rows_dropped: u64,
    bytes_before: u64,
    bytes_after: u64,
}

pub(crate) fn run(args: &CompactArgs, context: &Context) -> Result<Exit, CliError> {
    let store = context.open_store()?;
    let names = context.names(&store, &args.collection)?;
    let min_dead = args.min_dead.unwrap_or(context.settings.compact.min_dead);
    let rewrite_held = args.rewrite_held;
    let options = CompactOptions { min_dead, rewrite_held, ..CompactOptions::default() };
    let mut done = Vec::new();
    let mut interrupted = None;
    if !args.dry_run {
        context.publish("compact", names.len());
    }
    for name in &names {
        if let Err(error) = context.check_cancelled() {
            interrupted = Some(error);
            break;
        }
        let result = store.collection(name).and_then(|collection| match args.dry_run {
            true => collection.compact_plan(&options).map(|plan| planned(context, plan, &options)),
            false => {
                let done = compact(context, &collection, &options).map(compacted)?;
                let why = match done.outcome {
                    "nothing" => Some(why(context, &collection.compact_plan(&options)?, &options)),
                    _ => None,
                };
                Ok(Done { why, ..done })
            }
        });
        let one = result.unwrap_or_else(|error| failed(error.into()));
        done.push(Done { collection: name.clone(), ..one });
    }
    if done.iter().any(|one| one.left_groups > 0) {
        interrupted = Some(CliError::interrupted());
    }
    let exit = Context::worst(done.iter().filter_map(|one| one.exit));
    print(context, args.dry_run, done)?;
    interrupted.map_or(Ok(exit), Err)
}

/// Compacts a collection, and says how far it is.
fn compact(
    context: &Context,
    collection: &Collection,
    options: &CompactOptions,
) -> siltstone::Result<CompactReport> {
    if let Some(live) = context.live() {
        live.next(collection.name());
        live.step("compacting", "groups", 0, collection.compact_plan(options)?.groups.len() as u64);
    }
    collection.compact_while(options, &|| !context.cancel.is_cancelled())
}

/// Why nothing is worth rewriting: how much is dead, what would be enough, and which snapshots stand in the way.
fn why(context: &Context, plan: &CompactPlan, options: &CompactOptions) -> String {
    let free = plan.segments.iter().filter(|shape| options.rewrite_held || !shape.is_held);
    let share = |shape: &SegmentShape| shape.dead_bytes() * 100 / shape.bytes.max(1);
    let most = free.map(share).max().unwrap_or(0);
    let dead: u64 = plan.segments.iter().map(SegmentShape::dead_bytes).sum();
    let all: u64 = plan.segments.iter().map(|shape| shape.bytes).sum();
    let mut text = match dead {
        0 => "no row in it is dead".to_owned(),
        _ => format!(
            "{} of {} is dead, and of no segment that may go as much as {} % (at most {most} %)",
            bytes(dead),
            bytes(all),
            (options.min_dead * 100.0).round()
        ),
    };
    if !plan.kept_for.is_empty() {
        let names = listed(&plan.kept_for, 3);
        let drop = context.siltstone("snapshot drop NAME --force");
        text +=
            &format!("; {} stay for the snapshots {names}: `{drop}`", bytes(plan.kept_for_snapshots_bytes));
    }
    text
}

fn planned(context: &Context, plan: CompactPlan, options: &CompactOptions) -> Done {
    let why = plan.groups.is_empty().then(|| why(context, &plan, options));
    let reclaimed_bytes = plan.groups.iter().map(|group| group.reclaimed_bytes()).sum();
    let groups = plan.groups.iter().map(|group| Group {
        inputs: group.segments.iter().map(|shape| shape.segment.0).collect(),
        output: None,
        rows_kept: group.segments.iter().map(|shape| shape.live_rows).sum(),
        rows_dropped: group.dead_rows(),
        bytes_before: group.bytes_before(),
        bytes_after: group.bytes_after,
    });
    Done {
        outcome: if plan.groups.is_empty() { "nothing" } else { "planned" },
        groups: groups.collect(),
        reclaimed_bytes,
        kept_for_snapshots_bytes: Some(plan.kept_for_snapshots_bytes),
        why,
        ..Done::default()
    }
}

fn compacted(report: CompactReport) -> Done {
    let groups = report.groups.iter().map(|group| Group {
        inputs: group.inputs.iter().map(|input| input.0).collect(),
        output: Some(group.output.0),
        rows_kept: group.rows_kept,
        rows_dropped: group.rows_dropped,
        bytes_before: group.bytes_before,
        bytes_after: group.bytes_after,
    });
    Done {
        outcome: if report.groups.is_empty() { "nothing" } else { "compacted" },
        groups: groups.collect(),
        reclaimed_bytes: report.reclaimed_bytes(),
        held_bytes: Some(report.held_bytes),
        left_groups: report.left_groups,
        ..Done::default()
    }
}

fn failed(error: CliError) -> Done {
    Done {
        outcome: "failed",
        reason: Some(error.message),
        next_step: Some(error.next_step),
        exit: Some(error.exit),
        ..Done::default()
    }
}

fn print(context: &Context, dry_run: bool, done: Vec<Done>) -> Result<(), CliError> {
    let reclaimed_bytes = done.iter().map(|one| one.reclaimed_bytes).sum();
    if context.json {
        return context.print_json(&Results { dry_run, reclaimed_bytes, collections: done });
    }
    for one in &done {
        context.output.line(format!("{}: {}", plain(&one.collection), sentence(context, one)))?;
    }
    let verb = if dry_run { "would be given back" } else { "given back" };
    let collections = counted(done.len() as u64, "collection", "collections");
    context.notices.notice(&format!("{collections} looked at, {} {verb}", bytes(reclaimed_bytes)));
    Ok(())
}

fn sentence(context: &Context, one: &Done) -> String {
    if let (Some(reason), Some(next_step)) = (&one.reason, &one.next_step) {
        return format!("{} {reason}; {next_step}", context.style.red("failed:"));
    }
    let sum = |of: fn(&Group) -> u64| one.groups.iter().map(of).sum::<u64>();
    let segments = counted(sum(|group| group.inputs.len() as u64), "segment", "segments");
    let rows = format!(
        "{} kept, {} dropped, {} to {}",
        counted(sum(|group| group.rows_kept), "row", "rows"),
        count(sum(|group| group.rows_dropped)),
        bytes(sum(|group| group.bytes_before)),
        bytes(sum(|group| group.bytes_after)),
    );
    let mut text = match one.outcome {
        "planned" => format!("{segments} would become {}: {rows}", count(one.groups.len() as u64)),
        "compacted" => format!("{segments} became {}: {rows}", count(one.groups.len() as u64)),
        _ => format!("nothing to do: {}", one.why.as_deref().unwrap_or("nothing is worth it")),
    };
    // Where nothing is done, it is among the reasons.
    if let Some(kept) = one.kept_for_snapshots_bytes.filter(|kept| *kept > 0 && one.why.is_none()) {
        text += &format!("; {} of dead rows stay for snapshots", bytes(kept));
    }
    if let Some(held) = one.held_bytes.filter(|held| *held > 0) {
        text += &format!("; snapshots alone keep {}", bytes(held));
    }
    text
}

/// After an update: compacts what is worth it in a collection. Whatever goes wrong is only said: the update is done.
pub(crate) fn after_update(context: &Context, collection: &Collection) {
    let settings = &context.settings.compact;
    let options = CompactOptions { min_dead: settings.min_dead, ..CompactOptions::automatic() };
    let result = match collection.compact_plan(&options) {
        // Nothing to do takes no lock.
        Ok(plan) if plan.groups.is_empty() => return,
        Ok(_) => collection.compact_while(&options, &|| !context.cancel.is_cancelled()),
        Err(error) => Err(error),
    };
    match result {
        Ok(report) => {
            let reclaimed = bytes(report.reclaimed_bytes());
            let text = sentence(context, &compacted(report));
            context.notices.notice(&format!("{}: {text}; {reclaimed} given back", collection.name()));
        }
        Err(error) => {
            let error = CliError::from(error);
            let name = collection.name();
            let text = format!("{name}: not compacted: {}; {}", error.message, error.next_step);
            context.notices.warning(&text);
        }
    }
}
