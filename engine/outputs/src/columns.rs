//! From the engine's physical types to the exact types of an output table: every value checked, none cast.
//!
//! Rows are copied into fresh buffers and cut every [`CHUNK_ROWS`]. So the bytes of a file depend on the rows alone, not
//! on how they were batched, and what lies under a NULL of an incoming array never reaches a file.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowNativeTypeOp, AsArray, BooleanBuilder, DictionaryArray, FixedSizeBinaryBuilder,
    NullBufferBuilder, PrimitiveArray, PrimitiveBuilder, RecordBatch, StringArray, StringBuilder,
};
use arrow::datatypes::{
    ArrowDictionaryKeyType, ArrowPrimitiveType, DataType, Date32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, SchemaRef, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use peristyle_model::column_spec::ColumnSpec;
use peristyle_model::scalar::{DATE_MAX, DATE_MIN};

use crate::error::{OutputError, ValueFault};
use crate::schema::{PATIENT_ID, PatientKeys, TableSpec, category_values};

/// Rows of a chunk, and so of a batch of an Arrow file: some megabytes for a table of some dozen columns.
pub(crate) const CHUNK_ROWS: usize = 64_000;

/// Why a value was not taken.
enum Fault {
    /// The array is of a type that the column cannot come from
    Type,
    Value(ValueFault),
}

impl From<ValueFault> for Fault {
    fn from(fault: ValueFault) -> Self {
        Fault::Value(fault)
    }
}

/// Collects the rows of a table into chunks of the exact output types.
pub(crate) struct ChunkBuffer {
    table: Arc<str>,
    schema: SchemaRef,
    columns: Vec<Column>,
    rows: usize,
    order: Option<PatientOrder>,
}

/// That patients ascend: the answer's order is promised, and Parquet files state it.
struct PatientOrder {
    keys: PatientKeys,
    last: Option<LastKey>,
}

#[derive(PartialEq, PartialOrd)]
enum LastKey {
    Int(i64),
    Bytes(Vec<u8>),
}

struct Column {
    name: Arc<str>,
    nullable: bool,
    values: Box<dyn Values>,
}

/// The values of one column, on their way into a chunk.
trait Values: Send {
    fn append(&mut self, rows: &ArrayRef) -> Result<(), Fault>;

    fn take(&mut self) -> ArrayRef;

    /// Takes back what was taken and has been written, for its memory.
    fn give_back(&mut self, _written: ArrayRef) {}
}

impl ChunkBuffer {
    /// An empty buffer for a table. `schema` is the table's own, as [`TableSpec::arrow_schema`] gives it.
    pub(crate) fn new(table: &TableSpec, schema: SchemaRef) -> Self {
        let column = |((name, spec), field): (&(Arc<str>, ColumnSpec), _)| Column {
            name: name.clone(),
            nullable: spec.nullable,
            values: values(spec, arrow::datatypes::Field::data_type(field)),
        };
        let patients = table.patients.map(|keys| Column {
            name: PATIENT_ID.into(),
            nullable: false,
            values: match keys {
                PatientKeys::Int => Ints::<Int64Type>::boxed(None),
                PatientKeys::Bytes16 => Box::new(Bytes16(FixedSizeBinaryBuilder::new(16))),
                PatientKeys::Text => Box::new(Texts(StringBuilder::new())),
            },
        });
        let fields = schema.fields().iter().skip(patients.iter().len()).map(AsRef::as_ref);
        let columns = patients.into_iter().chain(table.columns.iter().zip(fields).map(column)).collect();
        let order = table.patients.map(|keys| PatientOrder { keys, last: None });
        ChunkBuffer { table: table.name.clone(), schema, columns, rows: 0, order }
    }

    /// Takes a batch; calls `full` with each chunk that became full.
    pub(crate) fn append(
        &mut self,
        batch: &RecordBatch,
        mut full: impl FnMut(&RecordBatch) -> Result<(), OutputError>,
    ) -> Result<(), OutputError> {
        self.check_names(batch)?;
        let mut begin = 0;
        while begin < batch.num_rows() {
            let rows = (CHUNK_ROWS - self.rows).min(batch.num_rows() - begin);
            self.append_rows(&batch.slice(begin, rows))?;
            begin += rows;
            if self.rows == CHUNK_ROWS {
                let chunk = self.take()?;
                full(&chunk)?;
                let (_, written, _) = chunk.into_parts();
                for (column, written) in self.columns.iter_mut().zip(written) {
                    column.values.give_back(written);
                }
            }
        }
        Ok(())
    }

    /// The rows that wait, as a chunk.
    pub(crate) fn take(&mut self) -> Result<RecordBatch, OutputError> {
        self.rows = 0;
        let columns = self.columns.iter_mut().map(|column| column.values.take()).collect();
        RecordBatch::try_new(self.schema.clone(), columns)
            .map_err(|_| self.mismatch("a chunk does not have the types of its table".to_owned()))
    }

    /// Number of rows that wait.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    fn check_names(&self, batch: &RecordBatch) -> Result<(), OutputError> {
        let schema = batch.schema();
        let found = schema.fields().iter().map(|field| field.name().as_str());
        if found.clone().eq(self.columns.iter().map(|column| &*column.name)) {
            return Ok(());
        }
        let expected: Vec<&str> = self.columns.iter().map(|column| &*column.name).collect();
        let found: Vec<&str> = found.collect();
        Err(self.mismatch(format!("its columns are [{}], but got [{}]", expected.join(", "), found.join(", "))))
    }

    fn append_rows(&mut self, batch: &RecordBatch) -> Result<(), OutputError> {
        for (column, rows) in self.columns.iter_mut().zip(batch.columns()) {
            let taken = if !column.nullable && rows.logical_null_count() > 0 {
                Err(Fault::Value(ValueFault::Null))
            } else {
                column.values.append(rows)
            };
            let (table, column) = (self.table.clone(), column.name.clone());
            taken.map_err(|fault| match fault {
                Fault::Value(fault) => OutputError::Value { table, column, fault },
                Fault::Type => OutputError::Mismatch {
                    table,
                    what: format!("column `{column}` cannot come from {}", rows.data_type()),
                },
            })?;
        }
        if let Some(order) = &mut self.order
            && !order.holds(batch.column(0))
        {
            return Err(OutputError::OutOfOrder { table: self.table.clone() });
        }
        self.rows += batch.num_rows();
        Ok(())
    }

    fn mismatch(&self, what: String) -> OutputError {
        OutputError::Mismatch { table: self.table.clone(), what }
    }
}

impl PatientOrder {
    fn holds(&mut self, patients: &ArrayRef) -> bool {
        // The column has been taken without NULLs before, as one of its type, so that there is nothing else to find here.
        match self.keys {
            PatientKeys::Int => {
                let Some(keys) = patients.as_primitive_opt::<Int64Type>() else { return false };
                self.goes_on(keys.values().iter().copied(), LastKey::Int)
            }
            PatientKeys::Bytes16 => {
                let Some(keys) = patients.as_fixed_size_binary_opt() else { return false };
                self.goes_on(keys.iter().flatten(), |key| LastKey::Bytes(key.to_vec()))
            }
            PatientKeys::Text => {
                let Some(keys) = patients.as_string_opt::<i32>() else { return false };
                self.goes_on(keys.iter().flatten().map(str::as_bytes), |key| LastKey::Bytes(key.to_vec()))
            }
        }
    }

    fn goes_on<K: PartialOrd>(&mut self, keys: impl Iterator<Item = K> + Clone, kept: impl Fn(K) -> LastKey) -> bool {
        let first = keys.clone().next().map(&kept);
        let ascending = keys.clone().is_sorted() && first.is_none_or(|first| self.last <= Some(first));
        self.last = keys.last().map(kept).or(self.last.take());
        ascending
    }
}

/// The buffer that makes arrays of `data_type`, the output type of `spec`.
fn values(spec: &ColumnSpec, data_type: &DataType) -> Box<dyn Values> {
    let range = spec.range;
    match data_type {
        DataType::Boolean => Box::new(Booleans(BooleanBuilder::new())),
        DataType::Int8 => Ints::<Int8Type>::boxed(range),
        DataType::Int16 => Ints::<Int16Type>::boxed(range),
        DataType::Int32 => Ints::<Int32Type>::boxed(range),
        DataType::UInt8 => Ints::<UInt8Type>::boxed(range),
        DataType::UInt16 => Ints::<UInt16Type>::boxed(range),
        DataType::UInt32 => Ints::<UInt32Type>::boxed(range),
        DataType::UInt64 => Ints::<UInt64Type>::boxed(range),
        DataType::Float64 => Box::new(Floats(Primitives::new())),
        DataType::Date32 => Box::new(Dates(Primitives::new())),
        DataType::Utf8 => Box::new(Texts(StringBuilder::new())),
        DataType::Dictionary(index, _) => {
            let categories = spec.categories.clone().unwrap_or_else(|| [].into());
            match **index {
                DataType::Int8 => Categories::<Int8Type>::boxed(&categories),
                DataType::Int16 => Categories::<Int16Type>::boxed(&categories),
                DataType::Int32 => Categories::<Int32Type>::boxed(&categories),
                _ => Categories::<Int64Type>::boxed(&categories),
            }
        }
        _ => Ints::<Int64Type>::boxed(range),
    }
}

struct Booleans(BooleanBuilder);

impl Values for Booleans {
    fn append(&mut self, rows: &ArrayRef) -> Result<(), Fault> {
        self.0.extend(rows.as_boolean_opt().ok_or(Fault::Type)?);
        Ok(())
    }

    fn take(&mut self) -> ArrayRef {
        Arc::new(self.0.finish())
    }
}

/// Values of one width, as a chunk has them: what lies under a NULL is 0.
struct Primitives<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    nulls: NullBufferBuilder,
}

impl<T: ArrowPrimitiveType> Primitives<T> {
    fn new() -> Self {
        Primitives { values: Vec::new(), nulls: NullBufferBuilder::new(CHUNK_ROWS) }
    }

    /// Adds rows, each value by itself: a loop without a branch, of which compilers make vector instructions.
    fn extend<S: ArrowPrimitiveType>(&mut self, rows: &PrimitiveArray<S>, each: impl Fn(S::Native) -> T::Native) {
        if self.values.capacity() == 0 {
            self.values.reserve_exact(CHUNK_ROWS);
        }
        match rows.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => {
                self.values.extend(rows.values().iter().map(|value| each(*value)));
                self.nulls.append_n_non_nulls(rows.len());
            }
            Some(nulls) => {
                let zero = T::Native::default();
                let words = nulls.inner().bit_chunks().iter_padded();
                for (values, valid) in rows.values().chunks(64).zip(words) {
                    // Often all of them have a value, or none.
                    if valid == 0 {
                        self.values.resize(self.values.len() + values.len(), zero);
                    } else if valid == u64::MAX {
                        self.values.extend(values.iter().map(|value| each(*value)));
                    } else {
                        let valued = values.iter().enumerate();
                        self.values.extend(valued.map(|(at, v)| if valid >> at & 1 == 1 { each(*v) } else { zero }));
                    }
                }
                self.nulls.append_buffer(nulls);
            }
        }
    }

    fn take(&mut self) -> ArrayRef {
        Arc::new(PrimitiveArray::<T>::new(std::mem::take(&mut self.values).into(), self.nulls.finish()))
    }

    /// Pages that are new to a process cost more than to fill them, so that the next chunk takes those of the last.
    fn give_back(&mut self, written: ArrayRef) {
        let Some(array) = written.as_primitive_opt::<T>().cloned() else { return };
        drop(written);
        let (_, values, _) = array.into_parts();
        // Whoever wrote the chunk may still have it; then there is nothing to take back.
        if let (0, Ok(mut values)) = (self.values.capacity(), values.into_inner().into_vec()) {
            values.clear();
            self.values = values;
        }
    }
}

/// Whether every value that is there is within bounds.
fn all_within<T: ArrowPrimitiveType>(rows: &PrimitiveArray<T>, minimum: T::Native, maximum: T::Native) -> bool {
    let within = |value: &T::Native| !(value.is_lt(minimum) || value.is_gt(maximum));
    // Looked at without a branch first; a value under a NULL may be any.
    rows.values().iter().fold(true, |all, value| all & within(value))
        || rows.iter().flatten().all(|value| within(&value))
}

struct Ints<T: ArrowPrimitiveType> {
    values: Primitives<T>,
    minimum: i64,
    maximum: i64,
}

impl<T: ArrowPrimitiveType<Native: TryFrom<i64>>> Ints<T> {
    /// The bounds are those of the column, and of the type.
    fn boxed(range: Option<(i64, i64)>) -> Box<dyn Values> {
        let (minimum, maximum) = range.unwrap_or((i64::MIN, i64::MAX));
        Box::new(Ints::<T> { values: Primitives::new(), minimum, maximum })
    }
}

impl<T: ArrowPrimitiveType<Native: TryFrom<i64>>> Values for Ints<T> {
    fn append(&mut self, rows: &ArrayRef) -> Result<(), Fault> {
        let outside = ValueFault::OutsideRange { minimum: self.minimum, maximum: self.maximum };
        let rows = rows.as_primitive_opt::<Int64Type>().ok_or(Fault::Type)?;
        let fits = |value: i64| T::Native::try_from(value).is_ok();
        let type_fits = fits(self.minimum) && fits(self.maximum);
        if !all_within(rows, self.minimum, self.maximum) || !(type_fits || rows.iter().flatten().all(fits)) {
            return Err(outside.into());
        }
        self.values.extend(rows, |value| T::Native::try_from(value).unwrap_or_default());
        Ok(())
    }

    fn take(&mut self) -> ArrayRef {
        self.values.take()
    }

    fn give_back(&mut self, written: ArrayRef) {
        self.values.give_back(written);
    }
}

struct Floats(Primitives<Float64Type>);

impl Values for Floats {
    fn append(&mut self, rows: &ArrayRef) -> Result<(), Fault> {
        self.0.extend(rows.as_primitive_opt::<Float64Type>().ok_or(Fault::Type)?, |value| value);
        Ok(())
    }

    fn take(&mut self) -> ArrayRef {
        self.0.take()
    }

    fn give_back(&mut self, written: ArrayRef) {
        self.0.give_back(written);
    }
}

struct Dates(Primitives<Date32Type>);

impl Values for Dates {
    fn append(&mut self, rows: &ArrayRef) -> Result<(), Fault> {
        let dates = rows.as_primitive_opt::<Date32Type>().ok_or(Fault::Type)?;
        if !all_within(dates, DATE_MIN, DATE_MAX) {
            return Err(ValueFault::DateRange.into());
        }
        self.0.extend(dates, |date| date);
        Ok(())
    }

    fn take(&mut self) -> ArrayRef {
        self.0.take()
    }

    fn give_back(&mut self, written: ArrayRef) {
        self.0.give_back(written);
    }
}

struct Bytes16(FixedSizeBinaryBuilder);

impl Values for Bytes16 {
    fn append(&mut self, rows: &ArrayRef) -> Result<(), Fault> {
        for value in rows.as_fixed_size_binary_opt().ok_or(Fault::Type)? {
            match value {
                Some(value) => self.0.append_value(value).map_err(|_| Fault::Type)?,
                None => self.0.append_null(),
            }
        }
        Ok(())
    }

    fn take(&mut self) -> ArrayRef {
        Arc::new(self.0.finish())
    }
}

struct Texts(StringBuilder);

impl Values for Texts {
    fn append(&mut self, rows: &ArrayRef) -> Result<(), Fault> {
        let rows = IncomingTexts::of(rows)?;
        for row in 0..rows.len() {
            let text = rows.get(row);
            // The builder would panic where 32-bit offsets do not reach.
            if self.0.values_slice().len() + text.map_or(0, str::len) > i32::MAX as usize {
                return Err(ValueFault::TextTooLong.into());
            }
            self.0.append_option(text);
        }
        Ok(())
    }

    fn take(&mut self) -> ArrayRef {
        Arc::new(self.0.finish())
    }
}

/// Strings that are categories. All chunks share one array of categories, so that a file holds it once.
struct Categories<K: ArrowDictionaryKeyType> {
    indices: PrimitiveBuilder<K>,
    values: ArrayRef,
    index_of: HashMap<Arc<str>, K::Native>,
}

impl<K: ArrowDictionaryKeyType<Native: TryFrom<usize>>> Categories<K> {
    fn boxed(categories: &[Arc<str>]) -> Box<dyn Values> {
        // The index type was chosen to hold every index; one that does not fit is no category, which is then said.
        let index_of = categories
            .iter()
            .enumerate()
            .filter_map(|(index, category)| Some((category.clone(), K::Native::try_from(index).ok()?)))
            .collect();
        Box::new(Categories::<K> { indices: PrimitiveBuilder::new(), values: category_values(categories), index_of })
    }

    fn index(&self, text: &str) -> Result<K::Native, Fault> {
        self.index_of.get(text).copied().ok_or(Fault::Value(ValueFault::NotACategory))
    }
}

impl<K: ArrowDictionaryKeyType<Native: TryFrom<usize>>> Values for Categories<K> {
    fn append(&mut self, rows: &ArrayRef) -> Result<(), Fault> {
        match IncomingTexts::of(rows)? {
            IncomingTexts::Plain(texts) => {
                for text in texts {
                    let index = text.map(|text| self.index(text)).transpose()?;
                    self.indices.append_option(index);
                }
            }
            IncomingTexts::Encoded { keys, texts } => {
                // One look-up a dictionary entry; an entry that no row has may be anything.
                let indices: Vec<Option<Result<K::Native, Fault>>> =
                    texts.iter().map(|text| text.map(|text| self.index(text))).collect();
                for key in keys.keys() {
                    match key.and_then(|key| indices.get(key as usize)) {
                        Some(Some(Ok(index))) => self.indices.append_value(*index),
                        Some(Some(Err(_))) => return Err(ValueFault::NotACategory.into()),
                        Some(None) | None => self.indices.append_null(),
                    }
                }
            }
        }
        Ok(())
    }

    fn take(&mut self) -> ArrayRef {
        let indices = self.indices.finish();
        Arc::new(DictionaryArray::new(indices, self.values.clone()))
    }
}

/// Strings as the engine gives them.
enum IncomingTexts<'a> {
    Plain(&'a StringArray),
    Encoded { keys: &'a DictionaryArray<Int32Type>, texts: &'a StringArray },
}

impl<'a> IncomingTexts<'a> {
    fn of(rows: &'a ArrayRef) -> Result<Self, Fault> {
        if let Some(texts) = rows.as_string_opt::<i32>() {
            return Ok(IncomingTexts::Plain(texts));
        }
        let keys = rows.as_dictionary_opt::<Int32Type>().ok_or(Fault::Type)?;
        let texts = keys.values().as_string_opt::<i32>().ok_or(Fault::Type)?;
        Ok(IncomingTexts::Encoded { keys, texts })
    }

    fn len(&self) -> usize {
        match self {
            IncomingTexts::Plain(texts) => texts.len(),
            IncomingTexts::Encoded { keys, .. } => keys.len(),
        }
    }

    fn get(&self, row: usize) -> Option<&'a str> {
        let (texts, row) = match self {
            IncomingTexts::Plain(texts) => (*texts, row),
            IncomingTexts::Encoded { keys, texts } => (*texts, keys.key(row)?),
        };
        texts.is_valid(row).then(|| texts.value(row))
    }
}
