//! Results go to stdout through here and nowhere else. A reader that goes away (`siltstone search x | head -1`) is no
//! error: what follows is dropped, and the command ends as it would have. A full disk behind stdout is one.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use crate::exit::CliError;

/// Standard output, or what a test reads instead.
pub(crate) struct Output {
    state: Mutex<State>,
    /// On a terminal every line shows at once; elsewhere lines are gathered.
    pub(crate) is_terminal: bool,
    /// Columns to wrap at; `None` where lines have no width.
    pub(crate) width: Option<usize>,
}

struct State {
    writer: BufWriter<Box<dyn Write + Send>>,
    closed: bool,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").field("is_terminal", &self.is_terminal).finish_non_exhaustive()
    }
}

impl Output {
    pub(crate) fn stdout() -> Output {
        let is_terminal = io::stdout().is_terminal();
        let width =
            is_terminal.then(|| terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0)));
        Output { is_terminal, width, ..Output::to(Box::new(io::stdout())) }
    }

    pub(crate) fn to(writer: Box<dyn Write + Send>) -> Output {
        let state = State { writer: BufWriter::new(writer), closed: false };
        Output { state: Mutex::new(state), is_terminal: false, width: None }
    }

    /// Prints one line.
    pub(crate) fn line(&self, text: impl Display) -> Result<(), CliError> {
        self.with(|writer| writeln!(writer, "{text}"))?;
        if self.is_terminal { self.flush() } else { Ok(()) }
    }

    /// What was printed is with the reader afterwards.
    pub(crate) fn flush(&self) -> Result<(), CliError> {
        self.with(Write::flush)
    }

    /// Whether the reader went away: a command with much to print may stop.
    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed
    }

    fn with(
        &self,
        act: impl FnOnce(&mut BufWriter<Box<dyn Write + Send>>) -> io::Result<()>,
    ) -> Result<(), CliError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return Ok(());
        }
        match act(&mut state.writer) {
            Ok(()) => Ok(()),
            Err(error) => {
                state.closed = true;
                match error.kind() {
                    io::ErrorKind::BrokenPipe => Ok(()),
                    _ => Err(CliError::failed(
                        format!("cannot write the result to stdout: {error}"),
                        "check where the output goes: a full disk, a closed terminal",
                    )),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Refuses(io::ErrorKind);

    impl Write for Refuses {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_reader_that_goes_away_is_no_error_and_is_noticed() {
        let output = Output::to(Box::new(Refuses(io::ErrorKind::BrokenPipe)));
        for _ in 0..10_000 {
            output.line("a line").unwrap();
        }
        output.flush().unwrap();
        assert!(output.is_closed());
    }

    #[test]
    fn a_full_disk_is_an_error_once() {
        let output = Output::to(Box::new(Refuses(io::ErrorKind::StorageFull)));
        output.line("a line").unwrap();
        assert!(output.flush().unwrap_err().message.contains("stdout"));
        output.flush().unwrap();
    }
}
