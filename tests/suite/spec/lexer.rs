//! Splits an expression into tokens, and a table's line into cells.

use crate::cells::{Cell, parse_date};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Name(String),
    Constant(Cell),
    /// An operator or a bracket
    Sign(&'static str),
}

const SIGNS: [&str; 21] =
    ["**", "//", "==", "!=", "<=", ">=", "..", "+", "-", "*", "/", "<", ">", "(", ")", "{", "}", ",", ".", "=", ":"];

pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = vec![];
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = if first == '"' {
            let (content, length) = quoted(rest)?;
            (Token::Constant(Cell::Str(content)), length)
        } else if first.is_ascii_digit() {
            number_or_date(rest)?
        } else if first.is_alphabetic() || first == '_' {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            (word(&rest[..length]), length)
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            let sign = sign.ok_or_else(|| format!("`{first}` is no sign, in `{text}`"))?;
            (Token::Sign(sign), sign.len())
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

fn word(text: &str) -> Token {
    match text {
        "true" => Token::Constant(Cell::Bool(true)),
        "false" => Token::Constant(Cell::Bool(false)),
        "NULL" => Token::Constant(Cell::Null),
        name => Token::Name(name.to_owned()),
    }
}

fn number_or_date(text: &str) -> Result<(Token, usize), String> {
    if let Some(date) = text.get(..10).and_then(parse_date) {
        return Ok((Token::Constant(Cell::Date(date)), 10));
    }
    let digits = |from: usize| text[from..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |end| from + end);
    let mut end = digits(0);
    let mut is_float = false;
    // `1..2` is a range, and no float.
    if text[end..].starts_with('.') && text[end + 1..].starts_with(|c: char| c.is_ascii_digit()) {
        (end, is_float) = (digits(end + 1), true);
    }
    if let Some(exponent) = text[end..].strip_prefix('e') {
        let sign = usize::from(exponent.starts_with(['-', '+']));
        (end, is_float) = (digits(end + 1 + sign), true);
    }
    let number = &text[..end];
    let cell = if is_float {
        Cell::Float(number.parse().map_err(|error| format!("`{number}`: {error}"))?)
    } else {
        Cell::Int(number.parse().map_err(|error| format!("`{number}`: {error}"))?)
    };
    Ok((Token::Constant(cell), end))
}

/// The content of the string that `text` begins with, and its length with its quotes.
fn quoted(text: &str) -> Result<(String, usize), String> {
    let mut content = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((content, at + 1)),
            '\\' => match characters.next() {
                Some((_, 'n')) => content.push('\n'),
                Some((at, 'u')) => {
                    let code = text[at..].strip_prefix("u{").and_then(|rest| rest.split_once('}'));
                    let (code, _) = code.ok_or_else(|| format!("`\\u{{…}}` is broken: {text}"))?;
                    let number = u32::from_str_radix(code, 16).map_err(|error| format!("`{code}`: {error}"))?;
                    content.push(char::from_u32(number).ok_or_else(|| format!("`{code}` is no character"))?);
                    characters.nth(code.len() + 1);
                }
                Some((_, other)) => content.push(other),
                None => break,
            },
            other => content.push(other),
        }
    }
    Err(format!("a string without end: {text}"))
}

/// The cells between `|`, trimmed; quotes keep a `|` within.
pub(crate) fn split_cells(line: &str) -> Vec<String> {
    split_outside_quotes(line, "|").into_iter().map(|cell| cell.trim().to_owned()).collect()
}

pub(crate) fn split_outside_quotes<'a>(line: &'a str, separator: &str) -> Vec<&'a str> {
    let (mut parts, mut start, mut in_quotes, mut escaped) = (vec![], 0, false, false);
    for (at, character) in line.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if in_quotes => escaped = true,
            '"' => in_quotes = !in_quotes,
            _ if !in_quotes && at >= start && line[at..].starts_with(separator) => {
                parts.push(&line[start..at]);
                start = at + separator.len();
            }
            _ => (),
        }
    }
    parts.push(&line[start..]);
    parts
}

/// A cell of an input table.
pub(crate) fn cell(text: &str, type_name: &str) -> Result<Cell, String> {
    let wrong = || format!("`{text}` is no {type_name}");
    if text.is_empty() || text == "NULL" {
        return Ok(Cell::Null);
    }
    Ok(match type_name {
        "bool" => Cell::Bool(match text {
            "T" => true,
            "F" => false,
            _ => return Err(wrong()),
        }),
        "int" => Cell::Int(text.parse().map_err(|_| wrong())?),
        "float" => Cell::Float(text.parse().map_err(|_| wrong())?),
        "date" => Cell::Date(parse_date(text).ok_or_else(wrong)?),
        _ => Cell::Str(unquoted(text)?),
    })
}

/// A text that may be written with or without quotes.
pub(crate) fn unquoted(text: &str) -> Result<String, String> {
    if text.starts_with('"') { Ok(quoted(text)?.0) } else { Ok(text.to_owned()) }
}
