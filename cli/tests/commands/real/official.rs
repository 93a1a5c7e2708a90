//! What the official Python client says that the same server answers.

use std::io::Write;
use std::process::{Command, Stdio};

use super::nano::program;

const SCRIPT: &str = r#"
import json, struct, sys
try:
    from openai import OpenAI
except ImportError:
    sys.exit(77)
wanted = json.load(sys.stdin)
client = OpenAI(base_url=wanted["url"], api_key="none", max_retries=0)
for text in wanted["texts"]:
    for how in ({}, {"encoding_format": "float"}, {"encoding_format": "base64"}):
        reply = client.embeddings.create(model=wanted["model"], input=[text], **how)
        vector = reply.data[0].embedding
        if isinstance(vector, str):
            import base64
            raw = base64.b64decode(vector)
        else:
            raw = struct.pack("<%df" % len(vector), *vector)
        print(raw.hex())
"#;

/// For each text the bits of its vector, asked for in three ways: as the client does by itself, as plain numbers, and as
/// base64. One text a request. `None`, said aloud, where the client is not installed beside the server.
pub(crate) fn vectors(url: &str, model: &str, texts: &[String]) -> Option<Vec<[Vec<u32>; 3]>> {
    let python = program()?.with_file_name("python");
    let mut child = Command::new(&python)
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let wanted = serde_json::json!({ "url": url, "model": model, "texts": texts }).to_string();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        // A script that ends at once leaves nobody to read it.
        let _ = stdin.write_all(wanted.as_bytes());
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    if output.status.code() == Some(77) {
        eprintln!("SKIPPED: {} has no openai; pip install openai gives it", python.display());
        return None;
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<Vec<u32>> = String::from_utf8(output.stdout).unwrap().lines().map(bits).collect();
    let (all, rest) = lines.as_chunks::<3>();
    assert!(rest.is_empty() && all.len() == texts.len(), "{} answers", lines.len());
    Some(all.to_vec())
}

/// Numbers of four bytes, little-endian, in hex.
fn bits(line: &str) -> Vec<u32> {
    let number =
        |eight: &[u8]| u32::from_str_radix(std::str::from_utf8(eight).unwrap(), 16).unwrap().swap_bytes();
    line.as_bytes().chunks_exact(8).map(number).collect()
}
