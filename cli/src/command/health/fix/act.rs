//! Doing what was planned. Each collection is pinned before it is changed; one in which something fails stops none of
//! the others.

use std::collections::BTreeMap;

use siltstone::Store;

use super::Fixed;
use super::plan::{Act, Plan, Ready, Step};
use crate::command::context::Context;
use crate::command::health::privacy::Names;
use crate::exit::{CliError, Exit};
use crate::render::units::{counted, stamp};
use crate::update::{Mended, mend};

/// A snapshot that was made so that there is a way back.
struct Pinned {
    snapshot: String,
    commit: u64,
}

pub(super) fn act(context: &Context, names: &Names, plan: Plan) -> Result<Fixed, CliError> {
    if plan.ready.is_empty() {
        let exit = exit(&plan.refused);
        return Ok(Fixed { steps: plan.refused, exit, ..Fixed::default() });
    }
    let store = &context.open_store()?;
    if let Some(live) = context.live() {
        live.stage("fixing", plan.ready.len());
    }
    let mut pinned: BTreeMap<String, Pinned> = BTreeMap::new();
    let mut steps = Vec::new();
    for Ready { mut step, mending, embedder } in plan.ready {
        if context.cancel.is_cancelled() {
            step.hold_back(names, &CliError::interrupted());
            steps.push(step);
            continue;
        }
        let pin = match pinned.contains_key(&step.name) {
            true => Ok(()),
            false => pin(context, store, &step.name).map(|pin| drop(pinned.insert(step.name.clone(), pin))),
        };
        match pin.and_then(|()| mend(context, store, &*embedder, &mending, false)) {
            Ok(mended) => done(names, &mut step, mended),
            Err(error) => step.hold_back(names, &error),
        }
        steps.push(step);
    }
    steps.extend(plan.refused);
    let undo = ways_back(context, store, names, pinned)?;
    let exit = exit(&steps);
    Ok(Fixed { steps, undo, exit, ..Fixed::default() })
}

/// The exit that the steps stand for: of several the one that tells an operator most.
fn exit(steps: &[Step]) -> Exit {
    let exits = || steps.iter().map(|step| step.exit);
    [Exit::Interrupted, Exit::CostLimit]
        .into_iter()
        .find(|exit| exits().any(|one| one == *exit))
        .unwrap_or_else(|| Context::worst(exits()))
}

fn pin(context: &Context, store: &Store, name: &str) -> Result<Pinned, CliError> {
    let collection = store.collection(name)?;
    let base = format!("before-fix-{}", stamp(context.environment.clock.now_ms()));
    let taken: Vec<String> = collection.snapshots()?.into_iter().map(|one| one.name).collect();
    let snapshot = (1..)
        .map(|number| if number == 1 { base.clone() } else { format!("{base}-{number}") })
        .find(|name| !taken.contains(name))
        .unwrap_or(base);
    let commit = collection.create_snapshot(&snapshot)?.commit.0;
    Ok(Pinned { snapshot, commit })
}

fn done(names: &Names, step: &mut Step, mended: Mended) {
    step.done = match step.act {
        Act::Remove => mended.removed.len() as u64,
        Act::Embed => mended.embedded,
    };
    if let Some(reason) = &mended.held_back {
        step.held_back = Some(names.sentence(reason));
        step.exit = Exit::Found;
        step.next_step = Some(
            "if they are really gone: `siltstone update PATH --allow-mass-removal`; else bring the folder back".to_owned(),
        );
    }
    if let Some((document, reason)) = mended.failed.first() {
        let failed = counted(mended.failed.len() as u64, "document", "documents");
        let first = names.document(document);
        step.held_back =
            Some(format!("{failed} could not be embedded, such as {first}: {}", names.sentence(reason)));
        step.exit = Exit::Found;
    }
    if mended.over_limit > 0 {
        let left = counted(mended.over_limit, "document is", "documents are");
        step.held_back = Some(format!("{left} left: the cost limit is reached"));
        step.next_step = Some("run it again with a higher --max-cost".to_owned());
        step.exit = Exit::CostLimit;
    }
    if let Some(error) = &mended.stopped {
        step.hold_back(names, error);
    }
}

/// The commands that take everything back. Snapshots of collections that did not change after all are dropped.
fn ways_back(
    context: &Context,
    store: &Store,
    names: &Names,
    pinned: BTreeMap<String, Pinned>,
) -> Result<Vec<String>, CliError> {
    let mut undo = Vec::new();
    for (name, pin) in pinned {
        let collection = store.collection(&name)?;
        if collection.view_with(siltstone::OnDamage::Skip)?.commit().0 == pin.commit {
            collection.drop_snapshot(&pin.snapshot)?;
            continue;
        }
        let command = format!("snapshot restore {} --collection {}", pin.snapshot, names.collection(&name));
        undo.push(if names.are_hidden() {
            format!("siltstone {command}")
        } else {
            context.siltstone(&command)
        });
    }
    Ok(undo)
}
