//! One table: its files, their heads held against what is wanted.

use std::path::Path;
use std::sync::Arc;

use peristyle_policy::patients::TextComparison;

use super::months::{DaySpan, Months};
use super::text::{self, LookedAt, ReadText};
use super::{ColumnReport, FoundTable, WantedTable, shapes};
use crate::conform;
use crate::error::SourceError;
use crate::policy::ScanPermit;
use crate::request::{ColumnRequest, ColumnType, FileFormat, PatientKeyColumn};
use crate::source::{FoundFiles, OpenedFile, SourceDirectory};

/// Most names of columns that nobody asked for.
const EXTRA_MAX: usize = 20;

/// Looks at a table. The paths of its files are added to `used`.
pub(super) fn examine(
    opened: &SourceDirectory,
    wanted: &WantedTable,
    text_keys: &TextComparison,
    used: &mut Vec<Arc<Path>>,
) -> Result<FoundTable, SourceError> {
    let found = opened.find(&wanted.name, &wanted.name)?;
    used.extend(found.files.iter().map(|file| Arc::clone(&file.path)));
    let permit = ScanPermit::to_look_at(&wanted.name);
    let files = found.open(&wanted.request(None, Vec::new()), opened.store().as_ref(), &permit)?;
    let looking = Looking { wanted, found: &found, files: &files };
    let mut columns: Vec<ColumnReport> = wanted.columns.iter().map(|column| looking.column(column)).collect();
    let mut patient_key_problem = wanted.patient_key.as_ref().and_then(|key| looking.patient_key(key));
    let rows = match found.format {
        FileFormat::Parquet | FileFormat::Arrow => Ok(looking.rows_by_heads()),
        FileFormat::Csv | FileFormat::CsvGz => {
            let key = wanted.patient_key.as_ref().filter(|_| patient_key_problem.is_none());
            let there = columns
                .iter()
                .zip(&wanted.columns)
                .filter(|(report, _)| report.problem.is_none() && !report.is_missing);
            let there: Vec<ColumnRequest> = there.map(|(_, column)| column.clone()).collect();
            let read = text::read(opened, wanted, &found, &LookedAt { key, text_keys, columns: &there }, &permit);
            read.map(|ReadText { rows, key, columns: read }| {
                patient_key_problem = patient_key_problem.take().or(key);
                let reports = columns.iter_mut().filter(|report| report.problem.is_none() && !report.is_missing);
                for (report, (problem, months)) in reports.zip(read) {
                    (report.problem, report.months) = (problem, months);
                }
                rows
            })
        }
    };
    looking.look_for_identifiers(opened, &permit, &mut columns);
    Ok(FoundTable {
        format: found.format,
        files: files.len(),
        bytes: files.iter().filter_map(|file| file.stored()).map(|file| file.size()).sum(),
        rows,
        is_ordered: looking.is_ordered(opened, &permit),
        extra: looking.extra(patient_key_problem.is_some()),
        patient_key_problem,
        columns,
    })
}

/// A table whose heads have been read.
struct Looking<'a> {
    wanted: &'a WantedTable,
    found: &'a FoundFiles,
    files: &'a [Arc<dyn OpenedFile>],
}

impl Looking<'_> {
    fn is_of_path(&self, column: &str) -> bool {
        self.found.files.iter().any(|file| file.partition.iter().any(|(name, _)| name == column))
    }

    /// What the head of the first file at fault says of a column.
    fn column(&self, column: &ColumnRequest) -> ColumnReport {
        let mut report = ColumnReport {
            name: Arc::clone(&column.name),
            is_missing: false,
            problem: None,
            months: Months::NotDates,
            looks_like: None,
        };
        if !self.is_of_path(&column.name) {
            for file in self.files {
                match type_problem(&self.wanted.name, file.as_ref(), column) {
                    Ok(()) => continue,
                    Err(SourceError::ColumnMissing { table, place, .. }) => {
                        report.is_missing = true;
                        report.problem = column.missing(&table, &place);
                    }
                    Err(error) => report.problem = Some(error),
                }
                break;
            }
        }
        if matches!(column.column_type, ColumnType::Date | ColumnType::Day) {
            report.months = self.months(&column.name);
        }
        report
    }

    fn months(&self, column: &str) -> Months {
        let spans: Option<Vec<DaySpan>> = self.files.iter().map(|file| file.days(column)).collect();
        spans.map_or(Months::Unknown, |spans| spans.into_iter().fold(DaySpan::default(), DaySpan::and).months())
    }

    fn patient_key(&self, key: &PatientKeyColumn) -> Option<SourceError> {
        self.files.iter().find_map(|file| {
            type_problem(&self.wanted.name, file.as_ref(), &key.request()).err().map(|error| match error {
                SourceError::ColumnMissing { table, place, column } => {
                    SourceError::PatientIdMissing { table, place, column }
                }
                error => error,
            })
        })
    }

    /// Notes of columns that can be read what their values look like.
    fn look_for_identifiers(&self, opened: &SourceDirectory, permit: &ScanPermit, columns: &mut [ColumnReport]) {
        let can_be_read = |report: &ColumnReport| report.problem.is_none() && !report.is_missing;
        let looked_at = columns.iter_mut().zip(&self.wanted.columns);
        let looked_at = looked_at.filter(|(report, column)| can_be_read(report) && shapes::can_identify(column));
        let (reports, columns): (Vec<_>, Vec<_>) = looked_at.map(|(report, column)| (report, column.clone())).unzip();
        let shapes = shapes::read(opened, self.wanted, self.found, &columns, permit);
        for (report, shape) in reports.into_iter().zip(shapes) {
            report.looks_like = shape;
        }
    }

    fn rows_by_heads(&self) -> u64 {
        self.files.iter().flat_map(|file| file.segments()).map(|segment| segment.weight).sum()
    }

    /// Order is promised by a key, so files are opened once more for it.
    fn is_ordered(&self, opened: &SourceDirectory, permit: &ScanPermit) -> bool {
        let is_text = matches!(self.found.format, FileFormat::Csv | FileFormat::CsvGz);
        match &self.wanted.patient_key {
            Some(key) if key.rows_ascend => return true,
            None => return false,
            Some(_) if is_text => return false,
            Some(_) => {}
        }
        let request = self.wanted.request(self.wanted.patient_key.clone(), Vec::new());
        let files = self.found.open(&request, opened.store().as_ref(), permit);
        files.is_ok_and(|files| files.iter().all(|file| file.promises_order()))
    }

    /// Columns that nobody asked for. A file whose first line is a row has no names to tell.
    fn extra(&self, key_is_missing: bool) -> Vec<String> {
        let is_known = |name: &[u8]| {
            let key = self.wanted.patient_key.as_ref().map(|key| &key.name);
            self.wanted.columns.iter().map(|column| &column.name).chain(key).any(|known| known.as_bytes() == name)
        };
        let mut extra = Vec::new();
        for file in self.files {
            let head = file.head();
            let surplus: Vec<String> = head
                .names
                .iter()
                .filter(|name| !is_known(name))
                .map(|name| String::from_utf8_lossy(name).into_owned())
                .collect();
            let is_named = head.schema.is_some() || (!key_is_missing && surplus.len() < head.names.len());
            if !is_named {
                return Vec::new();
            }
            extra.extend(surplus);
        }
        extra.sort_unstable();
        extra.dedup();
        extra.truncate(EXTRA_MAX);
        extra
    }
}

/// Whether a file's head has a column, in a type that can be read as what is wanted.
fn type_problem(table: &Arc<str>, file: &dyn OpenedFile, column: &ColumnRequest) -> Result<(), SourceError> {
    let head = file.head();
    let (table, place, name) = (Arc::clone(table), file.place().clone(), Arc::clone(&column.name));
    let Some(at) = head.names.iter().position(|found| *found == column.name.as_bytes()) else {
        return Err(SourceError::ColumnMissing { table, place, column: name });
    };
    let found = head.schema.as_ref().and_then(|schema| schema.fields().get(at)).map(|field| field.data_type());
    match found {
        Some(found) if !conform::accepts(column, found) => Err(SourceError::WrongType {
            table,
            place,
            column: name,
            found: conform::type_name(found),
            wanted: column.column_type,
        }),
        _ => Ok(()),
    }
}
