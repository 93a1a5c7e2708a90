use super::*;

const DAY: i64 = 86_400_000;

fn reserve(ledger: &Ledger, tally: &mut Tally, now_ms: i64, id: &str, limit: f64) -> Result<f64, f64> {
    let mut seen = 0.0;
    let result = ledger.reserve(tally, now_ms, |spent| {
        seen = spent;
        if spent + 1.0 > limit {
            return Err(LedgerError { path: "over".into(), error: io::ErrorKind::Other.into() });
        }
        Ok(Reserved { id: id.into(), time_ms: now_ms, cost_usd: 1.0, ..Reserved::default() })
    });
    match result {
        Ok(_) => Ok(seen),
        Err(error) if error.path == Path::new("over") => Err(seen),
        Err(error) => panic!("{error:?}"),
    }
}

fn settle(ledger: &Ledger, id: &str, cost_usd: f64) {
    ledger.settle(Settled { id: id.into(), cost_usd, ..Settled::default() }).unwrap();
}

#[test]
fn what_is_reserved_counts_until_it_is_settled_and_for_ever_if_it_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::new(&folder.path().join("logs"));
    let (mut one, mut two) = (Tally::default(), Tally::default());
    assert_eq!(reserve(&ledger, &mut one, 5, "a", 9.0), Ok(0.0));
    assert_eq!(reserve(&ledger, &mut two, 6, "b", 9.0), Ok(1.0));
    settle(&ledger, "a", 0.25);
    assert_eq!(reserve(&ledger, &mut one, 7, "c", 2.0), Err(1.25));
    // Nobody ever settles "b"; a new process sees it all the same.
    assert_eq!(reserve(&ledger, &mut Tally::default(), 8, "d", 9.0), Ok(1.25));
    // The next day begins with nothing; what is settled late belongs to the day before.
    assert_eq!(reserve(&ledger, &mut one, DAY + 1, "e", 9.0), Ok(0.0));
    settle(&ledger, "d", 7.0);
    assert_eq!(reserve(&ledger, &mut one, DAY + 2, "f", 9.0), Ok(1.0));
}

#[test]
fn a_line_that_was_cut_short_hides_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::new(folder.path());
    let mut tally = Tally::default();
    reserve(&ledger, &mut tally, 5, "a", 9.0).unwrap();
    let whole = std::fs::read(ledger.path()).unwrap();
    let mut tried = 0;
    for cut in 1..whole.len() {
        let torn = [whole.as_slice(), whole.get(..cut).unwrap()].concat();
        std::fs::write(ledger.path(), torn).unwrap();
        let spent = reserve(&ledger, &mut Tally::default(), 6, "b", 9.0).unwrap();
        // A cut before the line's end alone leaves a whole entry without its newline.
        assert!(spent == 1.0, "{cut}: {spent}");
        let mut ids = Vec::new();
        ledger
            .read(|entry| match entry {
                Entry::Reserved(one) => ids.push(one.id),
                Entry::Settled(_) => panic!(),
            })
            .unwrap();
        assert!(ids.first().unwrap() == "a" && ids.last().unwrap() == "b", "{cut}: {ids:?}");
        tried += 1;
    }
    println!("{tried} cuts of a line, each passed over");
}

#[test]
fn a_ledger_that_grows_is_put_aside_and_still_counts() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger { max_bytes: 1_000, ..Ledger::new(folder.path()) };
    let (mut steady, mut count) = (Tally::default(), 0);
    for round in 0..40 {
        let id = format!("r{round}");
        assert_eq!(reserve(&ledger, &mut steady, DAY - 100 + round, &id, 1e9), Ok(round as f64));
        assert_eq!(
            reserve(&ledger, &mut Tally::default(), DAY - 100 + round, &id, 0.0),
            Err(round as f64 + 1.0)
        );
    }
    assert!(ledger.rotated().unwrap().len() > 3);
    ledger.read(|_| count += 1).unwrap();
    assert_eq!(count, 40);
    assert_eq!(reserve(&ledger, &mut steady, DAY, "x", 1e9), Ok(0.0));
}

#[test]
fn many_at_once_never_spend_more_than_the_day_has() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger { max_bytes: 3_000, ..Ledger::new(folder.path()) };
    let granted: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..6)
            .map(|worker| {
                let ledger = &ledger;
                scope.spawn(move || {
                    let mut tally = Tally::default();
                    let each =
                        |n: i64| reserve(ledger, &mut tally, 10 + n, &format!("{worker}-{n}"), 20.0).is_ok();
                    (0..10).map(each).filter(|granted| *granted).count()
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert_eq!(granted, 20);
}
