//! Cases over a supplier's raw tables: what a connector's views make of them, and studies under a policy.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use peristyle_model::types::{Physical, ValueType};
use peristyle_model::{Catalogue, Definition, Limits};
use peristyle_opt_out::{
    ColumnRequest, ColumnType, ConnectedExtract, Enclave, Location, PATIENT_ID, PatientKeyColumn, PolicyRun,
    RegisterError, TableActivation, TableRequest, VerifiedPolicy, VerifiedRegister, link_registers, read_link,
    read_registers,
};
use peristyle_policy::counts::CountsFile;
use peristyle_policy::permissions::Permissions;
use peristyle_policy::policy::Policy;
use peristyle_policy::register::{AsOf, Lists, Register, RegisterLocation, Scalar};
use peristyle_policy::{Day, Name, applied_rules};
use serde::Deserialize;
use serde_json::Value;

use super::case::{folder_failed, told};
use super::compare::{Expected, Tolerance, differences};
use super::raw_tables::{self, RawRows};
use super::read::Line;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::study::Question;
use crate::{definition, run};

/// A user-facing table that a case asks for.
#[derive(Deserialize)]
struct WantedTable {
    module: String,
    name: String,
    one_row_per_patient: bool,
    columns: Vec<(String, String)>,
}

/// The module of tables that stand for registers: what a policy reads, which no definition can name.
const REGISTER_TABLES: &str = "test_tables";

/// A case's raw tables as files, and the connector that reads them.
struct Case<'c> {
    folder: &'c Path,
    extract: ConnectedExtract,
    policy: Policy,
    settings: &'c Settings,
}

/// Runs a case of kind `mapping` or `backend_query`. What differed; nothing if it passed.
pub(super) async fn run_in(line: &Line, kind: &str, folder: &Path, settings: &Settings) -> Result<Vec<String>, String> {
    // ehrQL names its backends `TPPBackend`; connectors of authors are named as they are.
    let backend: String = line.read("backend")?;
    let backend = backend.strip_suffix("Backend").map_or(backend.clone(), str::to_ascii_lowercase);
    let manifest = peristyle_connectors::load(&backend).map_err(|error| error.to_string())?;
    let example = peristyle_connectors::policy_example(&backend);
    let example = example.ok_or_else(|| format!("connector `{backend}` comes without an example of a policy"))?;
    let tables: BTreeMap<String, RawRows> = line.read("raw_tables")?;
    fs::create_dir_all(folder.join("state")).map_err(folder_failed)?;
    let policy = policy_of(&example, folder)?;
    let extract = ConnectedExtract { connector: manifest.connector, location: folder.into() };
    let case = Case { folder, extract, policy, settings };
    let expected: Value = line.read("expected")?;
    let (answer, columns) = if kind == "backend_query" {
        case.write(tables)?;
        let document = line.text("definition")?.ok_or("the case has no `definition`")?;
        let environ: BTreeMap<String, Value> = line.read_or_default("environ")?;
        let permissions = environ.get("EHRQL_PERMISSIONS").and_then(Value::as_str);
        case.study(document, permissions).await.map_err(told)?
    } else {
        let wanted: WantedTable = line.read("table")?;
        let columns: Vec<String> = std::iter::once(PATIENT_ID)
            .chain(wanted.columns.iter().map(|(name, _)| name.as_str()))
            .map(str::to_owned)
            .collect();
        if wanted.module == REGISTER_TABLES {
            return case.register(&wanted.name, tables, &expected).await;
        }
        case.write(tables)?;
        (case.view(&wanted).await.map_err(told)?, columns)
    };
    let expected = Expected::of(&expected, &columns)?;
    Ok(differences(&[answer], &[expected], Tolerance::EXACT))
}

/// The example policy of a connector, for tables of a few rows.
fn policy_of(example: &str, folder: &Path) -> Result<Policy, String> {
    let mut policy =
        Policy::parse(example.as_bytes(), &folder.join("policy.toml")).map_err(|error| error.to_string())?;
    policy.registers_mut().for_each(|register| {
        register.limits.least = 0;
        register.limits.greatest_fall_percent = 100;
        register.limits.least_found_percent = register.limits.least_found_percent.map(|_| 0);
        register.as_of = AsOf::FileModified;
    });
    policy.links.values_mut().for_each(|terms| {
        terms.limits.least = 0;
        terms.limits.greatest_fall_percent = 100;
        terms.limits.least_found_percent = Some(0);
        terms.as_of = AsOf::FileModified;
    });
    Ok(policy)
}

impl Case<'_> {
    fn write(&self, tables: BTreeMap<String, RawRows>) -> Result<(), String> {
        let registers: BTreeMap<String, RawRows> = self.policy.registers().filter_map(without_rows).collect();
        raw_tables::write(self.folder, &self.extract.connector, &registers, tables).map(|_| ())
    }

    fn enclave(&self, policy: VerifiedPolicy) -> Result<Enclave, Failure> {
        Ok(Enclave::open_extracts(vec![self.extract.clone()], policy, self.settings.enclave())?)
    }

    /// The rows of a view, under no policy.
    async fn view(&self, wanted: &WantedTable) -> Result<Vec<RecordBatch>, Failure> {
        self.rows(wanted, VerifiedPolicy::dummy_tables()).await
    }

    async fn rows(&self, wanted: &WantedTable, policy: VerifiedPolicy) -> Result<Vec<RecordBatch>, Failure> {
        let enclave = self.enclave(policy)?;
        let column = |(name, value_type): &(String, String)| {
            let physical = ValueType::from_name(value_type).map_or(Physical::Str, |value_type| value_type.physical());
            let column_type = match physical {
                Physical::Bool => ColumnType::Bool,
                Physical::Int => ColumnType::Int,
                Physical::Float => ColumnType::Float,
                Physical::Date => ColumnType::Date,
                Physical::Str => ColumnType::Str,
            };
            // Recorded rows hold values that the catalogue's categories do not: they are not checked here.
            ColumnRequest::of(name.as_str().into(), column_type)
        };
        let name = format!("{}.{}", wanted.module, wanted.name);
        let request = TableRequest {
            name: name.as_str().into(),
            location: Location::Table(wanted.name.as_str().into()),
            patient_key: Some(PatientKeyColumn::of(PATIENT_ID.into(), enclave.key_type())),
            activation: TableActivation::NotApplied,
            one_row_per_patient: wanted.one_row_per_patient,
            columns: wanted.columns.iter().map(column).collect(),
        };
        let plan = enclave.ordered_scan(&request, None).await?;
        let mut answer = Vec::new();
        run::stream(&plan, &enclave, |batch| {
            answer.push(batch);
            Ok(())
        })
        .await?;
        Ok(answer)
    }

    /// The policy, verified for a run that asks for these tables.
    fn verified(&self, permissions: Option<&str>, asked: &BTreeSet<Arc<str>>) -> Result<VerifiedPolicy, Failure> {
        let internal = |text: String| Failure::new(crate::exit::ExitStatus::Failure, text);
        let permissions = Permissions::parse(permissions).map_err(|error| internal(error.to_string()))?;
        let project = Name::parse("conformance").map_err(|error| internal(error.to_string()))?;
        let (policy, today) = (&self.policy, Day::today());
        let rules = applied_rules(policy, &permissions, None, &project, today);
        let extracts = std::slice::from_ref(&self.extract);
        let (tables, links) = (&self.extract.location, link_registers(policy, extracts));
        let mut registers: Vec<&Register> = rules.registers(policy);
        let mut read = read_registers(policy, &registers, tables, today)?;
        let link = |register: &Register| read_link(policy, &register.id, extracts, today);
        let of_links: Vec<Option<VerifiedRegister>> = links.iter().map(link).collect::<Result<_, RegisterError>>()?;
        read.extend(of_links.into_iter().flatten());
        registers.extend(&links);
        if !registers.is_empty() {
            let members =
                |register: &Register| read.iter().find(|known| known.id == register.id).map_or(0, |r| r.members);
            let counted: Vec<(&Register, u64)> = registers.iter().map(|r| (*r, members(r))).collect();
            CountsFile::begin(policy, &counted, today, 0).map_err(|error| internal(error.to_string()))?;
        }
        let run = PolicyRun { policy, rules: &rules, tables, extracts, asked, today, known_counts: 0, threads: 1 };
        Ok(VerifiedPolicy::verify(&run)?)
    }

    /// The answer of a dataset definition under the connector's example policy.
    async fn study(
        &self,
        document: &str,
        permissions: Option<&str>,
    ) -> Result<(Vec<RecordBatch>, Vec<String>), Failure> {
        let definition = Definition::parse(document.as_bytes(), Catalogue::builtin(), &Limits::default())?;
        let dataset = definition::dataset(&definition)?;
        let asked = Question::Dataset(dataset).tables(&definition);
        let enclave = self.enclave(self.verified(permissions, &asked)?)?;
        let options = self.settings.execution();
        let plan = peristyle_execution::dataset_plan(&definition, dataset, &enclave, &options).await?;
        let columns = plan.schema().fields().iter().map(|field| field.name().clone()).collect();
        let mut answer = Vec::new();
        run::stream(&plan, &enclave, |batch| {
            answer.push(batch);
            Ok(())
        })
        .await?;
        Ok((answer, columns))
    }

    /// What a register says, by what the Guard does with it: whoever has a row in the table of patients is hidden or
    /// not, and rows of GP activity are seen until the day that practice activation says.
    async fn register(
        &self,
        name: &str,
        mut tables: BTreeMap<String, RawRows>,
        expected: &Value,
    ) -> Result<Vec<String>, String> {
        let columns = [PATIENT_ID.to_owned()];
        let patients = |module: &str| WantedTable {
            module: module.to_owned(),
            name: "patients".to_owned(),
            one_row_per_patient: true,
            columns: Vec::new(),
        };
        let patients = patients("ehrql.tables.core");
        let (permissions, hidden) = match name {
            "t1oo" => (r#"["include_ndoo", "include_gp_unactivated"]"#, true),
            "patients_without_ndoo" => (r#"["include_t1oo", "include_gp_unactivated"]"#, false),
            "activated" => (r#"["include_t1oo", "include_ndoo"]"#, false),
            other => return Err(format!("no register is known that `{other}` stands for")),
        };
        if name == "activated" {
            events_around(&mut tables, expected)?;
        }
        self.write(tables)?;
        let asked = BTreeSet::new();
        let policy = self.verified(Some(permissions), &asked).map_err(told)?;
        let seen = self.rows(&patients, policy).await.map_err(told)?;
        let everybody = self.view(&patients).await.map_err(told)?;
        if hidden {
            let others = Expected::without(&everybody, expected)?;
            return Ok(differences(&[seen], &[others], Tolerance::EXACT));
        }
        let mut problems = differences(&[seen], &[Expected::of(expected, &columns)?], Tolerance::EXACT);
        if name == "activated" {
            let events = WantedTable {
                module: "ehrql.tables.core".to_owned(),
                name: "clinical_events".to_owned(),
                one_row_per_patient: false,
                columns: vec![("date".to_owned(), "date".to_owned())],
            };
            let policy = self.verified(Some(permissions), &asked).map_err(told)?;
            let until = self.rows(&events, policy).await.map_err(told)?;
            let columns = [PATIENT_ID.to_owned(), "end_date".to_owned()];
            let expected = Expected::of(expected, &columns)?.of_any_columns();
            problems.extend(differences(&[until], &[expected], Tolerance::EXACT));
        }
        Ok(problems)
    }
}

/// A register as a table without rows.
fn without_rows(register: &Register) -> Option<(String, RawRows)> {
    let RegisterLocation::Table(table) = &register.location else { return None };
    let mut columns = vec![(register.key_column.clone(), "BIGINT".to_owned())];
    if let Lists::Registrations { practice_column, end_column } = &register.lists {
        columns.extend([(practice_column.clone(), "BIGINT".to_owned()), (end_column.clone(), "DATETIME".to_owned())]);
    }
    let days = [&register.from_column, &register.until_column].into_iter().flatten();
    columns.extend(days.map(|column| (column.clone(), "DATETIME".to_owned())));
    if let Some(only_where) = &register.only_where {
        let sql_type = match only_where.equals {
            Scalar::Bool(_) => "BIT",
            Scalar::Int(_) => "BIGINT",
            Scalar::Text(_) => "VARCHAR",
        };
        columns.push((only_where.column.clone(), sql_type.to_owned()));
    }
    Some((table.clone(), RawRows { columns, rows: Vec::new() }))
}

/// Two GP events for each patient: one on the day that is expected to be the last that may be seen, one on the next.
fn events_around(tables: &mut BTreeMap<String, RawRows>, expected: &Value) -> Result<(), String> {
    let columns = [("Patient_ID", "BIGINT"), ("ConsultationDate", "DATETIME"), ("ConceptId", "VARCHAR")];
    let columns = columns.map(|(name, sql_type)| (name.to_owned(), sql_type.to_owned())).to_vec();
    let mut rows = Vec::new();
    for row in expected.as_array().into_iter().flatten() {
        let (patient, end) = (&row[PATIENT_ID], row["end_date"].as_str().unwrap_or_default());
        let last = Day::parse(end).ok_or("an expected `end_date` is no day")?;
        for day in [last, last.plus_days(1)] {
            rows.push(vec![patient.clone(), Value::String(day.to_string()), Value::String("1".to_owned())]);
        }
    }
    tables.insert("CodedEvent_SNOMED".to_owned(), RawRows { columns, rows });
    Ok(())
}
