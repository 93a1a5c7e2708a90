//! Would the embedder of today's settings add vectors of the same kind as a collection has?

use siltstone::EmbeddingIdentity;

use super::findings::Findings;
use super::kind::{IDENTITY_DIFFERS, IDENTITY_MISMATCH, Part};
use super::privacy::Names;
use crate::command::context::Context;
use crate::command::embedder::{self, described};
use crate::exit::CliError;

const BUILTIN: &str = "builtin";

/// What the settings' embedder makes; `None`, with the reason noted, when it cannot be used.
pub(super) fn configured(
    context: &Context,
    names: &Names,
    findings: &mut Findings,
) -> Option<EmbeddingIdentity> {
    let settings = &context.settings;
    match embedder::from_settings(&settings.embedder) {
        Ok(embedder) => Some(embedder::identity_of(&*embedder, &settings.chunks.identity())),
        Err(CliError { message, next_step, .. }) => {
            let reason = names.sentence(&format!("{message}; {next_step}"));
            findings.skip(Part::Integrity, format!("identity of the collections: {reason}"));
            None
        }
    }
}

/// Compares a collection with it.
pub(super) fn check(
    collection: &str,
    made: &EmbeddingIdentity,
    configured: &EmbeddingIdentity,
    names: &Names,
    findings: &mut Findings,
) {
    let Some(difference) = made.difference(configured) else { return };
    let kind = match (made.provider == BUILTIN, configured.provider == BUILTIN) {
        // A search picks the built-in embedder by itself, with the collection's dims; a server it needs to be told of.
        (true, true) if made.model == configured.model => &IDENTITY_DIFFERS,
        (false, false) if made.same_space(configured) => &IDENTITY_DIFFERS,
        (true, true) | (false, false) => &IDENTITY_MISMATCH,
        (true, false) | (false, true) => &IDENTITY_DIFFERS,
    };
    let example = format!(
        "{}: {difference} (made by {}, configured is {})",
        names.collection(collection),
        described(made),
        described(configured)
    );
    // Provider and model are no names of the user's, except that of a server in the house.
    let example = match names.are_hidden() {
        false => example,
        true => format!("{}: made with other settings", names.collection(collection)),
    };
    findings.add(kind, Some(collection), 1, [example]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn code(made: &EmbeddingIdentity, configured: &EmbeddingIdentity) -> Option<&'static str> {
        let mut findings = Findings::default();
        check("c", made, configured, &Names::new(Path::new("/x"), false), &mut findings);
        findings.of(Part::Integrity).next().map(|found| found.kind.code)
    }

    #[test]
    fn another_model_is_a_failure_and_other_settings_are_information() {
        let server = EmbeddingIdentity { provider: "openai".into(), model: "m".into(), ..Default::default() };
        let other = EmbeddingIdentity { model: "n".into(), ..server.clone() };
        let cut = EmbeddingIdentity { chunker: "other".into(), ..server.clone() };
        assert_eq!(code(&server, &server), None);
        assert_eq!(code(&server, &other), Some("identity-mismatch"));
        assert_eq!(code(&server, &cut), Some("identity-differs"));
        let builtin =
            EmbeddingIdentity { provider: BUILTIN.into(), model: "lexical-1".into(), ..server.clone() };
        let wide = EmbeddingIdentity { dims: 64, ..builtin.clone() };
        let old = EmbeddingIdentity { model: "lexical-0".into(), ..builtin.clone() };
        assert_eq!(code(&builtin, &wide), Some("identity-differs"));
        assert_eq!(code(&old, &builtin), Some("identity-mismatch"));
        assert_eq!(code(&server, &builtin), Some("identity-differs"));
    }
}
