//! What can stand in a record, and what cannot.

use peristyle_audit::{
    Code, Digest, FileName, FileSnapshot, FreeText, Moment, Name, RecordError, RunStart, SourceSnapshot,
};

use crate::samples::{at, full_finish, full_start, name};

#[test]
fn names_hold_no_numbers_dates_or_prose() {
    let fits =
        ["long-covid", "opensafely/vaccine_effectiveness", "ehrql.tables.core.patients", "peristyle 0.1.0", "A:b+c@d"];
    let long = "a".repeat(201);
    let refused =
        ["", "9434765919", "2020-01-01", " a", "a ", "a\nb", "a\"b", "São", "a\\b", "-a", "a\u{202e}b", long.as_str()];
    for text in fits {
        assert_eq!(Name::new("a project", text).unwrap().as_str(), text);
    }
    for text in refused {
        assert_eq!(Name::new("a project", text), Err(RecordError::NotAName { what: "a project" }), "{text:?}");
    }
    insta::assert_snapshot!(Name::new("the project", "9434765919").unwrap_err());
}

#[test]
fn codes_are_codes() {
    for (code, fits) in
        [("register_stale", true), ("e12", true), ("", false), ("12", false), ("Value 7", false), ("é", false)]
    {
        assert_eq!(Code::new(code).is_ok(), fits, "{code:?}");
    }
}

#[test]
fn free_text_is_escaped_and_bounded() {
    let cases = [
        ("Outbreak of 2026", Ok("Outbreak of 2026")),
        (" trimmed\n", Ok("trimmed")),
        ("two\nlines", Ok("two\\u{a}lines")),
        ("\u{1b}[31mred", Ok("\\u{1b}[31mred")),
        ("turned \u{202e}round", Ok("turned \\u{202e}round")),
        ("a\\u{a}b", Ok("a\\\\u{a}b")),
        ("Straße, São Tomé, 東京", Ok("Straße, São Tomé, 東京")),
        (" ", Err(RecordError::TextLength { what: "the reason", characters: 0, most: 2_000 })),
    ];
    for (text, expected) in cases {
        assert_eq!(FreeText::new("the reason", text).map(String::from), expected.map(str::to_owned), "{text:?}");
    }
    assert_eq!(FreeText::new("the reason", &"é".repeat(2_000)).map(|text| text.as_str().len()), Ok(4_000));
    insta::assert_snapshot!(FreeText::new("the reason of the set-aside", &"x".repeat(2_001)).unwrap_err());
}

#[test]
fn moments_have_one_form() {
    for text in ["1970-01-01T00:00:00Z", "2024-02-29T23:59:59Z", "9999-12-31T23:59:59Z"] {
        assert_eq!(Moment::parse("it", text).unwrap().to_string(), text);
    }
    let refused = [
        "",
        "2026-01-31",
        "2026-01-31 09:30:00Z",
        "2026-1-31T09:30:00Z",
        "2026-01-31T09:30:00",
        "1969-12-31T23:59:59Z",
        "2023-02-29T00:00:00Z",
        "2026-01-31T09:30:60Z",
        "+12026-01-31T09:30:00Z",
        "2026-01-31T09:30:00+00:00",
    ];
    for text in refused {
        assert_eq!(Moment::parse("it", text), Err(RecordError::NotAMoment { what: "it" }), "{text}");
    }
    assert!(Moment::now() > at("2025-01-01T00:00:00Z"));
}

#[test]
fn digests_have_one_form() {
    let digits = Digest::of(b"").to_string();
    assert_eq!(digits, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(Digest::parse("it", &digits), Ok(Digest::of(b"")));
    let mut parts = Digest::begin();
    parts.update(b"a");
    parts.update(b"bc");
    assert_eq!(parts.end(), Digest::of(b"abc"));
    for text in ["", &digits[1..], &digits.to_uppercase(), &digits.replace('e', "g"), &format!("{digits}0")] {
        assert_eq!(Digest::parse("it", text), Err(RecordError::NotADigest { what: "it" }));
    }
}

#[test]
fn records_refuse_unknown_fields() {
    let written = serde_json::to_string(&full_start()).unwrap();
    assert_eq!(serde_json::from_str::<RunStart>(&written).unwrap(), full_start());
    let more = written.replacen('{', "{\"patient\":1,", 1);
    assert!(serde_json::from_str::<RunStart>(&more).is_err());
    let raw = written.replace("Outbreak", "Out\\u001bbreak");
    assert!(serde_json::from_str::<RunStart>(&raw).is_err());
    let finish = serde_json::to_string(&full_finish()).unwrap();
    assert!(serde_json::from_str::<peristyle_audit::RunFinish>(&finish.replace("41238", "41238.0")).is_err());
}

#[test]
fn a_source_of_very_many_files_is_held_to_by_one_digest() {
    let files = |count: u64, last_size| -> Vec<_> {
        (0..count)
            .map(|number| FileSnapshot {
                name: FileName::new(&format!("part-{number:06}.parquet")).unwrap(),
                bytes: if number + 1 == count { last_size } else { 10 },
                footer_sha256: Digest::of(&number.to_le_bytes()),
            })
            .collect()
    };
    let snapshot = |count, last| SourceSnapshot::of(name("tpp"), files(count, last)).unwrap();
    let [most, over, other] = [snapshot(4_096, 10), snapshot(50_000, 10), snapshot(50_000, 11)];
    assert_eq!([most.files().len(), over.files().len()], [4_096, 0]);
    assert_eq!((over.file_count(), over.bytes()), (50_000, 500_000));
    assert_ne!(over.files_sha256(), other.files_sha256());
    let mut reversed = files(4_096, 10);
    reversed.reverse();
    assert_eq!(SourceSnapshot::of(name("tpp"), reversed).unwrap(), most);
}
