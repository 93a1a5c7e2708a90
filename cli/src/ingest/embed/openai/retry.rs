//! How long to wait before trying again, and when to stop trying.

use super::EmbedError;
use super::exchange::{Failure, Remedy};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// How patient the client is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    /// How often a request is sent at most.
    pub(crate) attempts: u32,
    /// The first pause; each following one is up to twice as long.
    pub(crate) first_pause: Duration,
    pub(crate) longest_pause: Duration,
    /// A server that asks for more than this is not waited for.
    pub(crate) longest_retry_after: Duration,
    /// How long a reply in flight, which is paid for, is waited for after a request to stop.
    pub(crate) grace: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            attempts: 8,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
            longest_retry_after: Duration::from_secs(120),
            grace: Duration::from_secs(10),
        }
    }
}

impl Patience {
    /// The pause after failure number `attempts`, or `None` when trying again makes no sense.
    pub(super) fn pause_after(&self, failure: &Failure, attempts: u32) -> Option<Duration> {
        if failure.remedy != Remedy::Wait || attempts >= self.attempts {
            return None;
        }
        // A reply that makes no sense thrice will not make sense later, and each time-out has cost a minute.
        if matches!(failure.error, EmbedError::Malformed { .. } | EmbedError::Timeout { .. }) && attempts >= 3
        {
            return None;
        }
        match failure.retry_after {
            Some(asked) if asked > self.longest_retry_after => None,
            // A little more than asked, so that not all clients come back at the same moment.
            Some(asked) => Some(asked + jittered(self.first_pause / 2)),
            None => {
                let factor = 1u32 << (attempts - 1).min(16);
                Some(jittered(self.first_pause.saturating_mul(factor).min(self.longest_pause)))
            }
        }
    }
}

/// Between half of `pause` and all of it. The randomness is that of std's hash maps: good enough to spread clients.
fn jittered(pause: Duration) -> Duration {
    let share = RandomState::new().hash_one(0u8) % 1_000;
    pause / 2 + (pause / 2).mul_f64(share as f64 / 1_000.0)
}

/// What the server asks for: seconds, milliseconds, or a date.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(milliseconds) = text("retry-after-ms").and_then(|value| value.parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(milliseconds / 1_000.0).ok();
    }
    let value = text(RETRY_AFTER.as_str())?;
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let then = date(value)?;
    // The server's own clock, when it tells: ours may be wrong.
    let now = text(DATE.as_str()).and_then(date).unwrap_or_else(jiff::Timestamp::now);
    Some(Duration::try_from(then.duration_since(now)).unwrap_or(Duration::ZERO))
}

fn date(value: &str) -> Option<jiff::Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn asked(pairs: &[(&'static str, &'static str)]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        retry_after(&headers)
    }

    #[test]
    fn retry_after_is_understood_in_all_its_forms() {
        assert_eq!(asked(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        assert_eq!(asked(&[("retry-after", "0.5")]), Some(Duration::from_millis(500)));
        assert_eq!(
            asked(&[("retry-after-ms", "250"), ("retry-after", "7")]),
            Some(Duration::from_millis(250))
        );
        let date = ("date", "Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(
            asked(&[date, ("retry-after", "Wed, 21 Oct 2015 07:28:30 GMT")]),
            Some(Duration::from_secs(30))
        );
        assert_eq!(asked(&[date, ("retry-after", "Wed, 21 Oct 2015 07:00:00 GMT")]), Some(Duration::ZERO));
        for nonsense in ["soon", "-3", "NaN", "1e400"] {
            assert_eq!(asked(&[("retry-after", nonsense)]), None, "{nonsense}");
        }
        assert_eq!(asked(&[]), None);
    }

    #[test]
    fn pauses_grow_up_to_a_bound_and_end() {
        let patience = Patience { attempts: 12, ..Patience::default() };
        let failure = Failure::new(
            EmbedError::Server { status: 500, attempts: 1, message: String::new() },
            Remedy::Wait,
        );
        for attempt in 1..12 {
            let pause = patience.pause_after(&failure, attempt).unwrap();
            let full = Duration::from_millis(500 << (attempt - 1)).min(patience.longest_pause);
            assert!(pause >= full / 2 && pause <= full, "{attempt}: {pause:?}");
        }
        assert_eq!(patience.pause_after(&failure, 12), None);
        let final_failure = Failure { remedy: Remedy::None, ..failure.clone() };
        assert_eq!(patience.pause_after(&final_failure, 1), None);
        let later = Failure { retry_after: Some(Duration::from_secs(3_600)), ..failure };
        assert_eq!(patience.pause_after(&later, 1), None);
    }
}
