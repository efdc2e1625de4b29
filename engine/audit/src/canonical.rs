//! One way to write a record, so that its digest says something: JSON without spaces, keys in order of their bytes,
//! whole numbers only.

use serde::Serialize;
use serde_json::Value;

/// Why a value has no canonical form: a fault of the engine, since the types of records rule it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoCanonicalForm;

/// The canonical bytes of a record.
///
/// Keys are sorted here and not left to `serde_json`'s map, whose order hangs on a feature that any other crate of the
/// workspace may switch on.
pub(crate) fn canonical<T: Serialize>(record: &T) -> Result<Vec<u8>, NoCanonicalForm> {
    let value = serde_json::to_value(record).map_err(|_| NoCanonicalForm)?;
    let mut text = Vec::with_capacity(512);
    write_value(&value, &mut text)?;
    Ok(text)
}

fn write_value(value: &Value, text: &mut Vec<u8>) -> Result<(), NoCanonicalForm> {
    match value {
        Value::Number(number) if number.is_f64() => return Err(NoCanonicalForm),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            serde_json::to_writer(text, value).map_err(|_| NoCanonicalForm)?;
        }
        Value::Array(items) => {
            text.push(b'[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    text.push(b',');
                }
                write_value(item, text)?;
            }
            text.push(b']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(key, _)| key.as_bytes());
            text.push(b'{');
            for (position, (key, item)) in fields.into_iter().enumerate() {
                if position > 0 {
                    text.push(b',');
                }
                serde_json::to_writer(&mut *text, key).map_err(|_| NoCanonicalForm)?;
                text.push(b':');
                write_value(item, text)?;
            }
            text.push(b'}');
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn sorted_without_spaces_or_floats() {
        let cases = [
            (json!({"b": 1, "a": [true, null, "x\n"], "A": {}}), Ok(r#"{"A":{},"a":[true,null,"x\n"],"b":1}"#)),
            (
                json!({"é": 1, "z": u64::MAX, "": i64::MIN}),
                Ok(r#"{"":-9223372036854775808,"z":18446744073709551615,"é":1}"#),
            ),
            (json!({"a": [{"b": 1.0}]}), Err(NoCanonicalForm)),
        ];
        for (value, expected) in cases {
            let written = canonical(&value).map(|text| String::from_utf8(text).unwrap());
            assert_eq!(written, expected.map(str::to_owned));
        }
    }
}
