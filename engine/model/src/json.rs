//! A JSON text as a tree, within bounds.
//!
//! Not `serde_json`, for three reasons that matter to a definition: `1` and `1.0` are different constants, so literals
//! of whole and of fractional numbers are kept apart; a fractional literal must become the nearest double (which
//! `serde_json` promises only with a feature that every crate of the workspace would share); and a key given twice, a
//! number that does not fit or a bound that is passed must be refused with its line and column.

use std::collections::HashSet;

use crate::error::DefinitionError;
use crate::limits::Limits;
use crate::text::quoted;

/// The parser goes one call deeper for each level: whatever [`Limits`] say, the stack must do.
const DEPTH_HARD_MAX: usize = 128;

/// Up to so many keys are compared with each other; nearly all objects have one or two.
const FEW_KEYS: usize = 8;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number without fraction and exponent
    Int(i64),
    /// A number with a fraction or an exponent; finite
    Float(f64),
    /// A string
    Str(Box<str>),
    /// A list
    List(Box<[Json]>),
    /// Each key once, in the order of the text
    Object(Box<[(Box<str>, Json)]>),
}

impl Json {
    /// Parses a text.
    ///
    /// # Errors
    /// If it is not JSON, passes a bound, has a key twice, NaN or an infinity, or a whole number that 64 bits do not
    /// hold. The place is a line and column.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Json, DefinitionError> {
        if bytes.len() > limits.document_bytes_max {
            let message = format!("has {} bytes; at most {} are read", bytes.len(), limits.document_bytes_max);
            return Err(DefinitionError::new("document", message));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            DefinitionError::new(position(bytes, error.valid_up_to()), "is not UTF-8, as a JSON document has to be")
        })?;
        let mut parser = Parser { text, at: 0, depth: 0, values: 0, limits };
        let json = parser.value()?;
        parser.skip_blanks();
        match parser.peek() {
            None => Ok(json),
            Some(_) => Err(parser.error("something follows the end of the document")),
        }
    }

    /// What an object has under a key.
    pub fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => members.iter().find(|(known, _)| **known == *key).map(|(_, json)| json),
            _ => None,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Json::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list.
    pub fn as_list(&self) -> Option<&[Json]> {
        match self {
            Json::List(items) => Some(items),
            _ => None,
        }
    }

    /// What it is, for a message: `an object with the key ‘ref’`.
    pub(crate) fn describe(&self) -> String {
        match self {
            Json::Null => "null".to_owned(),
            Json::Bool(value) => value.to_string(),
            Json::Int(value) => format!("the number {value}"),
            Json::Float(value) => format!("the number {value:?}"),
            Json::Str(text) => format!("the string {}", quoted(text)),
            Json::List(items) => format!("a list of {} values", items.len()),
            Json::Object(members) => match &**members {
                [] => "an empty object".to_owned(),
                [(key, _)] => format!("an object {}", quoted(key)),
                [(key, _), ..] => format!("an object of {} keys, the first {}", members.len(), quoted(key)),
            },
        }
    }
}

/// Line and column of a byte, both counted from 1.
fn position(bytes: &[u8], at: usize) -> String {
    let before = &bytes[..at.min(bytes.len())];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let column = String::from_utf8_lossy(&before[line_start..]).chars().count() + 1;
    format!("document, line {line}, column {column}")
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    values: usize,
    limits: &'t Limits,
}

impl Parser<'_> {
    fn error(&self, message: impl Into<String>) -> DefinitionError {
        DefinitionError::new(position(self.text.as_bytes(), self.at), message)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Steps over `byte` if it is next.
    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn unexpected(&self, wanted: &str) -> DefinitionError {
        match self.text[self.at..].chars().next() {
            None => self.error(format!("the document ends where {wanted} should follow; it may have been cut off")),
            Some(found) => {
                self.error(format!("{wanted} should stand here, not {}", quoted(found.encode_utf8(&mut [0; 4]))))
            }
        }
    }

    fn value(&mut self) -> Result<Json, DefinitionError> {
        self.values += 1;
        if self.values > self.limits.values_max {
            return Err(self.error(format!("the document has more than {} values", self.limits.values_max)));
        }
        self.skip_blanks();
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::list),
            Some(b'"') => self.string().map(Json::Str),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn nested(&mut self, parse: fn(&mut Self) -> Result<Json, DefinitionError>) -> Result<Json, DefinitionError> {
        let depth_max = self.limits.depth_max.min(DEPTH_HARD_MAX);
        if self.depth == depth_max {
            return Err(self.error(format!("lists and objects lie inside each other more than {depth_max} deep")));
        }
        self.depth += 1;
        self.at += 1;
        let json = parse(self)?;
        self.depth -= 1;
        Ok(json)
    }

    fn list(&mut self) -> Result<Json, DefinitionError> {
        let mut items = Vec::new();
        self.skip_blanks();
        if self.eat(b']') {
            return Ok(Json::List(Box::default()));
        }
        loop {
            items.push(self.value()?);
            self.skip_blanks();
            if self.eat(b']') {
                return Ok(Json::List(items.into()));
            }
            if !self.eat(b',') {
                return Err(self.unexpected("`,` or `]`"));
            }
        }
    }

    fn object(&mut self) -> Result<Json, DefinitionError> {
        let mut members: Vec<(Box<str>, Json)> = Vec::new();
        self.skip_blanks();
        if self.eat(b'}') {
            return Ok(Json::Object(Box::default()));
        }
        loop {
            self.skip_blanks();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a key in double quotes"));
            }
            let key = self.string()?;
            self.skip_blanks();
            if !self.eat(b':') {
                return Err(self.unexpected("`:`"));
            }
            members.push((key, self.value()?));
            self.skip_blanks();
            if self.eat(b'}') {
                break;
            }
            if !self.eat(b',') {
                return Err(self.unexpected("`,` or `}`"));
            }
        }
        self.refuse_repeated_keys(&members)?;
        Ok(Json::Object(members.into()))
    }

    fn refuse_repeated_keys(&self, members: &[(Box<str>, Json)]) -> Result<(), DefinitionError> {
        let repeated = if members.len() <= FEW_KEYS {
            let later = |(index, (key, _)): (usize, &'_ (Box<str>, Json))| {
                members[..index].iter().any(|(known, _)| known == key)
            };
            members.iter().enumerate().find(|member| later(*member)).map(|(_, member)| member)
        } else {
            let mut seen = HashSet::with_capacity(members.len());
            members.iter().find(|(key, _)| !seen.insert(&**key))
        };
        match repeated {
            None => Ok(()),
            Some((key, _)) => Err(self.error(format!("the object that ends here has the key {} twice", quoted(key)))),
        }
    }

    fn word(&mut self) -> Result<Json, DefinitionError> {
        let rest = &self.text[self.at..];
        let length = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let json = match &rest[..length] {
            "null" => Json::Null,
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            "NaN" | "Infinity" => return Err(self.error("NaN and infinities are not values of a definition")),
            _ if self.values == 1 => {
                return Err(self.unexpected("a JSON document, as `ehrql serialize-definition` prints it,"));
            }
            _ => return Err(self.unexpected("a value")),
        };
        self.at += length;
        Ok(json)
    }

    fn digits(&mut self) -> Result<(), DefinitionError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.unexpected("a digit")) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<Json, DefinitionError> {
        let start = self.at;
        if self.eat(b'-') && self.peek() == Some(b'I') {
            return Err(self.error("NaN and infinities are not values of a definition"));
        }
        if self.eat(b'0') {
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(self.error("a number has a zero in front"));
            }
        } else {
            self.digits()?;
        }
        let mut whole = true;
        if self.eat(b'.') {
            whole = false;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            whole = false;
            self.at += 1;
            if !self.eat(b'+') {
                self.eat(b'-');
            }
            self.digits()?;
        }
        let literal = &self.text[start..self.at];
        if whole {
            let value = literal.parse().map_err(|_| self.error("a whole number does not fit 64 bits"))?;
            return Ok(Json::Int(value));
        }
        match literal.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Json::Float(value)),
            _ => Err(self.error("a number is beyond the largest float")),
        }
    }

    fn string(&mut self) -> Result<Box<str>, DefinitionError> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.bytes().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f)).count();
            if text.len() + plain > self.limits.string_bytes_max {
                self.at = start;
                return Err(self.error(format!("a string has more than {} bytes", self.limits.string_bytes_max)));
            }
            text.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text.into());
                }
                Some(b'\\') => text.push(self.escape()?),
                Some(_) => return Err(self.error("a string holds a control character as it is; JSON wants it escaped")),
                None => return Err(self.unexpected("the rest of a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, DefinitionError> {
        self.at += 1;
        let escaped = self.peek();
        let plain = match escaped {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.escaped_code_point(),
            _ => return Err(self.unexpected("one of `\"\\/bfnrtu`")),
        };
        self.at += 1;
        Ok(plain)
    }

    fn escaped_code_point(&mut self) -> Result<char, DefinitionError> {
        let first = self.hex_quad()?;
        let code_point = if (0xd800..0xdc00).contains(&first) && self.peek() == Some(b'\\') {
            self.at += 1;
            if self.peek() != Some(b'u') {
                return Err(self.error("half of a surrogate pair stands alone in a string"));
            }
            let second = self.hex_quad()?;
            let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400);
            // A first half without its second stays what it is, and is refused below.
            low.map_or(first, |low| 0x10000 + ((first - 0xd800) << 10) + low)
        } else {
            first
        };
        char::from_u32(code_point).ok_or_else(|| self.error("half of a surrogate pair stands alone in a string"))
    }

    /// The four digits after the `u` that is next.
    fn hex_quad(&mut self) -> Result<u32, DefinitionError> {
        self.at += 1;
        let digits = self.text.get(self.at..self.at + 4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let value = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += if value.is_some() { 4 } else { 0 };
        value.ok_or_else(|| self.unexpected("four hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests;
