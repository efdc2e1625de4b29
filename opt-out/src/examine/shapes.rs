//! Values that look like identifiers of people, in columns whose class says that they are none.

use std::fmt;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::physical_plan::metrics::Count;

use super::WantedTable;
use crate::conform::Conformer;
use crate::error::SourceError;
use crate::policy::ScanPermit;
use crate::request::{ColumnRequest, ColumnType};
use crate::source::{Flow, FoundFiles, OpenedFile, RawBatch, RawColumn, ReadRequest, SourceDirectory};

/// Rows read at a time.
const BATCH_ROWS: usize = 8192;
/// Most rows of a table that are looked at, from its beginning.
const ROWS_MAX: usize = 100_000;
/// Fewest values of a shape that make a column look like it: codes of ten digits are NHS numbers by chance, one in eleven.
const VALUES_MIN: u64 = 8;

/// What most values of a column look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentifierShape {
    /// Ten digits, of which the last is the check digit
    NhsNumber,
    /// A postcode of the United Kingdom, with or without its space
    Postcode,
    /// Something at a domain
    Email,
}

impl IdentifierShape {
    const ALL: [IdentifierShape; 3] = [Self::NhsNumber, Self::Postcode, Self::Email];

    fn is_of(self, text: &str) -> bool {
        let text = text.trim();
        match self {
            Self::NhsNumber => is_nhs_number(text),
            Self::Postcode => is_postcode(text),
            Self::Email => is_email(text),
        }
    }
}

impl fmt::Display for IdentifierShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NhsNumber => "NHS numbers",
            Self::Postcode => "postcodes",
            Self::Email => "e-mail addresses",
        })
    }
}

/// Whether a column can hold an identifier: text, and whole numbers, of a supplier's own tables.
pub(super) fn can_identify(column: &ColumnRequest) -> bool {
    column.raw.is_some() && matches!(column.column_type, ColumnType::Str | ColumnType::Int)
}

/// What the values of each column look like, in the first rows of a table. Where a row cannot be read, what came before it
/// counts: what is wrong with it is said elsewhere.
pub(super) fn read(
    opened: &SourceDirectory,
    wanted: &WantedTable,
    found: &FoundFiles,
    columns: &[ColumnRequest],
    permit: &ScanPermit,
) -> Vec<Option<IdentifierShape>> {
    let mut tallies = Tallies { left: ROWS_MAX, columns: columns.iter().map(Tally::new).collect() };
    if !columns.is_empty() {
        let request = wanted.request(None, columns.to_vec());
        let files = found.open(&request, opened.store().as_ref(), permit).unwrap_or_default();
        // The first file that cannot be read ends the look.
        let _ = files.iter().try_for_each(|file| tallies.look_at(file.as_ref(), permit));
    }
    tallies.columns.iter().map(Tally::shape).collect()
}

/// The columns of a table, as far as it was looked at.
struct Tallies {
    /// How many rows may still be looked at
    left: usize,
    columns: Vec<Tally>,
}

impl Tallies {
    fn look_at(&mut self, file: &dyn OpenedFile, permit: &ScanPermit) -> Result<(), SourceError> {
        let all: Vec<usize> = (0..self.columns.len()).collect();
        for segment in 0..file.segments().len() {
            if self.left == 0 {
                break;
            }
            let request = ReadRequest { segment, columns: &all, batch_rows: BATCH_ROWS, bytes_read: Count::new() };
            file.read(permit, &request, &mut |batch: RawBatch| {
                for (tally, column) in self.columns.iter_mut().zip(&batch.columns) {
                    tally.look_at(column, batch.rows);
                }
                self.left = self.left.saturating_sub(batch.rows);
                Ok(if self.left == 0 { Flow::Stop } else { Flow::GoOn })
            })?;
        }
        Ok(())
    }
}

/// How many values of a column were looked at, and how many of them have each shape.
struct Tally {
    conformer: Conformer,
    values: u64,
    shaped: [u64; IdentifierShape::ALL.len()],
}

impl Tally {
    fn new(column: &ColumnRequest) -> Self {
        Self { conformer: Conformer::new(column), values: 0, shaped: Default::default() }
    }

    fn look_at(&mut self, column: &RawColumn, rows: usize) {
        let Ok(values) = self.conformer.conform(column, rows) else { return };
        let Ok(texts) = cast(&values, &DataType::Utf8) else { return };
        for text in texts.as_string::<i32>().iter().flatten() {
            self.values += 1;
            for (shape, shaped) in IdentifierShape::ALL.iter().zip(&mut self.shaped) {
                *shaped += u64::from(shape.is_of(text));
            }
        }
    }

    fn shape(&self) -> Option<IdentifierShape> {
        let mut shaped = IdentifierShape::ALL.into_iter().zip(self.shaped);
        shaped.find(|(_, shaped)| *shaped >= VALUES_MIN && shaped * 2 > self.values).map(|(shape, _)| shape)
    }
}

/// Ten digits, perhaps in groups of three, three and four, of which the last is the check digit: modulus 11 over the others,
/// weighted from 10 down to 2.
fn is_nhs_number(text: &str) -> bool {
    let digits: Vec<u32> = match text.split([' ', '-']).map(str::len).collect::<Vec<_>>().as_slice() {
        [10] | [3, 3, 4] => text.chars().filter_map(|character| character.to_digit(10)).collect(),
        _ => return false,
    };
    let [weighted @ .., check] = digits.as_slice() else { return false };
    let sum: u32 = weighted.iter().zip((2..=10).rev()).map(|(digit, weight)| digit * weight).sum();
    weighted.len() == 9 && (11 - sum % 11) % 11 == *check
}

/// One or two letters, a digit, perhaps another digit or letter; then a digit and two letters that no one misreads.
fn is_postcode(text: &str) -> bool {
    let characters: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').map(|byte| byte.to_ascii_uppercase()).collect();
    let Some(at) = characters.len().checked_sub(3).filter(|at| (2..=4).contains(at)) else { return false };
    let (outward, inward) = characters.split_at(at);
    let is_inward = |letter: &u8| letter.is_ascii_uppercase() && !b"CIKMOV".contains(letter);
    let letters = outward.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    let is_outward = match outward.get(letters..) {
        Some([digit]) => digit.is_ascii_digit(),
        Some([digit, last]) => digit.is_ascii_digit() && last.is_ascii_alphanumeric(),
        _ => false,
    };
    (1..=2).contains(&letters) && is_outward && inward[0].is_ascii_digit() && inward[1..].iter().all(is_inward)
}

fn is_email(text: &str) -> bool {
    let Some((name, domain)) = text.split_once('@') else { return false };
    let is_word = |word: &str| !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || c == '@');
    is_word(name) && is_word(domain) && domain.split('.').count() > 1 && domain.split('.').all(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_shape_of_what_they_are() {
        use IdentifierShape::{Email, NhsNumber, Postcode};
        for (text, want) in [
            ("9434765919", Some(NhsNumber)),
            ("943 476 5919", Some(NhsNumber)),
            ("943-476-5919", Some(NhsNumber)),
            // A check digit of 0, where the sum is a multiple of 11.
            ("4010232080", Some(NhsNumber)),
            ("9434765918", None),
            ("94347659190", None),
            ("943476591", None),
            ("9434 765919", None),
            ("SW1A 1AA", Some(Postcode)),
            ("sw1a1aa", Some(Postcode)),
            ("M1 1AE", Some(Postcode)),
            ("B33 8TH", Some(Postcode)),
            ("EC1A 1BB", Some(Postcode)),
            ("SW1A 1AC", None),
            ("E119", None),
            ("I2510", None),
            ("E02000001", None),
            ("XE2eD", None),
            ("someone@example.org", Some(Email)),
            ("someone@example", None),
            ("@example.org", None),
            ("some one@example.org", None),
            ("39113311000001107", None),
            ("", None),
        ] {
            let found = IdentifierShape::ALL.into_iter().find(|shape| shape.is_of(text));
            assert_eq!(found, want, "{text}");
        }
    }
}
