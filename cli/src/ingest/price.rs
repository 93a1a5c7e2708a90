//! What embeddings cost. Prices are data with a date: a model that is not listed has no price until the configuration
//! gives one, because a limit of cost that rests on a guess is none.

/// USD for a million tokens, as OpenAI published them; looked up on 2025-06-30.
const PRICES: [(&str, f64); 3] =
    [("text-embedding-3-small", 0.02), ("text-embedding-3-large", 0.13), ("text-embedding-ada-002", 0.10)];

/// The price of a model, if it is known.
pub(crate) fn usd_per_million_tokens(model: &str) -> Option<f64> {
    PRICES.iter().find(|(name, _)| *name == model).map(|(_, price)| *price)
}

/// What so many tokens cost.
pub(crate) fn cost_usd(tokens: u64, usd_per_million_tokens: f64) -> f64 {
    tokens as f64 * usd_per_million_tokens / 1e6
}

/// How many tokens may be sent for so much; all that there are when they cost nothing.
pub(crate) fn tokens_for(usd: f64, usd_per_million_tokens: f64) -> u64 {
    // Casting saturates: an infinite quotient is every token there is.
    (usd / usd_per_million_tokens * 1e6) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_and_tokens_are_each_others_inverse() {
        assert_eq!(cost_usd(1_000_000, 0.02), 0.02);
        assert_eq!(tokens_for(0.02, 0.02), 1_000_000);
        assert_eq!(tokens_for(0.0, 0.02), 0);
        assert_eq!(tokens_for(1.0, 0.0), u64::MAX);
        assert_eq!(usd_per_million_tokens("somebody's own"), None);
    }
}
