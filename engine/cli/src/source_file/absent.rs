//! `absent` of a source file: what a place of user-facing tables does not have.

use std::sync::Arc;

use peristyle_model::Catalogue;
use peristyle_model::catalogue::TableSchema;
use peristyle_opt_out::Absences;
use toml::Spanned;

use super::Fault;

/// What definitions call their tables' modules, which source files leave out.
const TABLES: &str = "ehrql.tables.";
/// Modules of tables as suppliers have them, which source files may leave out.
const RAW: &str = "raw.";
/// The least similarity of a name to one that was meant.
const ALIKE_MIN: f64 = 0.85;

/// A table as source files name it.
pub(crate) fn short_name(schema: &TableSchema) -> String {
    let name = format!("{}.{}", schema.name.module, schema.name.name);
    name.strip_prefix(TABLES).map_or(name.clone(), str::to_owned)
}

/// Reads the list.
pub(super) fn read(listed: &[Spanned<String>]) -> Result<Absences, Fault> {
    let mut absences = Absences::default();
    for entry in listed {
        let name = entry.get_ref().strip_prefix(TABLES).unwrap_or(entry.get_ref());
        let found = match state(&mut absences, name) {
            Ok(false) => state(&mut absences, &format!("{RAW}{name}")),
            found => found,
        };
        match found {
            Ok(true) => {}
            Ok(false) => return Err((entry.span(), unknown(name))),
            Err(problem) => return Err((entry.span(), problem)),
        }
    }
    Ok(absences)
}

/// Takes one entry: `tpp.isaric`, or `core.patients.date_of_death`. Whether the catalogue has it.
fn state(absences: &mut Absences, entry: &str) -> Result<bool, String> {
    for schema in Catalogue::builtin().tables() {
        let table = short_name(schema);
        if table == entry {
            absences.tables.insert(format!("{}.{}", schema.name.module, schema.name.name).into());
            return Ok(true);
        }
        let column = entry.strip_prefix(&table).and_then(|rest| rest.strip_prefix('.'));
        let Some(column) = column.and_then(|column| schema.columns.iter().find(|known| &*known.name == column)) else {
            continue;
        };
        if column.is_not_null() {
            return Err(format!(
                "`absent` names a column that is never NULL, which no file of `{table}` may be without: name the table"
            ));
        }
        absences.columns.entry(Arc::clone(&schema.table)).or_default().insert(Arc::clone(&column.name));
        return Ok(true);
    }
    Ok(false)
}

/// What is said of a name that nothing has, with the one that may have been meant.
fn unknown(entry: &str) -> String {
    let problem =
        "`absent` lists tables (`tpp.isaric`) and columns (`core.patients.date_of_death`), and this is neither";
    let names = |schema: &Arc<TableSchema>| {
        let table = short_name(schema);
        let table = table.strip_prefix(RAW).unwrap_or(&table).to_owned();
        let columns = schema.columns.iter().map(|column| format!("{table}.{}", column.name));
        columns.chain([table.clone()]).collect::<Vec<_>>()
    };
    let known = Catalogue::builtin().tables().flat_map(names);
    let alike = known.map(|known| (strsim::jaro_winkler(&known, entry), known));
    match alike.max_by(|(one, _), (other, _)| one.total_cmp(other)) {
        Some((alike, known)) if alike > ALIKE_MIN => format!("{problem}. Did you mean `{known}`?"),
        _ => problem.to_owned(),
    }
}
