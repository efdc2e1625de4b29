//! The enclave: the one place from which rows come.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::Expr;
use peristyle_policy::patients::KeyType;

use crate::connector::{ConnectedExtract, Connector, Exactly, RawTables, ViewColumn};
use crate::error::{Place, SourceError};
use crate::guarded_table::GuardedTable;
use crate::patient_order::{PatientOrderExec, VerifiedTable};
use crate::policy::{PatientTableAt, TableRemovals, TableTally, VerifiedPolicy, patients_of};
use crate::request::{EnclaveOptions, Location, TableRequest};
use crate::session::GuardedSession;
use crate::source::{Extract, Places, SourceDirectory, SourceFile, StudyFolder, TableSource};
use crate::spill::SpillDirectory;

/// An opened source under a verified policy. It owns the session, which nobody else can reach.
pub struct Enclave {
    session: GuardedSession,
    parts: Arc<EnclaveParts>,
    spill: Arc<SpillDirectory>,
    opened: Mutex<Vec<OpenedTable>>,
    /// Where tables are views over suppliers'
    connected: Vec<Connected>,
    /// Where every patient of the extract is listed
    patient_table: Option<PatientTableAt>,
    /// Its files, where a definition's patients were looked for in it
    looked_through: Mutex<Vec<Arc<TableSource>>>,
}

/// An extract that was opened. Its tables are in a session of their own: two suppliers may call different ones the same.
struct Connected {
    connector: Connector,
    raw: RawTables,
    session: GuardedSession,
}

/// A table that was opened, for the record.
struct OpenedTable {
    source: Arc<TableSource>,
    tally: Arc<TableTally>,
}

/// What opening a table takes.
pub(crate) struct EnclaveParts {
    pub(crate) policy: VerifiedPolicy,
    pub(crate) directory: Option<Arc<SourceDirectory>>,
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

    /// Opens extracts of suppliers' raw tables, by the suppliers' names, which connectors make user-facing ones of: a GP
    /// supplier's, and those of sources that are linked to it. Blocks.
    ///
    /// # Errors
    /// As [`Enclave::open_tables`]; a policy whose registers know patients by other keys than a connector; connectors that
    /// know them by different ones, or that have one name.
    pub fn open_extracts(
        extracts: Vec<ConnectedExtract>,
        policy: VerifiedPolicy,
        options: EnclaveOptions,
    ) -> Result<Self, SourceError> {
        let opened = extracts.into_iter().map(|extract| {
            let directory = extract.location.open()?;
            Ok((extract, directory))
        });
        Self::connected(opened.collect::<Result<_, SourceError>>()?, policy, options)
    }

    /// The same of extracts that have been opened.
    pub(crate) fn connected(
        extracts: Vec<(ConnectedExtract, SourceDirectory)>,
        policy: VerifiedPolicy,
        options: EnclaveOptions,
    ) -> Result<Self, SourceError> {
        let mut enclave = Self::new(None, policy, options)?;
        for (extract, directory) in extracts {
            enclave.connect(extract, directory)?;
        }
        Ok(enclave)
    }

    fn connect(&mut self, extract: ConnectedExtract, directory: SourceDirectory) -> Result<(), SourceError> {
        let connector = &extract.connector;
        let refused = |reason: String| Err(SourceError::Source { reason });
        for other in self.connected.iter().map(|other| &other.connector) {
            if other.name == connector.name {
                return refused(format!("connector `{}` is named twice: name it once", other.name));
            }
            if other.patient_key != connector.patient_key {
                let (first, second) = (other.patient_key.key(), connector.patient_key.key());
                return refused(format!(
                    "connector `{}` knows patients by {first} and connector `{}` by {second}: sources are joined by one \
                     key, that of the GP supplier",
                    other.name, connector.name
                ));
            }
        }
        let raw = RawTables::permitted(&extract, directory, &self.parts)?;
        let session = self.session.beside();
        let registered = session.register(&raw);
        registered.map_err(|error| SourceError::Session { reason: error.strip_backtrace() })?;
        if self.patient_table.is_none() {
            let text_keys = self.parts.policy.text_keys();
            self.patient_table = PatientTableAt::of_connector(Arc::clone(raw.directory()), connector, text_keys);
        }
        self.connected.push(Connected { connector: extract.connector, raw, session });
        Ok(())
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
        let directory = directory.map(Arc::new);
        let key_type = policy.key_type().unwrap_or(KeyType::Int);
        let of_tables = |directory| PatientTableAt::user_facing(directory, key_type, policy.text_keys());
        Ok(Self {
            patient_table: directory.clone().map(of_tables),
            session,
            parts: Arc::new(EnclaveParts { policy, directory, options }),
            spill,
            opened: Mutex::default(),
            connected: Vec::new(),
            looked_through: Mutex::default(),
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
        let of_connector = self.connected.first().map(|connected| connected.connector.patient_key);
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
        let raw = self.connected.iter().flat_map(|connected| connected.raw.opened());
        given.chain(raw.map(|(_, permit)| permit.tally().removals())).collect()
    }

    /// The files that were opened, by name, each once.
    ///
    /// # Errors
    /// One that cannot be read any more, or was changed since it was opened.
    pub fn source_files(&self) -> Result<Vec<SourceFile>, SourceError> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let given = opened.iter().map(|table| Arc::clone(&table.source));
        let looked_through = self.looked_through.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let of_tables = looked_through.iter().filter(|_| self.connected.is_empty()).cloned();
        let mut files = source_files(given.chain(of_tables), self.parts.directory.as_deref())?;
        for Connected { connector, raw, .. } in &self.connected {
            let of_connector =
                looked_through.iter().filter(|source| connector.everybody.as_ref() == Some(&source.table));
            let sources = raw.opened().flat_map(|(sources, _)| sources).chain(of_connector.cloned());
            let mut found = source_files(sources, Some(raw.directory()))?;
            if self.connected.len() > 1 {
                // Files of two sources may have one name.
                found.iter_mut().for_each(|file| file.name = format!("{}/{}", connector.name, file.name));
            }
            files.extend(found);
        }
        Ok(files)
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
        if let (false, Location::Table(_)) = (self.connected.is_empty(), &request.location) {
            return self.view_scan(self.giving(&request.name)?, request, predicate).await;
        }
        let (parts, mut wanted) = (Arc::clone(&self.parts), request.clone());
        if let (Location::Table(table), true) = (&request.location, parts.policy.is_of_people()) {
            if parts.options.absent.tables.contains(&request.name) {
                return Err(SourceError::TableAbsent { table: Arc::clone(&request.name) });
            }
            parts.options.absent.hold(table.as_ref(), &mut wanted.columns);
        }
        let opened = match request.location {
            Location::Table(_) => tokio::task::spawn_blocking(move || {
                let places = Places { directory: parts.directory.as_deref(), study: None };
                Ok((GuardedTable::open(&parts.policy, &wanted, places, &parts.options)?, None))
            }),
            Location::Given(_) | Location::File { .. } => {
                let (patients, kept) = (self.patient_table.clone(), self.kept_from_studies());
                tokio::task::spawn_blocking(move || open_of_definition(&parts, &wanted, patients, kept))
            }
        };
        let failed = |reason: String| SourceError::Request { table: Arc::clone(&request.name), reason };
        let stopped = "its files could not be opened: one of them may be damaged";
        let (table, looked_through) = opened.await.map_err(|_| failed(stopped.to_owned()))??;
        self.looked_through.lock().unwrap_or_else(PoisonError::into_inner).extend(looked_through);
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

    /// Folders and files of the enclave that no definition may read: those of extracts and registers.
    fn kept_from_studies(&self) -> Vec<PathBuf> {
        let of_connectors = self.connected.iter().map(|connected| connected.raw.directory().path());
        let of_tables = self.parts.directory.iter().map(|directory| directory.path());
        of_connectors.chain(of_tables).chain(self.parts.policy.register_files()).map(Path::to_path_buf).collect()
    }

    /// The extract that gives a table: the one whose connector has a view of it.
    fn giving(&self, table: &Arc<str>) -> Result<&Connected, SourceError> {
        let failed = |reason: String| Err(SourceError::Request { table: Arc::clone(table), reason });
        let giving: Vec<&Connected> =
            self.connected.iter().filter(|connected| connected.connector.views.contains_key(table)).collect();
        match giving.as_slice() {
            [only] => Ok(only),
            [] => {
                let reason = |Connected { connector, .. }: &Connected| match connector.missing.get(table) {
                    Some(because) => format!("connector `{}` cannot give it: {because}", connector.name),
                    None => format!("connector `{}` has no view of it", connector.name),
                };
                failed(self.connected.iter().map(reason).collect::<Vec<_>>().join("; "))
            }
            [first, second, ..] => failed(format!(
                "connector `{}` and connector `{}` both give it, and its rows can come from one of them only: leave its view \
                 out of one",
                first.connector.name, second.connector.name
            )),
        }
    }

    /// The same for a table that a connector's view makes.
    async fn view_scan(
        &self,
        Connected { connector, session, .. }: &Connected,
        request: &TableRequest,
        predicate: Option<Expr>,
    ) -> Result<Arc<dyn ExecutionPlan>, SourceError> {
        let failed = |reason: String| SourceError::Request { table: Arc::clone(&request.name), reason };
        let view = connector.views.get(&request.name);
        let view = view.ok_or_else(|| failed(format!("connector `{}` has no view of it", connector.name)))?;
        let at_fault = |reason: String| failed(format!("{}: its view {reason}", view.file));
        let planned = session.plan_view(connector, view).await.map_err(at_fault)?;
        let columns: Vec<ViewColumn> = request
            .columns
            .iter()
            .map(|column| ViewColumn { name: Arc::clone(&column.name), column_type: column.column_type })
            .collect();
        connector.check_columns(&planned, &columns, Exactly::AtLeastThese).map_err(at_fault)?;
        // Planning sees no row, so its errors hold none: what they name is the request's, or the manifest's.
        let plan = session.plan_view_in_order(planned, &request.schema(), predicate).await;
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

/// Opens rows that a definition brings, for those of its patients whom the extract has: under a policy others do not exist.
/// With the patient table's files, where they were looked for in it. Blocks.
fn open_of_definition(
    parts: &EnclaveParts,
    request: &TableRequest,
    patients: Option<PatientTableAt>,
    kept: Vec<PathBuf>,
) -> Result<(GuardedTable, Option<Arc<TableSource>>), SourceError> {
    let EnclaveParts { policy, options, .. } = parts;
    request.check()?;
    let study = match &request.location {
        Location::File { path, .. } => Some(StudyFolder::open(&options.study, kept).map_err(|error| {
            let (table, file) = (Arc::clone(&request.name), path.as_path().into());
            SourceError::Unreadable { table, file, kind: error.into() }
        })?),
        Location::Given(_) | Location::Table(_) => None,
    };
    let places = Places { directory: None, study: study.as_ref() };
    let permit = policy.permit_scan(request)?;
    if !policy.is_of_people() {
        return Ok((GuardedTable::open_under(permit, request, places, options)?, None));
    }
    let refused = |reason: &str| SourceError::Policy { table: Arc::clone(&request.name), reason: reason.to_owned() };
    let nowhere = || {
        refused(
            "under a policy its rows count for patients of the extract alone, and nothing says which those are: give the extract \
         a table `patients`, or the connector `everybody`",
        )
    };
    let patients = patients.ok_or_else(nowhere)?;
    let asked = patients_of(request, places, policy.text_keys())?;
    let existing = patients.existing(&asked, policy, options)?.ok_or_else(nowhere)?;
    let guarded = GuardedTable::open_under(permit.for_existing(existing.patients), request, places, options)?;
    Ok((guarded, Some(existing.read_from)))
}

/// Files of some tables, each once.
fn source_files(
    tables: impl Iterator<Item = Arc<TableSource>>,
    directory: Option<&SourceDirectory>,
) -> Result<Vec<SourceFile>, SourceError> {
    let mut files = BTreeMap::new();
    for source in tables {
        for file in &source.files {
            if let (Place::File(path), Some(stored)) = (file.place(), file.stored()) {
                files.entry(Arc::clone(path)).or_insert_with(|| (Arc::clone(&source.table), Arc::clone(stored)));
            }
        }
    }
    files.iter().map(|(path, (table, file))| SourceFile::of(table, path, file, directory)).collect()
}
