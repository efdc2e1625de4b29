//! Policy: what a run may read. A [`VerifiedPolicy`] stands for the check of its registers, a [`ScanPermit`] for leave
//! to open one table; neither can be made outside this crate.
//!
//! ```text
//! Policy, AppliedRules ─► registers read, counted, dated, pinned ─► VerifiedPolicy ─► ScanPermit, one a table
//!                              (any doubt: RegisterError)                               │ which patients
//!                                                                                       │ which of their rows
//!                                                                                       └ what was removed
//! ```

mod activation;
mod activation_codes;
mod enforcement;
mod error;
mod found;
mod link_rows;
mod link_tables;
mod links;
mod patient_table;
mod pins;
mod register;
mod registers;
mod registrations;
mod seal;
mod tally;
mod verify;

use std::path::Path;
use std::sync::Arc;

pub use error::RegisterError;
pub use link_tables::{link_registers, read_link};
pub use tally::{Removed, TableRemovals};
pub use verify::{PolicyRun, VerifiedRegister, read_registers};

pub(crate) use activation::NotJudged;
pub(crate) use activation_codes::EarliestCutOffs;
pub(crate) use enforcement::{Enforcement, SeenPatients, Verdict};
pub(crate) use patient_table::{PatientTableAt, patients_of};
pub(crate) use tally::{SegmentTally, TableTally};

use peristyle_policy::patients::{KeyType, PatientKeyError, PatientSet, TextComparison};
use peristyle_policy::policy::{CatalogueStatement, RowRule};
use peristyle_policy::{Lifted, Name};

use crate::connector::ConnectedExtract;
use crate::error::SourceError;
use crate::patient_ids::PatientIds;
use crate::request::{ColumnRequest, ColumnType, TableActivation, TableRequest};
use activation::ActiveRows;
use link_tables::ReadLinks;
use pins::Pins;

/// A policy whose registers have been checked. Nothing opens without one.
///
/// There is no public constructor but [`VerifiedPolicy::dummy_tables`] and [`VerifiedPolicy::verify`]: outside this crate
/// a policy cannot be written down, only obtained.
#[derive(Debug)]
pub struct VerifiedPolicy {
    stamp: Arc<str>,
    enforcement: Arc<Enforcement>,
    /// What the links that the run needs come to
    links: ReadLinks,
    registers: Vec<VerifiedRegister>,
    pins: Pins,
    counts_sequence: Option<u64>,
}

impl VerifiedPolicy {
    /// The one policy that lets everything through: for tables of people who do not exist.
    pub fn dummy_tables() -> Self {
        Self {
            stamp: "dummy".into(),
            enforcement: Arc::new(Enforcement::lifted(&Lifted::over_made_up_records())),
            links: ReadLinks::new(),
            registers: Vec::new(),
            pins: Pins::default(),
            counts_sequence: None,
        }
    }

    /// A policy that hides everybody else.
    #[cfg(test)]
    pub(crate) fn permitting(patients: impl IntoIterator<Item = i64>) -> Self {
        let enforcement = Arc::new(Enforcement::permitting(patients));
        Self { stamp: "test".into(), enforcement, ..Self::dummy_tables() }
    }

    /// Whether rows of a patient may be seen.
    #[cfg(test)]
    pub(crate) fn lets_see(&self, patient: i64) -> bool {
        let ids = PatientIds::Int(vec![patient].into());
        let seen = self.enforcement.judge(&ids, &mut SegmentTally::default());
        seen.is_ok_and(|seen| matches!(seen.verdict(), Verdict::All))
    }

    /// How outputs and logs name the policy: `dummy`, or its own name.
    pub fn stamp(&self) -> &str {
        &self.stamp
    }

    /// The registers that were checked and pinned for the run.
    pub fn registers(&self) -> &[VerifiedRegister] {
        &self.registers
    }

    /// How often the counts of recent runs were written, this run included; `None` where none are kept.
    pub fn counts_sequence(&self) -> Option<u64> {
        self.counts_sequence
    }

    /// Holds the registers' files against what they were when they were read: to be asked before results are shown.
    ///
    /// # Errors
    /// A file that was changed, replaced, added or removed meanwhile.
    pub fn check_pins(&self) -> Result<(), RegisterError> {
        self.pins.check()
    }

    /// What patients are known by; `None` where it does not matter.
    pub(crate) fn key_type(&self) -> Option<KeyType> {
        self.enforcement.key_type()
    }

    /// How texts that are keys are compared.
    pub(crate) fn text_keys(&self) -> TextComparison {
        self.enforcement.text_keys()
    }

    /// Whether records of people may be read under it, so that patients whom the extract does not have do not exist.
    pub(crate) fn is_of_people(&self) -> bool {
        self.enforcement.policy.is_some() || !self.enforcement.hides_nobody()
    }

    /// Files that its registers were read from.
    pub(crate) fn register_files(&self) -> impl Iterator<Item = &Path> {
        self.pins.paths()
    }

    /// Leave to open a table. Every refusal that a policy can state before files are opened belongs here.
    pub(crate) fn permit_scan(&self, request: &TableRequest) -> Result<ScanPermit, SourceError> {
        ScanPermit::under(&self.enforcement, request)
    }

    /// Leave to open a raw table whose rows are known by the key of a link. Over tables of people who do not exist the
    /// link's table is read here; blocks then.
    pub(crate) fn permit_linked(
        &self,
        request: &TableRequest,
        extract: &ConnectedExtract,
        link: &Name,
    ) -> Result<ScanPermit, SourceError> {
        let refused = |reason: String| SourceError::Policy { table: Arc::clone(&request.name), reason };
        if let Some(read) = self.links.get(&(Arc::clone(&extract.connector.name), link.clone())) {
            return ScanPermit::under(read, request);
        }
        if self.enforcement.policy.is_some() {
            let reason = "its rows are known by another key, and nothing that the run asked for said that its link";
            return Err(refused(format!("{reason} `{link}` would be needed: it was not read")));
        }
        let read = link_tables::of_dummy_tables(extract, link, &self.enforcement);
        ScanPermit::under(&Arc::new(read.map_err(|error| refused(error.to_string()))?), request)
    }
}

impl ScanPermit {
    fn under(enforcement: &Arc<Enforcement>, request: &TableRequest) -> Result<Self, SourceError> {
        let refused = |reason: String| SourceError::Policy { table: Arc::clone(&request.name), reason };
        let known_by = request.patient_key.as_ref().map(|key| key.key_type);
        if let (Some(key_type), Some(found)) = (enforcement.key_type(), known_by)
            && key_type != found
        {
            let (ours, theirs) = (key_type.key(), found.key());
            return Err(refused(format!(
                "its patients are known by {theirs}, and those of the policy's registers by {ours}: they cannot be held \
                 against each other"
            )));
        }
        // As definitions import it.
        let short = request.name.strip_prefix("ehrql.tables.").unwrap_or(&request.name);
        let stated = match &request.activation {
            TableActivation::NotApplied => CatalogueStatement::NotApplied,
            TableActivation::ByColumn(column) => CatalogueStatement::ByColumn(column),
            TableActivation::ByPractice(_) | TableActivation::Unstated => CatalogueStatement::Unstated,
        };
        let rule = match &request.activation {
            TableActivation::ByPractice(column) => enforcement.at_activated_practices(column),
            _ => enforcement.row_rule(short, stated).map_err(|error| refused(error.to_string()))?,
        };
        let rows = ActiveRows::of(&rule, enforcement);
        Ok(Self {
            tells_rows: enforcement.hides_nobody() && rows == ActiveRows::All,
            rows,
            enforcement: Arc::clone(enforcement),
            existing: None,
            tally: Arc::new(TableTally::new(&request.name)),
        })
    }
}

/// Leave to open one table, and whose rows may be seen in it.
///
/// The only way to a file's bytes takes a `ScanPermit`, and only a [`VerifiedPolicy`] makes one.
#[derive(Clone, Debug)]
pub struct ScanPermit {
    enforcement: Arc<Enforcement>,
    /// Of rows that a definition brings: those of its patients whom the extract has. Others do not exist
    existing: Option<Arc<PatientSet>>,
    rows: ActiveRows,
    /// Whether errors may say which row of its file is at fault: nobody may count hidden rows by it
    tells_rows: bool,
    tally: Arc<TableTally>,
}

impl ScanPermit {
    /// Leave to read a register, or the patient table, for a run: everybody who is listed must be seen. Its rows go into
    /// the policy, and no further.
    fn to_read_for_a_run(name: &Arc<str>) -> Self {
        Self { tells_rows: false, ..Self::to_look_at(name) }
    }

    /// Leave to look at a table's files for whoever keeps the extract: names, counts and months may leave, and no row.
    pub(crate) fn to_look_at(name: &Arc<str>) -> Self {
        Self {
            tells_rows: true,
            enforcement: Arc::new(Enforcement::lifted(&Lifted::for_a_whole_table())),
            existing: None,
            rows: ActiveRows::All,
            tally: Arc::new(TableTally::new(name)),
        }
    }

    /// The same leave for rows of these patients alone: those of the rows' patients whom the extract has.
    pub(crate) fn for_existing(self, patients: PatientSet) -> Self {
        Self { existing: Some(Arc::new(patients)), tells_rows: false, ..self }
    }

    /// Which patients may be seen; counts the rows of the others, for the first rule that hides them.
    pub(crate) fn judge(&self, ids: &PatientIds, tally: &mut SegmentTally) -> Result<SeenPatients, PatientKeyError> {
        let mut seen = self.enforcement.judge(ids, tally)?;
        if let Some(existing) = &self.existing {
            seen.keep_only(existing, tally)?;
        }
        Ok(seen)
    }

    /// Whether nothing is hidden, so that what counts rows gives nothing away.
    pub(crate) fn hides_nothing(&self) -> bool {
        self.enforcement.hides_nobody() && self.existing.is_none() && self.rows == ActiveRows::All
    }

    /// Whether errors may say which row of its file is at fault.
    pub(crate) fn tells_rows(&self) -> bool {
        self.tells_rows
    }

    /// Which patients' rows may be seen.
    pub(crate) fn enforcement(&self) -> &Enforcement {
        &self.enforcement
    }

    /// Which rows of those patients may be seen.
    pub(crate) fn rows(&self) -> &ActiveRows {
        &self.rows
    }

    /// The column that rows are judged by, where they are: it is read whether or not anybody asks for it.
    pub(crate) fn judged_by(&self) -> Option<ColumnRequest> {
        let (name, column_type) = self.rows.column()?;
        let key_texts = (column_type == ColumnType::Str).then(|| self.enforcement.text_keys());
        Some(ColumnRequest { key_texts, ..ColumnRequest::of(Arc::clone(name), column_type) })
    }

    /// Where what was removed is counted.
    pub(crate) fn tally(&self) -> &Arc<TableTally> {
        &self.tally
    }

    /// The same leave for rows that are read once more, and have been counted.
    pub(crate) fn uncounted(&self) -> Self {
        Self { tally: Arc::new(TableTally::new(self.tally.table())), ..self.clone() }
    }
}

impl ActiveRows {
    fn of(rule: &RowRule, enforcement: &Enforcement) -> Self {
        match rule {
            RowRule::AllRows => Self::All,
            RowRule::UntilCutOff { date_column } => Self::UntilCutOff { date_column: date_column.as_str().into() },
            RowRule::AtActivatedPractices { practice_column } => {
                let practice_column = practice_column.as_str().into();
                let column_type = enforcement.practice_type().unwrap_or(ColumnType::Int);
                Self::AtActivatedPractices { practice_column, column_type }
            }
        }
    }
}
