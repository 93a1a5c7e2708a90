//! A server that speaks as much of the OpenAI embeddings API as `update` needs, gives the same vector for the same text,
//! and counts.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

const DIMS: usize = 64;

pub struct Server {
    pub url: String,
    seen: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Server {
    /// Serves until the process ends.
    pub fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let seen: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = Arc::clone(&shared);
                // A client that is killed leaves a broken connection, which ends its thread and nothing else.
                std::thread::spawn(move || while serve(&stream, &seen).is_some() {});
            }
        });
        Server { url, seen }
    }

    /// How many texts were embedded, and how many different ones.
    pub fn counts(&self) -> (usize, usize) {
        let seen = self.seen.lock().unwrap();
        (seen.values().sum(), seen.len())
    }
}

fn serve(stream: &TcpStream, seen: &Mutex<BTreeMap<String, usize>>) -> Option<()> {
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
    let request: Value = serde_json::from_slice(&body).ok()?;
    let inputs: Vec<&str> = match &request["input"] {
        Value::Array(inputs) => inputs.iter().filter_map(Value::as_str).collect(),
        Value::String(input) => vec![input],
        _ => return None,
    };
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, input)| json!({ "object": "embedding", "index": index, "embedding": vector(input) }))
        .collect();
    let usage = json!({ "prompt_tokens": inputs.len(), "total_tokens": inputs.len() });
    let reply = json!({ "object": "list", "model": "scripted", "data": data, "usage": usage }).to_string();
    {
        let mut seen = seen.lock().unwrap();
        inputs.iter().for_each(|input| *seen.entry((*input).to_owned()).or_default() += 1);
    }
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        reply.len()
    );
    let mut stream = stream;
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(reply.as_bytes()).ok()
}

/// A unit vector that depends on the text alone.
fn vector(text: &str) -> Vec<f32> {
    let mut reader = blake3::Hasher::new().update(text.as_bytes()).finalize_xof();
    let mut bytes = [0; DIMS];
    reader.fill(&mut bytes);
    let vector: Vec<f32> = bytes.iter().map(|byte| f32::from(*byte) - 127.5).collect();
    let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.into_iter().map(|x| x / norm).collect()
}
