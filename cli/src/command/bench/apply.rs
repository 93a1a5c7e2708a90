//! `bench --apply`: two settings go into the configuration file; comments, order and everything else stay as they are.

use std::io;

use toml_edit::{DocumentMut, Item, Table, value};

use super::embed::Setting;
use crate::command::context::Context;
use crate::config::File;
use crate::exit::CliError;
use crate::render::file::replace;

pub(super) fn apply(context: &Context, setting: Setting) -> Result<(), CliError> {
    let path = &context.config_file;
    let failed = |act: &str, error: String| {
        CliError::failed(
            format!("cannot {act} {}: {error}", path.display()),
            format!(
                "write batch_size = {} and concurrency = {} under [embedder] there yourself",
                setting.batch_size, setting.concurrency
            ),
        )
    };
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        text => text.map_err(|error| failed("read", error.to_string()))?,
    };
    let new = edited(&text, setting).map_err(|error| failed("change", error))?;
    // What is written is what the next command understands.
    File::parse(path, &new).map_err(|error| failed("change", error.to_string()))?;
    replace(path, new.as_bytes()).map_err(|error| failed("write", error.to_string()))?;
    context.notices.notice(&format!("written to {}", path.display()));
    if std::env::var_os("EMBEDDING_BATCH_SIZE").is_some_and(|value| !value.is_empty()) {
        context
            .notices
            .warning("EMBEDDING_BATCH_SIZE in the environment goes before what was written; unset it");
    }
    Ok(())
}

fn edited(text: &str, setting: Setting) -> Result<String, String> {
    let mut document: DocumentMut =
        text.parse().map_err(|error: toml_edit::TomlError| error.message().to_owned())?;
    let section = document.entry("embedder").or_insert_with(|| Item::Table(Table::new()));
    let section = section.as_table_like_mut().ok_or("`embedder` is no table")?;
    for (name, number) in [("batch_size", setting.batch_size), ("concurrency", setting.concurrency)] {
        let number = i64::try_from(number).map_err(|error| error.to_string())?;
        match section.get_mut(name) {
            // The comment beside a value belongs to the value that is replaced, and stays all the same.
            Some(Item::Value(old)) => {
                let beside = old.decor().clone();
                let mut new = toml_edit::Value::from(number);
                *new.decor_mut() = beside;
                *old = new;
            }
            _ => drop(section.insert(name, value(number))),
        }
    }
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEST: Setting = Setting { batch_size: 64, concurrency: 6 };

    #[test]
    fn two_numbers_change_and_nothing_else() {
        let before = "# ours\nstore = \"vs\"  # here\n\n[embedder] # the server\nmodel = \"m\"\nbatch_size = 100 # old\n\n[budget]\nper_day_usd = 1.0\n";
        let after = before.replace("batch_size = 100 # old\n", "batch_size = 64 # old\nconcurrency = 6\n");
        assert_eq!(edited(before, BEST).unwrap(), after);
        assert_eq!(edited(&after, BEST).unwrap(), after);
    }

    #[test]
    fn a_file_without_the_section_gets_one() {
        assert_eq!(edited("", BEST).unwrap(), "[embedder]\nbatch_size = 64\nconcurrency = 6\n");
        let dotted = edited("embedder.model = \"m\"\n", BEST).unwrap();
        let read = File::parse("x".as_ref(), &dotted).unwrap();
        assert_eq!((read.embedder.batch_size, read.embedder.concurrency), (Some(64), Some(6)));
        assert!(edited("embedder = 3\n", BEST).is_err() && edited("[", BEST).is_err());
    }
}
