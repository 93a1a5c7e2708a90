//! What is sent and what comes back, and every check between a server's reply and a vector.

use super::exchange::{Failure, Remedy, malformed};
use super::{EmbedError, OpenAiOptions, Outcome};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: &'a [&'a str],
    encoding_format: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<usize>,
}

pub(super) fn request_body(options: &OpenAiOptions, batch: &[&str], plain_numbers: bool) -> Vec<u8> {
    let body = Body {
        model: &options.model,
        input: batch,
        encoding_format: if plain_numbers { "float" } else { "base64" },
        dimensions: options.send_dimensions.then_some(options.dims),
    };
    // Strings and numbers always serialise; an empty body would be refused by the server, and reported.
    serde_json::to_vec(&body).unwrap_or_default()
}

#[derive(Deserialize)]
struct Reply {
    data: Vec<Entry>,
    #[serde(default)]
    usage: Usage,
}

#[derive(Deserialize)]
struct Entry {
    index: Option<usize>,
    embedding: Embedding,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Embedding {
    Base64(String),
    Numbers(Vec<f32>),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Usage {
    total_tokens: Option<u64>,
    prompt_tokens: Option<u64>,
}

/// The outcomes of a request, in the order of its inputs.
#[derive(Debug)]
pub(super) struct Vectors {
    pub(super) outcomes: Vec<Outcome>,
    pub(super) tokens: u64,
}

pub(super) fn vectors(body: &[u8], inputs: usize, dims: usize) -> Result<Vectors, Failure> {
    let reply: Reply = serde_json::from_slice(body).map_err(|error| malformed(error.to_string()))?;
    if reply.data.len() != inputs {
        return Err(malformed(format!("{} vectors for {inputs} inputs", reply.data.len())));
    }
    let mut outcomes = vec![Outcome::NotTried; inputs];
    for (at, entry) in reply.data.into_iter().enumerate() {
        // Order is by index; a server that gives none means the order of the inputs.
        let index = entry.index.unwrap_or(at);
        match outcomes.get_mut(index) {
            None => return Err(malformed(format!("index {index} among {inputs} inputs"))),
            Some(Outcome::NotTried) => {}
            Some(_) => return Err(malformed(format!("index {index} twice"))),
        }
        let outcome = checked(entry.embedding.numbers()?, dims)?;
        if let Some(slot) = outcomes.get_mut(index) {
            *slot = outcome;
        }
    }
    let tokens = reply.usage.total_tokens.or(reply.usage.prompt_tokens).unwrap_or(0);
    Ok(Vectors { outcomes, tokens })
}

impl Embedding {
    fn numbers(self) -> Result<Vec<f32>, Failure> {
        match self {
            Embedding::Numbers(numbers) => Ok(numbers),
            Embedding::Base64(text) => {
                let bytes = STANDARD.decode(text).map_err(|error| malformed(format!("base64: {error}")))?;
                let (numbers, rest) = bytes.as_chunks::<4>();
                if !rest.is_empty() {
                    return Err(malformed(format!(
                        "{} bytes of base64 are no whole float32 numbers",
                        bytes.len()
                    )));
                }
                Ok(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
            }
        }
    }
}

/// A vector fit for the store, of unit length, or why there is none.
fn checked(mut vector: Vec<f32>, dims: usize) -> Result<Outcome, Failure> {
    if vector.len() != dims {
        return Err(Failure::new(EmbedError::WrongDims { expected: dims, got: vector.len() }, Remedy::None));
    }
    if let Some(at) = vector.iter().position(|number| !number.is_finite()) {
        return Ok(Outcome::Refused(format!("the server's vector holds no finite number at dimension {at}")));
    }
    let norm = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
    if norm < f64::from(f32::MIN_POSITIVE) {
        return Ok(Outcome::Refused("the server's vector is zero".into()));
    }
    // One that has unit length already is kept bit for bit.
    if (norm - 1.0).abs() > 1e-5 {
        vector.iter_mut().for_each(|x| *x = (f64::from(*x) / norm) as f32);
    }
    Ok(Outcome::Vector(vector))
}
