//! `siltstone export`: the rows of collections as JSON lines, in the order of their keys: the same rows give the same bytes.
//! Each collection begins with a line that says what made its vectors and ends with one that counts its rows, so that
//! whoever reads it knows that nothing is missing.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value};
use siltstone::{Collection, EmbeddingIdentity, Error, Filter, Order, Row, View};

use super::context::Context;
use crate::exit::{CliError, Exit};
use crate::render::plain;
use crate::render::units::counted;

/// What the first member of the first line says.
pub(super) const VERSION: u32 = 1;

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Export only this collection; may be repeated [default: all]
    #[arg(long, value_name = "NAME")]
    pub(crate) collection: Vec<String>,
    /// Only rows whose metadata matches, such as: chunk_index = 0 and file_path prefix 'guide/'
    #[arg(long, value_name = "EXPR")]
    pub(crate) filter: Option<String>,
    /// Export the moment that a snapshot keeps, instead of now
    #[arg(long, value_name = "NAME")]
    pub(crate) snapshot: Option<String>,
    /// Leave the vectors out; such an export cannot be imported
    #[arg(long)]
    pub(crate) no_vectors: bool,
}

/// The first line of a collection.
#[derive(Debug, Serialize)]
struct Begin<'a> {
    siltstone_export: u32,
    collection: &'a str,
    identity: &'a EmbeddingIdentity,
    vectors: bool,
    commit: u64,
    snapshot: Option<&'a str>,
}

/// A row.
#[derive(Debug, Serialize)]
struct Line<'a> {
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    vector: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    metadata: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "str::is_empty")]
    text: &'a str,
}

/// The last line of a collection.
#[derive(Debug, Serialize)]
struct End<'a> {
    end_of: &'a str,
    rows: u64,
}

pub(crate) fn run(args: &ExportArgs, context: &Context) -> Result<Exit, CliError> {
    let filter = args.filter.as_deref().map(Filter::parse).transpose();
    let filter = filter.map_err(|error| CliError::from(Error::from(error)))?;
    let store = context.open_store()?;
    let mut views = Vec::new();
    let mut absent = None;
    for collection in context.collections(&store, &args.collection)? {
        match view(&collection, args.snapshot.as_deref()) {
            Ok(view) => views.push(view),
            Err(error @ Error::NoSuchSnapshot { .. }) => {
                context.notices.notice(&format!("{} is left out: {error}", collection.name()));
                absent = Some(error);
            }
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(error) = absent.filter(|_| views.is_empty() || !args.collection.is_empty()) {
        return Err(error.into());
    }
    let mut rows = 0;
    for view in &views {
        rows += export(args, context, view, filter.as_ref())?;
    }
    context.notices.notice(&format!("exported {}", Context::rows_in(rows, views.len())));
    Ok(Exit::Pass)
}

fn view(collection: &Collection, snapshot: Option<&str>) -> siltstone::Result<View> {
    snapshot.map_or_else(|| collection.view(), |name| collection.snapshot(name))
}

fn export(
    args: &ExportArgs,
    context: &Context,
    view: &View,
    filter: Option<&Filter>,
) -> Result<u64, CliError> {
    print(
        context,
        &Begin {
            siltstone_export: VERSION,
            collection: view.collection(),
            identity: view.identity(),
            vectors: !args.no_vectors,
            commit: view.commit().0,
            snapshot: args.snapshot.as_deref(),
        },
    )?;
    let mut rows = 0;
    for row in view.iter(Order::Key)? {
        context.check_cancelled()?;
        let row = row.map_err(|error| cut_short(view, rows, error))?;
        if filter.is_some_and(|filter| !filter.matches(&row.metadata)) {
            continue;
        }
        let Row { key, vector, metadata, text, .. } = &row;
        let vector = (!args.no_vectors).then(|| encoded(vector));
        print(context, &Line { key, vector, metadata, text })?;
        rows += 1;
        if context.output.is_closed() {
            break;
        }
    }
    print(context, &End { end_of: view.collection(), rows })?;
    Ok(rows)
}

/// Elements as they lie on disk: IEEE 754 binary32, little-endian, in base64.
fn encoded(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|element| element.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

fn cut_short(view: &View, rows: u64, error: Error) -> CliError {
    let error = CliError::from(error);
    let message = format!(
        "{} is exported up to {} only: {}",
        view.collection(),
        counted(rows, "row", "rows"),
        error.message
    );
    CliError { message, ..error }
}

fn print(context: &Context, line: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string(line).map_err(|error| {
        CliError::failed(format!("a row cannot be written as JSON: {error}"), "report this")
    })?;
    context.output.line(plain::json(&text))
}
