//! The patient table: the one table of an extract that has every patient. Keys of registers, of links and of rows that a
//! definition brings are looked for in it; nothing of it leaves but which of them it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use datafusion::physical_plan::metrics::Count;
use peristyle_policy::patients::{
    KeyType, Marks, PatientKey, PatientKeyError, PatientSet, PatientSetBuilder, TextComparison, lowered,
};
use peristyle_policy::policy::Policy;

use super::error::RegisterError;
use super::pins::Pins;
use super::{ScanPermit, VerifiedPolicy};
use crate::conform::patients;
use crate::connector::{ConnectedExtract, Connector};
use crate::decode::{GuardedBatch, ScanMetrics, decode_segment};
use crate::error::{Place, SourceError};
use crate::guarded_table::GuardedTable;
use crate::patient_ids::{PatientIds, all_bytes16};
use crate::request::{EnclaveOptions, Location, PATIENT_ID, PatientKeyColumn, TableActivation, TableRequest};
use crate::source::{Extract, Flow, Places, ReadRequest, SegmentRef, SourceDirectory, TableSource};

/// The user-facing table that has every patient.
const PATIENTS: &str = "patients";
/// As people know it.
const PATIENTS_FOR_PEOPLE: &str = "ehrql.tables.core.patients";

/// Rows read at a time.
const BATCH_ROWS: usize = 16_384;

/// Which table of an extract has every patient, and where it is. Nothing has been opened.
#[derive(Clone, Debug)]
pub(crate) struct PatientTableAt {
    directory: Arc<SourceDirectory>,
    request: TableRequest,
    text_keys: TextComparison,
}

/// The table's files, open.
pub(super) struct PatientTable {
    source: Arc<TableSource>,
    key: PatientKeyColumn,
    text_keys: TextComparison,
    permit: ScanPermit,
}

/// Patients who were looked for in the table, and the files that this was read from.
pub(crate) struct ExistingPatients {
    pub(crate) patients: PatientSet,
    pub(crate) read_from: Arc<TableSource>,
}

impl PatientTableAt {
    /// Of user-facing tables.
    pub(crate) fn user_facing(directory: Arc<SourceDirectory>, key_type: KeyType, text_keys: TextComparison) -> Self {
        let request = TableRequest {
            name: PATIENTS_FOR_PEOPLE.into(),
            location: Location::Table(PATIENTS.into()),
            patient_key: Some(PatientKeyColumn::of(PATIENT_ID.into(), key_type)),
            activation: TableActivation::NotApplied,
            one_row_per_patient: false,
            columns: Vec::new(),
        };
        Self { directory, request, text_keys }
    }

    /// Of a connector's raw tables; `None` where the connector names no such table.
    pub(crate) fn of_connector(
        directory: Arc<SourceDirectory>,
        connector: &Connector,
        text_keys: TextComparison,
    ) -> Option<Self> {
        let table = connector.everybody.as_ref()?;
        let request = connector.request(table, connector.raw.get(table)?);
        request.patient_key.as_ref()?;
        Some(Self { directory, request: TableRequest { columns: Vec::new(), ..request }, text_keys })
    }

    /// The table of a run: of its connectors, the first that names one, or of user-facing tables. `None` where nothing
    /// says which it is. Opens the extract, and no table.
    pub(super) fn find(
        policy: &Policy,
        tables: &Extract,
        extracts: &[ConnectedExtract],
    ) -> Result<Option<Self>, SourceError> {
        if extracts.is_empty() {
            let directory = Arc::new(tables.open()?);
            return Ok(Some(Self::user_facing(directory, policy.patient_key, policy.text_keys)));
        }
        let Some(extract) = extracts.iter().find(|extract| extract.connector.everybody.is_some()) else {
            return Ok(None);
        };
        let directory = Arc::new(extract.location.open()?);
        Ok(Self::of_connector(directory, &extract.connector, policy.text_keys))
    }

    fn places(&self) -> Places<'_> {
        Places { directory: Some(&self.directory), study: None }
    }

    /// `None` where user-facing tables have no such table.
    fn if_there<T>(&self, opened: Result<T, SourceError>) -> Result<Option<T>, SourceError> {
        match opened {
            Err(SourceError::TableMissing { .. }) if *self.request.name == *PATIENTS_FOR_PEOPLE => Ok(None),
            opened => opened.map(Some),
        }
    }

    /// Opens the table's files, to read all of its patients; `None` where user-facing tables lack it. Blocks.
    pub(super) fn open(&self) -> Result<Option<PatientTable>, SourceError> {
        let permit = ScanPermit::to_read_for_a_run(&self.request.name);
        let Some(source) = self.if_there(TableSource::open(&self.request, self.places(), &permit))? else {
            return Ok(None);
        };
        let Some(key) = source.patient_key.clone() else { return Ok(None) };
        Ok(Some(PatientTable { source: Arc::new(source), key, text_keys: self.text_keys, permit }))
    }

    /// Those of some keys that are of patients of the extract who may be seen in the table itself; `None` where
    /// user-facing tables lack it. Blocks.
    ///
    /// It is read as a study would read it: whom the guard leaves out of it is in it for nobody.
    pub(crate) fn existing(
        &self,
        keys: &PatientSet,
        policy: &VerifiedPolicy,
        options: &EnclaveOptions,
    ) -> Result<Option<ExistingPatients>, SourceError> {
        let permit = policy.permit_scan(&self.request)?;
        let opened = GuardedTable::open_under(permit, &self.request, self.places(), options);
        let Some(table) = self.if_there(opened)? else { return Ok(None) };
        let (task, metrics) = (table.read_of_patients(), ScanMetrics::unseen());
        let segments: Vec<SegmentRef> = table.source().segments().collect();
        let read = |marks: &mut Marks, segment: &SegmentRef| {
            let mut failed = None;
            decode_segment(&task, segment, &metrics, &mut |batch: GuardedBatch| {
                let ids = batch.rows.columns().first().and_then(PatientIds::of);
                match ids.map(|ids| mark(keys, &ids, marks)) {
                    Some(Ok(())) => return Flow::GoOn,
                    Some(Err(error)) => failed = Some(self.refused(&error)),
                    None => failed = Some(self.refused(&"its rows do not say whose they are")),
                }
                Flow::Stop
            })?;
            failed.map_or(Ok(()), Err)
        };
        let mut met = Marks::none_of(keys);
        for marks in fold(&segments, options.threads, || Marks::none_of(keys), read)? {
            met.join(&marks);
        }
        Ok(Some(ExistingPatients { patients: keys.only(&met, true), read_from: Arc::clone(table.source()) }))
    }

    fn refused(&self, reason: &dyn std::fmt::Display) -> SourceError {
        SourceError::Policy { table: Arc::clone(&self.request.name), reason: reason.to_string() }
    }

    /// Pins the table's files, before they are read.
    pub(super) fn pins(&self, table: &PatientTable) -> Result<Pins, RegisterError> {
        let paths = table.source.files.iter().filter_map(|file| match file.place() {
            Place::File(path) => Some(path.as_ref()),
            Place::Given => None,
        });
        Pins::of(self.directory.store(), paths)
    }
}

impl PatientTable {
    /// Of each set, the keys that are of patients of the extract.
    pub(super) fn met(&self, sets: &[&PatientSet], threads: usize) -> Result<Vec<Marks>, SourceError> {
        let none = || sets.iter().map(|set| Marks::none_of(set)).collect::<Vec<_>>();
        let each = |marks: &mut Vec<Marks>, ids: &PatientIds| {
            sets.iter().zip(marks).try_for_each(|(set, marks)| mark(set, ids, marks))
        };
        let mut met = none();
        for of_thread in self.fold(threads, none, each)? {
            met.iter_mut().zip(&of_thread).for_each(|(met, marks)| met.join(marks));
        }
        Ok(met)
    }

    /// Whether any patient of the extract has one of these keys, whatever its case. `keys` are without theirs.
    pub(super) fn has_in_other_case(&self, keys: &PatientSet, threads: usize) -> Result<bool, SourceError> {
        let each = |any: &mut bool, ids: &PatientIds| {
            let PatientIds::Text(texts) = ids else { return Ok(()) };
            for text in texts.iter().flatten() {
                *any = *any || keys.contains(PatientKey::Text(&lowered(text)))?;
            }
            Ok(())
        };
        Ok(self.fold(threads, || false, each)?.contains(&true))
    }

    /// Every patient of the extract.
    pub(super) fn all(&self) -> Result<PatientSet, SourceError> {
        let new = || PatientSetBuilder::new(self.key.key_type);
        let each = |set: &mut PatientSetBuilder, ids: &PatientIds| match ids {
            PatientIds::Int(keys) => set.extend_ints(keys.values()),
            _ => (0..ids.len()).filter_map(|row| ids.key(row)).try_for_each(|key| set.push(key)),
        };
        let mut found = self.fold(1, new, each)?;
        Ok(found.pop().unwrap_or_else(new).finish())
    }

    /// Hands every row's patient to one of several states, one a thread.
    fn fold<S: Send>(
        &self,
        threads: usize,
        new: impl Fn() -> S + Sync,
        each: impl Fn(&mut S, &PatientIds) -> Result<(), PatientKeyError> + Sync,
    ) -> Result<Vec<S>, SourceError> {
        let segments: Vec<SegmentRef> = self.source.segments().collect();
        fold(&segments, threads, new, |state, segment| self.read(segment, &mut |ids| each(state, ids)))
    }

    fn read(
        &self,
        segment: &SegmentRef,
        each: &mut dyn FnMut(&PatientIds) -> Result<(), PatientKeyError>,
    ) -> Result<(), SourceError> {
        let (table, file) = (&self.source.table, &segment.file);
        let request =
            ReadRequest { segment: segment.segment, columns: &[], batch_rows: BATCH_ROWS, bytes_read: Count::new() };
        file.read(&self.permit, &request, &mut |raw| {
            let ids = patients(&raw.patients, self.key.key_type, &self.text_keys)
                .map_err(|fault| fault.told(table, file.place(), &self.key.name, |_| None))?;
            let refused =
                |error: PatientKeyError| SourceError::Policy { table: Arc::clone(table), reason: error.to_string() };
            each(&ids).map_err(refused)?;
            Ok(Flow::GoOn)
        })
    }
}

/// Hands segments to states, one a thread.
fn fold<S: Send>(
    segments: &[SegmentRef],
    threads: usize,
    new: impl Fn() -> S + Sync,
    each: impl Fn(&mut S, &SegmentRef) -> Result<(), SourceError> + Sync,
) -> Result<Vec<S>, SourceError> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut state = new();
        while let Some(segment) = segments.get(next.fetch_add(1, Ordering::Relaxed)) {
            each(&mut state, segment)?;
        }
        Ok(state)
    };
    thread::scope(|scope| {
        // Where there cannot be another thread, this one reads them all.
        let another = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
        let others: Vec<_> = (1..threads.min(segments.len())).filter_map(another).collect();
        let mut states = vec![work()];
        states.extend(others.into_iter().map(|other| match other.join() {
            Ok(state) => state,
            Err(panicked) => std::panic::resume_unwind(panicked),
        }));
        states.into_iter().collect()
    })
}

/// The patients of the rows that a definition brings. Blocks.
pub(crate) fn patients_of(
    request: &TableRequest,
    places: Places<'_>,
    text_keys: TextComparison,
) -> Result<PatientSet, SourceError> {
    let keys = TableRequest { columns: Vec::new(), ..request.clone() };
    let permit = ScanPermit::to_read_for_a_run(&request.name);
    let source = Arc::new(TableSource::open(&keys, places, &permit)?);
    let key = source.patient_key.clone().unwrap_or_else(PatientKeyColumn::patient_id);
    PatientTable { source, key, text_keys, permit }.all()
}

fn mark(set: &PatientSet, ids: &PatientIds, marks: &mut Marks) -> Result<(), PatientKeyError> {
    match ids {
        PatientIds::Int(keys) => set.mark_ints(keys.values(), marks),
        PatientIds::Bytes16(keys) => set.mark_bytes16(all_bytes16(keys).iter(), marks),
        PatientIds::Text(keys) => set.mark_texts(keys.iter().flatten(), marks),
    }
}
