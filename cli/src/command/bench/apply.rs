//! `bench --apply`: settings go into the configuration file; comments, order and everything else stay as they are.

use std::io;

use toml_edit::{DocumentMut, Item, Table, value};

use crate::command::context::Context;
use crate::config::File;
use crate::exit::CliError;
use crate::render::file::replace;

/// A setting, and where it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recommended {
    pub(super) section: &'static str,
    pub(super) key: &'static str,
    pub(super) value: usize,
}

pub(super) fn apply(context: &Context, settings: &[Recommended]) -> Result<(), CliError> {
    let path = &context.config_file;
    if settings.is_empty() {
        return Err(CliError::failed(
            "nothing was measured from which a setting follows, so none was written",
            "`siltstone update PATH` fills a store whose searches can be measured; leave --only out to measure all",
        ));
    }
    let failed = |act: &str, error: String| {
        let lines = settings.iter().map(|one| format!("{} = {} under [{}]", one.key, one.value, one.section));
        CliError::failed(
            format!("cannot {act} {}: {error}", path.display()),
            format!("write there yourself: {}", lines.collect::<Vec<_>>().join(", ")),
        )
    };
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        text => text.map_err(|error| failed("read", error.to_string()))?,
    };
    let new = edited(&text, settings).map_err(|error| failed("change", error))?;
    // What is written is what the next command understands.
    File::parse(path, &new).map_err(|error| failed("change", error.to_string()))?;
    replace(path, new.as_bytes()).map_err(|error| failed("write", error.to_string()))?;
    let keys: Vec<&str> = settings.iter().map(|one| one.key).collect();
    context.notices.notice(&format!("written to {}: {}", path.display(), keys.join(", ")));
    let goes_before = std::env::var_os("EMBEDDING_BATCH_SIZE").is_some_and(|value| !value.is_empty());
    if goes_before && keys.contains(&"batch_size") {
        context
            .notices
            .warning("EMBEDDING_BATCH_SIZE in the environment goes before what was written; unset it");
    }
    Ok(())
}

fn edited(text: &str, settings: &[Recommended]) -> Result<String, String> {
    let mut document: DocumentMut =
        text.parse().map_err(|error: toml_edit::TomlError| error.message().to_owned())?;
    for one in settings {
        let section = document.entry(one.section).or_insert_with(|| Item::Table(Table::new()));
        let section = section.as_table_like_mut().ok_or_else(|| format!("`{}` is no table", one.section))?;
        let number = i64::try_from(one.value).map_err(|error| error.to_string())?;
        match section.get_mut(one.key) {
            // The comment beside a value belongs to the value that is replaced, and stays all the same.
            Some(Item::Value(old)) => {
                let beside = old.decor().clone();
                let mut new = toml_edit::Value::from(number);
                *new.decor_mut() = beside;
                *old = new;
            }
            _ => drop(section.insert(one.key, value(number))),
        }
    }
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEST: [Recommended; 2] = [
        Recommended { section: "embedder", key: "batch_size", value: 64 },
        Recommended { section: "embedder", key: "concurrency", value: 6 },
    ];

    #[test]
    fn two_numbers_change_and_nothing_else() {
        let before = "# ours\nstore = \"vs\"  # here\n\n[embedder] # the server\nmodel = \"m\"\nbatch_size = 100 # old\n\n[budget]\nper_day_usd = 1.0\n";
        let after = before.replace("batch_size = 100 # old\n", "batch_size = 64 # old\nconcurrency = 6\n");
        assert_eq!(edited(before, &BEST).unwrap(), after);
        assert_eq!(edited(&after, &BEST).unwrap(), after);
    }

    #[test]
    fn a_file_without_the_section_gets_one() {
        assert_eq!(edited("", &BEST).unwrap(), "[embedder]\nbatch_size = 64\nconcurrency = 6\n");
        let dotted = edited("embedder.model = \"m\"\n", &BEST).unwrap();
        let read = File::parse("x".as_ref(), &dotted).unwrap();
        assert_eq!((read.embedder.batch_size, read.embedder.concurrency), (Some(64), Some(6)));
        assert!(edited("embedder = 3\n", &BEST).is_err() && edited("[", &BEST).is_err());
    }
}
