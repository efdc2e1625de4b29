#![allow(clippy::unwrap_used, clippy::expect_used)]
use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<Json, String> {
    Json::parse(text.as_bytes(), &Limits::default()).map_err(|error| error.to_string())
}

#[test]
fn numbers_keep_what_they_are() {
    let cases: [(&str, Json); 9] = [
        ("1", Json::Int(1)),
        ("1.0", Json::Float(1.0)),
        ("-0", Json::Int(0)),
        ("-0.0", Json::Float(-0.0)),
        ("1e2", Json::Float(100.0)),
        ("9223372036854775807", Json::Int(i64::MAX)),
        ("-9223372036854775808", Json::Int(i64::MIN)),
        ("0.1", Json::Float(0.1)),
        // A case that parsers which multiply by a power of ten get wrong by one unit.
        ("31.245270191439438", Json::Float(31.245270191439438)),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(text), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    let cases = [
        (
            "",
            "document, line 1, column 1: the document ends where a JSON document, as `ehrql serialize-definition` prints it, should follow; it may have been cut off",
        ),
        ("{\n \"a\": 1,\n \"a\": 2}", "document, line 3, column 9: the object that ends here has the key `a` twice"),
        (
            "[1, 2",
            "document, line 1, column 6: the document ends where `,` or `]` should follow; it may have been cut off",
        ),
        ("[1] 2", "document, line 1, column 5: something follows the end of the document"),
        ("NaN", "document, line 1, column 1: NaN and infinities are not values of a definition"),
        ("[-Infinity]", "document, line 1, column 3: NaN and infinities are not values of a definition"),
        ("1e999", "document, line 1, column 6: a number is beyond the largest float"),
        ("9223372036854775808", "document, line 1, column 20: a whole number does not fit 64 bits"),
        ("01", "document, line 1, column 2: a number has a zero in front"),
        ("\"\\ud800\"", "document, line 1, column 8: half of a surrogate pair stands alone in a string"),
        ("{'a': 1}", "document, line 1, column 2: a key in double quotes should stand here, not `'`"),
        ("\"a\nb\"", "document, line 1, column 3: a string holds a control character as it is; JSON wants it escaped"),
        (
            "\u{feff}{}",
            "document, line 1, column 1: a JSON document, as `ehrql serialize-definition` prints it, should stand here, not `\\u{feff}`",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(text), Err(expected.to_owned()), "{text:?}");
    }
}

#[test]
fn every_bound_holds() {
    let limits =
        Limits { document_bytes_max: 50, values_max: 5, string_bytes_max: 4, depth_max: 3, ..Limits::default() };
    let cases = [
        ("[[[]]]", true),
        ("[[[[]]]]", false),
        ("[1,2,3,4]", true),
        ("[1,2,3,4,5]", false),
        ("\"abcd\"", true),
        ("\"abcde\"", false),
        ("\"\\u0041bcde\"", false),
    ];
    for (text, fits) in cases {
        assert_eq!(Json::parse(text.as_bytes(), &limits).is_ok(), fits, "{text}");
    }
    assert!(Json::parse(&[b' '; 51], &limits).is_err());
    let wide = Limits { depth_max: usize::MAX, ..Limits::default() };
    assert!(Json::parse("[".repeat(1_000_000).as_bytes(), &wide).is_err());
}

fn from_serde(value: &serde_json::Value) -> Option<Json> {
    Some(match value {
        serde_json::Value::Null => Json::Null,
        serde_json::Value::Bool(value) => Json::Bool(*value),
        serde_json::Value::Number(number) if number.is_f64() => Json::Float(number.as_f64()?),
        serde_json::Value::Number(number) => Json::Int(number.as_i64()?),
        serde_json::Value::String(text) => Json::Str(text.as_str().into()),
        serde_json::Value::Array(items) => Json::List(items.iter().map(from_serde).collect::<Option<_>>()?),
        serde_json::Value::Object(members) => Json::Object(
            members
                .iter()
                .map(|(key, value)| Some((key.as_str().into(), from_serde(value)?)))
                .collect::<Option<_>>()?,
        ),
    })
}

/// `serde_json` may be off by one unit in a float's last place.
fn alike(lhs: &Json, rhs: &Json) -> bool {
    match (lhs, rhs) {
        (Json::Float(lhs), Json::Float(rhs)) => (lhs - rhs).abs() <= lhs.abs() * 1e-15,
        (Json::List(lhs), Json::List(rhs)) => lhs.len() == rhs.len() && lhs.iter().zip(rhs).all(|(l, r)| alike(l, r)),
        (Json::Object(lhs), Json::Object(rhs)) => {
            // The other parser sorts the keys.
            lhs.len() == rhs.len()
                && lhs.iter().all(|(key, value)| rhs.iter().any(|(other, json)| other == key && alike(value, json)))
        }
        _ => lhs == rhs,
    }
}

proptest! {
    #[test]
    fn agrees_with_serde_json(text in r#"([\[\]{},:"\\a-fu0-9 .eE+-]|true|null|"[a-z]{0,2}"){0,12}"#) {
        let ours = parse(&text);
        match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(value) => match (from_serde(&value), &ours) {
                (Some(value), Ok(ours)) => prop_assert!(alike(&value, ours), "{value:?} {ours:?}"),
                (_, Err(refusal)) => {
                    let bound = ["twice", "64 bits", "largest float"].iter().any(|reason| refusal.contains(reason));
                    prop_assert!(bound, "{text} {refusal}");
                }
                (None, Ok(_)) => prop_assert!(false, "{text} has a whole number that should not fit"),
            },
            Err(_) => prop_assert!(ours.is_err(), "{} {:?}", text, ours),
        }
    }

    #[test]
    fn strings_survive(text in any::<String>()) {
        let written = serde_json::to_string(&text).unwrap();
        prop_assert_eq!(parse(&written), Ok(Json::Str(text.into())));
    }

    #[test]
    fn floats_survive(value in any::<f64>().prop_filter("finite", |value| value.is_finite())) {
        prop_assert_eq!(parse(&format!("{value:?}")), Ok(Json::Float(value)));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = Json::parse(&bytes, &Limits::default());
    }
}
