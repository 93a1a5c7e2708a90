//! Times of the same act, many times over.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::command::context::Context;
use crate::exit::CliError;

/// How long an act took, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Latency {
    pub(super) median_ms: f64,
    pub(super) p95_ms: f64,
}

impl Latency {
    pub(super) fn of(times: &[Duration]) -> Latency {
        let mut ms: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1e3).collect();
        ms.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = (ms.len() as f64 * share).ceil() as usize;
            ms.get(place.saturating_sub(1)).copied().unwrap_or(0.0)
        };
        Latency { median_ms: at(0.5), p95_ms: at(0.95) }
    }
}

/// Acts again and again for `time`, at least `least` times and at most `most` times.
pub(super) fn again(
    context: &Context,
    time: Duration,
    least: usize,
    most: usize,
    mut act: impl FnMut() -> Result<(), CliError>,
) -> Result<Vec<Duration>, CliError> {
    let (started, mut times) = (Instant::now(), Vec::new());
    while times.len() < least || times.len() < most && started.elapsed() < time {
        context.check_cancelled()?;
        let begun = Instant::now();
        act()?;
        times.push(begun.elapsed());
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_the_slow_end_are_those_of_the_times() {
        let times: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(Latency::of(&times), Latency { median_ms: 50.0, p95_ms: 95.0 });
        assert_eq!(Latency::of(&[Duration::from_millis(3)]), Latency { median_ms: 3.0, p95_ms: 3.0 });
        assert_eq!(Latency::of(&[]), Latency::default());
    }
}
