//! Columns of strings whose pages refer to their row group's dictionary: rows as keys, without a look at the strings.
//!
//! ```text
//! dictionary page ─► entries, once a row group
//! data page       ─► levels: which rows have a value │ keys of those, in runs or packed bits ─► keys by row
//! ```
//! Codes are what most scans decide by. That the dictionary comes first tells of a row group whether any of its rows can
//! be wanted, and its rows are keys in a third of the time that it takes the general decoder.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBufferBuilder, NullBufferBuilder, StringArray};
use arrow::buffer::{BooleanBuffer, NullBuffer, OffsetBuffer};
use parquet::basic::{Encoding, PageType, Type};
use parquet::column::page::{Page, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::ChunkReader;
use parquet::file::serialized_reader::SerializedPageReader;

use crate::source::CodedRows;

/// Most rows of a row group that is read so: a page may claim to have all of them, and its keys are held.
const ROWS_MAX: usize = 1 << 27;

/// A row group's column of strings, on its way from page to page.
pub(super) struct CodeColumn<R: ChunkReader> {
    pages: SerializedPageReader<R>,
    /// Whether rows may have no value
    optional: bool,
    /// Of the row group: no page has more
    rows: usize,
    entries: ArrayRef,
    page: KeysOfPage,
}

/// The rows of a page.
#[derive(Default)]
struct KeysOfPage {
    rows: usize,
    /// Rows that have been taken
    taken: usize,
    /// Which rows have a value; all, where there is none
    valid: Option<BooleanBuffer>,
    /// The keys of the rows that have one
    keys: Vec<i32>,
    /// Keys that have been taken
    used: usize,
}

/// Whether the file says that all pages of a column of strings refer to a dictionary.
pub(super) fn is_coded(column: &ColumnChunkMetaData, rows: usize) -> bool {
    let descriptor = column.column_descr();
    let of_strings = descriptor.physical_type() == Type::BYTE_ARRAY
        && descriptor.max_rep_level() == 0
        && descriptor.max_def_level() <= 1
        && column.dictionary_page_offset().is_some();
    let refers = |encoding: &Encoding| matches!(encoding, Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY);
    let all_refer = match (column.page_encoding_stats_mask(), column.page_encoding_stats()) {
        (Some(mask), _) => mask.encodings().all(|encoding| refers(&encoding)),
        (None, Some(pages)) => {
            pages.iter().filter(|page| page.page_type != PageType::DICTIONARY_PAGE).all(|page| refers(&page.encoding))
        }
        (None, None) => false,
    };
    rows <= ROWS_MAX && of_strings && all_refer
}

fn damaged() -> ParquetError {
    ParquetError::General(String::new())
}

impl<R: ChunkReader> CodeColumn<R> {
    /// Reads the dictionary. `column` is one that [`is_coded`].
    pub(super) fn open(chunks: R, column: &ColumnChunkMetaData, rows: usize) -> Result<Self> {
        let mut pages = SerializedPageReader::new(Arc::new(chunks), column, rows, None)?;
        let Some(Page::DictionaryPage { buf, num_values, encoding, .. }) = pages.get_next_page()? else {
            return Err(damaged());
        };
        if !matches!(encoding, Encoding::PLAIN | Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY) {
            return Err(damaged());
        }
        let entries = Arc::new(entries(&buf, num_values as usize)?);
        let optional = column.column_descr().max_def_level() > 0;
        Ok(Self { pages, optional, rows, entries, page: KeysOfPage::default() })
    }

    /// The strings that rows may refer to.
    pub(super) fn entries(&self) -> &ArrayRef {
        &self.entries
    }

    /// The next rows, which must be there.
    pub(super) fn next(&mut self, rows: usize) -> Result<CodedRows> {
        let mut keys = Vec::with_capacity(rows);
        let mut valid = NullBufferBuilder::new(rows);
        let mut taken = 0;
        while taken < rows {
            let next = self.in_page(rows - taken)?;
            self.page.take(next, &mut keys, &mut valid)?;
            taken += next;
        }
        let valid = valid.finish().map(|valid| valid.inner().clone());
        CodedRows::new(rows, valid, keys, Arc::clone(&self.entries)).ok_or_else(damaged)
    }

    /// How many of the wanted rows, at least one, the page at hand has; the next page, if it has no more.
    fn in_page(&mut self, rows: usize) -> Result<usize> {
        while self.page.taken == self.page.rows {
            let page = self.pages.get_next_page()?.ok_or_else(damaged)?;
            let mut keys = std::mem::take(&mut self.page.keys);
            keys.clear();
            self.page = KeysOfPage::of(page, self.optional, (self.rows, self.entries.len()), keys)?;
        }
        Ok(rows.min(self.page.rows - self.page.taken))
    }
}

/// Strings with their lengths before them.
fn entries(mut bytes: &[u8], count: usize) -> Result<StringArray> {
    let mut ends = Vec::with_capacity(count.min(bytes.len()) + 1);
    let mut text = Vec::with_capacity(bytes.len());
    ends.push(0);
    for _ in 0..count {
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| damaged())?;
        let (entry, rest) = rest.split_at_checked(length).ok_or_else(damaged)?;
        text.extend_from_slice(entry);
        ends.push(i32::try_from(text.len()).map_err(|_| damaged())?);
        bytes = rest;
    }
    // Looks at all of the text, once. What it says of a text that is none may hold a part of it.
    StringArray::try_new(OffsetBuffer::new(ends.into()), text.into(), None).map_err(|_| damaged())
}

impl KeysOfPage {
    /// `keys` is empty: memory of an earlier page.
    fn of(page: Page, optional: bool, (rows_max, entries): (usize, usize), mut keys: Vec<i32>) -> Result<Self> {
        let (bytes, rows, encoding, levels) = match page {
            Page::DataPage { buf, num_values, encoding, def_level_encoding, .. } => {
                let (levels, keys) = match optional {
                    false => (0..0, 0),
                    true if def_level_encoding == Encoding::RLE => {
                        let length = buf.first_chunk::<4>().ok_or_else(damaged)?;
                        let end = (u32::from_le_bytes(*length) as usize).checked_add(4).ok_or_else(damaged)?;
                        (4..end, end)
                    }
                    true => return Err(damaged()),
                };
                let bytes = buf.get(keys..).ok_or_else(damaged)?;
                let levels = buf.get(levels).ok_or_else(damaged)?;
                (buf.slice_ref(bytes), num_values, encoding, buf.slice_ref(levels))
            }
            Page::DataPageV2 { buf, num_values, encoding, def_levels_byte_len, rep_levels_byte_len, .. } => {
                let begin = rep_levels_byte_len as usize;
                let end = begin.checked_add(def_levels_byte_len as usize).ok_or_else(damaged)?;
                let levels = buf.get(begin..end).ok_or_else(damaged)?;
                let bytes = buf.get(end..).ok_or_else(damaged)?;
                (buf.slice_ref(bytes), num_values, encoding, buf.slice_ref(levels))
            }
            Page::DictionaryPage { .. } => return Err(damaged()),
        };
        if !matches!(encoding, Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY) {
            return Err(damaged());
        }
        let rows = rows as usize;
        if rows > rows_max {
            return Err(damaged());
        }
        let valid = if optional { Some(flags(&levels, rows)?) } else { None };
        let valid = valid.filter(|valid| valid.count_set_bits() < rows);
        let values = valid.as_ref().map_or(rows, BooleanBuffer::count_set_bits);
        keys.reserve_exact(values);
        if values > 0 {
            let (width, packed) = bytes.split_first().ok_or_else(damaged)?;
            unpack(packed, u32::from(*width), values, &mut keys)?;
            if keys.iter().fold(0, |max, key| (*key as u32).max(max)) as usize >= entries {
                return Err(damaged());
            }
        }
        Ok(Self { rows, taken: 0, valid, keys, used: 0 })
    }

    fn take(&mut self, rows: usize, keys: &mut Vec<i32>, valid: &mut NullBufferBuilder) -> Result<()> {
        let values = match &self.valid {
            None => {
                valid.append_n_non_nulls(rows);
                rows
            }
            Some(of_page) => {
                let taken = of_page.slice(self.taken, rows);
                let values = taken.count_set_bits();
                valid.append_buffer(&NullBuffer::new(taken));
                values
            }
        };
        keys.extend_from_slice(self.keys.get(self.used..self.used + values).ok_or_else(damaged)?);
        self.used += values;
        self.taken += rows;
        Ok(())
    }
}

/// A part of a sequence of numbers, as Parquet's hybrid encoding has it.
enum Run<'a> {
    /// A number, so many times over
    Same(u32, usize),
    /// Numbers one after another in so many bits each, in groups of eight
    Packed(&'a [u8]),
}

/// Takes the next run off `bytes`.
fn next_run<'a>(bytes: &mut &'a [u8], width: u32) -> Result<Run<'a>> {
    let mut header = 0_u64;
    for shift in (0..35).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or_else(damaged)?;
        *bytes = rest;
        header |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let count = usize::try_from(header >> 1).map_err(|_| damaged())?;
    let length = if header & 1 == 1 { count.checked_mul(width as usize) } else { Some(width.div_ceil(8) as usize) };
    let (run, rest) = length.and_then(|length| bytes.split_at_checked(length)).ok_or_else(damaged)?;
    *bytes = rest;
    if header & 1 == 1 {
        return Ok(Run::Packed(run));
    }
    let number = run.iter().rev().fold(0, |number, byte| (number << 8) | u32::from(*byte));
    Ok(Run::Same(number, count))
}

/// `count` numbers of one bit each.
fn flags(mut bytes: &[u8], count: usize) -> Result<BooleanBuffer> {
    let mut flags = BooleanBufferBuilder::new(count);
    while flags.len() < count {
        let left = count - flags.len();
        match next_run(&mut bytes, 1)? {
            Run::Same(flag, times) => flags.append_n(times.min(left), flag != 0),
            Run::Packed(packed) => {
                flags.append_packed_range(0..left.min(packed.len() * 8), packed);
            }
        }
    }
    Ok(flags.finish())
}

/// `count` numbers of `width` bits each. Those of 32 bits keep their bits.
fn unpack(mut bytes: &[u8], width: u32, count: usize, numbers: &mut Vec<i32>) -> Result<()> {
    if width > 32 {
        return Err(damaged());
    }
    while numbers.len() < count {
        let left = count - numbers.len();
        match next_run(&mut bytes, width)? {
            Run::Same(number, times) => numbers.extend(std::iter::repeat_n(number as i32, times.min(left))),
            // Numbers without bits are all 0, and of those no page has another kind.
            Run::Packed(_) if width == 0 => numbers.extend(std::iter::repeat_n(0, left)),
            Run::Packed(packed) => unpack_run(packed, width as usize, left, numbers),
        }
    }
    Ok(())
}

/// At most `count` numbers of `width` bits, of 1 to 32, one after another.
fn unpack_run(packed: &[u8], width: usize, count: usize, numbers: &mut Vec<i32>) {
    macro_rules! by_width {
        ($($width:literal)*) => {
            match width {
                $($width => unpack_eights::<$width>(packed, count, numbers),)*
                // Of other widths there are none.
                _ => {}
            }
        };
    }
    by_width!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32);
}

/// The same. Numbers are packed in eights, which take as many bytes as each takes bits.
fn unpack_eights<const WIDTH: usize>(packed: &[u8], count: usize, numbers: &mut Vec<i32>) {
    let count = count.min(packed.len() * 8 / WIDTH);
    let begin = numbers.len();
    numbers.resize(begin + count.next_multiple_of(8), 0);
    let to = numbers.get_mut(begin..).unwrap_or_default();
    for (eight, to) in to.chunks_exact_mut(8).enumerate() {
        let bytes = packed.get(eight * WIDTH..).unwrap_or_default();
        match bytes.get(..WIDTH + 8) {
            Some(bytes) => to.copy_from_slice(&eight_of::<WIDTH>(bytes)),
            None => {
                let mut end = [0_u8; 40];
                end.iter_mut().zip(bytes).for_each(|(to, byte)| *to = *byte);
                to.copy_from_slice(&eight_of::<WIDTH>(&end));
            }
        }
    }
    numbers.truncate(begin + count);
}

/// The first eight numbers. Where each lies is known when this is compiled; with eight bytes more than they have, each can
/// be taken out of eight bytes.
fn eight_of<const WIDTH: usize>(bytes: &[u8]) -> [i32; 8] {
    std::array::from_fn(|at| {
        let bit = at * WIDTH;
        let word = bytes.get(bit / 8..).and_then(|bytes| bytes.first_chunk::<8>());
        ((word.map_or(0, |word| u64::from_le_bytes(*word)) >> (bit % 8)) & (u64::MAX >> (64 - WIDTH))) as i32
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow::array::{AsArray, RecordBatch};
    use arrow::datatypes::Int32Type;
    use bytes::Bytes;
    use parquet::arrow::ArrowWriter;
    use parquet::basic::Compression;
    use parquet::file::properties::{WriterProperties, WriterVersion};
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use proptest::prelude::*;

    use super::*;

    fn written(codes: &[Option<String>], properties: WriterProperties) -> Bytes {
        let column: ArrayRef = Arc::new(codes.iter().map(Option::as_deref).collect::<StringArray>());
        let batch = RecordBatch::try_from_iter_with_nullable([("code", column, true)]).unwrap();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        bytes.into()
    }

    /// Rows of every row group, taken some at a time; nothing where a column is not coded.
    fn read(bytes: &Bytes, at_a_time: usize) -> Option<Result<Vec<Option<String>>>> {
        let file = SerializedFileReader::new(bytes.clone()).unwrap();
        let mut rows = Vec::new();
        for group in file.metadata().row_groups() {
            let (column, mut left) = (group.column(0), group.num_rows() as usize);
            if !is_coded(column, left) {
                return None;
            }
            let mut codes = match CodeColumn::open(bytes.clone(), column, left) {
                Ok(codes) => codes,
                Err(error) => return Some(Err(error)),
            };
            while left > 0 {
                let next = at_a_time.min(left);
                match codes.next(next) {
                    Ok(keys) => {
                        let keys = keys.to_array().unwrap();
                        let keys = keys.as_dictionary::<Int32Type>();
                        assert_eq!(keys.len(), next);
                        rows.extend(
                            keys.downcast_dict::<StringArray>()
                                .unwrap()
                                .into_iter()
                                .map(|code| code.map(str::to_owned)),
                        );
                    }
                    Err(error) => return Some(Err(error)),
                }
                left -= next;
            }
        }
        Some(Ok(rows))
    }

    fn codes() -> impl Strategy<Value = Vec<Option<String>>> {
        // Runs, so that both kinds of runs are written; few and many different codes, so that keys are of any width.
        let code =
            (prop::option::weighted(0.8, 0u32..3000), any::<bool>(), 1usize..40).prop_map(|(code, few, times)| {
                vec![code.map(|code| format!("{}", if few { code % 3 } else { code })); times]
            });
        prop::collection::vec(code, 0..120).prop_map(|runs| runs.concat())
    }

    proptest! {
        #[test]
        fn rows_are_those_that_were_written(
            codes in codes(),
            page_rows in 1usize..600,
            group_rows in 1usize..3000,
            second_version in any::<bool>(),
            compressed in any::<bool>(),
            at_a_time in 1usize..700,
        ) {
            let properties = WriterProperties::builder()
                .set_writer_version(if second_version { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 })
                .set_compression(if compressed { Compression::SNAPPY } else { Compression::UNCOMPRESSED })
                .set_data_page_row_count_limit(page_rows)
                .set_write_batch_size(page_rows.min(64))
                .set_max_row_group_row_count(Some(group_rows))
                .build();
            let read = read(&written(&codes, properties), at_a_time);
            prop_assert_eq!(read.unwrap().unwrap(), codes);
        }

        /// Whatever bytes are changed: an error, or rows; no panic, and no more rows than the row group has.
        #[test]
        fn damage_is_an_error_or_other_rows(
            codes in codes(),
            second_version in any::<bool>(),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let properties = WriterProperties::builder()
                .set_writer_version(if second_version { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 })
                .set_data_page_row_count_limit(100)
                .build();
            let whole = written(&codes, properties);
            let mut bytes = whole.to_vec();
            let metadata = SerializedFileReader::new(whole).unwrap();
            let Some(group) = metadata.metadata().row_groups().first() else { return Ok(()) };
            let (begin, length) = group.column(0).byte_range();
            for (index, byte) in damage {
                bytes[begin as usize + index.index(length as usize)] = byte;
            }
            if let Some(Ok(rows)) = read(&bytes.into(), 64) {
                prop_assert_eq!(rows.len(), codes.len());
            }
        }
    }

    #[test]
    fn pages_with_their_strings_in_full_are_left_to_the_general_decoder() {
        let codes: Vec<Option<String>> = (0..500).map(|code| Some(format!("{code}"))).collect();
        for properties in [
            WriterProperties::builder().set_dictionary_enabled(false).build(),
            WriterProperties::builder().set_dictionary_page_size_limit(64).set_write_batch_size(8).build(),
        ] {
            assert!(read(&written(&codes, properties), 100).is_none());
        }
    }
}
