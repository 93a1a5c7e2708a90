//! What an update did, as text and as JSON.

use std::path::PathBuf;

use serde_json::{Value, json};
use siltstone::EmbeddingIdentity;

use crate::command::context::Context;
use crate::command::embedder::described;
use crate::config::Settings;
use crate::exit::{CliError, Exit};
use crate::ingest::chunk::Counter;
use crate::ingest::embed::EmbedError;
use crate::ingest::price::cost_usd;
use crate::ingest::scan::{Reason, Scan, Skipped};
use crate::ingest::sources::Source;
use crate::render::units::{count, counted};
use crate::sources::{Coverage, SourceRoots};

use super::vectors::Spent;

/// Examples of each kind that are printed; JSON has all.
const EXAMPLES: usize = 5;

/// How the update of one collection ended.
#[derive(Default)]
pub(super) struct Ended {
    pub(super) new: u64,
    pub(super) changed: u64,
    pub(super) unchanged: u64,
    /// Documents whose files were read; the others are what they were by size and times.
    pub(super) read: u64,
    /// Documents that were committed.
    pub(super) published: u64,
    /// Documents that `MAX_FILES_TO_EMBED` left for the next run.
    pub(super) left: u64,
    /// Documents that a limit of tokens left out.
    pub(super) over_limit: u64,
    /// Tokens, by the estimate, that were sent under a limit.
    pub(super) tokens_sent: u64,
    pub(super) removed: Vec<String>,
    /// Documents that could not be embedded, and why.
    pub(super) failed: Vec<(String, String)>,
    /// Files that are no documents, and why.
    pub(super) skipped: Vec<(String, Reason)>,
    /// Stored documents whose files have nothing to embed any more.
    pub(super) emptied: Vec<String>,
    /// Documents that are not quite UTF-8, and how many places of each were replaced.
    pub(super) replaced: Vec<(String, usize)>,
    pub(super) chunks: u64,
    pub(super) estimated_tokens: u64,
    /// Chunks that have no vector anywhere, and their tokens; counted by a dry run.
    pub(super) to_send: u64,
    pub(super) tokens_to_send: u64,
    pub(super) spent: Spent,
    pub(super) held_back: Option<String>,
    pub(super) stopped: Option<EmbedError>,
    pub(super) interrupted: bool,
    pub(super) seconds: f64,
    /// The safety copy of the embedding whose place a new one took.
    pub(super) kept_as: Option<PathBuf>,
    /// Its folder is gone for good: nothing of it is to be remembered.
    pub(super) is_let_go: bool,
    /// Documents that can be embedded, as far as they were looked at; of these, not in the store.
    pub(super) documents: u64,
    pub(super) missing: u64,
    /// What follows from that, where all of the folder is known.
    pub(super) coverage: Option<Coverage>,
    /// What to remember of a run that came to its end.
    pub(super) roots: Option<(String, SourceRoots)>,
}

impl Ended {
    /// Nothing done yet; what the scan left out.
    pub(super) fn of(scan: &Scan) -> Ended {
        let skipped = scan.skipped.iter().map(|one| (one.path.display().to_string(), one.reason.clone()));
        let unlisted = scan.unlisted.iter().map(|folder| {
            (folder.path.display().to_string(), Reason::Unreadable { message: folder.message.clone() })
        });
        Ended { skipped: skipped.chain(unlisted).collect(), ..Ended::default() }
    }

    /// Whether anything was written or removed.
    fn has_changed(&self) -> bool {
        let written = self.new + self.changed + self.spent.embedded + self.spent.reused;
        written > 0 || !self.removed.is_empty() || self.kept_as.is_some()
    }

    /// Whether documents could not be read: what is stored of them stays as it was.
    pub(super) fn has_unreadable(&self) -> bool {
        let is_out_of_reach =
            |reason: &Reason| matches!(reason, Reason::Unreadable { .. } | Reason::Changing);
        self.skipped.iter().any(|(_, reason)| is_out_of_reach(reason))
    }

    pub(super) fn problems(&self) -> impl Iterator<Item = &(String, Reason)> {
        self.skipped.iter().filter(|(_, reason)| reason.is_problem())
    }
}

/// One collection of the report.
pub(super) struct Line {
    pub(super) collection: String,
    framework: String,
    root: PathBuf,
    pub(super) ended: Result<Ended, CliError>,
    /// The command line asked for what makes no sense here.
    pub(super) is_mistaken: bool,
}

pub(super) struct Report {
    pub(super) lines: Vec<Line>,
    embedder: String,
    store: PathBuf,
    /// Who counted the tokens that are to be sent.
    counter: Counter,
    dry_run: bool,
    outside: Vec<(String, String)>,
    unlisted: bool,
    pub(super) interrupted: bool,
    /// Why it could not be noted down which collections are up to date.
    pub(super) unrecorded: Option<CliError>,
    /// What a million tokens cost, if anything.
    usd_per_million_tokens: Option<f64>,
    /// What was spent, and what may be.
    pub(super) cost: Option<Cost>,
    /// Frameworks that it did not come to.
    pub(super) not_begun: u64,
    /// Whether the command line itself says what embeds: then it is to blame where that does not fit a collection.
    names_embedder: bool,
}

/// The money of a run.
#[derive(Clone, Copy)]
pub(super) struct Cost {
    pub(super) spent_usd: f64,
    pub(super) limit_usd: f64,
}

impl Report {
    pub(super) fn new(settings: &Settings, identity: &EmbeddingIdentity, dry_run: bool) -> Report {
        let (embedder, store) = (described(identity), settings.store.clone());
        let (lines, outside) = (Vec::new(), Vec::new());
        Report {
            lines,
            embedder,
            store,
            counter: settings.chunks.counter,
            dry_run,
            outside,
            unlisted: false,
            interrupted: false,
            unrecorded: None,
            usd_per_million_tokens: None,
            cost: None,
            not_begun: 0,
            names_embedder: false,
        }
    }

    pub(super) fn priced(&mut self, usd_per_million_tokens: Option<f64>) {
        self.usd_per_million_tokens = usd_per_million_tokens;
    }

    pub(super) fn names_embedder(&mut self, names_embedder: bool) {
        self.names_embedder = names_embedder;
    }

    /// A framework that the command line must not name like this.
    pub(super) fn refuse(&mut self, source: &Source, error: CliError) {
        self.add(source, Err(error));
        self.lines.iter_mut().last().into_iter().for_each(|line| line.is_mistaken = true);
    }

    pub(super) fn unlisted(&mut self, trees: &[(PathBuf, String)]) {
        self.unlisted = !trees.is_empty();
    }

    pub(super) fn skipped(&mut self, skipped: &[Skipped]) {
        self.outside
            .extend(skipped.iter().map(|one| (one.path.display().to_string(), one.reason.to_string())));
    }

    pub(super) fn add(&mut self, source: &Source, ended: Result<Ended, CliError>) {
        self.interrupted |= match &ended {
            Ok(ended) => ended.interrupted || ended.stopped == Some(EmbedError::Cancelled),
            Err(error) => error.exit == Exit::Interrupted,
        };
        let (collection, framework) = (source.collection.clone(), source.framework.clone());
        let is_usage = ended.as_ref().is_err_and(|error| error.exit == Exit::Usage);
        let is_mistaken = is_usage && self.names_embedder;
        self.lines.push(Line { collection, framework, root: source.root.clone(), ended, is_mistaken });
    }

    /// Whether any collection may hold something else than before.
    pub(super) fn has_changed(&self) -> bool {
        self.lines.iter().any(|line| line.ended.as_ref().map_or(true, Ended::has_changed))
    }

    /// Tokens, by the estimate, that a dry run would send.
    pub(super) fn tokens_to_send(&self) -> u64 {
        self.lines.iter().filter_map(|line| line.ended.as_ref().ok()).map(|ended| ended.tokens_to_send).sum()
    }

    /// Tokens, by the estimate, of texts that had a vector already.
    fn reused_tokens(&self) -> u64 {
        self.lines
            .iter()
            .filter_map(|line| line.ended.as_ref().ok())
            .map(|ended| ended.spent.reused_tokens)
            .sum()
    }

    fn usd(&self, tokens: u64) -> Option<f64> {
        self.usd_per_million_tokens.filter(|price| *price > 0.0).map(|price| cost_usd(tokens, price))
    }

    /// Whether a limit of cost was met.
    pub(super) fn is_over_limit(&self) -> bool {
        let is_over = |ended: &Ended| matches!(ended.stopped, Some(EmbedError::CostLimit { .. }));
        self.lines.iter().any(|line| line.ended.as_ref().is_ok_and(is_over))
    }

    /// What to remember of the collections that were brought up to date.
    pub(super) fn finished(&mut self) -> Vec<(String, SourceRoots)> {
        self.lines.iter_mut().filter_map(|line| line.ended.as_mut().ok()?.roots.take()).collect()
    }

    /// How much the collections hold of their documents.
    pub(super) fn coverages(&self) -> Vec<(String, Coverage)> {
        let of = |line: &Line| Some((line.collection.clone(), line.ended.as_ref().ok()?.coverage?));
        self.lines.iter().filter_map(of).collect()
    }

    /// The collections whose folders are gone for good.
    pub(super) fn let_go(&self) -> impl Iterator<Item = String> + use<> {
        let is_one = |line: &&Line| line.ended.as_ref().is_ok_and(|ended| ended.is_let_go);
        self.lines.iter().filter(is_one).map(|line| line.collection.clone()).collect::<Vec<_>>().into_iter()
    }

    /// The collections whose update did not fail.
    pub(super) fn updated(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter(|line| line.ended.is_ok()).map(|line| line.collection.as_str())
    }

    pub(super) fn exit(&self) -> Exit {
        if self.interrupted {
            return Exit::Interrupted;
        }
        let exits = self.lines.iter().map(|line| match &line.ended {
            Err(error) => error.exit,
            Ok(ended) if matches!(ended.stopped, Some(EmbedError::CostLimit { .. })) => Exit::CostLimit,
            Ok(ended) if ended.stopped.is_some() => Exit::Failed,
            Ok(ended) if !ended.failed.is_empty() || ended.held_back.is_some() => Exit::Found,
            Ok(ended) if ended.has_unreadable() => Exit::Found,
            Ok(_) => Exit::Pass,
        });
        let trees = if self.unlisted { Exit::Found } else { Exit::Pass };
        let unrecorded = self.unrecorded.iter().map(|error| error.exit);
        Context::worst(exits.chain([trees]).chain(unrecorded))
    }

    /// Prints the report and says how the command ends.
    pub(super) fn print(&self, context: &Context) -> Result<Exit, CliError> {
        match context.json {
            true => context.print_json(&self.json())?,
            false => self.text(context)?,
        }
        Ok(self.exit())
    }

    fn text(&self, context: &Context) -> Result<(), CliError> {
        for (path, reason) in self.outside.iter().take(EXAMPLES) {
            context.notices.notice(&format!("left out {path}: {reason}"));
        }
        for line in &self.lines {
            match &line.ended {
                Err(error) => {
                    context.notices.warning(&format!("{}: {}", line.collection, error.message));
                    context.notices.notice(&format!("  next: {}", error.next_step));
                }
                Ok(ended) => self.collection(line, ended, context)?,
            }
        }
        if let Some(error) = &self.unrecorded {
            context.notices.warning(&format!("not noted down that this was done: {}", error.message));
            context.notices.notice(&format!("  next: {}", error.next_step));
        }
        if self.not_begun > 0 {
            let frameworks = counted(self.not_begun, "framework was", "frameworks were");
            context.notices.warning(&format!("{frameworks} not begun"));
        }
        if self.dry_run && self.lines.len() > 1 {
            let tokens = self.tokens_to_send();
            let usd = self.usd(tokens).map_or_else(String::new, |usd| format!(", ${usd:.4}"));
            context.output.line(format!("in all: {} to embed{usd}", self.tokens(tokens)))?;
        }
        if let Some(cost) = self.cost.filter(|cost| cost.spent_usd > 0.0) {
            context.output.line(format!(
                "spent ${:.4} of ${:.4} that this run may cost",
                cost.spent_usd, cost.limit_usd
            ))?;
        }
        if self.interrupted {
            context.notices.warning(
                "interrupted: everything that was committed is kept; run the command again to go on",
            );
        }
        Ok(())
    }

    /// The run of one collection in one line.
    pub(super) fn summary(&self, line: &Line, ended: &Ended) -> String {
        let would = if self.dry_run { "would be " } else { "" };
        let removed = ended.removed.len() as u64;
        let files = counted(ended.new + ended.changed + ended.unchanged, "document", "documents");
        let mut text = format!(
            "{}: {files}: {} new, {} changed, {} unchanged, {} {would}removed; ",
            line.collection,
            count(ended.new),
            count(ended.changed),
            count(ended.unchanged),
            count(removed)
        );
        text += &match self.dry_run {
            true => format!(
                "{} to embed, {}, {}{}",
                counted(ended.to_send, "chunk", "chunks"),
                self.reused(ended),
                self.tokens(ended.tokens_to_send),
                self.usd(ended.tokens_to_send).map_or_else(String::new, |usd| format!(", ${usd:.4}"))
            ),
            false => format!(
                "{} embedded, {}, {:.1} s",
                counted(ended.spent.embedded, "chunk", "chunks"),
                self.reused(ended),
                ended.seconds
            ),
        };
        text
    }

    /// `about 1,234 tokens by estimate`, or as the model's own vocabulary counts.
    fn tokens(&self, tokens: u64) -> String {
        match self.counter {
            Counter::Estimate => format!("about {} tokens by estimate", count(tokens)),
            counter => format!("{} tokens as {} counts", count(tokens), counter.name()),
        }
    }

    /// `12 reused`, and where vectors cost anything what was saved by that.
    fn reused(&self, ended: &Ended) -> String {
        let spent = &ended.spent;
        let reused = format!("{} reused", count(spent.reused));
        match self.usd(spent.reused_tokens).filter(|_| spent.reused > 0) {
            Some(usd) => format!("{reused} ({}, ${usd:.4} saved)", self.tokens(spent.reused_tokens)),
            None => reused,
        }
    }

    fn collection(&self, line: &Line, ended: &Ended, context: &Context) -> Result<(), CliError> {
        context.output.line(self.summary(line, ended))?;
        let notices = &context.notices;
        for (path, reason) in ended.problems().take(EXAMPLES) {
            notices.warning(&format!("left out {path}: {reason}"));
        }
        let problems = ended.problems().count();
        if problems > EXAMPLES {
            notices.warning(&format!("and {} more; --json lists all", problems - EXAMPLES));
        }
        for (path, places) in ended.replaced.iter().take(EXAMPLES) {
            notices.warning(&format!(
                "{path} is not quite UTF-8: {places} places of it were replaced by U+FFFD"
            ));
        }
        for (path, reason) in ended.failed.iter().take(EXAMPLES) {
            notices.warning(&format!("not embedded {path}: {reason}; what was stored of it stays"));
        }
        if ended.failed.len() > EXAMPLES {
            notices.warning(&format!("and {} more; --json lists all", ended.failed.len() - EXAMPLES));
        }
        if let Some(reason) = &ended.held_back {
            notices.warning(&format!("{}: {reason}", line.collection));
        }
        if let Some(copy) = &ended.kept_as {
            let name = copy.file_name().unwrap_or_default().to_string_lossy();
            context.output.line(format!("{}: the new embedding is searched from now on", line.collection))?;
            let back = context.siltstone(&format!("backup restore {name}"));
            let away = context.siltstone("backup prune");
            notices.notice(&format!(
                "the old one is kept as {name}: `{back}` goes back to it, `{away}` lets go of it"
            ));
        }
        if ended.left > 0 {
            notices.notice(&format!(
                "{} left for the next run, as MAX_FILES_TO_EMBED says",
                counted(ended.left, "document", "documents")
            ));
        }
        if let Some(error) = ended.stopped.as_ref().filter(|error| **error != EmbedError::Cancelled) {
            notices.warning(&format!("{}: stopped: {error}", line.collection));
            notices.notice(&format!("  next: {} (what was paid for is kept)", error.next_step()));
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let collections: Vec<Value> =
            self.lines.iter().map(|line| line_json(line, self.counter.name())).collect();
        json!({
            "command": "update",
            "store": self.store.display().to_string(),
            "embedder": self.embedder,
            "dry_run": self.dry_run,
            "interrupted": self.interrupted,
            "exit": self.exit().code(),
            "unrecorded": self.unrecorded.as_ref().map(|error| &error.message),
            "cost_usd": self.cost.map(|cost| cost.spent_usd),
            "saved_usd": self.usd(self.reused_tokens()),
            "estimated_cost_usd": if self.dry_run { self.usd(self.tokens_to_send()) } else { None },
            "not_begun": self.not_begun,
            "collections": collections,
        })
    }
}

fn line_json(line: &Line, counter: &str) -> Value {
    let mut value = json!({
        "collection": line.collection,
        "framework": line.framework,
        "root": line.root.display().to_string(),
    });
    let rest = match &line.ended {
        Err(error) => {
            json!({ "error": error.message, "next_step": error.next_step, "exit": error.exit.code() })
        }
        Ok(ended) => {
            let skipped: Vec<Value> = ended
                .skipped
                .iter()
                .map(|(path, reason)| json!({ "path": path, "reason": reason.to_string(), "problem": reason.is_problem() }))
                .collect();
            let failed: Vec<Value> = ended
                .failed
                .iter()
                .map(|(path, reason)| json!({ "file_path": path, "reason": reason }))
                .collect();
            json!({
                "documents": {
                    "new": ended.new, "changed": ended.changed, "unchanged": ended.unchanged,
                    "published": ended.published, "left": ended.left, "removed": ended.removed, "read": ended.read,
                },
                "chunks": { "total": ended.chunks, "embedded": ended.spent.embedded, "reused": ended.spent.reused },
                "tokens": {
                    "estimated": ended.estimated_tokens, "to_send": ended.tokens_to_send, "counted": ended.spent.tokens,
                    "reused": ended.spent.reused_tokens, "counter": counter,
                },
                "requests": ended.spent.requests,
                "failed": failed,
                "replaced": ended.replaced.iter().map(|(path, places)| json!({ "file_path": path, "places": places })).collect::<Vec<_>>(),
                "skipped": skipped,
                "held_back": ended.held_back,
                "kept_as": ended.kept_as.as_ref().map(|path| path.display().to_string()),
                "stopped": ended.stopped.as_ref().map(ToString::to_string),
                "seconds": ended.seconds,
            })
        }
    };
    if let (Some(value), Value::Object(rest)) = (value.as_object_mut(), rest) {
        value.extend(rest);
    }
    value
}
