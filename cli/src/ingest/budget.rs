//! What may be spent: asks before each request whether it could exceed a limit, and keeps the ledger.
//!
//! The estimate of a text's tokens is on the safe side, but it is an estimate: when a server counted more than was
//! estimated, later requests are expected to do so too.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use siltstone::Environment;

use super::embed::{EmbedError, Meter, Paid, Reservation, Settlement};
use super::ledger::{Ledger, LedgerError, Outcome, Reserved, Settled, Tally};
use super::price::cost_usd;
use crate::render::notices::Notices;
use crate::render::plain::one_line;

/// How often people are told of the same trouble.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// Sums of amounts that are exactly the limit may miss it by rounding.
const ROUNDING_USD: f64 = 1e-9;

/// Who pays for what, and how much may be spent.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) command: String,
    /// The key's fingerprint.
    pub(crate) key: Option<String>,
    pub(crate) provider: String,
    pub(crate) model: String,
    /// `None`: nobody knows.
    pub(crate) usd_per_million_tokens: Option<f64>,
    /// Limits of this run, and of a day of all who share the ledger.
    pub(crate) run_usd: Option<f64>,
    pub(crate) day_usd: Option<f64>,
    /// Whether nothing may be sent that cannot be written down.
    pub(crate) strict: bool,
}

/// The money of one run.
#[derive(Debug)]
pub(crate) struct Budget {
    terms: Terms,
    ledger: Ledger,
    /// For its clock.
    environment: Environment,
    /// Who is told when a server makes trouble.
    notices: Option<Arc<Notices>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tally: Tally,
    framework: String,
    requests: u64,
    /// Of these, answered, and put off with 429.
    answered: u64,
    rate_limited: u64,
    /// What was settled, and what is reserved.
    spent_usd: f64,
    in_flight_usd: f64,
    /// How many times as many tokens as estimated a server counted, at least 1.
    excess: f64,
    /// What the ledger could not take.
    trouble: Option<String>,
    /// When a server's trouble was told last.
    told: Option<Instant>,
}

impl Budget {
    pub(crate) fn new(terms: Terms, ledger: Ledger, environment: Environment) -> Budget {
        let state = State {
            tally: Tally::default(),
            framework: String::new(),
            requests: 0,
            answered: 0,
            rate_limited: 0,
            spent_usd: 0.0,
            in_flight_usd: 0.0,
            excess: 1.0,
            trouble: None,
            told: None,
        };
        Budget { terms, ledger, environment, notices: None, state: Mutex::new(state) }
    }

    /// The same, with somebody who is told when a server makes trouble.
    pub(crate) fn telling(self, notices: Arc<Notices>) -> Budget {
        Budget { notices: Some(notices), ..self }
    }

    pub(crate) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// What the following requests are for.
    pub(crate) fn framework(&self, name: &str) {
        name.clone_into(&mut self.state().framework);
    }

    /// What this run has spent, requests in flight included.
    pub(crate) fn spent_usd(&self) -> f64 {
        let state = self.state();
        state.spent_usd + state.in_flight_usd
    }

    /// How many requests were answered.
    pub(crate) fn answered(&self) -> u64 {
        self.state().answered
    }

    /// How many requests the server put off with 429.
    pub(crate) fn rate_limited(&self) -> u64 {
        self.state().rate_limited
    }

    /// Why requests are missing from the ledger, if any are.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.state().trouble.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cost_usd(&self, tokens: u64) -> f64 {
        self.terms.usd_per_million_tokens.map_or(0.0, |price| cost_usd(tokens, price))
    }
}

impl Meter for Budget {
    fn reserve(&self, inputs: usize, tokens: u64) -> Result<Reservation, EmbedError> {
        let mut guard = self.state();
        let state = &mut *guard;
        let estimated_tokens = tokens;
        let tokens = (tokens as f64 * state.excess).ceil() as u64;
        let cost_usd = self.cost_usd(tokens);
        within(self.terms.run_usd, state.spent_usd + state.in_flight_usd, cost_usd, "this run")?;
        let now_ms = self.environment.clock.now_ms();
        let process = std::process::id();
        let id = format!("{now_ms:x}-{process:x}-{:x}", state.requests);
        let framework = state.framework.clone();
        let reserved = self.ledger.reserve(&mut state.tally, now_ms, |today_usd| -> Result<_, EmbedError> {
            within(self.terms.day_usd, today_usd, cost_usd, "today")?;
            Ok(Reserved {
                id: id.clone(),
                time_ms: now_ms,
                command: self.terms.command.clone(),
                process,
                key: self.terms.key.clone(),
                provider: self.terms.provider.clone(),
                model: self.terms.model.clone(),
                framework,
                inputs: inputs as u64,
                tokens,
                cost_usd,
            })
        });
        match reserved {
            Ok(_) => {}
            Err(EmbedError::Ledger { message }) if !self.terms.strict => state.trouble = Some(message),
            Err(error) => return Err(error),
        }
        state.requests += 1;
        state.in_flight_usd += cost_usd;
        Ok(Reservation { id, estimated_tokens, tokens, cost_usd })
    }

    fn settle(&self, reservation: Reservation, settlement: Settlement<'_>) {
        let (outcome, tokens) = match settlement.paid {
            Paid::Counted(tokens) => (Outcome::Answered, tokens),
            Paid::Nothing => (Outcome::Refused, 0),
            Paid::Unknown => (Outcome::Unanswered, reservation.tokens),
        };
        let cost_usd = self.cost_usd(tokens);
        let rate_limited = matches!(settlement.error, Some(EmbedError::RateLimited { .. }));
        let settled = Settled {
            id: reservation.id,
            time_ms: self.environment.clock.now_ms(),
            request_id: settlement.request_id.map(str::to_owned),
            outcome,
            rate_limited,
            reason: settlement.error.map(|error| one_line(&error.to_string())),
            tokens,
            cost_usd,
            latency_ms: u64::try_from(settlement.took.as_millis()).unwrap_or(u64::MAX),
        };
        let written = self.ledger.settle(settled);
        let mut state = self.state();
        state.in_flight_usd = (state.in_flight_usd - reservation.cost_usd).max(0.0);
        state.spent_usd += cost_usd;
        state.answered += u64::from(outcome == Outcome::Answered);
        state.rate_limited += u64::from(rate_limited);
        if outcome == Outcome::Answered && reservation.estimated_tokens > 0 {
            state.excess = state.excess.max(tokens as f64 / reservation.estimated_tokens as f64);
        }
        if let Err(error) = written {
            state.trouble = Some(message(&error));
        }
    }

    fn trouble(&self, error: &EmbedError, pause: Option<Duration>) {
        let Some(notices) = &self.notices else { return };
        {
            // Requests that are in flight together meet the same trouble.
            let mut state = self.state();
            if state.told.is_some_and(|told| told.elapsed() < TELL_EVERY) {
                return;
            }
            state.told = Some(Instant::now());
        }
        match pause {
            Some(pause) => notices.warning(&format!("{error}; trying again in {:.1} s", pause.as_secs_f64())),
            None => notices.warning(&error.to_string()),
        }
    }
}

fn within(limit_usd: Option<f64>, spent_usd: f64, next_usd: f64, period: &str) -> Result<(), EmbedError> {
    match limit_usd {
        Some(limit) if spent_usd + next_usd > limit + ROUNDING_USD => {
            let message = format!(
                "${spent_usd:.4} of ${limit:.4} is spent {period}, and the next request may cost ${next_usd:.4}"
            );
            Err(EmbedError::CostLimit { message })
        }
        _ => Ok(()),
    }
}

fn message(error: &LedgerError) -> String {
    format!("{} cannot be written: {}", error.path.display(), error.error)
}

impl From<LedgerError> for EmbedError {
    fn from(error: LedgerError) -> EmbedError {
        EmbedError::Ledger { message: message(&error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn budget(folder: &std::path::Path, run_usd: Option<f64>, day_usd: Option<f64>) -> Budget {
        let terms = Terms {
            command: "update".into(),
            key: None,
            provider: "p".into(),
            model: "m".into(),
            usd_per_million_tokens: Some(1_000_000.0),
            run_usd,
            day_usd,
            strict: true,
        };
        Budget::new(terms, Ledger::new(folder), Environment::default())
    }

    fn settle(budget: &Budget, reservation: Reservation, paid: Paid) {
        let took = Duration::from_millis(3);
        budget.settle(reservation, Settlement { paid, error: None, request_id: Some("r"), took });
    }

    #[test]
    fn a_request_that_could_exceed_the_limit_is_not_sent() {
        let folder = tempfile::tempdir().unwrap();
        let budget = budget(folder.path(), Some(10.0), None);
        let first = budget.reserve(1, 6).unwrap();
        assert!(matches!(budget.reserve(1, 5), Err(EmbedError::CostLimit { .. })));
        settle(&budget, first, Paid::Counted(3));
        let second = budget.reserve(1, 7).unwrap();
        assert_eq!(budget.spent_usd(), 10.0);
        settle(&budget, second, Paid::Nothing);
        let third = budget.reserve(1, 7).unwrap();
        settle(&budget, third, Paid::Unknown);
        assert_eq!(budget.spent_usd(), 10.0);
        assert!(budget.reserve(1, 1).is_err());
    }

    #[test]
    fn a_server_that_counts_more_is_expected_to_do_so_again() {
        let folder = tempfile::tempdir().unwrap();
        let budget = budget(folder.path(), Some(10.0), None);
        let first = budget.reserve(1, 2).unwrap();
        settle(&budget, first, Paid::Counted(4));
        assert!(budget.reserve(1, 4).is_err());
        let second = budget.reserve(1, 1).unwrap();
        let third = budget.reserve(1, 1).unwrap();
        settle(&budget, second, Paid::Counted(2));
        settle(&budget, third, Paid::Counted(2));
        // Those that were in flight together say the same, and not the square of it.
        assert_eq!(budget.reserve(1, 1).unwrap().tokens, 2);
    }

    #[test]
    fn runs_share_the_day_even_when_one_was_killed() {
        let folder = tempfile::tempdir().unwrap();
        let killed = budget(folder.path(), None, Some(10.0));
        drop(killed.reserve(1, 6).unwrap());
        drop(killed);
        let next = budget(folder.path(), Some(99.0), Some(10.0));
        let error = next.reserve(1, 5).unwrap_err().to_string();
        assert!(error.contains("today") && error.contains("$6.0000 of $10.0000"), "{error}");
        assert!(next.reserve(1, 4).is_ok());
    }

    #[test]
    fn what_cannot_be_written_down_is_not_sent_unless_it_may_be() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("logs");
        std::fs::write(&blocked, "not a folder").unwrap();
        let mut budget = budget(&blocked, None, None);
        assert!(
            matches!(budget.reserve(1, 1), Err(EmbedError::Ledger { message }) if message.contains("logs"))
        );
        budget.terms.strict = false;
        assert!(budget.reserve(1, 1).is_ok() && budget.trouble().is_some());
    }
}
