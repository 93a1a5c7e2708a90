//! Which of several settings to take, and which to try next.

/// A setting that is within this share of the best is as good.
const NEAR: f64 = 0.96;
/// A larger setting that does not win this much is no reason to try still larger ones.
const WORTH: f64 = 1.03;

/// What was measured: a setting, and how much it got done in a second.
pub(super) type Sample = (usize, f64);

/// The smallest setting that comes near the best.
pub(super) fn choose(samples: &[Sample]) -> Option<usize> {
    let best = samples.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
    samples.iter().filter(|(_, rate)| *rate >= best * NEAR).map(|(setting, _)| *setting).min()
}

/// Measures one setting after the other, the smallest first, until two in a row won nothing.
pub(super) fn climb<E>(
    settings: &[usize],
    mut measure: impl FnMut(usize) -> Result<f64, E>,
) -> Result<Vec<Sample>, E> {
    let mut samples: Vec<Sample> = Vec::new();
    let (mut best, mut idle) = (0.0, 0);
    for &setting in settings {
        let rate = measure(setting)?;
        samples.push((setting, rate));
        idle = if rate > best * WORTH { 0 } else { idle + 1 };
        best = rate.max(best);
        if idle == 2 {
            break;
        }
    }
    Ok(samples)
}

/// Looks between the best setting and the next larger one, which was worse: by halves, until they are neighbours or an
/// eighth apart.
pub(super) fn refine<E>(
    samples: &mut Vec<Sample>,
    mut measure: impl FnMut(usize) -> Result<f64, E>,
) -> Result<(), E> {
    loop {
        samples.sort_by_key(|(setting, _)| *setting);
        let Some(at) = best(samples) else { return Ok(()) };
        let (Some((low, rate)), Some((high, worse))) = (samples.get(at), samples.get(at + 1)) else {
            return Ok(());
        };
        // As good as the best: there is nothing to be won between them.
        if *worse >= rate * NEAR || high - low <= (low / 8).max(1) {
            return Ok(());
        }
        let middle = low.midpoint(*high);
        samples.push((middle, measure(middle)?));
    }
}

fn best(samples: &[Sample]) -> Option<usize> {
    (0..samples.len()).max_by(|a, b| {
        let rate = |at: &usize| samples.get(*at).map_or(0.0, |(_, rate)| *rate);
        rate(a).total_cmp(&rate(b))
    })
}

/// 1, 2, 4 ... and the greatest itself.
pub(super) fn doubling(first: usize, greatest: usize) -> Vec<usize> {
    let mut settings: Vec<usize> = std::iter::successors(Some(first), |setting| setting.checked_mul(2))
        .take_while(|one| *one < greatest)
        .collect();
    settings.push(greatest.max(1));
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_that_is_near_the_best_is_taken() {
        assert_eq!(choose(&[(1, 10.0), (2, 97.0), (4, 100.0)]), Some(2));
        assert_eq!(choose(&[(1, 10.0), (2, 95.0), (4, 100.0)]), Some(4));
        assert_eq!(choose(&[]), None);
    }

    #[test]
    fn settings_double_up_to_the_greatest() {
        assert_eq!(doubling(1, 6), [1, 2, 4, 6]);
        assert_eq!(doubling(8, 64), [8, 16, 32, 64]);
        assert_eq!(doubling(8, 3), [3]);
    }

    /// Servers of known behaviour: what follows from the samples is near the best that there is, whatever the cap.
    #[test]
    fn what_is_chosen_is_near_the_best_whether_more_is_queued_or_refused() {
        for cap in 1..=40usize {
            for refuses in [false, true] {
                let rate = |many: usize| match many {
                    many if many <= cap => many as f64,
                    _ if refuses => cap as f64 / 4.0,
                    _ => cap as f64,
                };
                let measure = |many| Ok::<f64, ()>(rate(many));
                let mut samples = climb(&doubling(1, 40), measure).unwrap();
                refine(&mut samples, measure).unwrap();
                let chosen = choose(&samples).unwrap();
                assert!(rate(chosen) >= 0.88 * cap as f64, "cap {cap}, {refuses}: {chosen} of {samples:?}");
                assert!(samples.len() <= 12);
            }
        }
    }
}
