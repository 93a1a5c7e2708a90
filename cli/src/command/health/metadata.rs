//! Metadata completeness: has every passage the fields that its collection promises, each of the promised type?

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::config::FieldType;

/// What is wrong with the metadata of one row: the first thing, in the order of the fields.
pub(super) fn flaw(metadata: &Map<String, Value>, required: &BTreeMap<String, FieldType>) -> Option<String> {
    let wrong = required.iter().find_map(|(field, kind)| match metadata.get(field) {
        None => Some(format!("{field} is missing")),
        Some(value) if !is_of(value, *kind) => {
            Some(format!("{field} is {}, not {}", named(value), word(*kind)))
        }
        Some(_) => None,
    });
    wrong.or_else(|| out_of_range(metadata, required))
}

/// A chunk beyond the end of its document.
fn out_of_range(metadata: &Map<String, Value>, required: &BTreeMap<String, FieldType>) -> Option<String> {
    let number = |field: &str| {
        required.get(field).filter(|kind| **kind == FieldType::Integer)?;
        metadata.get(field)?.as_i64()
    };
    let (index, total) = (number("chunk_index")?, number("total_chunks")?);
    (index < 0 || index >= total).then(|| format!("chunk_index is {index} of {total} chunks"))
}

fn is_of(value: &Value, kind: FieldType) -> bool {
    match kind {
        FieldType::String => value.is_string(),
        FieldType::Integer => value.is_i64() || value.is_u64(),
        FieldType::Number => value.is_number(),
        FieldType::Boolean => value.is_boolean(),
    }
}

const fn word(kind: FieldType) -> &'static str {
    match kind {
        FieldType::String => "a string",
        FieldType::Integer => "an integer",
        FieldType::Number => "a number",
        FieldType::Boolean => "true or false",
    }
}

const fn named(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Inputs, Overrides, Settings};
    use serde_json::json;

    #[test]
    fn the_first_flaw_is_named() {
        let settings = Settings::resolve(&Overrides::default(), &Inputs::default()).unwrap();
        let required = settings.required_metadata("any");
        let good = json!({
            "framework": "A", "api_name": "b", "file_path": "c.md", "file_size": 1, "chunk_index": 0,
            "total_chunks": 1, "chunk_hash": "00",
        });
        let flaw_with = |field: &str, value: Value| {
            let mut metadata = good.as_object().unwrap().clone();
            metadata.insert(field.to_owned(), value);
            flaw(&metadata, &required)
        };
        assert_eq!(flaw_with("more", json!([])), None);
        assert_eq!(flaw_with("file_size", json!("1")).unwrap(), "file_size is a string, not an integer");
        assert_eq!(flaw_with("file_size", json!(1.5)).unwrap(), "file_size is a number, not an integer");
        assert_eq!(flaw_with("chunk_index", json!(1)).unwrap(), "chunk_index is 1 of 1 chunks");
        assert_eq!(flaw(&Map::new(), &required).unwrap(), "api_name is missing");
    }
}
