//! The JSON that `--json` prints, in one place: the description of each shape, which `--help` shows, and how values
//! become text. Members are added in later versions, never renamed or removed; an unknown one is to be ignored. Times
//! are milliseconds since 1970-01-01 UTC, sizes are bytes; what is not known is null.

use serde::Serialize;

use super::plain;
use crate::exit::CliError;

/// A value as text, without characters that act on a terminal.
pub(crate) fn text(value: &impl Serialize) -> Result<String, CliError> {
    let text = serde_json::to_string_pretty(value).map_err(|error| {
        CliError::failed(
            format!("the result cannot be written as JSON: {error}"),
            "run the command without --json",
        )
    })?;
    Ok(plain::json(&text))
}

/// An error as one line, which goes to stderr: `{"error": {"message", "next_step", "exit_code"}}`.
pub(crate) fn error(error: &CliError) -> String {
    let value = serde_json::json!({
        "error": { "message": error.message, "next_step": error.next_step, "exit_code": error.exit.code() }
    });
    plain::json(&value.to_string())
}

/// Writes a description and adds what holds for all of them.
macro_rules! shape {
    ($(#[$doc:meta])* $name:ident = $($line:literal)*) => {
        $(#[$doc])*
        pub(crate) const $name: &str = concat!(
            "With --json:\n", $("  ", $line, "\n",)*
            "\nTimes are milliseconds since 1970-01-01 UTC, sizes are bytes, null is not known. Later versions may add\n",
            "members. An error is one line on stderr: {\"error\": {\"message\", \"next_step\", \"exit_code\"}}."
        );
    };
}

shape! {
    /// `init`.
    INIT =
    "{"
    "  \"store\": path, \"store_created\": bool,      false: a store was there already"
    "  \"config\": path, \"config_created\": bool     false: the file was there already, or --no-config"
    "}"
}

shape! {
    /// `update`.
    UPDATE =
    "{"
    "  \"command\": \"update\", \"store\": path, \"embedder\": string, \"dry_run\": bool, \"interrupted\": bool, \"exit\": n,"
    "  \"unrecorded\": string|null,                 why sources.json could not be written"
    "  \"cost_usd\", \"saved_usd\", \"estimated_cost_usd\": number|null,    the last with --dry-run"
    "  \"not_begun\": n of frameworks,"
    "  \"collections\": [{"
    "    \"collection\", \"framework\": string, \"root\": path,"
    "    either \"error\", \"next_step\": string, \"exit\": n, or:"
    "    \"documents\": {\"new\", \"changed\", \"unchanged\", \"published\", \"left\", \"removed\","
    "      \"read\": n files},"
    "    \"chunks\": {\"total\", \"embedded\", \"reused\": n}, \"tokens\": {\"estimated\", \"to_send\", \"counted\","
    "      \"reused\": n, \"counter\": \"cl100k_base\"|\"estimate\"},"
    "    \"requests\": n, \"failed\": [{\"file_path\", \"reason\": string}],"
    "    \"replaced\": [{\"file_path\": string, \"places\": n}],    malformed places that became U+FFFD"
    "    \"skipped\": [{\"path\": path, \"reason\": string, \"problem\": bool}],"
    "    \"held_back\": string|null, \"stopped\": string|null, \"seconds\": number,"
    "    \"kept_as\": path|null                        with --reembed: what the collection was"
    "  }]"
    "}"
    "and on stderr, once a second while documents are embedded:"
    "{\"event\": \"progress\", \"collection\": string, \"files_done\", \"files\", \"files_processed\", \"chunks_embedded\","
    " \"chunks_reused\": n, \"spent_usd\": number|null}"
}

shape! {
    /// `search`.
    SEARCH =
    "{"
    "  \"query\": string, \"collections_searched\": n, \"rows_scanned\": n,"
    "  \"hits\": [{"
    "    \"rank\": n from 1, \"score\": number, \"collection\": string, \"key\": string,"
    "    \"file\": string, \"line\": n|null, \"title\": string|null, \"heading\": string|null,"
    "    \"snippet\": string on one line, \"text\": string, \"metadata\": object, \"commit\": n"
    "  }],"
    "  \"damage\": [string],                        what --skip-damaged left out"
    "  \"without_snapshot\": [collection],          those that --snapshot left out"
    "  \"explain\": {                              with --explain: what it took"
    "    \"rows_with_codes\": n, \"passed_heads\": n, \"passed_signs\": n, \"rows_scored\": n,"
    "    \"bytes_read\": n, \"filtered_by_index\": n, \"filtered_by_metadata\": n, \"seconds\": number, \"threads\": n"
    "  }"
    "}"
}

shape! {
    /// `health`, and the file of `--output FILE.json`.
    HEALTH =
    "{"
    "  \"schema\": \"siltstone-health-1\", \"status\": \"pass\"|\"info\"|\"fail\", \"exit\": n, \"store\": path,"
    "  \"checked_at_ms\": n, \"deep\": bool, \"collections\", \"files\", \"bytes\", \"rows_verified\": n,"
    "  \"components\": [{"
    "    \"component\": \"integrity\"|\"orphaned\"|\"missing\"|\"content\"|\"metadata\","
    "    \"status\": as above, \"summary\": string, \"count\": n, \"coverage_percent\": number|null,"
    "    \"findings\": [{\"code\", \"meaning\": string, \"status\", \"count\": n, \"examples\": [string],"
    "                  \"fix\": string|null}],            codes are those of the table below"
    "    \"examples\": [string] of the gravest, \"not_checked\": [string], \"fix\": string|null of the gravest"
    "  }],"
    "  \"surveyed\": [{\"collection\", \"status\", \"rows\", \"bytes\", \"documents\": n|null, \"embedded\": n|null,"
    "                \"coverage_percent\": number|null, \"orphaned\", \"missing\", \"stale\": n of documents}],"
    "  \"scan\": {\"collections_done\", \"collections\": n, \"is_complete\": bool} of a deep scan, else null,"
    "  \"probed\": n of texts that --probe embedded again and compared, else null,"
    "  \"fix\": with --fix {\"dry_run\": bool, \"steps\": [{\"collection\", \"act\": \"remove\"|\"embed\", \"planned\","
    "           \"done\": n of documents, \"tokens\": n|null, \"cost_usd\": number|null, \"held_back\": string|null,"
    "           \"next_step\": string|null}], \"undo\": [what takes it back],"
    "           \"lost\": [as below] that neither a backup nor a document has,"
    "           \"repair\": {\"mended\", \"left\": [{\"path\", \"structure\", \"offset\": n, \"reason\": string|null,"
    "                        \"remedy\": \"mend\"|\"fetch\"|\"rebuild\"|\"derive\"|\"seal\"|\"quarantine\"|\"none\"}],"
    "                      \"kept\": [path], \"lost\": [{\"collection\", \"key\": string|null, \"rows\": n|null, \"reason\": string}],"
    "                      \"returned\": [{\"collection\", \"backup\": string, \"rows\": n}],"
    "                      \"passed_over\": [{\"backup\", \"reason\": string}], \"hurt_snapshots\": [string],"
    "                      \"dropped_snapshots\": [string]}|null}, else null; the rest is what is left after it,"
    "  \"history\": [{\"checked_at_ms\", \"status\", \"deep\", \"deep_complete\": bool, \"rows\", \"bytes\", \"coverage_percent\","
    "               \"failures\": [n a component], \"damage\": n of these}]      the last 90 runs over the whole store"
    "}"
}

shape! {
    /// `doctor`.
    DOCTOR =
    "{"
    "  \"status\": \"pass\"|\"info\"|\"fail\","
    "  \"checks\": [{\"check\": string, \"status\": as above, \"says\": string, \"next_step\": string|null}]"
    "}"
}

shape! {
    /// `status`.
    STATUS =
    "{"
    "  \"store\": path,"
    "  \"totals\": {\"collections\", \"documents\", \"coverage\" as below, \"chunks\", \"dead_rows\", \"dead_bytes\", \"held_bytes\", \"segments\", \"bytes\", \"snapshots\","
    "             \"writers\": n; documents is null without --documents},"
    "  \"collections\": [{"
    "    \"collection\", \"provider\", \"model\": string, \"dims\": n, \"metric\": string,"
    "    \"documents\": n|null, \"chunks\", \"dead_rows\", \"segments\", \"bytes\", \"commit\": n,"
    "    \"dead_bytes\": n,                         about what compaction would give back, if no snapshot kept it"
    "    \"held_bytes\": n,                         segments that only snapshots keep"
    "    \"last_update_ms\": n|null of one that came to its end, \"is_unfinished\": bool, one was interrupted since,"
    "    \"coverage\": {\"documents\", \"embedded\", \"counted_ms\": n, \"ratio\": 0 to 1}|null, as its last update counted,"
    "    \"last_commit_ms\": n|null, \"snapshots\": [name], \"writer\": string|null,"
    "    \"holder\": null|{\"process\": n, \"command\": string, \"host\": string|null, \"since_ms\", \"age_ms\": n}"
    "  }],"
    "  \"damaged\": [{\"collection\": string, \"reason\": string}],"
    "  \"updates\": {"
    "    \"seen\": [{\"is_running\": bool, false: it ended without a word; \"process\": n, \"host\": string|null,"
    "      \"command\", \"stage\", \"collection\": string, \"started_ms\", \"written_ms\", \"moved_ms\": n,"
    "      \"frameworks\", \"frameworks_begun\", \"files_done\", \"files\" of the collection, \"files_done_in_all\": n,"
    "      \"files_processed\": n of these that were not as they were, \"unit\": string of what files_done counts,"
    "      \"chunks_embedded\", \"chunks_reused\", \"requests_answered\": n, \"cost_usd\": number,"
    "      \"limit_usd\": number|null, \"peak_memory_bytes\", \"machine_peak_bytes\": n|null}],"
    "    \"last_run\": a run of --history without what follows from it, or null,"
    "    \"last_good_run_ms\", \"last_backup_ms\", \"last_verification_ms\", \"last_deep_scan_ms\": n|null"
    "  }"
    "}"
    "--check: {"
    "  \"exit\": 0 to 3, \"line\": string; the rest only where the store could be looked at,"
    "  \"state\": \"ok\"|\"warning\"|\"critical\", \"problems\": [{\"state\", \"what\", \"text\": string}],"
    "  \"storage\": {\"total_bytes\", the sum of \"live_bytes\", \"dead_bytes\", \"snapshot_bytes\", \"derived_bytes\","
    "              \"other_bytes\"; \"reclaimable_bytes\", \"compaction_needs_bytes\": n}"
    "}"
    "--history: {"
    "  \"runs\": [{\"started_ms\", \"finished_ms\", \"exit\", \"frameworks\", \"files\", \"unchanged\", \"published\", \"failed\", \"removed\","
    "            \"chunks_embedded\", \"chunks_reused\", \"tokens\", \"requests\", \"damaged\" collections, \"rate_limited\": n, \"cost_usd\": number,"
    "            \"peak_memory_bytes\", \"machine_peak_bytes\", \"store_bytes\": n|null,"
    "            \"seconds\", \"files_per_minute\" (published and failed), \"error_percent\": number}]     oldest first"
    "}"
}

shape! {
    /// `snapshot` and what is below it.
    SNAPSHOT =
    "create, restore, drop: {"
    "  \"snapshot\": name,"
    "  \"collections\": [{\"collection\": string, \"outcome\": \"created\"|\"restored\"|\"dropped\"|\"failed\","
    "                   \"commit\": n|null, \"reason\": string|null, \"next_step\": string|null}],"
    "  \"undo\": string|null                         the command that undoes a restore"
    "}"
    "diff: {"
    "  \"before\", \"after\": name,"
    "  \"collections\": [{\"collection\": string, \"before_commit\", \"after_commit\": n,"
    "                   \"added\", \"changed\", \"removed\", \"unchanged\": n,"
    "                   \"keys\": [{\"key\": string, \"change\": \"added\"|\"changed\"|\"removed\", \"parts\": [string]}],"
    "                   \"not_shown\": n beyond --limit}],"
    "  \"without\": [collection]                    those that lack one of the two"
    "}"
    "list: {"
    "  \"snapshots\": [{\"name\", \"collection\": string, \"created_at_ms\", \"commit\", \"segments\": n}]"
    "}"
}

shape! {
    /// `dashboard`, whose `/api/status.json` has the figures.
    DASHBOARD =
    "{ \"url\": string, \"process\": n }, and GET /api/status.json: {"
    "  \"taken_ms\": n, \"state\", \"line\", \"problems\", \"storage\": as status --check,"
    "  \"counts\": {\"collections\", \"chunks\", \"dead_rows\", \"damaged\": n, \"coverage_ratio\": number|null},"
    "  \"updates\": \"seen\" of status, \"collections\": as status, \"runs\": as status --history,"
    "  \"health\": {\"checked_at_ms\", \"status\", \"has_failed\", \"deep\": bool, \"damage\": n, \"coverage_percent\": number|null,"
    "             \"failures\": {component: n}}|null,"
    "  \"last_good_run_ms\", \"last_backup_ms\", \"last_verification_ms\", \"last_deep_scan_ms\": n|null,"
    "  \"cost_today_usd\": number, \"requests_last_day\", \"rate_limited_last_day\": n,"
    "  \"days\": [{\"day\": string, \"requests\", \"rate_limited\", \"tokens\": n, \"cost_usd\": number}]"
    "}"
}

shape! {
    /// `bench`, and its file.
    BENCH =
    "{"
    "  \"measured_at_ms\", \"processors\": n; each of these is null when it was not measured:"
    "  \"commit\": {\"dims\": n, \"samples\": [{\"rows\": n a commit, \"rows_per_second\", \"median_ms\", \"p95_ms\": number}],"
    "             \"recommended\": n},"
    "  \"search\": {\"collections\", \"rows\": n, \"samples\": [{\"top_k\", \"threads\": n, \"median_ms\", \"p95_ms\": number}],"
    "             \"recommended_threads\": n},"
    "  \"embed\": {\"model\": string, \"mean_tokens\": n, \"cost_usd\": number|null,"
    "            \"samples\": [{\"batch_size\", \"concurrency\": n, \"inputs_per_second\", \"median_ms\", \"p95_ms\": number,"
    "                         \"rate_limited\": n}],"
    "            \"recommended\": {\"batch_size\", \"concurrency\": n}|null}"
    "}"
}

shape! {
    /// `selftest`.
    SELFTEST =
    "{"
    "  \"passed\": bool, \"folder\": path, where it was tried; nothing of it is left,"
    "  \"checks\": [{\"check\": string, \"passed\": bool, \"says\": string, \"seconds\": number}]"
    "}"
}

shape! {
    /// `usage`.
    USAGE =
    "{"
    "  \"ledger\": path, \"since_ms\": n|null, \"by\": \"day\"|\"framework\"|\"key\","
    "  \"groups\": [{\"group\": string, and the members of totals}],"
    "  \"totals\": {"
    "    \"requests\", \"inputs\", \"tokens\": n, \"cost_usd\": number,"
    "    \"refused\": n that cost nothing, \"unanswered\", \"unsettled\": n that are taken as paid,"
    "    \"mean_latency_ms\": n|null"
    "  }"
    "}"
}

shape! {
    /// `log`.
    LOG =
    "{ \"lines\": [{\"time_ms\": n, \"level\": \"INFO\"|\"WARN\"|\"ERROR\", \"text\": string}] }"
}

shape! {
    /// `stop`.
    STOP =
    "{"
    "  \"holders\": [{"
    "    \"process\": n|null, \"command\": string|null, \"since_ms\": n|null, \"collections\": [name],"
    "    \"outcome\": \"stopped\"|\"running\"|\"refused\", \"reason\": string|null"
    "  }]"
    "}"
}

shape! {
    /// `report`.
    REPORT =
    "{"
    "  \"report\": path, \"bytes\": n, \"privacy\": bool,"
    "  \"contents\": [{\"path\": string, \"bytes\": n, \"what\": string,"
    "                \"error\": string|null      why it could not be had}]"
    "}"
    "contents.json in the report has the same list; status.json, health.json and structure/ are what the commands"
    "status, health and inspect print with --json. It takes no lock and changes nothing."
}

shape! {
    /// `export`, whose output is JSON without --json too.
    EXPORT =
    "of each collection, one line each, rows in the order of their keys:"
    "{\"siltstone_export\": 1, \"collection\": name, \"identity\": {\"provider\", \"model\", \"dims\", \"metric\","
    " \"normalised\", \"chunker\"}, \"vectors\": bool, \"commit\": n, \"snapshot\": name|null}"
    "{\"key\": string, \"vector\": base64 of 32-bit floats, little-endian, \"metadata\": object, \"text\": string}"
    "{\"end_of\": name, \"rows\": n}"
    "empty metadata and empty text are left out"
}

shape! {
    /// `import`.
    IMPORT =
    "{"
    "  \"lines\": n, \"collections\": [{\"collection\": string, \"rows\", \"replaced\", \"commits\": n}]"
    "}"
}

shape! {
    /// `backup` and what is below it.
    BACKUP =
    "create: {\"backup\": backup, \"added_bytes\": n}"
    "list: {\"backups\": [backup]}"
    "verify: {"
    "  \"backup\": backup, \"sound\": bool, \"files\", \"bytes\", \"rows\": n, \"damage\": [string],"
    "  \"whole_digest\": bool|null,                  whether the .b3 of an archive was there; null in a repository"
    "  \"passed_over\": [passed]                     newer ones that `latest` does not mean"
    "}"
    "restore: {"
    "  \"backup\": backup, \"store\": path, \"collections\": [name], \"rows\", \"files\", \"bytes\": n,"
    "  \"safety_copy\": path|null, \"damage\": [string],"
    "  \"beside\": [path],                           logs, ledgers, settings that were not there and were put back"
    "  \"left\": [path],                             those that are there, and stay as they are"
    "  \"passed_over\": [passed]                     as of verify"
    "}"
    "passed: {\"name\": string, \"reason\": string}    it is damaged, or of a snapshot"
    "prune: {\"dry_run\": bool, \"kept\", \"removed\": [backup], \"freed_bytes\": n}"
    "backup: {"
    "  \"name\": string, \"path\": path, \"kind\": \"archive\"|\"repository\"|\"safety\","
    "  \"created_at_ms\", \"bytes\": n, \"rows\": n|null, \"collections\": [name], \"sound\": bool,"
    "  \"damage\": [string],                         of the store when it was made, or why it cannot be read"
    "  \"snapshot\": name|null,                      what it shows instead of the last commits"
    "  \"verified_at_ms\": n|null, \"verification\": [string]   what the last verification found"
    "}"
}

shape! {
    /// `compact`.
    COMPACT =
    "{"
    "  \"dry_run\": bool, \"reclaimed_bytes\": n,     by estimate in a dry run"
    "  \"collections\": [{"
    "    \"collection\": string, \"outcome\": \"compacted\"|\"planned\"|\"nothing\"|\"failed\", \"reclaimed_bytes\": n,"
    "    \"groups\": [{\"inputs\": [segment], \"output\": segment|null, \"rows_kept\", \"rows_dropped\", \"bytes_before\","
    "                \"bytes_after\": n}],"
    "    \"kept_for_snapshots_bytes\": n|null,     dead rows that stay in segments which snapshots keep"
    "    \"held_bytes\": n|null,                   segments that only snapshots keep"
    "    \"why\": string|null of \"nothing\", \"reason\": string|null, \"next_step\": string|null"
    "  }]"
    "}"
}

shape! {
    /// `inspect`.
    INSPECT =
    "{"
    "  \"files\": [{"
    "    \"path\": path, \"kind\": string, \"bytes\": n, \"flaws\": n,"
    "    \"parts\": [{"
    "      \"part\": string, \"offset\": n, \"bytes\": n, \"facts\": object of the structure's fields,"
    "      \"flaws\": [{\"structure\", \"field\": string, \"offset\", \"bytes\": n, \"expected\", \"found\": string}],"
    "      \"lines\": [string], with --keys, or when a document is damaged"
    "    }]"
    "  }],"
    "  \"flaws\": n"
    "}"
}

shape! {
    /// `recover`.
    RECOVER =
    "{"
    "  \"from\": path, \"to\": path, \"rows\": n,"
    "  \"collections\": [{\"collection\": string, \"rows\": n, \"with_history\": bool, \"manifest_rebuilt\": bool,"
    "                   \"damage\": [string]}],"
    "  \"lost\": [{\"path\": path, \"reason\": string}]"
    "}"
}
