//! One request and one reply, which can be given up.
//!
//! A blocking client cannot be interrupted, so each request runs in a thread of its own and the caller waits on a channel.
//! When the caller is cancelled it still waits a little, because the reply in flight is paid for; then it leaves. The
//! thread ends with its time-out, or with the process.

use super::address::Address;
use super::pace::Left;
use super::retry::{Patience, retry_after};
use super::{EmbedError, OpenAiOptions, RequestRecord};
use crate::ingest::cancel::Cancel;
use crate::ingest::embed::Paid;
use crate::ingest::embed::key::{ApiKey, scrub};
use reqwest::blocking::{Client, Response};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use std::error::Error;
use std::io::{self, Read};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

const CONNECT_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// The longest body of an error that is read.
const LONGEST_ERROR: u64 = 64 * 1024;

pub(super) struct Exchange {
    client: Client,
    address: Address,
    key: Option<ApiKey>,
    model: String,
    timeout: Duration,
}

pub(super) struct Answer {
    pub(super) body: Vec<u8>,
    /// What the headers say; the caller fills in the rest.
    pub(super) record: RequestRecord,
    pub(super) left: Left,
}

/// A failed attempt: the error, and what kind of remedy may help.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) error: EmbedError,
    pub(super) remedy: Remedy,
    pub(super) retry_after: Option<Duration>,
    /// It never left this machine.
    pub(super) unsent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    None,
    /// Try again.
    Wait,
    /// Send fewer inputs: one of them may be at fault.
    Split,
    /// Ask for plain numbers instead of base64.
    PlainNumbers,
}

impl Failure {
    pub(super) fn new(error: EmbedError, remedy: Remedy) -> Failure {
        Failure { error, remedy, retry_after: None, unsent: false }
    }

    pub(super) fn cancelled() -> Failure {
        Failure::new(EmbedError::Cancelled, Remedy::None)
    }

    /// Who pays for the attempt. A gateway that fails does not say what became of the request behind it; neither does
    /// a connection that breaks, and an answer that makes no sense was an answer.
    pub(super) fn paid(&self) -> Paid {
        match &self.error {
            _ if self.unsent => Paid::Nothing,
            EmbedError::Server { status: 502 | 504, .. }
            | EmbedError::Timeout { .. }
            | EmbedError::Connection { .. }
            | EmbedError::Malformed { .. }
            | EmbedError::WrongDims { .. }
            | EmbedError::Cancelled => Paid::Unknown,
            _ => Paid::Nothing,
        }
    }

    pub(super) fn is_about_content(&self) -> bool {
        self.remedy == Remedy::Split
    }

    pub(super) fn is_too_slow(&self) -> bool {
        matches!(self.error, EmbedError::Timeout { .. })
    }

    pub(super) fn is_about_encoding(&self) -> bool {
        self.remedy == Remedy::PlainNumbers
    }

    /// The same, with the number of attempts that were made.
    pub(super) fn after(mut self, made: u32) -> Failure {
        match &mut self.error {
            EmbedError::RateLimited { attempts, .. }
            | EmbedError::Server { attempts, .. }
            | EmbedError::Timeout { attempts, .. }
            | EmbedError::Connection { attempts, .. }
            | EmbedError::Malformed { attempts, .. } => *attempts = made,
            _ => {}
        }
        self
    }
}

impl Exchange {
    pub(super) fn new(address: Address, options: &OpenAiOptions) -> Result<Exchange, EmbedError> {
        let (key, model, timeout) = (options.key.clone(), options.model.clone(), options.timeout);
        // Only the first call of a process has an effect; a later one finds the same provider in place.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .user_agent(concat!("siltstone/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_WITHIN.min(timeout))
            .timeout(timeout)
            // A redirect would carry documents, and perhaps the key, to somewhere nobody named.
            .redirect(reqwest::redirect::Policy::none());
        if address.is_loopback {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| EmbedError::Client { message: chain(&error) })?;
        Ok(Exchange { client, address, key, model, timeout })
    }

    /// Sends `body` and reads a reply that may hold `numbers` numbers.
    pub(super) fn post(
        &self,
        body: Vec<u8>,
        numbers: usize,
        cancel: &Cancel,
        patience: &Patience,
    ) -> Result<Answer, Failure> {
        let mut request =
            self.client.post(self.address.url.clone()).header(CONTENT_TYPE, "application/json").body(body);
        if let Some(header) = self.authorization() {
            request = request.header(AUTHORIZATION, header);
        }
        let (sender, receiver) = channel();
        let (key, timeout) = (self.key.clone(), self.timeout);
        let work = move || {
            let begun = Instant::now();
            let result = match request.send() {
                Ok(response) => read(response, numbers, key.as_ref(), begun, timeout),
                Err(error) => Err(transport(&error, timeout)),
            };
            // Nobody listens any more when the caller has given up.
            let _ = sender.send(result);
        };
        let spawned = std::thread::Builder::new().name("embed-request".into()).spawn(work);
        if let Err(error) = spawned {
            let message = format!("no thread for the request: {error}");
            return Err(Failure::new(EmbedError::Client { message }, Remedy::None));
        }
        let mut leave_at: Option<Instant> = None;
        loop {
            match receiver.recv_timeout(LOOK_EVERY) {
                Ok(result) => return result.map_err(|failure| self.placed(failure)),
                Err(RecvTimeoutError::Disconnected) => {
                    let message = "the request's thread ended without an answer".to_owned();
                    return Err(Failure::new(EmbedError::Client { message }, Remedy::None));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if cancel.is_cancelled() {
                let now = Instant::now();
                if now >= *leave_at.get_or_insert(now + patience.grace) {
                    return Err(Failure::cancelled());
                }
            }
        }
    }

    /// Adds what only this end knows.
    fn placed(&self, mut failure: Failure) -> Failure {
        if let EmbedError::NotFound { url, model, .. } = &mut failure.error {
            (*url, *model) = (self.address.url.to_string(), self.model.clone());
        }
        failure
    }

    fn authorization(&self) -> Option<HeaderValue> {
        let key = self.key.as_ref()?;
        let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose())).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

fn read(
    response: Response,
    numbers: usize,
    key: Option<&ApiKey>,
    begun: Instant,
    timeout: Duration,
) -> Result<Answer, Failure> {
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let is_good = response.status().is_success();
    // A number in decimal takes up to 25 characters; the rest is for whatever else a server says.
    let limit = if is_good { 1024 * 1024 + numbers as u64 * 32 } else { LONGEST_ERROR };
    let mut body = Vec::new();
    let outcome = read_body(response.take(limit + 1), &mut body, begun + timeout);
    if !is_good {
        return Err(refusal(status, &headers, &body, key));
    }
    outcome.map_err(|error| {
        if error.kind() == io::ErrorKind::TimedOut {
            return Failure::new(EmbedError::Timeout { attempts: 1, after: timeout }, Remedy::Wait);
        }
        match error.get_ref().and_then(|inner| inner.downcast_ref::<reqwest::Error>()) {
            Some(inner) => transport(inner, timeout),
            None => malformed(format!("the reply broke off: {error}")),
        }
    })?;
    if body.len() as u64 > limit {
        return Err(malformed(format!("the reply is longer than {limit} bytes")));
    }
    let left = Left::read(&headers);
    let request_id = headers.get("x-request-id").and_then(|id| id.to_str().ok()).map(|id| scrub(id, key));
    let record = RequestRecord {
        request_id,
        inputs: 0,
        tokens: 0,
        attempts: 0,
        took: Duration::ZERO,
        remaining_requests: left.requests,
        remaining_tokens: left.tokens,
    };
    Ok(Answer { body, record, left })
}

/// Reads until the end or the deadline. The client's own time-out is for each read: a server that sends a byte now and then
/// would never meet it.
fn read_body(mut reader: impl Read, body: &mut Vec<u8>, deadline: Instant) -> io::Result<()> {
    let mut part = vec![0; 64 * 1024];
    loop {
        let length = match reader.read(&mut part) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            length => length?,
        };
        if length == 0 {
            return Ok(());
        }
        body.extend(part.iter().take(length));
        if Instant::now() > deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

pub(super) fn malformed(what: String) -> Failure {
    Failure::new(EmbedError::Malformed { attempts: 1, what }, Remedy::Wait)
}

/// No reply at all, or one that stopped half-way.
fn transport(error: &reqwest::Error, timeout: Duration) -> Failure {
    let unsent = error.is_connect();
    let error = if error.is_timeout() && !unsent {
        EmbedError::Timeout { attempts: 1, after: timeout }
    } else {
        EmbedError::Connection { attempts: 1, message: chain(error) }
    };
    Failure { unsent, ..Failure::new(error, Remedy::Wait) }
}

/// An error and its causes. The address is left out: the caller knows it.
fn chain(error: &reqwest::Error) -> String {
    let mut message = String::new();
    let mut cause: Option<&dyn Error> = error.source();
    while let Some(one) = cause {
        let text = one.to_string();
        if !message.contains(&text) {
            message.push_str(if message.is_empty() { "" } else { ": " });
            message.push_str(&text);
        }
        cause = one.source();
    }
    if message.is_empty() { "the request could not be sent".to_owned() } else { message }
}

fn refusal(status: u16, headers: &HeaderMap, body: &[u8], key: Option<&ApiKey>) -> Failure {
    let said = Said::read(body);
    let message = scrub(&said.message, key);
    let message = if message.is_empty() { "no reason given".to_owned() } else { message };
    let retry_after = retry_after(headers);
    let names = |word: &str| said.param == word || said.message.contains(word);
    let (error, remedy) = match status {
        400 if names("encoding_format") => (EmbedError::BadRequest { message }, Remedy::PlainNumbers),
        400 if matches!(&*said.param, "model" | "dimensions") || said.code == "model_not_found" => {
            (EmbedError::BadRequest { message }, Remedy::None)
        }
        400 | 413 | 422 => (EmbedError::BadRequest { message }, Remedy::Split),
        401 => (EmbedError::Unauthorized { message }, Remedy::None),
        403 => (EmbedError::Forbidden { message }, Remedy::None),
        404 => (EmbedError::NotFound { url: String::new(), model: String::new(), message }, Remedy::None),
        429 if said.code == "insufficient_quota" => (EmbedError::QuotaExhausted { message }, Remedy::None),
        429 => (EmbedError::RateLimited { attempts: 1, retry_after, message }, Remedy::Wait),
        408 | 500..=599 => (EmbedError::Server { status, attempts: 1, message }, Remedy::Wait),
        _ => (EmbedError::Unexpected { status, message }, Remedy::None),
    };
    Failure { retry_after, ..Failure::new(error, remedy) }
}

/// What an error body says: OpenAI's shape, or any text.
#[derive(Default)]
struct Said {
    message: String,
    code: String,
    param: String,
}

impl Said {
    fn read(body: &[u8]) -> Said {
        let text = String::from_utf8_lossy(body);
        let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) else {
            return Said { message: text.into_owned(), ..Said::default() };
        };
        let error = value.get("error").unwrap_or(&value);
        let field =
            |name: &str| error.get(name).and_then(|field| field.as_str()).unwrap_or_default().to_owned();
        let message = match (field("message"), error.as_str()) {
            (message, _) if !message.is_empty() => message,
            (_, Some(message)) => message.to_owned(),
            _ => text.into_owned(),
        };
        Said { message, code: field("code"), param: field("param") }
    }
}
