//! `dashboard`: a page for this machine alone that shows what is, escapes what it shows, and ends when it is told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::Work;
use crate::server::{Act, Server};

/// A dashboard that runs; ended when it is dropped.
pub(crate) struct Dashboard {
    child: Child,
    /// Such as `127.0.0.1:43210`.
    address: String,
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: String,
    pub(crate) body: String,
}

impl Dashboard {
    pub(crate) fn start(work: &Work, arguments: &[&str]) -> Dashboard {
        let line = [&["dashboard", "--port", "0"], arguments].concat();
        let mut child = work.command(&line).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
        let address = said.trim().split_once("http://").unwrap_or_else(|| panic!("{said}")).1;
        let address = address.trim_end_matches('/').replace("0.0.0.0", "127.0.0.1");
        Dashboard { child, address }
    }

    /// Sends these bytes and reads until the other end closes. Whatever goes wrong on the way is an end too.
    fn send(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let _ = stream.write_all(request.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn ask(&self, method: &str, path: &str, host: &str) -> Answer {
        let text =
            self.send(&format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{method} {path}: {text}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, headers: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        let answer = self.ask("GET", path, &self.address);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.get("/api/status.json").body).unwrap()
    }
}

#[test]
fn it_serves_the_page_the_figures_and_the_metrics_and_nothing_from_elsewhere() {
    let work = Work::with_store();
    let dashboard = Dashboard::start(&work, &[]);
    let page = dashboard.get("/");
    assert!(page.headers.contains("content-type: text/html; charset=utf-8"), "{}", page.headers);
    assert!(page.body.contains("docs_Alpha") && page.body.contains("</html>"));
    for path in ["/", "/live.js", "/style.css", "/icon.svg", "/metrics", "/api/status.json"] {
        let answer = dashboard.get(path);
        let policy = answer.headers.lines().find(|line| line.starts_with("content-security-policy: "));
        let policy = policy.unwrap_or_else(|| panic!("{path}: {answer:?}"));
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        for header in
            ["x-content-type-options: nosniff", "cache-control: no-store", "referrer-policy: no-referrer"]
        {
            assert!(answer.headers.contains(header), "{path}: {header}");
        }
        // Nothing is fetched from anywhere else, and nothing runs inline.
        let markup = answer.body.replace("http://www.w3.org/2000/svg", "");
        assert!(!markup.contains("http://") && !markup.contains("https://"), "{path}");
        if path == "/" {
            for inline in ["<style", " style=", "javascript:", " onload", " onclick"] {
                assert!(!markup.contains(inline), "{inline}");
            }
            assert_eq!(markup.matches("<script").count(), 1);
        }
    }
    let counts = dashboard.status()["counts"].clone();
    assert_eq!((&counts["collections"], &counts["chunks"]), (&2.into(), &40.into()));
    work.run(&["status", "--prometheus", "figures.prom"]).expect(0);
    let written = std::fs::read_to_string(work.path().join("figures.prom")).unwrap();
    let names = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.starts_with("# TYPE")).map(str::to_owned).collect()
    };
    assert_eq!(names(&dashboard.get("/metrics").body), names(&written));
}

#[test]
fn only_get_only_this_host_and_only_what_is_there_are_answered() {
    let work = Work::with_store();
    let dashboard = Dashboard::start(&work, &[]);
    let port = dashboard.address.rsplit_once(':').unwrap().1.to_owned();
    let here = dashboard.address.clone();
    assert_eq!(dashboard.ask("GET", "/", &format!("localhost:{port}")).status, 200);
    let foreign = [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        format!("localhost.evil.example:{port}"),
    ];
    for host in &foreign {
        let refused = dashboard.ask("GET", "/", host);
        assert_eq!(refused.status, 421, "{host}: {refused:?}");
        assert!(!refused.body.contains("docs_Alpha"));
    }
    for method in ["POST", "PUT", "DELETE", "HEAD", "TRACE", "PATCH"] {
        let answer = dashboard.ask(method, "/", &here);
        assert_eq!(answer.status, 405, "{method}");
        assert!(answer.headers.contains("allow: get"), "{method}");
    }
    for path in
        ["/nothing", "/..%2f..%2fetc/passwd", "/../siltstone.toml", "/vectorstore/catalogue.json", "//x"]
    {
        let answer = dashboard.ask("GET", path, &here);
        assert!(matches!(answer.status, 404 | 421), "{path}: {answer:?}");
    }
    // What is no request at all is refused or dropped, and the next one is answered.
    let close = "Connection: close\r\n\r\n";
    let nonsense = [
        "\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\n{close}"),
        format!("GET http://evil.example/ HTTP/1.1\r\nHost: {here}\r\n{close}"),
        format!("GET / HTTP/1.1\r\nHost: {here}\r\nHost: evil.example\r\n{close}"),
        format!("CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n{close}"),
        format!("GET / HTTP/1.1\r\nHost: {here}\r\nX: {}\r\n{close}", "x".repeat(100_000)),
        "\u{0}\u{1}\u{2} nonsense\r\n\r\n".to_owned(),
        "GET /".to_owned(),
    ];
    for request in &nonsense {
        let text = dashboard.send(request);
        assert!(!text.starts_with("HTTP/1.1 200") && !text.contains("docs_Alpha"), "{request:.60}: {text}");
    }
    dashboard.get("/");
    println!("dashboard: {} requests that are none, all refused", nonsense.len());
}

#[test]
fn nothing_that_a_path_or_a_document_is_called_becomes_markup() {
    let work = Work::empty();
    let hostile = "<img src=x onerror=alert(1)>&\"'";
    let folder = work.path().join(hostile).join("docs/Alpha");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("<script>alert(2)<>.md"), [0xff, 0xfe, 0x00, 0x41]).unwrap();
    std::fs::write(folder.join("page.md"), "# P\n\nText.\n").unwrap();
    let store = work.path().join(hostile).join("vectorstore");
    let store = store.to_str().unwrap();
    work.run(&["update", folder.to_str().unwrap(), "--store", store]);
    // The log names a document.
    let log = work.path().join("logs/update.log");
    let mut log = std::fs::OpenOptions::new().append(true).open(log).unwrap();
    writeln!(log, "2025-06-30T12:00:00Z WARN docs: left out <script>alert(3)</script>.md").unwrap();
    let dashboard = Dashboard::start(&work, &["--store", store]);
    let page = dashboard.get("/").body;
    assert!(!page.contains("<img") && !page.contains("<script>alert"), "{page}");
    for shown in ["&lt;img src=x onerror=alert(1)&gt;", "&lt;script&gt;alert(3)"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    dashboard.status();
}

#[test]
fn other_machines_are_kept_out_unless_they_are_let_in() {
    let work = Work::with_store();
    let refused = work.run(&["dashboard", "--port", "0", "--address", "0.0.0.0"]).expect(2);
    assert!(refused.stderr.contains("--allow-remote"), "{refused:?}");
    let open = ["--address", "0.0.0.0", "--allow-remote", "--host", "monitor.lan"];
    let dashboard = Dashboard::start(&work, &open);
    let port = dashboard.address.rsplit_once(':').unwrap().1.to_owned();
    assert_eq!(dashboard.ask("GET", "/", &format!("monitor.lan:{port}")).status, 200);
    assert_eq!(dashboard.ask("GET", "/", &format!("evil.example:{port}")).status, 421);
    let taken = work.run(&["dashboard", "--port", &port]).expect(1);
    assert!(taken.stderr.contains("--port"), "{taken:?}");
    work.run(&["dashboard", "--store", "nowhere"]).expect(10);
}

#[test]
#[cfg(unix)]
fn it_ends_when_it_is_told_to() {
    for signal in ["TERM", "INT"] {
        let work = Work::with_store();
        let mut dashboard = Dashboard::start(&work, &[]);
        dashboard.get("/");
        let process = dashboard.child.id().to_string();
        let kill = std::process::Command::new("kill").args(["-s", signal, &process]).status();
        assert!(kill.unwrap().success());
        let started = Instant::now();
        let ended = loop {
            if let Some(ended) = dashboard.child.try_wait().unwrap() {
                break ended;
            }
            assert!(started.elapsed() < Duration::from_secs(30), "{signal}");
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(ended.code(), Some(0), "{signal}");
    }
}

#[test]
fn a_running_update_and_a_store_that_is_damaged_are_seen_live() {
    let server = Server::start();
    let work = Work::empty();
    let folder = work.path().join("docs/Alpha");
    std::fs::create_dir_all(&folder).unwrap();
    for page in 0..8 {
        std::fs::write(folder.join(format!("p{page}.md")), format!("# P{page}\n\nIt says {page}.\n"))
            .unwrap();
    }
    let settings = format!(
        "[embedder]\nbase_url = \"{}\"\nmodel = \"scripted\"\ndims = 64\nbatch_size = 4\nconcurrency = 1\n\
         usd_per_million_tokens = 10000.0\n",
        server.url
    );
    std::fs::write(work.path().join("siltstone.toml"), settings).unwrap();
    work.run(&["init", "--no-config"]).expect(0);
    let dashboard = Dashboard::start(&work, &[]);
    assert!(dashboard.get("/").body.contains("none is running"));
    server.then([Act::Slow(0), Act::Hang]);
    let line = ["update", "docs/Alpha", "--force", "--max-cost", "100000"];
    let mut update = work.command(&line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while dashboard.status()["updates"][0]["requests_answered"] != 1 {
        assert!(started.elapsed() < Duration::from_secs(60), "the update is not seen");
        std::thread::sleep(Duration::from_millis(50));
    }
    let page = dashboard.get("/").body;
    assert!(page.contains("<progress max=\"8\"") && page.contains("docs_Alpha (1 of 1)"), "{page}");
    assert!(dashboard.get("/metrics").body.contains("siltstone_updates_running 1\n"));
    // Thirty days to today, with what was spent on each.
    let days = loop {
        // They are looked up less often than how far the update is.
        let days = dashboard.status()["days"].as_array().unwrap().clone();
        if days[29]["requests"] == 2 {
            break days;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}", days[29]);
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!((days.len(), &days[28]["requests"]), (30, &0.into()));
    assert!(days[29]["cost_usd"].as_f64().unwrap() > 0.0, "{days:?}");
    update.kill().unwrap();
    update.wait().unwrap();
    assert!(dashboard.get("/").body.contains("ended without a word"));
    // A store that is damaged meanwhile is told, and one that comes back is shown again.
    let catalogue = work.store().join("catalogue.json");
    let bytes = std::fs::read(&catalogue).unwrap();
    std::fs::write(&catalogue, "{").unwrap();
    let wait = |status: u16| {
        let started = Instant::now();
        while dashboard.ask("GET", "/", &dashboard.address).status != status {
            assert!(started.elapsed() < Duration::from_secs(60), "{status}");
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    wait(500);
    let told = dashboard.ask("GET", "/", &dashboard.address);
    assert!(told.body.contains("UNKNOWN") && told.body.contains("catalogue.json"), "{}", told.body);
    std::fs::write(&catalogue, bytes).unwrap();
    wait(200);
}

/// A browser on this machine, if there is one.
fn browser() -> Option<&'static str> {
    let answers = |name: &&str| std::process::Command::new(name).arg("--version").output().is_ok();
    ["chromium", "chromium-browser", "google-chrome", "chrome"].into_iter().find(answers)
}

#[test]
fn a_browser_draws_it_and_its_own_rules_stop_nothing_of_it() {
    let Some(browser) = browser() else {
        println!("skipped: no Chromium here");
        return;
    };
    let work = Work::with_store();
    let dashboard = Dashboard::start(&work, &[]);
    let profile = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(browser);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]);
    command.args(["--virtual-time-budget=10000", "--timeout=60000"]);
    command.arg(format!("--user-data-dir={}", profile.path().display()));
    let output = command.arg(format!("http://{}/", dashboard.address)).output().unwrap();
    let (page, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(page.contains("docs_Alpha") && page.contains("docs_Beta"), "{page}\n{said}");
    // The script has run, and has asked again.
    assert!(page.contains("<body class=\"live\">"), "{page}\n{said}");
    assert!(!said.contains("Content Security Policy") && !said.contains("CONSOLE"), "{said}");
}
