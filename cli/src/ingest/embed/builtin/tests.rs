use super::*;

fn close(a: &str, b: &str) -> f32 {
    let embedder = Builtin::new(1536);
    embedder.vector(a).iter().zip(embedder.vector(b)).map(|(x, y)| x * y).sum()
}

#[test]
fn every_text_has_a_finite_vector_of_unit_length() {
    let long = "word ".repeat(100_000);
    for text in ["", " ", "\n", "!", "!?", "🦀", "\u{0}", "a", "the", "日本", "x_y", &long, "()()", "\u{301}"]
    {
        for dims in [1, 2, 7, 1536, 8192] {
            let vector = Builtin::new(dims).vector(text);
            assert_eq!(vector.len(), dims);
            let norm: f64 = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
            assert!((norm - 1.0).abs() < 1e-5, "{text:?} in {dims}: {norm}");
        }
    }
}

#[test]
fn texts_about_the_same_thing_are_closer() {
    let question = "how do I join two paths";
    let answer = "os.path.join(path, *paths): Join one or more path components intelligently.";
    let other = "The select statement retrieves rows from zero or more tables.";
    assert!(close(question, answer) > close(question, other) + 0.1);
    assert!(
        close("chunking documents", "chunked document") > close("chunking documents", "open sockets") + 0.2
    );
    assert!(close("the of and", "compaction") < 0.1);
    assert!((close("Same TEXT", "same text") - 1.0).abs() < 1e-6);
}

#[test]
fn the_order_of_words_matters_a_little() {
    let (same, swapped) = (close("lock file", "lock file"), close("lock file", "file lock"));
    assert!(swapped < same && swapped > 0.5, "{swapped}");
}

#[test]
fn the_bits_are_the_same_on_every_machine() {
    // Written down once: vectors in stores were made with these weights and hashes.
    let digest = |text: &str| {
        let mut hasher = blake3::Hasher::new();
        Builtin::new(1536).vector(text).iter().for_each(|x| {
            hasher.update(&x.to_bits().to_le_bytes());
        });
        hasher.finalize().to_hex()[..16].to_owned()
    };
    assert_eq!(digest("Compaction presses layers together: viewFrame(width:height:)"), "803182852649e7fd");
    assert_eq!(digest("日本語 C++ 3.11 the"), "f9ef39b43b61369b");
    assert_eq!(digest(""), "f951fe82bcc1bd07");
}

#[test]
fn a_cancelled_call_says_what_it_did_not_do() {
    let cancel = Cancel::new();
    cancel.cancel();
    let reply = Builtin::new(8).embed(&["a".to_owned()], &cancel);
    assert_eq!(reply.outcomes, [Outcome::NotTried]);
    assert_eq!(reply.stopped, Some(crate::ingest::embed::EmbedError::Cancelled));
}
