//! The enclave: the one place from which rows come.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::Expr;
use peristyle_policy::patients::KeyType;

use crate::connector::{Connector, Exactly, RawTables, ViewColumn};
use crate::error::{Place, SourceError};
use crate::guarded_table::GuardedTable;
use crate::patient_order::{PatientOrderExec, VerifiedTable};
use crate::policy::{TableRemovals, TableTally, VerifiedPolicy};
use crate::request::{EnclaveOptions, Location, TableRequest};
use crate::session::GuardedSession;
use crate::source::{Extract, SourceDirectory, SourceFile, TableSource};
use crate::spill::SpillDirectory;

/// An opened source under a verified policy. It owns the session, which nobody else can reach.
pub struct Enclave {
    session: GuardedSession,
    parts: Arc<EnclaveParts>,
    spill: Arc<SpillDirectory>,
    opened: Mutex<Vec<OpenedTable>>,
    /// Where tables are views over a supplier's
    connected: Option<(Connector, RawTables)>,
}

/// A table that was opened, for the record.
struct OpenedTable {
    source: Arc<TableSource>,
    tally: Arc<TableTally>,
}

/// What opening a table takes.
pub(crate) struct EnclaveParts {
    pub(crate) policy: VerifiedPolicy,
    pub(crate) directory: Option<SourceDirectory>,
    pub(crate) options: EnclaveOptions,
}

impl fmt::Debug for Enclave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enclave").field("policy", &self.parts.policy.stamp()).finish_non_exhaustive()
    }
}

impl Enclave {
    /// Opens an extract of user-facing tables: a folder's path, or an [`Extract`]. Blocks.
    ///
    /// # Errors
    /// An extract that cannot be read, or a directory for spilled rows that cannot be used.
    pub fn open_tables(
        extract: impl Into<Extract>,
        policy: VerifiedPolicy,
        options: EnclaveOptions,
    ) -> Result<Self, SourceError> {
        Self::new(Some(extract.into().open()?), policy, options)
    }

    /// Opens an extract of a supplier's raw tables, by the supplier's names, which a connector makes user-facing ones of.
    /// Blocks.
    ///
    /// # Errors
    /// As [`Enclave::open_tables`]; a policy whose registers know patients by other keys than the connector.
    pub fn open_extract(
        extract: impl Into<Extract>,
        connector: Connector,
        policy: VerifiedPolicy,
        options: EnclaveOptions,
    ) -> Result<Self, SourceError> {
        let mut enclave = Self::new(Some(extract.into().open()?), policy, options)?;
        let raw = RawTables::permitted(&connector, &enclave.parts)?;
        let registered = enclave.session.register(&raw);
        registered.map_err(|error| SourceError::Session { reason: error.strip_backtrace() })?;
        enclave.connected = Some((connector, raw));
        Ok(enclave)
    }

    /// An enclave without tables: for requests that bring their rows or name a file.
    ///
    /// # Errors
    /// A directory for spilled rows that cannot be used.
    pub fn without_tables(policy: VerifiedPolicy, options: EnclaveOptions) -> Result<Self, SourceError> {
        Self::new(None, policy, options)
    }

    fn new(
        directory: Option<SourceDirectory>,
        policy: VerifiedPolicy,
        options: EnclaveOptions,
    ) -> Result<Self, SourceError> {
        let spill = Arc::new(SpillDirectory::create(options.spill_directory.as_deref())?);
        let session = GuardedSession::new(&options, &spill)
            .map_err(|error| SourceError::Session { reason: error.strip_backtrace() })?;
        Ok(Self {
            session,
            parts: Arc::new(EnclaveParts { policy, directory, options }),
            spill,
            opened: Mutex::default(),
            connected: None,
        })
    }

    /// The same with a store that watches what is read.
    #[cfg(test)]
    pub(crate) fn with_store(
        directory: &std::path::Path,
        store: Arc<dyn crate::source::FileStore>,
        policy: VerifiedPolicy,
        options: EnclaveOptions,
    ) -> Result<Self, SourceError> {
        let directory = SourceDirectory::open(store, directory.to_path_buf(), BTreeMap::new())?;
        Self::new(Some(directory), policy, options)
    }

    /// The session, to try to get round it.
    #[cfg(test)]
    pub(crate) fn session_for_tests(&self) -> &datafusion::prelude::SessionContext {
        self.session.context_for_tests()
    }

    /// What patients are known by in it.
    pub fn key_type(&self) -> KeyType {
        let of_connector = self.connected.as_ref().map(|(connector, _)| connector.patient_key);
        of_connector.or(self.parts.policy.key_type()).unwrap_or(KeyType::Int)
    }

    /// The policy that everything is read under.
    pub fn policy(&self) -> &VerifiedPolicy {
        &self.parts.policy
    }

    /// What was read of each table so far, and what each rule removed: for the ledger, never for whoever wrote the
    /// definition. A table that is read in two ways is there twice.
    pub fn removals(&self) -> Vec<TableRemovals> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let given = opened.iter().map(|table| table.tally.removals());
        let raw = self.connected.iter().flat_map(|(_, raw)| raw.opened());
        given.chain(raw.map(|(_, permit)| permit.tally().removals())).collect()
    }

    /// The files that were opened, by name, each once.
    ///
    /// # Errors
    /// One that cannot be read any more, or was changed since it was opened.
    pub fn source_files(&self) -> Result<Vec<SourceFile>, SourceError> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = self.parts.directory.as_ref();
        let mut files = BTreeMap::new();
        let raw = self.connected.iter().flat_map(|(_, raw)| raw.opened()).flat_map(|(sources, _)| sources);
        for source in opened.iter().map(|table| Arc::clone(&table.source)).chain(raw) {
            for file in &source.files {
                if let (Place::File(path), Some(stored)) = (file.place(), file.stored()) {
                    files.entry(Arc::clone(path)).or_insert_with(|| (Arc::clone(&source.table), Arc::clone(stored)));
                }
            }
        }
        files.iter().map(|(path, (table, file))| SourceFile::of(table, path, file, directory)).collect()
    }

    /// The plan that yields a table's rows: one partition, ascending by `patient_id`, in the request's
    /// [schema](TableRequest::schema). Only rows for which the predicate is true are among them.
    ///
    /// The predicate names the request's columns as they are: with `datafusion::prelude::ident`, as `col` would turn
    /// capitals into small letters. A column against a literal of its own type, a list of them or NULL, and `AND`/`OR`
    /// of those, are decided while scanning; anything else above the scan.
    ///
    /// # Errors
    /// A table that cannot be found or whose files cannot be read, have not the wanted columns or have them in other
    /// types; a predicate that names another column. What is wrong with single rows comes while the plan runs: see
    /// [`SourceError::find`].
    pub async fn ordered_scan(
        &self,
        request: &TableRequest,
        predicate: Option<Expr>,
    ) -> Result<Arc<dyn ExecutionPlan>, SourceError> {
        if let (Some((connector, _)), Location::Table(_)) = (&self.connected, &request.location) {
            return self.view_scan(connector, request, predicate).await;
        }
        let (parts, wanted) = (Arc::clone(&self.parts), request.clone());
        let opened = tokio::task::spawn_blocking(move || {
            GuardedTable::open(&parts.policy, &wanted, parts.directory.as_ref(), &parts.options)
        });
        let failed = |reason: String| SourceError::Request { table: Arc::clone(&request.name), reason };
        let stopped = "its files could not be opened: one of them may be damaged";
        let table = opened.await.map_err(|_| failed(stopped.to_owned()))??;
        self.opened
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(OpenedTable { source: Arc::clone(table.source()), tally: Arc::clone(table.permit().tally()) });

        let verified = VerifiedTable {
            table: Arc::clone(&request.name),
            one_row_per_patient: request.one_row_per_patient,
            patients: Some((Arc::clone(table.source()), table.read_of_patients())),
            _spill: Arc::clone(&self.spill),
        };
        // Planning sees no row, so its errors hold none: what they name is the request's.
        let planned = self.session.plan_in_order(table, predicate).await;
        let plan = planned.map_err(|error: DataFusionError| {
            SourceError::find(&error).cloned().unwrap_or_else(|| failed(error.strip_backtrace()))
        })?;
        Ok(Arc::new(PatientOrderExec::new(plan, Arc::new(verified))))
    }

    /// The same for a table that a connector's view makes.
    async fn view_scan(
        &self,
        connector: &Connector,
        request: &TableRequest,
        predicate: Option<Expr>,
    ) -> Result<Arc<dyn ExecutionPlan>, SourceError> {
        let failed = |reason: String| SourceError::Request { table: Arc::clone(&request.name), reason };
        if let Some(because) = connector.missing.get(&request.name) {
            return Err(failed(format!("connector `{}` cannot give it: {because}", connector.name)));
        }
        let view = connector.views.get(&request.name);
        let view = view.ok_or_else(|| failed(format!("connector `{}` has no view of it", connector.name)))?;
        let at_fault = |reason: String| failed(format!("{}: its view {reason}", view.file));
        let planned = self.session.plan_view(connector, view).await.map_err(at_fault)?;
        let columns: Vec<ViewColumn> = request
            .columns
            .iter()
            .map(|column| ViewColumn { name: Arc::clone(&column.name), column_type: column.column_type })
            .collect();
        connector.check_columns(&planned, &columns, Exactly::AtLeastThese).map_err(at_fault)?;
        // Planning sees no row, so its errors hold none: what they name is the request's, or the manifest's.
        let plan = self.session.plan_view_in_order(planned, &request.schema(), predicate).await;
        let plan = plan.map_err(|error: DataFusionError| {
            SourceError::find(&error).cloned().unwrap_or_else(|| failed(error.strip_backtrace()))
        })?;
        let verified = VerifiedTable {
            table: Arc::clone(&request.name),
            one_row_per_patient: request.one_row_per_patient,
            patients: None,
            _spill: Arc::clone(&self.spill),
        };
        Ok(Arc::new(PatientOrderExec::new(plan, Arc::new(verified))))
    }

    /// What a plan of this enclave runs in: its memory pool, its spill files, its session's settings.
    pub fn task_context(&self) -> Arc<TaskContext> {
        self.session.task_context()
    }
}
