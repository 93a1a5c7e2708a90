//! From settings to an embedder, and from a collection's identity to the embedder that made its vectors.

use siltstone::{EmbeddingIdentity, Metric};

use crate::config::{EmbedderSettings, Provider};
use crate::exit::CliError;
use crate::ingest::cancel::Cancel;
use crate::ingest::embed::{Builtin, Embedder, Outcome, model_and_revision};

/// The provider of the built-in embedder, as identities name it.
const BUILTIN: &str = "builtin";

/// The embedder that the settings name. Sends nothing yet.
pub(crate) fn from_settings(settings: &EmbedderSettings) -> Result<Box<dyn Embedder>, CliError> {
    Ok(settings.embedder()?)
}

/// What a collection of this embedder's vectors is. Its vectors are of unit length, so cosine is what compares them.
pub(crate) fn identity_of(embedder: &dyn Embedder, chunker: &str) -> EmbeddingIdentity {
    let identity = embedder.identity();
    EmbeddingIdentity {
        provider: identity.provider.clone(),
        model: identity.model.clone(),
        dims: u32::try_from(identity.dims).unwrap_or(u32::MAX),
        metric: Metric::Cosine,
        normalised: identity.normalised,
        chunker: chunker.to_owned(),
    }
}

/// Whether an embedder's vectors may be compared with those of a collection. How the collection compares them is its
/// own affair.
fn makes(embedder: &dyn Embedder, wanted: &EmbeddingIdentity) -> bool {
    let made = identity_of(embedder, &wanted.chunker);
    EmbeddingIdentity { metric: wanted.metric, ..made }.same_space(wanted)
}

/// `model of provider, 1536 dims`, for messages.
pub(crate) fn described(identity: &EmbeddingIdentity) -> String {
    let of = |text: &str| if text.is_empty() { "(not named)".to_owned() } else { text.to_owned() };
    format!("{} of {}, {} dims", of(&identity.model), of(&identity.provider), identity.dims)
}

/// The embedder that made the vectors of a collection. The built-in one needs no settings; a server must be the one that
/// the settings name.
pub(crate) fn for_identity(
    wanted: &EmbeddingIdentity,
    settings: &EmbedderSettings,
) -> Result<Box<dyn Embedder>, CliError> {
    if wanted.provider == BUILTIN {
        let embedder = Builtin::new(wanted.dims as usize);
        if makes(&embedder, wanted) {
            return Ok(Box::new(embedder));
        }
        let made = identity_of(&embedder, "");
        return Err(CliError::failed(
            format!(
                "these collections were made by {}; this version has {}",
                described(wanted),
                described(&made)
            ),
            "use the version of siltstone that made them, or index the documents into a new store",
        ));
    }
    let (model, revision) = model_and_revision(&wanted.model);
    let revision = revision.map(|revision| format!(", revision = {revision:?}")).unwrap_or_default();
    let next_step = format!(
        "set base_url, model = {model:?}{revision} and dims = {} under [embedder] in siltstone.toml, or give --base-url \
         and --model",
        wanted.dims
    );
    if settings.provider == Provider::Builtin {
        let message =
            format!("these collections were made by {}, and no server is configured", described(wanted));
        return Err(CliError::usage(message, next_step));
    }
    let embedder = from_settings(settings)?;
    if makes(&*embedder, wanted) {
        return Ok(embedder);
    }
    let made = identity_of(&*embedder, "");
    let message =
        format!("these collections were made by {}, not by {}", described(wanted), described(&made));
    Err(CliError::usage(message, next_step))
}

/// The vector of one query.
pub(crate) fn embed_query(
    embedder: &dyn Embedder,
    query: &str,
    cancel: &Cancel,
) -> Result<Vec<f32>, CliError> {
    let mut reply = embedder.embed(&[query.to_owned()], cancel);
    match (reply.outcomes.pop(), reply.stopped) {
        (Some(Outcome::Vector(vector)), _) => Ok(vector),
        (_, Some(error)) => Err(error.into()),
        (Some(Outcome::Refused(reason)), None) => {
            Err(CliError::usage(format!("the query cannot be embedded: {reason}"), "ask in other words"))
        }
        _ => Err(CliError::failed("the embedder returned nothing for the query", "run the command again")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Inputs, Overrides, Settings};

    fn settings() -> EmbedderSettings {
        Settings::resolve(&Overrides::default(), &Inputs::default()).unwrap().embedder
    }

    #[test]
    fn the_builtin_embedder_is_found_by_the_identity_alone() {
        let builtin = from_settings(&settings()).unwrap();
        for dims in [64, 1536] {
            let wanted = EmbeddingIdentity { dims, ..identity_of(&*builtin, "any") };
            let embedder = for_identity(&wanted, &settings()).unwrap();
            assert_eq!(embed_query(&*embedder, "a question", &Cancel::new()).unwrap().len(), dims as usize);
        }
    }

    #[test]
    fn other_embedders_are_refused_with_what_to_set() {
        let wanted =
            EmbeddingIdentity { provider: "openai".into(), model: "m-9".into(), ..Default::default() };
        let Err(error) = for_identity(&wanted, &settings()) else { panic!("refused") };
        assert!(error.next_step.contains("m-9") && error.next_step.contains("1536"), "{error:?}");
        let revised = EmbeddingIdentity { model: "m-9, revision b".into(), ..wanted.clone() };
        let Err(error) = for_identity(&revised, &settings()) else { panic!("refused") };
        assert!(error.next_step.contains("model = \"m-9\", revision = \"b\""), "{error:?}");
        let old = EmbeddingIdentity { provider: BUILTIN.into(), model: "lexical-0".into(), ..wanted };
        assert!(for_identity(&old, &settings()).is_err());
    }
}
