//! A row of values as a row of characters, for terminals, pipes and logs alike: plain text, no colour, no width asked for.

const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One character a value, from the least to the greatest of them; a gap where none is known. Equal values are all in the
/// middle. More than `most` values are averaged in groups of neighbours.
pub(crate) fn sparkline(values: &[Option<f64>], most: usize) -> String {
    let grouped: Vec<Option<f64>> = match values.len() {
        few if few <= most.max(1) => values.to_vec(),
        many => values.chunks(many.div_ceil(most.max(1))).map(mean).collect(),
    };
    let known = || grouped.iter().flatten().copied().filter(|value| value.is_finite());
    let (least, greatest) =
        (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
    let level = |value: f64| match greatest > least {
        true => (value - least) / (greatest - least) * (LEVELS.len() - 1) as f64,
        false => 3.0,
    };
    let shown = |value: &Option<f64>| {
        let value = value.filter(|value| value.is_finite())?;
        LEVELS.get(level(value).round() as usize).copied()
    };
    grouped.iter().map(|value| shown(value).unwrap_or(' ')).collect()
}

fn mean(values: &[Option<f64>]) -> Option<f64> {
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_is_low_the_greatest_high_and_nothing_is_a_gap() {
        assert_eq!(sparkline(&[Some(1.0), None, Some(8.0), Some(4.5)], 10), "▁ █▅");
        assert_eq!(sparkline(&[Some(2.0), Some(2.0)], 10), "▄▄");
        assert_eq!(sparkline(&[], 10), "");
        assert_eq!(sparkline(&[Some(f64::NAN), Some(1.0)], 10), " ▄");
    }

    #[test]
    fn many_values_become_few() {
        let values: Vec<Option<f64>> = (0..100).map(|n| Some(f64::from(n))).collect();
        let line = sparkline(&values, 10);
        assert_eq!(line.chars().count(), 10);
        assert!(line.starts_with('▁') && line.ends_with('█'));
    }
}
