//! Objects of JSON as rows.

use std::collections::BTreeMap;

use serde_json::Value;

/// Fields of a JSON object by name, in lower case; those of objects in it as `outer.inner`. What is null, or a list, is not there.
///
/// # Errors
/// When it is none.
pub(in crate::pipelines) fn flat_object(line: &str) -> Result<BTreeMap<String, String>, String> {
    let value: Value = serde_json::from_str(line).map_err(|error| format!("it is no JSON: {error}"))?;
    let Value::Object(_) = value else { return Err("it is no JSON object".to_owned()) };
    let mut flat = BTreeMap::new();
    flatten("", value, &mut flat);
    Ok(flat)
}

fn flatten(name: &str, value: Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (inner, value) in fields {
                let inner = inner.to_lowercase();
                flatten(&if name.is_empty() { inner } else { format!("{name}.{inner}") }, value, into);
            }
        }
        Value::Null | Value::Array(_) => {}
        Value::String(text) => drop(into.insert(name.to_owned(), text)),
        other => drop(into.insert(name.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_in_objects_have_names_with_points() {
        let flat = flat_object(r#"{"A":{"b":1,"C":{"d":"x"}},"e":null,"f":[1],"g":true}"#).unwrap();
        let expect = [("a.b", "1"), ("a.c.d", "x"), ("g", "true")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(flat, BTreeMap::from(expect));
        assert!(flat_object("[1]").is_err_and(|why| why.contains("no JSON object")));
        assert!(flat_object("{").is_err_and(|why| why.contains("no JSON:")));
    }
}
