//! Keeping to the pace that a server or the configuration asks for, so that requests are not refused in the first place.
//!
//! Caps are kept by spacing: each request takes its share of a minute before the next may go. What the server says in
//! its headers holds for all requests in flight: when nothing is left, all wait until it says that there is again.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;

use crate::ingest::cancel::Cancel;

/// A server that asks for more than this is tried anyway: it will say 429 if it means it.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What the server says is left, and when there is more again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) requests: Option<u64>,
    pub(super) tokens: Option<u64>,
    more_requests_in: Option<Duration>,
    more_tokens_in: Option<Duration>,
}

impl Left {
    pub(super) fn read(headers: &HeaderMap) -> Left {
        let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
        let number = |name: &str| text(name)?.parse().ok();
        let time = |name: &str| text(name).and_then(duration);
        Left {
            requests: number("x-ratelimit-remaining-requests"),
            tokens: number("x-ratelimit-remaining-tokens"),
            more_requests_in: time("x-ratelimit-reset-requests"),
            more_tokens_in: time("x-ratelimit-reset-tokens"),
        }
    }

    /// How long a request of so many tokens has to wait.
    fn pause(&self, tokens: u64) -> Option<Duration> {
        let requests = self.more_requests_in.filter(|_| self.requests == Some(0));
        let tokens = self.more_tokens_in.filter(|_| self.tokens.is_some_and(|left| left < tokens));
        requests.max(tokens).map(|pause| pause.min(LONGEST_PAUSE))
    }
}

/// `1s`, `6m0s`, `20ms`, `1h2m3.5s`.
fn duration(text: &str) -> Option<Duration> {
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(letters)?;
        total += number.parse::<f64>().ok()?
            * match unit {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3_600.0,
                _ => return None,
            };
        rest = after;
    }
    Duration::try_from_secs_f64(total).ok().filter(|_| !text.is_empty())
}

/// The pace of all requests of one client.
#[derive(Debug)]
pub(super) struct Pacer {
    requests_per_minute: Option<f64>,
    tokens_per_minute: Option<f64>,
    /// When the next request may go.
    next: Mutex<Option<Instant>>,
}

impl Pacer {
    pub(super) fn new(requests_per_minute: Option<f64>, tokens_per_minute: Option<f64>) -> Pacer {
        Pacer { requests_per_minute, tokens_per_minute, next: Mutex::new(None) }
    }

    /// Waits for this request's turn. Says whether it came before the client was cancelled.
    pub(super) fn wait(&self, tokens: u64, cancel: &Cancel) -> bool {
        let now = Instant::now();
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = next.map_or(now, |next| next.max(now));
            *next = Some(turn + self.share(tokens));
            turn
        };
        cancel.sleep(turn.saturating_duration_since(now))
    }

    /// The part of a minute that one request takes.
    fn share(&self, tokens: u64) -> Duration {
        let requests = self.requests_per_minute.map_or(0.0, |most| 60.0 / most);
        let tokens = self.tokens_per_minute.map_or(0.0, |most| tokens as f64 * 60.0 / most);
        Duration::try_from_secs_f64(requests.max(tokens)).unwrap_or_default()
    }

    /// Takes what the server said into account; the next request is thought to be as large as this one.
    pub(super) fn heard(&self, left: &Left, tokens: u64) {
        if let Some(pause) = left.pause(tokens) {
            self.hold(pause);
        }
    }

    /// Nobody sends anything for a while.
    pub(super) fn hold(&self, pause: Duration) {
        let until = Instant::now() + pause.min(LONGEST_PAUSE);
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = Some(next.map_or(until, |next| next.max(until)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn left(pairs: &[(&'static str, &'static str)]) -> Left {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        Left::read(&headers)
    }

    #[test]
    fn times_are_read_as_the_server_writes_them() {
        for (text, ms) in [("1s", 1_000), ("6m0s", 360_000), ("20ms", 20), ("1h2m3.5s", 3_723_500)] {
            assert_eq!(duration(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "5", "5 s", "1d", "-1s", "1s2"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_left_decides_how_long_to_wait() {
        let requests = ("x-ratelimit-remaining-requests", "0");
        let again = ("x-ratelimit-reset-requests", "2s");
        assert_eq!(left(&[requests, again]).pause(1), Some(Duration::from_secs(2)));
        assert_eq!(left(&[requests]).pause(1), None);
        assert_eq!(left(&[("x-ratelimit-remaining-requests", "1"), again]).pause(1), None);
        let tokens = left(&[("x-ratelimit-remaining-tokens", "99"), ("x-ratelimit-reset-tokens", "9h")]);
        assert_eq!((tokens.pause(99), tokens.pause(100)), (None, Some(LONGEST_PAUSE)));
    }

    #[test]
    fn requests_keep_their_distance_on_all_threads() {
        let pacer = Pacer::new(Some(1_200.0), None);
        let started = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..3).for_each(|_| assert!(pacer.wait(1, &Cancel::new()))));
            }
        });
        // Twelve requests, fifty milliseconds apart.
        assert!(started.elapsed() >= Duration::from_millis(550), "{:?}", started.elapsed());
    }

    #[test]
    fn tokens_take_their_share_and_a_pause_holds_everybody() {
        let pacer = Pacer::new(None, Some(60_000.0));
        assert_eq!(pacer.share(1_000), Duration::from_secs(1));
        pacer.hold(Duration::from_millis(80));
        let started = Instant::now();
        assert!(pacer.wait(1, &Cancel::new()));
        assert!(started.elapsed() >= Duration::from_millis(75));
        let cancel = Cancel::new();
        cancel.cancel();
        pacer.hold(Duration::from_secs(30));
        assert!(!pacer.wait(1, &cancel));
    }
}
