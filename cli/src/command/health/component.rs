//! What health says of each of its five parts: the findings of one part, put into a sentence, with the commands that help.

use std::path::PathBuf;

use serde::Serialize;

use super::findings::{Findings, Found};
use super::kind::{Kind, Part, Remedy, Status};
use super::privacy::Names;
use crate::command::context::{Context, quoted};

/// One component of the report.
#[derive(Debug, Serialize)]
pub(super) struct Component {
    pub(super) component: &'static str,
    pub(super) status: Status,
    /// One sentence.
    pub(super) summary: String,
    /// How many things are not as they should be.
    pub(super) count: u64,
    /// Share of the documents found that are in the store, for `missing`; `null` elsewhere, and where it is unknown.
    pub(super) coverage_percent: Option<f64>,
    pub(super) findings: Vec<Line>,
    pub(super) examples: Vec<String>,
    /// What could not be looked at, and why.
    pub(super) not_checked: Vec<String>,
    /// The command, or the edit, that puts the gravest of it right.
    pub(super) fix: Option<String>,
}

/// Everything of one kind in a component.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub(super) code: &'static str,
    pub(super) status: Status,
    pub(super) meaning: &'static str,
    pub(super) count: u64,
    pub(super) examples: Vec<String>,
    pub(super) fix: Option<String>,
    #[serde(skip)]
    pub(super) is_damage: bool,
}

/// Writes commands that help.
pub(super) struct Remedies<'a> {
    pub(super) context: &'a Context,
    pub(super) names: &'a Names,
    pub(super) deep: bool,
    /// Folders of the collections that need an update.
    pub(super) folders: Vec<PathBuf>,
    /// Folders that are gone by themselves.
    pub(super) vanished: Vec<PathBuf>,
}

impl Remedies<'_> {
    /// The command for one kind of finding.
    fn of(&self, kind: &Kind) -> Option<String> {
        match kind.remedy {
            Remedy::None => None,
            Remedy::Fix if kind.part == Part::Integrity && kind.status == Status::Fail => Some(format!(
                "{}; what that cannot mend: {}",
                self.fix(),
                self.siltstone("recover --to NEW_DIRECTORY")
            )),
            Remedy::Fix => Some(self.fix()),
            Remedy::Update => Some(self.update()),
            Remedy::Folder => Some(self.folder()),
            Remedy::DeepScan => Some(self.siltstone("health --deep-scan --max-time TIME")),
            Remedy::Operator(what) => Some(what.to_owned()),
        }
    }

    fn fix(&self) -> String {
        self.siltstone(if self.deep { "health --deep-scan --fix" } else { "health --fix" })
    }

    /// The command that brings the collections of the folders up to date.
    pub(super) fn update(&self) -> String {
        let mut folders = self.folders.clone();
        folders.sort();
        folders.dedup();
        if self.names.are_hidden() || folders.is_empty() {
            return self.siltstone("update PATH");
        }
        let parent = folders.first().and_then(|first| first.parent()).map(PathBuf::from);
        let siblings =
            parent.as_ref().is_some_and(|parent| folders.iter().all(|one| one.parent() == Some(parent)));
        let arguments: Vec<String> = match parent.filter(|_| siblings && folders.len() > 3) {
            Some(parent) => vec![quoted(&parent)],
            None => folders.iter().map(|folder| quoted(folder)).collect(),
        };
        self.siltstone(&format!("update {}", arguments.join(" ")))
    }

    fn folder(&self) -> String {
        let gone = match self.names.are_hidden() {
            true => "PATH".to_owned(),
            false => self.vanished.iter().map(|folder| quoted(folder)).collect::<Vec<_>>().join(" "),
        };
        let update = self.siltstone(&format!("update {gone} --allow-mass-removal"));
        format!("bring the folder back; if it is really gone: {update}")
    }

    pub(super) fn siltstone(&self, command: &str) -> String {
        match self.names.are_hidden() {
            true => format!("siltstone {command}"),
            false => self.context.siltstone(command),
        }
    }
}

impl Component {
    /// `summary` is for a part in which nothing failed; otherwise the gravest kinds say what is wrong.
    pub(super) fn new(
        part: Part,
        findings: &Findings,
        remedies: &Remedies<'_>,
        summary: String,
    ) -> Component {
        let status = findings.status(part);
        let of_status = |found: &&Found| found.kind.status == status;
        let gravest: Vec<&Found> = findings.of(part).filter(of_status).collect();
        let bad = findings.of(part).filter(|found| found.kind.status == Status::Fail);
        let wrong = bad.map(|found| found.count).sum();
        let informed: u64 = gravest.iter().map(|found| found.count).sum();
        let lines = findings.of(part).map(|found| Line {
            code: found.kind.code,
            status: found.kind.status,
            meaning: found.kind.meaning,
            count: found.count,
            examples: found.examples.clone(),
            fix: remedies.of(found.kind),
            is_damage: found.kind.is_damage(),
        });
        let examples = gravest.iter().flat_map(|found| found.examples.iter().cloned());
        Component {
            component: part.word(),
            status,
            summary,
            count: if part == Part::Integrity { wrong } else { informed.max(wrong) },
            coverage_percent: None,
            findings: lines.collect(),
            examples: examples.take(super::findings::MOST_EXAMPLES).collect(),
            not_checked: findings.not_checked(part),
            fix: gravest.iter().find_map(|found| remedies.of(found.kind)),
        }
    }
}
