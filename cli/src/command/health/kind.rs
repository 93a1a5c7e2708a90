//! The table of everything that health may find: what it means, how bad it is, and what puts it right. The report, the
//! exit code, `--help` and the guide all follow this one table.

use serde::Serialize;

use crate::exit::Exit;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// Looked at, and nothing found.
    Pass,
    /// Something to know; nothing is wrong.
    Info,
    /// Something needs attention.
    Fail,
}

impl Status {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Status::Pass => "PASS",
            Status::Info => "INFO",
            Status::Fail => "FAIL",
        }
    }

    pub(crate) const fn exit(self) -> Exit {
        match self {
            Status::Fail => Exit::Found,
            Status::Pass | Status::Info => Exit::Pass,
        }
    }
}

/// The parts of a report, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Integrity,
    Orphaned,
    Missing,
    Content,
    Metadata,
}

impl Part {
    pub(super) const ALL: [Part; 5] =
        [Part::Integrity, Part::Orphaned, Part::Missing, Part::Content, Part::Metadata];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Part::Integrity => "integrity",
            Part::Orphaned => "orphaned",
            Part::Missing => "missing",
            Part::Content => "content",
            Part::Metadata => "metadata",
        }
    }
}

/// What puts a finding right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Nothing needs to be done.
    None,
    /// `siltstone health --fix`.
    Fix,
    /// `siltstone update` of the folders that the collections were made from.
    Update,
    /// The folder is to be brought back, or `siltstone update` told that it is gone.
    Folder,
    /// `siltstone health --deep-scan`, again.
    DeepScan,
    /// An edit, or a decision, of the operator's.
    Operator(&'static str),
}

/// One kind of finding.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// Stable: scripts may rely on it.
    pub(super) code: &'static str,
    pub(super) part: Part,
    pub(super) status: Status,
    pub(super) meaning: &'static str,
    pub(super) remedy: Remedy,
}

impl Kind {
    /// Whether what is stored is not what it should be by itself, whatever the documents and the settings say.
    pub(super) fn is_damage(&self) -> bool {
        self.part == Part::Integrity && self.status == Status::Fail && self.remedy == Remedy::Fix
    }
}

/// Writes the kinds as constants and as one list of all of them.
macro_rules! kinds {
    ($($name:ident $code:literal $part:ident $status:ident $remedy:expr; $meaning:literal)*) => {
        $(pub(super) static $name: Kind = Kind {
            code: $code, part: Part::$part, status: Status::$status, meaning: $meaning, remedy: $remedy,
        };)*
        /// Every kind, in the order of the parts and of gravity.
        pub(super) static KINDS: &[&Kind] = &[$(&$name),*];
    };
}

kinds! {
    DAMAGE "damage" Integrity Fail Remedy::Fix;
        "stored bytes are not what was written"
    VECTOR_INVALID "vector-invalid" Integrity Fail Remedy::Fix;
        "an embedding has NaN or infinite elements, or is all zeros"
    VECTOR_NORM "vector-norm" Integrity Fail Remedy::Fix;
        "an embedding is not of unit length although its collection says so"
    SEARCH_DIFFERS "search-differs" Integrity Fail Remedy::Fix;
        "a sampled query is answered otherwise than by brute force"
    VECTOR_LOST "vector-lost" Integrity Fail Remedy::Fix;
        "a search for a stored embedding does not find it"
    PROBE_DIFFERS "probe-differs" Integrity Fail
        Remedy::Operator("find out what changed at the embedding server; then index the documents into a new collection");
        "the embedder gives another vector for a stored text today"
    IDENTITY_MISMATCH "identity-mismatch" Integrity Fail
        Remedy::Operator("correct [embedder] in siltstone.toml, or siltstone update --reembed");
        "a collection was made by another model than the configured one"
    IDENTITY_DIFFERS "identity-differs" Integrity Info
        Remedy::Operator("put the collection's settings into siltstone.toml, or siltstone update --reembed");
        "searched as it is, but update would refuse: dims, embedder or chunk limits are configured otherwise"
    DERIVED "derived" Integrity Info Remedy::Fix;
        "a derived file is damaged, stale or missing; no answer is wrong"
    NOTE "note" Integrity Info Remedy::None;
        "an interrupted commit, or a file that is not siltstone's"
    DUPLICATE_TEXT "duplicate-text" Integrity Info Remedy::None;
        "the same text is embedded at several places; it was paid for once"
    DUPLICATE_VECTOR "duplicate-vector" Integrity Info Remedy::None;
        "different texts have the very same embedding"
    SCAN_UNFINISHED "scan-unfinished" Integrity Info Remedy::DeepScan;
        "--max-time ended the deep scan; the next one goes on from there"
    ORPHANED "orphaned" Orphaned Fail Remedy::Update;
        "passages of documents that are gone, or hold nothing any more"
    FOLDER_GONE "folder-gone" Orphaned Fail Remedy::Folder;
        "the folder of a collection's documents is not there, though the one above it is"
    ORPHANED_UNFINISHED "orphaned-unfinished" Orphaned Info Remedy::Update;
        "passages of documents that are gone, while an update of the collection is interrupted or under way"
    MISSING "missing" Missing Fail Remedy::Update;
        "documents that are not embedded"
    MISSING_UNFINISHED "missing-unfinished" Missing Info Remedy::Update;
        "documents that are not embedded, while an update of the collection is interrupted or under way"
    UNFINISHED "unfinished" Missing Info Remedy::Update;
        "an update of the collection is interrupted or under way"
    STALE "stale" Content Fail Remedy::Update;
        "documents that changed since they were embedded"
    INCOMPLETE "incomplete" Content Fail Remedy::Fix;
        "documents of which some passages are not there"
    TEXT_DIFFERS "text-differs" Content Fail Remedy::Fix;
        "documents whose stored text is not what their file says (--deep-scan)"
    STALE_UNFINISHED "stale-unfinished" Content Info Remedy::Update;
        "stale or incomplete, while an update of the collection is interrupted or under way"
    METADATA "metadata" Metadata Fail
        Remedy::Operator("declare what passages have under [metadata.\"NAME\"] in siltstone.toml, or index the documents anew");
        "passages that lack a required field, or have it with another type"
}

impl Remedy {
    fn described(self) -> &'static str {
        match self {
            Remedy::None => "nothing needs to be done",
            Remedy::Fix => "siltstone health --fix",
            Remedy::Update => "siltstone update, or health --fix",
            Remedy::Folder => "bring the folder back, or siltstone update PATH --allow-mass-removal",
            Remedy::DeepScan => "siltstone health --deep-scan --max-time TIME",
            Remedy::Operator(what) => what,
        }
    }
}

/// The table in Markdown, as the guide has it.
pub(super) fn markdown() -> String {
    let mut out = String::from(
        "| component | code | status | exit | meaning | what puts it right |\n|---|---|---|---|---|---|\n",
    );
    for kind in KINDS {
        let (part, status, remedy) = (kind.part.word(), kind.status.word(), kind.remedy.described());
        let exit = kind.status.exit().code();
        out += &format!("| {part} | `{}` | {status} | {exit} | {} | {remedy} |\n", kind.code, kind.meaning);
    }
    out
}

/// The table as `--help` prints it.
pub(super) fn table() -> String {
    let mut out = String::from("component  code                 status exit  meaning; what puts it right\n");
    for kind in KINDS {
        let remedy = kind.remedy.described();
        let (part, status) = (kind.part.word(), kind.status.word());
        let exit = kind.status.exit().code();
        out += &format!(
            "{part:<10} {:<20} {status:<6} {exit:>4}  {}\n{:45}> {remedy}\n",
            kind.code, kind.meaning, ""
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_and_every_part_has_some() {
        let codes: BTreeSet<&str> = KINDS.iter().map(|kind| kind.code).collect();
        assert_eq!(codes.len(), KINDS.len());
        for part in Part::ALL {
            assert!(KINDS.iter().any(|kind| kind.part == part && kind.status == Status::Fail));
        }
    }

    #[test]
    fn the_table_has_a_line_for_every_kind() {
        assert_eq!(table().lines().count(), 1 + 2 * KINDS.len());
    }
}
