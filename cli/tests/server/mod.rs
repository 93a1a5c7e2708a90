//! A server that speaks as much of the OpenAI embeddings API as `update` needs, gives the same vector for the same text by
//! the same model, and counts. It can be told to do wrong first.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use serde_json::{Value, json};

const DIMS: usize = 64;

/// What the server does with one request instead of answering it well.
#[allow(dead_code)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Act {
    Status(u16, &'static str),
    /// 429, with the seconds to wait.
    Later(&'static str),
    Hang,
    /// Closes the connection without a word.
    Cut,
    TruncatedJson,
    WrongCount,
    /// Right, but last first.
    Shuffled,
    SameIndex,
    WrongDims,
    /// The first vector is no vector.
    Nan,
    Zero,
    /// Right, after this many milliseconds.
    Slow(u64),
    /// Right, but a byte now and then: all of it takes this many milliseconds.
    Drip(u64),
    /// The same answer twice, one after the other.
    Twice,
}

/// How long the server takes, and how many requests it works on at once; others wait for their turn.
#[allow(dead_code)]
#[derive(Clone, Debug)]
pub struct Shape {
    pub fixed_ms: u64,
    pub per_input_us: u64,
    pub lanes: usize,
}

/// Requests that are being worked on.
#[derive(Default)]
struct Lanes {
    shape: Mutex<Option<Shape>>,
    busy: Mutex<usize>,
    freed: Condvar,
}

impl Lanes {
    /// Works for as long as a request of so many inputs takes.
    fn work(&self, inputs: usize) {
        let Some(shape) = self.shape.lock().unwrap().clone() else { return };
        let waited = self.freed.wait_while(self.busy.lock().unwrap(), |busy| *busy >= shape.lanes);
        *waited.unwrap() += 1;
        let us = shape.fixed_ms * 1_000 + shape.per_input_us * inputs as u64;
        std::thread::sleep(std::time::Duration::from_micros(us));
        *self.busy.lock().unwrap() -= 1;
        self.freed.notify_one();
    }
}

pub struct Server {
    pub url: String,
    lanes: Arc<Lanes>,
    seen: Arc<Mutex<BTreeMap<String, usize>>>,
    script: Arc<Mutex<VecDeque<Act>>>,
    /// Tokens that an input is counted as.
    tokens: Arc<AtomicUsize>,
}

impl Server {
    /// Serves until the process ends.
    pub fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let seen: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
        let script: Arc<Mutex<VecDeque<Act>>> = Arc::default();
        let tokens = Arc::new(AtomicUsize::new(1));
        let lanes: Arc<Lanes> = Arc::default();
        let shared = (Arc::clone(&seen), Arc::clone(&script), Arc::clone(&tokens), Arc::clone(&lanes));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, script, tokens, lanes) = shared.clone();
                // A client that is killed leaves a broken connection, which ends its thread and nothing else.
                std::thread::spawn(
                    move || while serve(&stream, &seen, &script, &tokens, &lanes).is_some() {},
                );
            }
        });
        Server { url, lanes, seen, script, tokens }
    }

    /// From now on it takes its time.
    #[allow(dead_code)]
    pub fn shaped(&self, shape: Shape) {
        *self.lanes.shape.lock().unwrap() = Some(shape);
    }

    /// What it does with the next requests; afterwards it answers well again.
    #[allow(dead_code)]
    pub fn then(&self, acts: impl IntoIterator<Item = Act>) {
        self.script.lock().unwrap().extend(acts);
    }

    /// How many tokens each input is counted as from now on.
    #[allow(dead_code)]
    pub fn counts_as(&self, tokens: usize) {
        self.tokens.store(tokens, Ordering::SeqCst);
    }

    /// How many texts were embedded, and how many different ones.
    pub fn counts(&self) -> (usize, usize) {
        let seen = self.seen.lock().unwrap();
        (seen.values().sum(), seen.len())
    }
}

/// The bytes of a request's body, and what they say.
pub(crate) fn request(stream: &TcpStream) -> Option<(Vec<u8>, Value)> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let request = serde_json::from_slice(&body).ok()?;
    Some((body, request))
}

fn serve(
    stream: &TcpStream,
    seen: &Mutex<BTreeMap<String, usize>>,
    script: &Mutex<VecDeque<Act>>,
    tokens: &AtomicUsize,
    lanes: &Lanes,
) -> Option<()> {
    let (_, request) = request(stream)?;
    let inputs: Vec<&str> = match &request["input"] {
        Value::Array(inputs) => inputs.iter().filter_map(Value::as_str).collect(),
        Value::String(input) => vec![input],
        _ => return None,
    };
    let model = request["model"].as_str().unwrap_or_default();
    lanes.work(inputs.len());
    let mut stream = stream;
    let act = script.lock().unwrap().pop_front();
    match act {
        Some(Act::Hang) => {
            std::thread::sleep(std::time::Duration::from_secs(120));
            return None;
        }
        Some(Act::Cut) => {
            stream.shutdown(std::net::Shutdown::Both).ok()?;
            return None;
        }
        Some(Act::Status(status, body)) => return answer(&mut stream, status, "", body),
        Some(Act::Later(seconds)) => {
            return answer(&mut stream, 429, &format!("Retry-After: {seconds}\r\n"), "{}");
        }
        Some(Act::Slow(ms)) => std::thread::sleep(std::time::Duration::from_millis(ms)),
        _ => {}
    }
    let mut data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, input)| json!({ "object": "embedding", "index": index, "embedding": vector(model, input) }))
        .collect();
    let first = |value: f32| {
        let mut wrong = vec![value; DIMS];
        wrong.truncate(if act == Some(Act::WrongDims) { 3 } else { DIMS });
        let bytes: Vec<u8> = wrong.iter().flat_map(|x| x.to_le_bytes()).collect();
        json!(base64(&bytes))
    };
    match act {
        Some(Act::WrongCount) => drop(data.pop()),
        Some(Act::Shuffled) => data.reverse(),
        Some(Act::SameIndex) => data.iter_mut().for_each(|entry| entry["index"] = json!(0)),
        Some(Act::WrongDims) => data[0]["embedding"] = first(1.0),
        Some(Act::Nan) => data[0]["embedding"] = first(f32::NAN),
        Some(Act::Zero) => data[0]["embedding"] = first(0.0),
        _ => {}
    }
    let tokens = inputs.len() * tokens.load(Ordering::SeqCst);
    let usage = json!({ "prompt_tokens": tokens, "total_tokens": tokens });
    let reply = json!({ "object": "list", "model": "scripted", "data": data, "usage": usage }).to_string();
    if act == Some(Act::TruncatedJson) {
        return answer(&mut stream, 200, "", &reply[..reply.len() / 2]);
    }
    {
        let mut seen = seen.lock().unwrap();
        inputs.iter().for_each(|input| *seen.entry((*input).to_owned()).or_default() += 1);
    }
    let headers = "x-request-id: req-1\r\n";
    match act {
        Some(Act::Twice) => {
            let mut both = Vec::new();
            answer(&mut both, 200, headers, &reply)?;
            answer(&mut both, 200, headers, &reply)?;
            stream.write_all(&both).ok()
        }
        Some(Act::Drip(ms)) => {
            let mut whole = Vec::new();
            answer(&mut whole, 200, headers, &reply)?;
            let pause = std::time::Duration::from_millis(ms / 40);
            for part in whole.chunks(whole.len().div_ceil(40)) {
                stream.write_all(part).ok()?;
                std::thread::sleep(pause);
            }
            Some(())
        }
        _ => answer(&mut stream, 200, headers, &reply),
    }
}

fn answer(stream: &mut impl Write, status: u16, headers: &str, body: &str) -> Option<()> {
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body.as_bytes()).ok()
}

/// With the alphabet of RFC 4648; the length of what is encoded here is a multiple of three or padded.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let number = (0..3).fold(0u32, |number, at| number << 8 | u32::from(*group.get(at).unwrap_or(&0)));
        for place in 0..4 {
            let sextet = (number >> (18 - 6 * place)) as usize & 63;
            out.push(if place <= group.len() { char::from(ALPHABET[sextet]) } else { '=' });
        }
    }
    out
}

/// A unit vector that depends on model and text alone.
fn vector(model: &str, text: &str) -> Vec<f32> {
    let mut hasher = blake3::Hasher::new();
    let mut reader = hasher.update(model.as_bytes()).update(b"\0").update(text.as_bytes()).finalize_xof();
    let mut bytes = [0; DIMS];
    reader.fill(&mut bytes);
    let vector: Vec<f32> = bytes.iter().map(|byte| f32::from(*byte) - 127.5).collect();
    let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.into_iter().map(|x| x / norm).collect()
}
