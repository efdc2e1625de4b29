//! Raw tables as a session sees them: named columns only, opened when they are scanned, with no more of them than a
//! query needs.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::Expr;

use super::{ColumnClass, ConnectedExtract, Connector, RawActivation, RawColumnSpec, RawTable, RawType, RowsOf};
use crate::enclave::EnclaveParts;
use crate::error::SourceError;
use crate::guarded_table::GuardedTable;
use crate::policy::ScanPermit;
use crate::predicate::pushed_down;
use crate::request::{
    ColumnRequest, ColumnType, Location, PatientKeyColumn, RawConversion, TableActivation, TableRequest,
};
use crate::source::{Places, SourceDirectory, TableSource};

/// The raw tables of an extract, under one policy.
pub(crate) struct RawTables {
    tables: Vec<Arc<RawTableProvider>>,
    directory: Arc<SourceDirectory>,
}

/// One raw table.
pub(crate) struct RawTableProvider {
    request: TableRequest,
    may_be_absent: bool,
    /// Of a linked table whose link was not read, why not: a run that does not ask for it needs none
    permit: Result<ScanPermit, SourceError>,
    directory: Arc<SourceDirectory>,
    parts: Arc<EnclaveParts>,
    schema: SchemaRef,
    opened: Mutex<Vec<Arc<TableSource>>>,
}

impl fmt::Debug for RawTableProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawTableProvider").field("table", &self.request.name).finish_non_exhaustive()
    }
}

impl RawColumnSpec {
    pub(crate) fn request(&self) -> ColumnRequest {
        let column_type = match self.column_type {
            RawType::Bool => ColumnType::Bool,
            RawType::Int => ColumnType::Int,
            RawType::Float => ColumnType::Float,
            RawType::Str => ColumnType::Str,
            RawType::Date => ColumnType::Day,
            RawType::Bytes16 => ColumnType::Bytes16,
        };
        let raw = Some(RawConversion { null_values: self.null_values.iter().cloned().collect() });
        ColumnRequest { raw, ..ColumnRequest::of(Arc::clone(&self.name), column_type) }
    }
}

impl Connector {
    /// All columns of a raw table, as they may be asked for.
    pub(crate) fn request(&self, name: &Arc<str>, table: &RawTable) -> TableRequest {
        let patient_key = self.key_of(table).map(|(column, key_type)| PatientKeyColumn {
            name: Arc::clone(column),
            key_type,
            delivered_as: Arc::clone(column),
            rows_ascend: table.sorted_by_patient,
        });
        let activation = match &table.activation {
            RawActivation::NotApplied | RawActivation::JoinedTo(_) => TableActivation::NotApplied,
            RawActivation::ByDate(column) => TableActivation::ByColumn(Arc::clone(column)),
            RawActivation::ByPractice(column) => TableActivation::ByPractice(Arc::clone(column)),
        };
        TableRequest {
            name: Arc::clone(name),
            location: Location::Table(Arc::clone(name)),
            patient_key,
            activation,
            one_row_per_patient: false,
            columns: table.columns.iter().map(RawColumnSpec::request).collect(),
        }
    }
}

impl RawTables {
    /// Takes leave to read each of a connector's tables. No file is opened.
    pub(crate) fn permitted(
        extract: &ConnectedExtract,
        directory: SourceDirectory,
        parts: &Arc<EnclaveParts>,
    ) -> Result<Self, SourceError> {
        let directory = Arc::new(directory);
        let connector = &extract.connector;
        let text_keys = parts.policy.text_keys();
        let provider = |(name, table): (&Arc<str>, &RawTable)| {
            let mut request = connector.request(name, table);
            if !text_keys.is_exact() {
                // Views join by them: they are compared as the keys of rows are.
                let by_class = request.columns.iter_mut().zip(&table.columns);
                let keys = by_class.filter(|(column, spec)| {
                    spec.class == ColumnClass::LinkKey && column.column_type == ColumnType::Str
                });
                keys.for_each(|(column, _)| column.key_texts = Some(text_keys));
            }
            request.check()?;
            let permit = match &table.rows_of {
                RowsOf::Linked { by, .. } => parts.policy.permit_linked(&request, extract, by),
                RowsOf::Patients(_) | RowsOf::Nobody => Ok(parts.policy.permit_scan(&request)?),
            };
            Ok(Arc::new(RawTableProvider {
                permit,
                schema: request.schema(),
                request,
                may_be_absent: table.may_be_absent,
                directory: Arc::clone(&directory),
                parts: Arc::clone(parts),
                opened: Mutex::default(),
            }))
        };
        let tables = connector.raw.iter().map(provider).collect::<Result<_, SourceError>>()?;
        Ok(Self { tables, directory })
    }

    /// Where they are.
    pub(crate) fn directory(&self) -> &Arc<SourceDirectory> {
        &self.directory
    }

    /// By the supplier's names.
    pub(crate) fn tables(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<RawTableProvider>)> {
        self.tables.iter().map(|table| (&table.request.name, table))
    }

    /// Those that were opened, with their files and their leave.
    pub(crate) fn opened(&self) -> impl Iterator<Item = (Vec<Arc<TableSource>>, &ScanPermit)> {
        let files = |table: &RawTableProvider| table.opened.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let opened = self.tables.iter().filter_map(move |table| Some((files(table), table.permit.as_ref().ok()?)));
        opened.filter(|(files, _)| !files.is_empty())
    }
}

impl RawTableProvider {
    /// Opens the table's files, blocking, for these columns and no others.
    fn open(&self, columns: Vec<ColumnRequest>) -> Result<GuardedTable, SourceError> {
        let mut request = TableRequest { columns, ..self.request.clone() };
        let (parts, permit) = (&self.parts, self.permit.clone()?);
        let open = |request: &TableRequest| {
            let places = Places { directory: Some(&self.directory), study: None };
            GuardedTable::open_under(permit.clone(), request, places, &parts.options)
        };
        match open(&request) {
            Err(SourceError::TableMissing { .. }) if self.may_be_absent => {
                request.location = Location::Given(RecordBatch::new_empty(request.schema_of_files()));
                open(&request)
            }
            opened => opened,
        }
    }
}

#[async_trait]
impl TableProvider for RawTableProvider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(pushed_down(filters, &self.schema))
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let every: Vec<usize> = (0..self.schema.fields().len()).collect();
        let wanted = projection.unwrap_or(&every);
        let names: Vec<&str> =
            wanted.iter().filter_map(|&at| self.schema.fields().get(at)).map(|field| field.name().as_str()).collect();
        let asked_about: Vec<&str> =
            filters.iter().flat_map(Expr::column_refs).map(|column| column.name.as_str()).collect();
        let needed = |column: &&ColumnRequest| names.contains(&&*column.name) || asked_about.contains(&&*column.name);
        let columns: Vec<ColumnRequest> = self.request.columns.iter().filter(needed).cloned().collect();
        // In place: a guarded table takes a little reading of heads, and `block_in_place` needs no copy of this.
        let table = tokio::task::block_in_place(|| self.open(columns))?;
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(table.source()));
        let narrow = table.schema();
        let projection = names.iter().map(|name| narrow.index_of(name)).collect::<Result<Vec<_>, _>>();
        let projection = projection.map_err(DataFusionError::from)?;
        table.scan(state, Some(&projection), filters, None).await
    }
}
