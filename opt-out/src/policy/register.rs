//! Reading one register: its files found, pinned and held to their seals, its rows checked and handed on.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, StringArray};
use arrow::datatypes::{Date32Type, Int32Type, Int64Type};
use datafusion::physical_plan::metrics::Count;
use peristyle_policy::Day;
use peristyle_policy::patients::{KeyType, TextComparison, lowered};
use peristyle_policy::register::{AsOf, Lists, Register, RegisterFormat, RegisterLocation, Scalar, Taking};

use super::ScanPermit;
use super::error::RegisterError;
use super::pins::Pins;
use super::seal::check_seal;
use crate::conform::{Conformer, Fault, patients};
use crate::error::{SourceError, ValueProblem};
use crate::patient_ids::PatientIds;
use crate::request::{
    ColumnRequest, ColumnType, FileFormat, Location, PatientKeyColumn, TableActivation, TableRequest,
};
use crate::source::{Extract, FileStore, Flow, FoundFiles, LocalFiles, OpenedFile, RawBatch, ReadRequest};

/// Rows read at a time.
const BATCH_ROWS: usize = 8192;

/// A register whose files have been found, pinned and opened.
pub(super) struct OpenedRegister<'p> {
    register: &'p Register,
    request: TableRequest,
    key: PatientKeyColumn,
    text_keys: TextComparison,
    permit: ScanPermit,
    paths: Vec<PathBuf>,
    files: Vec<Arc<dyn OpenedFile>>,
    columns: Columns,
    pub(super) pins: Pins,
}

/// How a register is read, besides what the policy says of it.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    /// Of the column of keys
    pub(super) key_type: KeyType,
    /// Of the column of the practice's key
    pub(super) practice_type: ColumnType,
    /// Of a link, the column of the other key
    pub(super) link_column: Option<ColumnRequest>,
    /// How texts that are keys are compared
    pub(super) text_keys: TextComparison,
    /// Whether its files must have their digests beside them
    pub(super) sealed: bool,
    /// Whether errors may say which of its rows is at fault: to whoever keeps it, not to whoever wrote a definition
    pub(super) tells_rows: bool,
}

/// Which of the columns that are read is what.
#[derive(Default)]
struct Columns {
    wanted: Vec<ColumnRequest>,
    from: Option<usize>,
    until: Option<usize>,
    only_where: Option<usize>,
    as_of: Option<usize>,
    practice: Option<usize>,
    end: Option<usize>,
    link: Option<usize>,
}

/// Rows of a register that belong to it.
pub(super) struct RegisterRows {
    /// The keys: of patients, or of practices
    pub(super) keys: PatientIds,
    /// Whether the row belongs to the register (`only_where`)
    pub(super) belongs: Option<BooleanArray>,
    /// The first day of each row (Date32), where the policy names a column of it
    pub(super) from: Option<ArrayRef>,
    /// The last day (Date32)
    pub(super) until: Option<ArrayRef>,
    /// The practice (Int64 or dictionary of strings), of registrations
    pub(super) practice: Option<ArrayRef>,
    /// The end (Timestamp in microseconds), of registrations
    pub(super) end: Option<ArrayRef>,
    /// The other key (of the type of its column), of links
    pub(super) link: Option<ArrayRef>,
}

/// What was read besides the rows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ReadSummary {
    pub(super) rows: u64,
    pub(super) as_of: Option<Day>,
}

impl Columns {
    fn add(&mut self, register: &Register, name: &str, column_type: ColumnType) -> Result<usize, RegisterError> {
        match self.wanted.iter().position(|known| *known.name == *name) {
            Some(at) if self.wanted.get(at).is_some_and(|known| known.column_type == column_type) => Ok(at),
            Some(_) => Err(RegisterError::ColumnTwice { register: register.id.clone(), column: name.to_owned() }),
            None => {
                self.wanted.push(ColumnRequest::of(name.into(), column_type));
                Ok(self.wanted.len() - 1)
            }
        }
    }

    fn of(register: &Register, opening: &Opening) -> Result<Self, RegisterError> {
        let mut columns = Self::default();
        let as_key = |column: ColumnRequest| {
            let key_texts = (column.column_type == ColumnType::Str).then_some(opening.text_keys);
            ColumnRequest { key_texts, ..column }
        };
        if let Some(link) = &opening.link_column {
            columns.wanted.push(as_key(link.clone()));
            columns.link = Some(0);
        }
        let day = |columns: &mut Self, name: &Option<String>| {
            name.as_ref().map(|name| columns.add(register, name, ColumnType::Day)).transpose()
        };
        columns.from = day(&mut columns, &register.from_column)?;
        columns.until = day(&mut columns, &register.until_column)?;
        if let AsOf::Column { column, .. } = &register.as_of {
            columns.as_of = Some(columns.add(register, column, ColumnType::Day)?);
        }
        if let Some(only_where) = &register.only_where {
            let column_type = match only_where.equals {
                Scalar::Bool(_) => ColumnType::Bool,
                Scalar::Int(_) => ColumnType::Int,
                Scalar::Text(_) => ColumnType::Str,
            };
            columns.only_where = Some(columns.add(register, &only_where.column, column_type)?);
        }
        if let Lists::Registrations { practice_column, end_column } = &register.lists {
            let practice = columns.add(register, practice_column, opening.practice_type)?;
            columns.wanted.iter_mut().skip(practice).take(1).for_each(|column| *column = as_key(column.clone()));
            columns.practice = Some(practice);
            columns.end = Some(columns.add(register, end_column, ColumnType::Moment)?);
        }
        Ok(columns)
    }
}

impl<'p> OpenedRegister<'p> {
    /// Finds, pins and opens a register's files. `tables` is the extract.
    pub(super) fn open(register: &'p Register, tables: &Extract, opening: Opening) -> Result<Self, RegisterError> {
        let unusable = |source| RegisterError::Unusable { register: register.id.clone(), source };
        let columns = Columns::of(register, &opening)?;
        let (name, location) = match &register.location {
            RegisterLocation::Table(table) => {
                (Arc::<str>::from(table.as_str()), Location::Table(table.as_str().into()))
            }
            RegisterLocation::File { written, path, format } => {
                let location = Location::File { path: path.clone(), format: file_format(*format) };
                (Arc::from(written.as_str()), location)
            }
        };
        let key = PatientKeyColumn::of(register.key_column.as_str().into(), opening.key_type);
        let request = TableRequest {
            name,
            location,
            patient_key: Some(key.clone()),
            activation: TableActivation::NotApplied,
            one_row_per_patient: false,
            columns: columns.wanted.clone(),
        };
        request.check().map_err(unusable)?;
        let (found, store) = Self::find(&request, tables).map_err(unusable)?;
        let paths: Vec<PathBuf> = found.files.iter().map(|file| file.path.to_path_buf()).collect();
        // Pinned before a byte is read, so that a change from here on is noticed.
        let pins = Pins::of(&store, paths.iter().chain(&found.folders).map(PathBuf::as_path))?;
        let permit = match opening.tells_rows {
            true => ScanPermit::to_look_at(&request.name),
            false => ScanPermit::to_read_for_a_run(&request.name),
        };
        if opening.sealed {
            paths.iter().try_for_each(|path| check_seal(register, path, store.as_ref(), &permit))?;
        }
        let files = found.open(&request, store.as_ref(), &permit).map_err(unusable)?;
        let text_keys = opening.text_keys;
        Ok(Self { register, request, key, text_keys, permit, paths, files, columns, pins })
    }

    /// The files, and where their bytes come from.
    fn find(request: &TableRequest, tables: &Extract) -> Result<(FoundFiles, Arc<dyn FileStore>), SourceError> {
        match &request.location {
            Location::Table(name) => {
                let opened = tables.open()?;
                let found = opened.find(&request.name, name)?;
                Ok((found, Arc::clone(opened.store())))
            }
            Location::File { path, format } => Ok((FoundFiles::of_file(path, *format), Arc::new(LocalFiles))),
            Location::Given(_) => {
                let (table, reason) = (Arc::clone(&request.name), "a register is a file".to_owned());
                Err(SourceError::Request { table, reason })
            }
        }
    }

    /// Whether its rows are promised to be in order of key, from the first to the last.
    pub(super) fn promises_order(&self) -> bool {
        matches!(self.files.as_slice(), [file] if file.promises_order())
    }

    /// Reads all rows, in batches.
    pub(super) fn read(
        &self,
        mut each: impl FnMut(RegisterRows) -> Result<(), RegisterError>,
    ) -> Result<ReadSummary, RegisterError> {
        let wanted: Vec<usize> = (0..self.columns.wanted.len()).collect();
        let mut summary = ReadSummary { rows: 0, as_of: self.date_of_files()? };
        for file in &self.files {
            let mut conformers: Vec<Conformer> = self.columns.wanted.iter().map(Conformer::new).collect();
            for segment in 0..file.segments().len() {
                let request =
                    ReadRequest { segment, columns: &wanted, batch_rows: BATCH_ROWS, bytes_read: Count::new() };
                // The reader's errors are about the file; those of `each` are kept here on their way through it.
                let mut failed = None;
                let read = file.read(&self.permit, &request, &mut |raw| {
                    let numbers = raw.first_row;
                    let rows = self.conformed(raw, &mut conformers, file.as_ref(), numbers, &mut summary)?;
                    match each(rows) {
                        Ok(()) => Ok(Flow::GoOn),
                        Err(error) => {
                            failed = Some(error);
                            Ok(Flow::Stop)
                        }
                    }
                });
                read.map_err(|source| RegisterError::Unusable { register: self.register.id.clone(), source })?;
                if let Some(error) = failed {
                    return Err(error);
                }
            }
        }
        Ok(summary)
    }

    fn conformed(
        &self,
        raw: RawBatch,
        conformers: &mut [Conformer],
        file: &dyn OpenedFile,
        first_row: u64,
        summary: &mut ReadSummary,
    ) -> Result<RegisterRows, SourceError> {
        let tells_rows = self.permit.tells_rows();
        let number = |index: usize| tells_rows.then_some(first_row + index as u64);
        let fault = |column: &Arc<str>, fault: Fault| fault.told(&self.request.name, file.place(), column, number);
        let key = &self.key;
        let keys = patients(&raw.patients, key.key_type, &self.text_keys).map_err(|found| fault(&key.name, found))?;
        let mut arrays = Vec::with_capacity(conformers.len());
        for (conformer, column) in conformers.iter_mut().zip(&raw.columns) {
            arrays.push(conformer.conform(column, raw.rows).map_err(|found| fault(conformer.column(), found))?);
        }
        summary.rows += raw.rows as u64;
        let array = |at: Option<usize>| at.and_then(|at| arrays.get(at)).cloned();
        if let (AsOf::Column { taking, .. }, Some(dates)) = (&self.register.as_of, array(self.columns.as_of)) {
            self.take_date(&dates, *taking, summary);
        }
        let only_where = self.register.only_where.as_ref().zip(array(self.columns.only_where));
        let belongs = only_where.map(|(only_where, column)| {
            equal_to(&column, &only_where.equals).map_err(|found| fault(&only_where.column.as_str().into(), found))
        });
        Ok(RegisterRows {
            keys,
            belongs: belongs.transpose()?,
            from: array(self.columns.from),
            until: array(self.columns.until),
            practice: array(self.columns.practice),
            end: array(self.columns.end),
            link: array(self.columns.link),
        })
    }

    /// The date of some rows. One without a date makes the whole register one without.
    fn take_date(&self, dates: &ArrayRef, taking: Taking, summary: &mut ReadSummary) {
        let Some(dates) = dates.as_primitive_opt::<Date32Type>() else { return };
        let days = || dates.iter().map(|day| day.and_then(Day::from_epoch_days));
        let before = (summary.rows > dates.len() as u64).then_some(summary.as_of);
        let all: Option<Vec<Day>> = before.into_iter().chain(days()).collect();
        summary.as_of = all.and_then(|days| match taking {
            Taking::Oldest => days.into_iter().min(),
            Taking::Newest => days.into_iter().max(),
        });
    }

    /// The date of the register by its files, where the policy takes it from them.
    fn date_of_files(&self) -> Result<Option<Day>, RegisterError> {
        match &self.register.as_of {
            AsOf::Column { .. } => Ok(None),
            AsOf::Metadata(name) => {
                let days = self.files.iter().map(|file| Day::parse(&file.metadata(name)?));
                Ok(days.collect::<Option<Vec<Day>>>().and_then(|days| days.into_iter().min()))
            }
            AsOf::FileModified => {
                // As it was pinned: the same look that a change is held against.
                let day = |path: &PathBuf| {
                    let seconds = self.pins.identity(path)?.modified_seconds()?;
                    Day::from_epoch_days(i32::try_from(seconds.div_euclid(86_400)).ok()?)
                };
                let days = self.paths.iter().map(day).collect::<Option<Vec<Day>>>();
                Ok(days.and_then(|days| days.into_iter().min()))
            }
        }
    }
}

fn file_format(format: RegisterFormat) -> FileFormat {
    match format {
        RegisterFormat::Parquet => FileFormat::Parquet,
        RegisterFormat::Arrow => FileFormat::Arrow,
        RegisterFormat::Csv => FileFormat::Csv,
        RegisterFormat::CsvGz => FileFormat::CsvGz,
    }
}

/// Which rows have the value. NULL is another value. A text that differs from it in case or in outer white space alone is
/// a fault: taken for another value, it would take its row out of the register.
fn equal_to(column: &ArrayRef, value: &Scalar) -> Result<BooleanArray, Fault> {
    let unexpected = || Fault::UnexpectedArray;
    match value {
        Scalar::Bool(value) => {
            let found = column.as_boolean_opt().ok_or_else(unexpected)?;
            Ok(found.iter().map(|found| Some(found == Some(*value))).collect())
        }
        Scalar::Int(value) => {
            let found = column.as_primitive_opt::<Int64Type>().ok_or_else(unexpected)?;
            Ok(found.iter().map(|found| Some(found == Some(*value))).collect())
        }
        Scalar::Text(value) => {
            let dictionary = column.as_dictionary_opt::<Int32Type>();
            let found = dictionary.and_then(|dictionary| dictionary.downcast_dict::<StringArray>());
            let wanted = lowered(value.trim());
            let is_value = |(index, found): (usize, Option<&str>)| match found {
                Some(found) if found == value => Ok(Some(true)),
                Some(found) if lowered(found.trim()) == wanted => {
                    Err(Fault::Value { index, problem: ValueProblem::NearlyTheValue })
                }
                Some(_) | None => Ok(Some(false)),
            };
            found.ok_or_else(unexpected)?.into_iter().enumerate().map(is_value).collect()
        }
    }
}
