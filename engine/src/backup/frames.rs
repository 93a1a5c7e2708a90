//! One zstd frame a member. `zstd -d` reads frames that follow each other as one stream, so plain tools unpack the
//! archive; and what is damaged is known to lie in one frame, that of the member it names.

use std::io::{self, BufRead, Read, Write};

use zstd::stream::read::Decoder;
use zstd::stream::write::Encoder;

use super::stream::{FileReader, FileWriter};

/// Fast, and within a few per cent of what higher levels reach on vectors.
pub(super) const LEVEL: i32 = 3;

/// Writes frames.
pub(super) struct FrameWriter {
    encoder: Encoder<'static, FileWriter>,
}

impl FrameWriter {
    pub(super) fn new(writer: FileWriter) -> io::Result<Self> {
        Ok(Self { encoder: encoder(writer)? })
    }

    /// Ends the frame and begins another.
    pub(super) fn next(self) -> io::Result<Self> {
        Self::new(self.encoder.finish()?)
    }

    /// Ends the last frame.
    pub(super) fn finish(self) -> io::Result<FileWriter> {
        self.encoder.finish()
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.encoder.write_all(bytes)
    }
}

fn encoder(writer: FileWriter) -> io::Result<Encoder<'static, FileWriter>> {
    let mut encoder = Encoder::new(writer, LEVEL)?;
    encoder.include_checksum(true)?;
    Ok(encoder)
}

/// Reads frames.
pub(super) struct FrameReader {
    state: State,
    /// Where the current frame begins in the file.
    pub(super) begins_at: u64,
}

enum State {
    Between(FileReader),
    Within(Decoder<'static, FileReader>),
    /// An error ended it.
    Lost,
}

impl FrameReader {
    pub(super) fn new(reader: FileReader) -> Self {
        Self { state: State::Between(reader), begins_at: 0 }
    }

    /// Begins the next frame, once the current one was read to its end; `false` at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<bool> {
        let mut reader = match std::mem::replace(&mut self.state, State::Lost) {
            State::Between(reader) => reader,
            State::Within(decoder) => decoder.finish(),
            State::Lost => return Err(io::ErrorKind::InvalidInput.into()),
        };
        self.begins_at = reader.position();
        if reader.fill_buf()?.is_empty() {
            self.state = State::Between(reader);
            return Ok(false);
        }
        self.state = State::Within(Decoder::with_buffer(reader)?.single_frame());
        Ok(true)
    }

    /// Reads as much as fits into `to`, or as the frame still has. At its end its checksum was compared.
    pub(super) fn fill(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let State::Within(decoder) = &mut self.state else { return Ok(0) };
        let mut filled = 0;
        while let Some(rest) = to.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match decoder.read(rest)? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }

    /// The file, after an end without damage.
    pub(super) fn into_reader(self) -> Option<FileReader> {
        match self.state {
            State::Between(reader) => Some(reader),
            State::Within(decoder) => Some(decoder.finish()),
            State::Lost => None,
        }
    }
}
