//! Columns whose pages refer to their row group's dictionary: rows as keys, without a look at the entries.
//!
//! ```text
//! dictionary page ─► entries, once a row group
//! data page       ─► levels: which rows have a value │ keys of those, in runs or packed bits ─► keys by row
//! ```
//! Codes are what most scans decide by, and dates what a policy judges rows by. That the dictionary comes first tells of a
//! row group whether any of its rows can be wanted, and its rows are keys in a third of the time that it takes the general
//! decoder.

use std::sync::Arc;

use arrow::array::{ArrayRef, NullBufferBuilder};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::DataType;
use parquet::basic::{Encoding, PageType};
use parquet::column::page::{Page, PageReader};
use parquet::errors::Result;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::ChunkReader;
use parquet::file::serialized_reader::SerializedPageReader;

use super::parquet_entries::{are_known, entries};
use super::parquet_hybrid::{damaged, flags, unpack};
use crate::source::CodedRows;

/// Most rows of a row group that is read so: a page may claim to have all of them, and its keys are held.
const ROWS_MAX: usize = 1 << 27;

/// A row group's column, on its way from page to page.
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

/// Whether the file says that all pages of a column, which is delivered as `delivered`, refer to a dictionary.
pub(super) fn is_coded(column: &ColumnChunkMetaData, delivered: &DataType, rows: usize) -> bool {
    let descriptor = column.column_descr();
    let may_be_keys = are_known(descriptor, delivered)
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
    rows <= ROWS_MAX && may_be_keys && all_refer
}

impl<R: ChunkReader> CodeColumn<R> {
    /// Reads the dictionary. `column` is one that [`is_coded`].
    pub(super) fn open(chunks: R, column: &ColumnChunkMetaData, delivered: &DataType, rows: usize) -> Result<Self> {
        let mut pages = SerializedPageReader::new(Arc::new(chunks), column, rows, None)?;
        let Some(Page::DictionaryPage { buf, num_values, encoding, .. }) = pages.get_next_page()? else {
            return Err(damaged());
        };
        if !matches!(encoding, Encoding::PLAIN | Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY) {
            return Err(damaged());
        }
        let entries = entries(&buf, num_values as usize, delivered)?;
        let optional = column.column_descr().max_def_level() > 0;
        Ok(Self { pages, optional, rows, entries, page: KeysOfPage::default() })
    }

    /// What rows may refer to.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow::array::{
        Array, Date32Array, RecordBatch, StringArray, TimestampMicrosecondArray, TimestampMillisecondArray,
        TimestampNanosecondArray, TimestampSecondArray, new_empty_array,
    };
    use arrow::compute::{cast, concat};
    use bytes::Bytes;
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use parquet::basic::Compression;
    use parquet::file::properties::{WriterProperties, WriterVersion};
    use proptest::prelude::*;

    use super::*;

    type Codes = Vec<Option<u16>>;

    #[derive(Clone, Copy, Debug)]
    enum Kind {
        Strings,
        Days,
        Milliseconds,
        Microseconds,
        Nanoseconds,
    }

    fn kinds() -> impl Strategy<Value = Kind> {
        prop::sample::select(vec![Kind::Strings, Kind::Days, Kind::Milliseconds, Kind::Microseconds, Kind::Nanoseconds])
    }

    fn column(kind: Kind, codes: &Codes) -> ArrayRef {
        // Large ones of both signs too.
        let moments = || codes.iter().map(|code| code.map(|code| (i64::from(code) - 1000) * 86_400_000_001));
        match kind {
            Kind::Strings => {
                Arc::new(codes.iter().map(|code| code.map(|code| code.to_string())).collect::<StringArray>())
            }
            Kind::Days => {
                Arc::new(codes.iter().map(|code| code.map(|code| i32::from(code) - 1000)).collect::<Date32Array>())
            }
            Kind::Milliseconds => Arc::new(moments().collect::<TimestampMillisecondArray>()),
            Kind::Microseconds => Arc::new(moments().collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
            Kind::Nanoseconds => Arc::new(moments().collect::<TimestampNanosecondArray>()),
        }
    }

    fn written(column: &ArrayRef, properties: WriterProperties) -> Bytes {
        let batch = RecordBatch::try_from_iter_with_nullable([("code", Arc::clone(column), true)]).unwrap();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        bytes.into()
    }

    /// Rows of every row group, taken some at a time; nothing where a column is not coded.
    fn read(bytes: &Bytes, at_a_time: usize) -> Option<Result<ArrayRef>> {
        let file = ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).unwrap();
        let found = file.schema().field(0).data_type();
        let delivered = match found {
            DataType::Utf8 => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
            other => other.clone(),
        };
        let mut rows = vec![new_empty_array(found)];
        for group in file.metadata().row_groups() {
            let (column, mut left) = (group.column(0), group.num_rows() as usize);
            if !is_coded(column, &delivered, left) {
                return None;
            }
            let mut codes = match CodeColumn::open(bytes.clone(), column, &delivered, left) {
                Ok(codes) => codes,
                Err(error) => return Some(Err(error)),
            };
            while left > 0 {
                let next = at_a_time.min(left);
                match codes.next(next) {
                    Ok(keys) => {
                        let array = keys.to_array().unwrap();
                        assert_eq!((array.len(), array.data_type()), (next, &delivered));
                        rows.push(cast(&array, found).unwrap());
                    }
                    Err(error) => return Some(Err(error)),
                }
                left -= next;
            }
        }
        let rows: Vec<&dyn Array> = rows.iter().map(AsRef::as_ref).collect();
        Some(Ok(concat(&rows).unwrap()))
    }

    fn codes() -> impl Strategy<Value = Codes> {
        // Runs, so that both kinds of runs are written; few and many different codes, so that keys are of any width.
        let code = (prop::option::weighted(0.8, 0u16..3000), any::<bool>(), 1usize..40)
            .prop_map(|(code, few, times)| vec![code.map(|code| if few { code % 3 } else { code }); times]);
        prop::collection::vec(code, 0..120).prop_map(|runs| runs.concat())
    }

    proptest! {
        #[test]
        fn rows_are_those_that_were_written(
            kind in kinds(),
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
            let column = column(kind, &codes);
            let read = read(&written(&column, properties), at_a_time);
            prop_assert_eq!(&read.unwrap().unwrap(), &column);
        }

        /// Whatever bytes are changed: an error, or rows; no panic, and no more rows than the row group has.
        #[test]
        fn damage_is_an_error_or_other_rows(
            kind in kinds(),
            codes in codes(),
            second_version in any::<bool>(),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let properties = WriterProperties::builder()
                .set_writer_version(if second_version { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 })
                .set_data_page_row_count_limit(100)
                .build();
            let whole = written(&column(kind, &codes), properties);
            let mut bytes = whole.to_vec();
            let metadata = ParquetRecordBatchReaderBuilder::try_new(whole).unwrap();
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
    fn what_is_not_all_keys_of_known_entries_is_left_to_the_general_decoder() {
        let codes: Codes = (0..500).map(Some).collect();
        for properties in [
            WriterProperties::builder().set_dictionary_enabled(false).build(),
            WriterProperties::builder().set_dictionary_page_size_limit(64).set_write_batch_size(8).build(),
        ] {
            for kind in [Kind::Strings, Kind::Days, Kind::Microseconds] {
                assert!(read(&written(&column(kind, &codes), properties.clone()), 100).is_none(), "{kind:?}");
            }
        }
        let in_dictionaries = || WriterProperties::builder().build();
        let seconds: ArrayRef = Arc::new(TimestampSecondArray::from(vec![1, 2]));
        assert!(read(&written(&seconds, in_dictionaries()), 1).is_none(), "Parquet has no seconds");
        let numbers: ArrayRef = Arc::new(arrow::array::Int64Array::from(vec![1, 2]));
        assert!(read(&written(&numbers, in_dictionaries()), 1).is_none(), "numbers");
    }
}
