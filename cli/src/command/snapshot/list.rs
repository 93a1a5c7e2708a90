//! `snapshot list`: what there is, by name.

use clap::Args;
use serde::Serialize;

use crate::command::context::Context;
use crate::exit::{CliError, Exit};
use crate::render::plain::name as plain;
use crate::render::table::Table;
use crate::render::units::{count, moment};

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only of this collection; may be repeated [default: all]
    #[arg(long, value_name = "NAME")]
    pub(crate) collection: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Listed {
    name: String,
    collection: String,
    created_at_ms: i64,
    commit: u64,
    segments: usize,
}

pub(super) fn list(args: &ListArgs, context: &Context) -> Result<Exit, CliError> {
    let store = context.open_store()?;
    let mut listed = Vec::new();
    for collection in context.collections(&store, &args.collection)? {
        listed.extend(collection.snapshots()?.into_iter().map(|snapshot| Listed {
            name: snapshot.name,
            collection: collection.name().to_owned(),
            created_at_ms: snapshot.created_at_ms,
            commit: snapshot.commit.0,
            segments: snapshot.segments,
        }));
    }
    listed.sort_by(|a, b| (&a.name, &a.collection).cmp(&(&b.name, &b.collection)));
    if context.json {
        #[derive(Serialize)]
        struct Snapshots {
            snapshots: Vec<Listed>,
        }
        context.print_json(&Snapshots { snapshots: listed })?;
        return Ok(Exit::Pass);
    }
    if listed.is_empty() {
        context.notices.notice("no snapshots; `siltstone snapshot create NAME` makes one");
        return Ok(Exit::Pass);
    }
    let mut table = Table::new(&["snapshot", "collection", "commit", "segments", "created"], 2, 4);
    for one in &listed {
        let (snapshot, collection) = (plain(&one.name), plain(&one.collection));
        table.row(vec![
            snapshot,
            collection,
            count(one.commit),
            count(one.segments as u64),
            moment(one.created_at_ms),
        ]);
    }
    for line in table.lines() {
        context.output.line(line)?;
    }
    Ok(Exit::Pass)
}
