//! `siltstone man`: the manual pages, made from the command line itself. Needs no store and no configuration.

use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;

use crate::args::Cli;
use crate::exit::{CliError, Exit};
use crate::render::output::Output;

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Write one page a command into this directory, instead of the first page to stdout
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
}

pub(crate) fn run(args: &ManArgs, output: &Output) -> Result<Exit, CliError> {
    let mut command = Cli::command();
    command.build();
    let Some(directory) = &args.to else {
        let page = render(&command, "siltstone").map_err(|error| failed(Path::new("the page"), &error))?;
        output.line(String::from_utf8_lossy(&page).trim_end())?;
        return Ok(Exit::Pass);
    };
    std::fs::create_dir_all(directory).map_err(|error| failed(directory, &error))?;
    let mut written = Vec::new();
    write(&command, "siltstone", directory, &mut written)?;
    for path in written {
        output.line(path.display())?;
    }
    Ok(Exit::Pass)
}

/// Writes the page of a command and those of the commands below it.
fn write(
    command: &Command,
    name: &str,
    directory: &Path,
    written: &mut Vec<PathBuf>,
) -> Result<(), CliError> {
    let path = directory.join(format!("{name}.1"));
    let page = render(command, name);
    page.and_then(|page| std::fs::write(&path, page)).map_err(|error| failed(&path, &error))?;
    written.push(path);
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        write(below, &format!("{name}-{}", below.get_name()), directory, written)?;
    }
    Ok(())
}

fn render(command: &Command, name: &str) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone()).title(name).render(&mut page)?;
    Ok(page)
}

fn failed(path: &Path, error: &std::io::Error) -> CliError {
    CliError::failed(
        format!("{} cannot be written: {error}", path.display()),
        "name a directory that this user may write to",
    )
}
