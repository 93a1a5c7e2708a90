//! What can go wrong on the way to an embedding server, each with what to do next.

use std::fmt;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EmbedError {
    /// The address cannot be used.
    BadUrl {
        url: String,
        why: String,
    },
    /// A key would cross the network unencrypted.
    KeyOverPlainHttp {
        url: String,
    },
    MissingKey {
        url: String,
    },
    /// The client could not be set up.
    Client {
        message: String,
    },
    /// 400, for a whole batch and not for some of its inputs.
    BadRequest {
        message: String,
    },
    /// 401
    Unauthorized {
        message: String,
    },
    /// 403
    Forbidden {
        message: String,
    },
    /// 404
    NotFound {
        url: String,
        model: String,
        message: String,
    },
    /// 429 because the account has nothing left: waiting does not help.
    QuotaExhausted {
        message: String,
    },
    /// 429 after all attempts, or with a wait longer than anybody should sleep.
    RateLimited {
        attempts: u32,
        retry_after: Option<Duration>,
        message: String,
    },
    /// 5xx after all attempts.
    Server {
        status: u16,
        attempts: u32,
        message: String,
    },
    /// Any other status.
    Unexpected {
        status: u16,
        message: String,
    },
    Timeout {
        attempts: u32,
        after: Duration,
    },
    Connection {
        attempts: u32,
        message: String,
    },
    /// The reply is no embeddings reply, after all attempts.
    Malformed {
        attempts: u32,
        what: String,
    },
    WrongDims {
        expected: usize,
        got: usize,
    },
    /// Stopped on request. Requests in flight were waited for, within bounds.
    Cancelled,
    /// The request could have cost more than is allowed; it was not sent.
    CostLimit {
        message: String,
    },
    /// The request could not be written down and was not sent.
    Ledger {
        message: String,
    },
}

impl EmbedError {
    /// What to do next.
    pub(crate) fn next_step(&self) -> &'static str {
        match self {
            EmbedError::BadUrl { .. } => "set base_url to something like https://api.openai.com/v1",
            EmbedError::KeyOverPlainHttp { .. } => {
                "use https, or a server on this machine, or unset the key; allow_plain_http = true in [embedder] overrides"
            }
            EmbedError::MissingKey { .. } => {
                "set OPENAI_API_KEY in the environment or in .env, or api_key_file in [embedder]"
            }
            EmbedError::Client { .. } => "check the system's certificates and proxy settings",
            EmbedError::BadRequest { .. } => "check model, dims and send_dimensions in [embedder]",
            EmbedError::Unauthorized { .. } => "check OPENAI_API_KEY: the server does not know this key",
            EmbedError::Forbidden { .. } => {
                "the key is known but may not do this: check its project and its permissions"
            }
            EmbedError::NotFound { .. } => "check base_url (it usually ends in /v1) and model in [embedder]",
            EmbedError::QuotaExhausted { .. } => {
                "add credit or raise the limit of the account, then run update again"
            }
            EmbedError::RateLimited { .. } => {
                "run update again later; a smaller EMBEDDING_BATCH_SIZE may help"
            }
            EmbedError::Server { .. } | EmbedError::Unexpected { .. } => {
                "run update again later; what is done is kept"
            }
            EmbedError::Timeout { .. } => {
                "raise timeout_s or lower EMBEDDING_BATCH_SIZE, then run update again"
            }
            EmbedError::Connection { .. } => "check the network and base_url, then run update again",
            EmbedError::Malformed { .. } => "check that base_url is an OpenAI-compatible embeddings server",
            EmbedError::WrongDims { .. } => {
                "set dims in [embedder] to what the model gives; a collection made with other dims needs to be rebuilt"
            }
            EmbedError::Cancelled => "run update again to go on",
            EmbedError::CostLimit { .. } => {
                "raise --max-cost, MAX_EMBEDDING_COST or the limits under [budget], or wait for the next day, then run update again"
            }
            EmbedError::Ledger { .. } => {
                "make the folder of logs writable, or name another one in siltstone.toml"
            }
        }
    }
}

impl fmt::Display for EmbedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EmbedError::BadUrl { url, why } => write!(f, "base_url {url:?} cannot be used: {why}"),
            EmbedError::KeyOverPlainHttp { url } => {
                write!(f, "the API key would be sent unencrypted to {url}")
            }
            EmbedError::MissingKey { url } => write!(f, "{url} needs an API key, and there is none"),
            EmbedError::Client { message } => write!(f, "no HTTPS client could be made: {message}"),
            EmbedError::BadRequest { message } => {
                write!(f, "the server refused the request (400): {message}")
            }
            EmbedError::Unauthorized { message } => {
                write!(f, "the server refused the API key (401): {message}")
            }
            EmbedError::Forbidden { message } => write!(f, "the server forbids this (403): {message}"),
            EmbedError::NotFound { url, model, message } => {
                write!(f, "nothing at {url}, or no model {model:?} (404): {message}")
            }
            EmbedError::QuotaExhausted { message } => {
                write!(f, "the account's quota is used up (429): {message}")
            }
            EmbedError::RateLimited { attempts, retry_after, message } => {
                match attempts {
                    1 => write!(f, "rate-limited (429): {message}")?,
                    _ => write!(f, "still rate-limited after {attempts} attempts (429): {message}")?,
                }
                match retry_after {
                    Some(wait) => write!(f, " (the server asks for {} s)", wait.as_secs()),
                    None => Ok(()),
                }
            }
            EmbedError::Server { status, attempts, message } => {
                write!(f, "the server failed {} ({status}): {message}", times(*attempts))
            }
            EmbedError::Unexpected { status, message } => {
                write!(f, "the server answered with status {status}, which means nothing here: {message}")
            }
            EmbedError::Timeout { attempts, after } => {
                write!(f, "no answer within {} s, {}", after.as_secs_f32(), times(*attempts))
            }
            EmbedError::Connection { attempts, message } => {
                write!(f, "no connection, tried {}: {message}", times(*attempts))
            }
            EmbedError::Malformed { attempts, what } => {
                write!(f, "the server's reply makes no sense, {}: {what}", times(*attempts))
            }
            EmbedError::WrongDims { expected, got } => {
                write!(f, "the server's vectors have {got} dimensions, not {expected}; none was stored")
            }
            EmbedError::Cancelled => f.write_str("stopped on request"),
            EmbedError::CostLimit { message } => write!(f, "the cost limit is reached: {message}"),
            EmbedError::Ledger { message } => write!(f, "the ledger of requests fails: {message}"),
        }
    }
}

fn times(attempts: u32) -> String {
    if attempts == 1 { "once".to_owned() } else { format!("{attempts} times") }
}

impl std::error::Error for EmbedError {}
