use super::*;
use crate::ingest::embed::scripted::{Act, Scripted, vector_for};

const DIMS: usize = 16;

fn options(server: &Scripted) -> OpenAiOptions {
    OpenAiOptions {
        base_url: server.base_url.clone(),
        model: "m".into(),
        revision: None,
        dims: DIMS,
        send_dimensions: false,
        key: Some(ApiKey::new("test-key-Secret").unwrap()),
        batch_size: 100,
        timeout: Duration::from_secs(20),
        allow_plain_http: false,
        patience: Patience {
            attempts: 4,
            first_pause: Duration::from_millis(2),
            longest_pause: Duration::from_millis(10),
            grace: Duration::from_millis(200),
            ..Patience::default()
        },
        requests_per_minute: None,
        tokens_per_minute: None,
        counter: Counter::Estimate,
        meter: None,
    }
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("text number {n}")).collect()
}

fn ask(server: &Scripted, count: usize) -> EmbedReply {
    OpenAi::new(options(server)).unwrap().embed(&texts(count), &Cancel::new())
}

fn assert_good(reply: &EmbedReply, count: usize) {
    assert_eq!(reply.stopped, None);
    let expected: Vec<Outcome> =
        texts(count).iter().map(|text| Outcome::Vector(vector_for(text, DIMS))).collect();
    assert_eq!(reply.outcomes, expected);
}

fn status(status: u16, body: &'static str) -> Act {
    Act::Status(status, body, Vec::new())
}

#[test]
fn good_replies_are_taken_in_every_shape() {
    for act in [Act::Good, Act::Numbers, Act::Reversed, Act::Chunked, Act::NoIndex] {
        let server = Scripted::start(DIMS, [act]);
        let reply = ask(&server, 5);
        assert_good(&reply, 5);
        assert_eq!(reply.tokens, 5);
        assert_eq!(server.seen().len(), 1);
    }
}

#[test]
fn the_request_is_what_the_api_asks_for() {
    let server = Scripted::start(DIMS, []);
    let reply = ask(&server, 2);
    let seen = &server.seen()[0];
    let headers = seen.headers.to_ascii_lowercase();
    assert!(headers.starts_with("post /v1/embeddings "), "{headers}");
    assert!(
        headers.contains("authorization: bearer test-key-secret") && headers.contains("content-length: ")
    );
    assert_eq!(seen.body["model"], "m");
    assert_eq!(seen.body["encoding_format"], "base64");
    assert!(seen.body.get("dimensions").is_none());
    assert_eq!(reply.requests[0].request_id.as_deref(), Some("req-7"));
    assert_eq!((reply.requests[0].inputs, reply.requests[0].remaining_tokens), (2, Some(99)));

    let sending = OpenAi::new(OpenAiOptions { send_dimensions: true, ..options(&server) }).unwrap();
    sending.embed(&texts(1), &Cancel::new());
    assert_eq!(server.seen()[1].body["dimensions"], DIMS);
}

#[test]
fn passing_faults_are_tried_again() {
    let wait = |value: &str| Act::Status(429, "{}", vec![("retry-after", value.to_owned())]);
    for act in [
        status(500, "oops"),
        status(503, ""),
        wait("0"),
        wait("0.01"),
        Act::Garbage,
        Act::Truncated,
        Act::HangUp,
        Act::WrongCount,
        Act::SameIndex,
    ] {
        let server = Scripted::start(DIMS, [act.clone()]);
        let reply = ask(&server, 3);
        assert_good(&reply, 3);
        assert_eq!((server.seen().len(), reply.requests[0].attempts), (2, 2), "{act:?}");
    }
}

#[test]
fn a_server_that_asks_for_a_second_gets_it() {
    let server = Scripted::start(DIMS, [Act::Status(429, "{}", vec![("retry-after", "1".to_owned())])]);
    let started = Instant::now();
    assert_good(&ask(&server, 1), 1);
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[test]
fn lasting_faults_end_in_an_error_that_says_what_to_do() {
    type Check = fn(&EmbedError) -> bool;
    let cases: [(Act, usize, Check); 13] = [
        (
            status(401, r#"{"error":{"message":"Incorrect API key provided: test-key-Secret"}}"#),
            1,
            |e| matches!(e, EmbedError::Unauthorized { message } if message.contains("[key]")),
        ),
        (status(403, ""), 1, |e| matches!(e, EmbedError::Forbidden { .. })),
        (status(404, ""), 1, |e| matches!(e, EmbedError::NotFound { model, .. } if model == "m")),
        (status(302, ""), 1, |e| matches!(e, EmbedError::Unexpected { status: 302, .. })),
        (status(429, r#"{"error":{"code":"insufficient_quota","message":"x"}}"#), 1, |e| {
            matches!(e, EmbedError::QuotaExhausted { .. })
        }),
        (status(400, r#"{"error":{"message":"no such","param":"model"}}"#), 1, |e| {
            matches!(e, EmbedError::BadRequest { .. })
        }),
        (status(500, "x"), 4, |e| matches!(e, EmbedError::Server { attempts: 4, status: 500, .. })),
        (status(429, "x"), 4, |e| matches!(e, EmbedError::RateLimited { attempts: 4, .. })),
        (Act::Status(429, "x", vec![("retry-after", "9999".into())]), 1, |e| {
            matches!(e, EmbedError::RateLimited { retry_after: Some(_), .. })
        }),
        (Act::Garbage, 3, |e| matches!(e, EmbedError::Malformed { attempts: 3, .. })),
        (Act::Endless, 3, |e| matches!(e, EmbedError::Malformed { what, .. } if what.contains("longer"))),
        (Act::HangUp, 4, |e| matches!(e, EmbedError::Connection { attempts: 4, .. })),
        (Act::WrongDims(8), 1, |e| *e == EmbedError::WrongDims { expected: 16, got: 8 }),
    ];
    for (act, requests, check) in cases {
        let server = Scripted::start(DIMS, vec![act.clone(); 10]);
        let reply = ask(&server, 2);
        let error = reply.stopped.unwrap_or_else(|| panic!("{act:?} stopped nothing"));
        assert!(check(&error), "{act:?} gave {error:?}");
        assert!(!format!("{error} {error:?}").contains("Secret"), "{error:?}");
        assert!(!error.next_step().is_empty());
        assert_eq!(server.seen().len(), requests, "{act:?}");
        assert!(reply.outcomes.iter().all(|outcome| *outcome == Outcome::NotTried), "{act:?}");
    }
}

#[test]
fn a_server_that_is_not_there_is_said_to_be() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Scripted::start(DIMS, []);
    let options = OpenAiOptions { base_url: format!("http://{gone}/v1"), ..options(&server) };
    let error = OpenAi::new(options).unwrap().embed(&texts(1), &Cancel::new()).stopped.unwrap();
    assert!(
        matches!(&error, EmbedError::Connection { message, .. } if message.contains("refused")),
        "{error}"
    );
}

#[test]
fn wrong_vectors_never_come_through() {
    for act in [Act::Nan, Act::Zero] {
        let server = Scripted::start(DIMS, [act]);
        let reply = ask(&server, 3);
        assert!(matches!(reply.outcomes[0], Outcome::Refused(_)));
        assert_eq!(reply.outcomes[1], Outcome::Vector(vector_for("text number 1", DIMS)));
    }
    let server = Scripted::start(DIMS, [Act::Long]);
    let Outcome::Vector(vector) = &ask(&server, 1).outcomes[0] else { panic!() };
    let norm: f32 = vector.iter().map(|x| x * x).sum();
    assert!((norm - 1.0).abs() < 1e-5);
}

#[test]
fn one_poisonous_input_is_found_and_the_others_go_on() {
    let server = Scripted::start(DIMS, []);
    server.poison("number 13");
    let reply = ask(&server, 20);
    assert_eq!(reply.stopped, None);
    for (at, outcome) in reply.outcomes.iter().enumerate() {
        match outcome {
            Outcome::Refused(why) => assert!(at == 13 && why.contains("bad input"), "{at}: {why}"),
            Outcome::Vector(vector) => assert_eq!(*vector, vector_for(&format!("text number {at}"), DIMS)),
            Outcome::NotTried => panic!("{at} was not tried"),
        }
    }
    assert!(server.seen().len() <= 11, "{} requests", server.seen().len());
}

#[test]
fn when_every_input_is_refused_the_inputs_are_not_to_blame() {
    let server = Scripted::start(DIMS, []);
    server.poison("text");
    let reply = ask(&server, 64);
    assert!(matches!(reply.stopped, Some(EmbedError::BadRequest { .. })));
    assert!(reply.outcomes.iter().all(|outcome| *outcome == Outcome::NotTried));
    assert!(server.seen().len() < 15, "{} requests", server.seen().len());
}

#[test]
fn a_server_without_base64_is_asked_for_numbers() {
    let refusal = status(400, r#"{"error":{"message":"unknown encoding_format base64"}}"#);
    let server = Scripted::start(DIMS, [refusal]);
    let embedder = OpenAi::new(options(&server)).unwrap();
    assert_good(&embedder.embed(&texts(2), &Cancel::new()), 2);
    assert_good(&embedder.embed(&texts(2), &Cancel::new()), 2);
    let asked: Vec<_> = server.seen().iter().map(|seen| seen.body["encoding_format"].clone()).collect();
    assert_eq!(asked, ["base64", "float", "float"]);
}

#[test]
fn requests_stay_within_the_limits_of_the_api() {
    let server = Scripted::start(2, []);
    let embedder = OpenAi::new(OpenAiOptions { batch_size: 10_000, dims: 2, ..options(&server) }).unwrap();
    assert_eq!(embedder.max_inputs(), 2_048);
    let mut many = vec!["a".to_owned(); 2_050];
    many.extend(vec!["word ".repeat(7_000); 50]);
    many.push("word ".repeat(9_000));
    many.push(" ".into());
    let reply = embedder.embed(&many, &Cancel::new());
    assert_eq!(reply.stopped, None);
    assert_eq!(
        server.seen().iter().map(super::super::scripted::Seen::inputs).collect::<Vec<_>>(),
        [2_048, 44, 8]
    );
    let refused: Vec<usize> =
        (0..many.len()).filter(|at| matches!(reply.outcomes[*at], Outcome::Refused(_))).collect();
    assert_eq!(refused, [2_100, 2_101]);
}

#[test]
fn what_was_paid_for_is_kept_when_the_call_stops() {
    let server = Scripted::start(DIMS, [Act::Good, status(401, "")]);
    let embedder = OpenAi::new(OpenAiOptions { batch_size: 2, ..options(&server) }).unwrap();
    let reply = embedder.embed(&texts(6), &Cancel::new());
    assert!(matches!(reply.stopped, Some(EmbedError::Unauthorized { .. })));
    let kept: Vec<bool> =
        reply.outcomes.iter().map(|outcome| matches!(outcome, Outcome::Vector(_))).collect();
    assert_eq!(kept, [true, true, false, false, false, false]);
    assert_eq!(reply.tokens, 5);
}

#[test]
fn a_hanging_server_times_out_and_a_cancelled_one_is_left_soon() {
    let server = Scripted::start(DIMS, vec![Act::Hang; 10]);
    let hasty = OpenAiOptions { timeout: Duration::from_millis(200), ..options(&server) };
    let reply = OpenAi::new(hasty).unwrap().embed(&texts(1), &Cancel::new());
    assert!(matches!(reply.stopped, Some(EmbedError::Timeout { attempts: 3, .. })), "{:?}", reply.stopped);

    let cancel = Cancel::new();
    let other = cancel.clone();
    let waker = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        other.cancel();
    });
    let started = Instant::now();
    let reply = OpenAi::new(options(&server)).unwrap().embed(&texts(1), &cancel);
    assert_eq!(reply.stopped, Some(EmbedError::Cancelled));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    waker.join().unwrap();
}

#[test]
fn a_batch_that_takes_too_long_is_halved_and_stays_so() {
    let server = Scripted::start(DIMS, [Act::Hang]);
    let embedder =
        OpenAi::new(OpenAiOptions { batch_size: 8, timeout: Duration::from_millis(500), ..options(&server) })
            .unwrap();
    assert_good(&embedder.embed(&texts(8), &Cancel::new()), 8);
    assert_eq!(embedder.max_inputs(), 4);
    assert_eq!(server.seen().iter().map(super::super::scripted::Seen::inputs).collect::<Vec<_>>(), [8, 4, 4]);
}

#[test]
fn a_key_is_required_where_it_is_and_never_sent_in_the_clear() {
    let server = Scripted::start(DIMS, []);
    let at = |base: &str| OpenAiOptions { base_url: base.into(), ..options(&server) };
    let plain = OpenAi::new(at("http://example.org/v1")).unwrap_err();
    assert!(matches!(plain, EmbedError::KeyOverPlainHttp { .. }));
    assert!(OpenAi::new(OpenAiOptions { allow_plain_http: true, ..at("http://example.org/v1") }).is_ok());
    assert!(OpenAi::new(OpenAiOptions { key: None, ..at("http://example.org/v1") }).is_ok());
    let missing = OpenAi::new(OpenAiOptions { key: None, ..at("https://api.openai.com/v1") }).unwrap_err();
    assert!(matches!(missing, EmbedError::MissingKey { .. }));
    assert!(!format!("{:?}", options(&server)).contains("Secret"));
}
