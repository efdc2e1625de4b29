//! Values as text: what Python's `csv` module writes for them.

use std::io::Write as _;

use peristyle_model::scalar::{Civil, civil_from_days};

/// What stands between the fields before `index` and the one at it.
pub(super) fn push_separator(text: &mut Vec<u8>, index: usize) {
    if index > 0 {
        text.push(b',');
    }
}

pub(super) fn push_line_end(text: &mut Vec<u8>) {
    text.extend_from_slice(b"\r\n");
}

/// A string: between quotes, which are doubled inside, only where it has a comma, a quote or a line break.
pub(super) fn push_str(text: &mut Vec<u8>, value: &str) {
    if !value.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n')) {
        text.extend_from_slice(value.as_bytes());
        return;
    }
    text.push(b'"');
    for byte in value.bytes() {
        if byte == b'"' {
            text.push(b'"');
        }
        text.push(byte);
    }
    text.push(b'"');
}

/// Bytes as lower-case hexadecimal digits.
pub(super) fn push_hex(text: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS[usize::from(nibble & 15)];
    text.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]));
}

pub(super) fn push_int(text: &mut Vec<u8>, value: i64) {
    // Writing to a vector cannot fail, here and below.
    let _ = write!(text, "{value}");
}

/// `YYYY-MM-DD`.
pub(super) fn push_date(text: &mut Vec<u8>, days: i32) {
    let Civil { year, month, day } = civil_from_days(days);
    let _ = write!(text, "{year:04}-{month:02}-{day:02}");
}

/// The fewest digits that read back as the same number, as Python's `repr` has them: `1.0`, `0.1`, `1e-05`, `1e+16`.
///
/// Ryu, not the standard library: where two numbers of so many digits are equally near, it takes the even one, as
/// Python does.
pub(super) fn push_float(text: &mut Vec<u8>, value: f64) {
    if !value.is_finite() {
        let name = if value.is_nan() {
            "nan"
        } else if value < 0.0 {
            "-inf"
        } else {
            "inf"
        };
        return text.extend_from_slice(name.as_bytes());
    }
    let mut buffer = ryu::Buffer::new();
    let shortest = buffer.format_finite(value);
    if let Some((digits, exponent)) = shortest.split_once('e') {
        // Ryu writes `1e-7` and `1e16`; Python has a sign always, and two digits at least.
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
        let _ = write!(text, "{digits}e{sign}{exponent:0>2}");
    } else if let Some(digits) = shortest.trim_start_matches('-').strip_prefix("0.0000") {
        // The one range in which Python has an exponent and Ryu none.
        let (first, rest) = digits.split_at(1);
        let sign = if value < 0.0 { "-" } else { "" };
        let point = if rest.is_empty() { "" } else { "." };
        let _ = write!(text, "{sign}{first}{point}{rest}e-05");
    } else {
        text.extend_from_slice(shortest.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn shown(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut text = Vec::new();
        push(&mut text);
        String::from_utf8(text).unwrap()
    }

    /// What `repr` of Python 3.11 says of each.
    #[test]
    fn floats_are_written_as_python_does() {
        let cases = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-2.5, "-2.5"),
            (0.1, "0.1"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1.0 / 3.0, "0.3333333333333333"),
            (100_000.0, "100000.0"),
            (0.0001, "0.0001"),
            (0.000_099_999_999_999_999_99, "9.999999999999999e-05"),
            (0.00001, "1e-05"),
            (-0.000_012_5, "-1.25e-05"),
            (1.5e-7, "1.5e-07"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
            (9_999_999_999_999_998.0, "9999999999999998.0"),
            (583_741_068_294_121.0 / 8.0, "72967633536765.12"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (-1e22, "-1e+22"),
            (1e100, "1e+100"),
            (2e23, "2e+23"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (5e-324, "5e-324"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
        ];
        for (value, expected) in cases {
            assert_eq!(shown(|text| push_float(text, value)), expected);
        }
    }

    #[test]
    fn strings_are_quoted_where_they_must_be() {
        let cases = [
            ("", ""),
            ("plain", "plain"),
            (" spaces ", " spaces "),
            ("it's", "it's"),
            ("||E119 ,E780 ||I801", "\"||E119 ,E780 ||I801\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("carriage\rreturn", "\"carriage\rreturn\""),
            ("tab\there; naïve", "tab\there; naïve"),
        ];
        for (value, expected) in cases {
            assert_eq!(shown(|text| push_str(text, value)), expected);
        }
    }

    #[test]
    fn dates_are_written_in_iso_form() {
        let cases = [(0, "1970-01-01"), (18_321, "2020-02-29"), (-719_162, "0001-01-01"), (2_932_896, "9999-12-31")];
        for (days, expected) in cases {
            assert_eq!(shown(|text| push_date(text, days)), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn a_float_reads_back_as_itself(bits: u64) {
            let value = f64::from_bits(bits);
            let read: f64 = shown(|text| push_float(text, value)).parse().unwrap();
            assert!(read.to_bits() == bits || value.is_nan());
        }
    }
}
