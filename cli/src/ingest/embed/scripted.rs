//! An embedding server that does what a script says: right answers and every kind of wrong one. For tests.

use super::{Embedder, Outcome};
use crate::ingest::cancel::Cancel;
use base64::Engine;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the server does with one request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// A right answer, in the encoding that was asked for.
    Good,
    /// A right answer in plain numbers, whatever was asked for.
    Numbers,
    /// Right, but last first.
    Reversed,
    /// Right, in a body of unknown length.
    Chunked,
    Status(u16, &'static str, Vec<(&'static str, String)>),
    /// Never answers.
    Hang,
    /// Closes the connection without a word.
    HangUp,
    /// Stops in the middle of the body.
    Truncated,
    Garbage,
    /// A reply that never ends.
    Endless,
    WrongDims(usize),
    WrongCount,
    SameIndex,
    NoIndex,
    Nan,
    Zero,
    /// Not of unit length.
    Long,
}

pub(crate) struct Scripted {
    pub(crate) base_url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    script: VecDeque<Act>,
    /// Inputs with this word in them are refused with 400.
    poison: Option<&'static str>,
    dims: usize,
    seen: Vec<Seen>,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) headers: String,
    pub(crate) body: Value,
}

impl Seen {
    pub(crate) fn inputs(&self) -> usize {
        self.body["input"].as_array().unwrap().len()
    }
}

impl Scripted {
    /// A server on a free port of this machine. After the script it answers well for ever.
    pub(crate) fn start(dims: usize, script: impl IntoIterator<Item = Act>) -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let state = State { script: script.into_iter().collect(), dims, ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Scripted { base_url, state }
    }

    pub(crate) fn poison(&self, word: &'static str) {
        self.state.lock().unwrap().poison = Some(word);
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }
}

/// The vector that the server gives for a text.
pub(crate) fn vector_for(text: &str, dims: usize) -> Vec<f32> {
    let reply = super::Builtin::new(dims).embed(&[text.to_owned()], &Cancel::new());
    match reply.outcomes.into_iter().next() {
        Some(Outcome::Vector(vector)) => vector,
        other => panic!("{other:?}"),
    }
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut headers, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        headers.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body: Value = serde_json::from_slice(&body).ok()?;
    let (act, dims, poison) = {
        let mut state = state.lock().unwrap();
        state.seen.push(Seen { headers, body: body.clone() });
        (state.script.pop_front().unwrap_or(Act::Good), state.dims, state.poison)
    };
    let inputs: Vec<String> = serde_json::from_value(body["input"].clone()).ok()?;
    let plain = body["encoding_format"] == "float";
    if poison.is_some_and(|word| inputs.iter().any(|input| input.contains(word))) {
        return answer(&mut stream, 400, &[], r#"{"error":{"message":"bad input","param":"input"}}"#);
    }
    match act {
        Act::Hang => std::thread::sleep(Duration::from_secs(60)),
        Act::HangUp => {}
        Act::Status(status, said, headers) => return answer(&mut stream, status, &headers, said),
        Act::Garbage => return answer(&mut stream, 200, &[], "{\"data\": [oh no"),
        Act::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").ok()?;
            while stream.write_all(&[b' '; 4096]).is_ok() {}
        }
        act => {
            let text = good(&act, &inputs, dims, plain || matches!(act, Act::Numbers)).to_string();
            match act {
                Act::Chunked => return chunked(&mut stream, &text),
                Act::Truncated => {
                    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", text.len());
                    stream.write_all(head.as_bytes()).ok()?;
                    stream.write_all(&text.as_bytes()[..text.len() / 2]).ok()?;
                }
                _ => {
                    let headers = [
                        ("x-request-id", "req-7".to_owned()),
                        ("x-ratelimit-remaining-tokens", "99".to_owned()),
                    ];
                    return answer(&mut stream, 200, &headers, &text);
                }
            }
        }
    }
    None
}

fn good(act: &Act, inputs: &[String], dims: usize, plain: bool) -> Value {
    let mut data: Vec<Value> = Vec::new();
    for (index, input) in inputs.iter().enumerate() {
        let mut vector = vector_for(input, if let Act::WrongDims(dims) = act { *dims } else { dims });
        match act {
            Act::Nan if index == 0 => vector[0] = f32::NAN,
            Act::Zero if index == 0 => vector.fill(0.0),
            Act::Long => vector.iter_mut().for_each(|x| *x *= 3.0),
            _ => {}
        }
        let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
        let embedding = if plain {
            json!(vector)
        } else {
            json!(base64::engine::general_purpose::STANDARD.encode(bytes))
        };
        let index = if matches!(act, Act::SameIndex) { 0 } else { index };
        let mut entry = json!({"object": "embedding", "index": index, "embedding": embedding});
        if matches!(act, Act::NoIndex) {
            entry.as_object_mut().unwrap().remove("index");
        }
        data.push(entry);
    }
    match act {
        Act::Reversed => data.reverse(),
        Act::WrongCount => drop(data.pop()),
        _ => {}
    }
    json!({"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 5, "total_tokens": 5}})
}

fn answer(stream: &mut TcpStream, status: u16, headers: &[(&str, String)], body: &str) -> Option<()> {
    let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).ok()
}

fn chunked(stream: &mut TcpStream, body: &str) -> Option<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n").ok()?;
    for part in body.as_bytes().chunks(100) {
        stream.write_all(format!("{:x}\r\n", part.len()).as_bytes()).ok()?;
        stream.write_all(part).ok()?;
        stream.write_all(b"\r\n").ok()?;
    }
    stream.write_all(b"0\r\n\r\n").ok()
}
