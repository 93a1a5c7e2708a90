//! Writes valid inputs as seeds for the fuzzer: `cargo run --example seeds -p siltstone-fuzz-bodies -- fuzz/corpus`.

use std::error::Error;
use std::path::Path;

use siltstone_format::payload::Compression;
use siltstone_fuzz_bodies::samples;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("name the folder of the corpus")?;
    let write = |target: &str, name: &str, bytes: &[u8]| -> Result<(), Box<dyn Error>> {
        let folder = Path::new(&folder).join(target);
        std::fs::create_dir_all(&folder)?;
        Ok(std::fs::write(folder.join(name), bytes)?)
    };
    write("header_page", "page", &samples::header_page(4)?)?;
    for (choice, dims) in [(0u8, 1), (1, 3), (2, 4), (8, 1), (9, 3), (10, 4)] {
        for (name, compression) in [("raw", Compression::None), ("zstd", Compression::Zstd)] {
            let frame = samples::frame(dims, 5, compression)?.bytes;
            write("frame", &format!("{name}-{choice}"), &[&[choice], frame.as_slice()].concat())?;
        }
    }
    write("footer", "footer", &samples::footer())?;
    write("key_index", "small", &samples::key_index(5))?;
    write("attributes", "two_fields", &samples::attributes())?;
    write("codes", "small", &samples::codes(5))?;
    write("basis", "basis", &samples::basis())?;
    write("witness", "witness", &samples::witness())?;
    write("documents", "catalogue", &samples::catalogue().encode()?)?;
    write("documents", "manifest", &samples::manifest().encode()?)?;
    write("documents", "backup", &samples::backup_index().encode()?)?;
    write("documents", "snapshot", &samples::snapshot().encode()?)
}
