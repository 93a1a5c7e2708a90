//! `--probe N`: would the embedder make the same vectors today? A provider may change a model behind its name; nothing in
//! the store can tell, so a few stored texts are embedded again and compared.

use siltstone::{Collection, Row, View};

use super::findings::Findings;
use super::kind::{PROBE_DIFFERS, Part};
use super::privacy::Names;
use crate::command::context::Context;
use crate::command::embedder;
use crate::exit::{CliError, Exit};
use crate::ingest::embed::{Embedder, Outcome};
use crate::ingest::price::cost_usd;

/// Vectors of the same text are at least so close. Servers round differently from call to call, in the sixth digit.
const SAME: f64 = 0.999;

/// How many texts to embed again, and for how much.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    pub(super) samples: u64,
    pub(super) max_cost_usd: Option<f64>,
}

/// A stored text, whole, with its vector.
struct Sample {
    key: String,
    text: String,
    vector: Vec<f32>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Probed {
    /// Texts that were embedded again and compared.
    pub(super) compared: u64,
    /// Why others were not: whoever asked for a probe and gets none is told by the exit code too.
    pub(super) troubles: Vec<CliError>,
}

/// Probes rows that are spread evenly over the collections.
pub(super) fn probe(
    context: &Context,
    names: &Names,
    collections: &[Collection],
    probe: Probe,
    findings: &mut Findings,
) -> Result<Probed, CliError> {
    let mut probed = Probed::default();
    let mut left_usd = probe.max_cost_usd;
    let each = probe.samples.div_ceil(collections.len().max(1) as u64);
    for collection in collections {
        context.check_cancelled()?;
        let wanted = each.min(probe.samples - probed.compared);
        let name = names.collection(collection.name());
        let view = collection.view_with(siltstone::OnDamage::Skip)?;
        let samples = samples(&view, wanted)?;
        if samples.is_empty() {
            if wanted > 0 && !view.is_empty() {
                let reason = "no passage of it is stored with the very text that was embedded";
                findings.skip(Part::Integrity, format!("{name}: not probed: {reason}"));
            }
            continue;
        }
        match embed(context, &view, &samples, &mut left_usd) {
            Ok(vectors) => {
                probed.compared += vectors.len() as u64;
                for (sample, vector) in samples.iter().zip(&vectors) {
                    let similarity = cosine(&sample.vector, vector);
                    if similarity < SAME {
                        let key = names.document(&sample.key);
                        let example = format!("{name}: {key}: similarity {similarity:.4} with itself");
                        findings.add(&PROBE_DIFFERS, Some(collection.name()), 1, [example]);
                    }
                }
            }
            Err(error) => {
                let reason = names.sentence(&format!("{}; {}", error.message, error.next_step));
                findings.skip(Part::Integrity, format!("{name}: not probed: {reason}"));
                probed.troubles.push(error);
            }
        }
    }
    Ok(probed)
}

/// Rows spread over a view whose very text is known.
fn samples(view: &View, wanted: u64) -> Result<Vec<Sample>, CliError> {
    let mut samples = Vec::new();
    let step = (view.len() / wanted.max(1)).max(1);
    for row in view.vectors().step_by(step as usize) {
        if samples.len() as u64 == wanted {
            break;
        }
        let key = match row {
            Ok(row) => row.key,
            Err(error) if error.is_damage() => continue,
            Err(error) => return Err(error.into()),
        };
        match view.get(key) {
            Ok(Some(row)) => samples.extend(sample(row)),
            Ok(None) => {}
            Err(error) if error.is_damage() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(samples)
}

/// The text as it was embedded, heading and all, if the row's digest says that it is.
fn sample(row: Row<'_>) -> Option<Sample> {
    let field = |name: &str| row.metadata.get(name).and_then(serde_json::Value::as_str);
    let text = match field("heading").filter(|heading| !heading.is_empty()) {
        Some(heading) => format!("{heading}\n\n{}", row.text),
        None => row.text.clone(),
    };
    let is_whole = field("chunk_hash") == Some(blake3::hash(text.as_bytes()).to_hex().as_str());
    is_whole.then(|| Sample { key: row.key.to_owned(), text, vector: row.vector.to_vec() })
}

/// The vectors of the samples today, within the money that is left.
fn embed(
    context: &Context,
    view: &View,
    samples: &[Sample],
    left_usd: &mut Option<f64>,
) -> Result<Vec<Vec<f32>>, CliError> {
    let settings = &context.settings.embedder;
    let embedder: Box<dyn Embedder> = embedder::for_identity(view.identity(), settings)?;
    let texts: Vec<String> = samples.iter().map(|sample| sample.text.clone()).collect();
    if embedder.identity().provider != "builtin" {
        pay(context, &texts, left_usd)?;
    }
    let reply = embedder.embed(&texts, &context.cancel);
    if let Some(error) = reply.stopped {
        return Err(error.into());
    }
    let vectors = reply.outcomes.into_iter().map(|outcome| match outcome {
        Outcome::Vector(vector) => Ok(vector),
        Outcome::Refused(reason) => Err(CliError::failed(reason, "look at the server's log")),
        Outcome::NotTried => Err(CliError::interrupted()),
    });
    vectors.collect()
}

/// Takes the estimated cost from what is left; refuses what is more.
fn pay(context: &Context, texts: &[String], left_usd: &mut Option<f64>) -> Result<(), CliError> {
    let settings = &context.settings.embedder;
    let Some(price) = settings.usd_per_million_tokens else {
        let next_step =
            "set usd_per_million_tokens under [embedder] in siltstone.toml; 0 for a server of your own";
        let message = format!("what {} costs is not known", settings.model);
        return Err(CliError::new(Exit::CostLimit, message, next_step));
    };
    let cost = cost_usd(texts.iter().map(|text| settings.counter().count(text) as u64).sum(), price);
    let left = left_usd.unwrap_or(0.0);
    if cost > left {
        let message = format!("it would cost about ${cost:.6}, and ${left:.6} may be paid");
        return Err(CliError::new(Exit::CostLimit, message, "say how much may be paid with --max-cost USD"));
    }
    *left_usd = left_usd.map(|left| left - cost);
    Ok(())
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    let norms = (dot(a, a) * dot(b, b)).sqrt();
    if a.len() == b.len() && norms > 0.0 { dot(a, b) / norms } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likeness_is_one_only_for_the_same_direction() {
        assert_eq!(cosine(&[3.0, 4.0], &[6.0, 8.0]), 1.0);
        assert!(cosine(&[1.0, 0.0], &[0.0, 1.0]) < SAME);
        assert_eq!(cosine(&[0.0], &[1.0]), 0.0);
        assert_eq!(cosine(&[1.0], &[1.0, 0.0]), 0.0);
    }
}
