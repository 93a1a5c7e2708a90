//! Asking before something that cannot simply be done again: on a terminal only. Elsewhere nobody answers, so `--force`
//! must have said it.

use std::io::{BufRead, IsTerminal, Write};

use crate::exit::CliError;

/// Goes on with `--force` or after a yes.
pub(crate) fn confirm(question: &str, force: bool) -> Result<(), CliError> {
    if force {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(CliError::usage(
            format!("{question} Nobody is there to answer"),
            "run the command with --force, or on a terminal",
        ));
    }
    let mut answer = String::new();
    let asked = write!(std::io::stderr().lock(), "{question} [y/N] ");
    let read = asked.and_then(|()| std::io::stdin().lock().read_line(&mut answer));
    match read {
        Ok(_) if matches!(answer.trim(), "y" | "Y" | "yes") => Ok(()),
        _ => Err(CliError::failed("nothing was done", "run the command again and answer y, or with --force")),
    }
}
