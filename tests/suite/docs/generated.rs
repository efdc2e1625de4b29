//! Parts of pages that are made from the code. `UPDATE_DOCS=1` rewrites them.

use std::fmt::Write;
use std::fs;

use peristyle_model::catalogue::{Column, TableSchema};
use peristyle_model::graph::Constant;
use peristyle_model::{Catalogue, Limits};

use super::pages::book;

/// Longest list of categories that is shown.
const CATEGORIES_CHARS_MAX: usize = 80;

/// The part of a page between its markers must be `wanted`.
pub(super) fn check(page: &str, part: &str, wanted: &str) {
    let path = book().join(page);
    let text = fs::read_to_string(&path).expect("a page");
    let begin = format!("<!-- generated: {part} -->\n");
    let (before, rest) = text.split_once(&begin).expect("a marker");
    let (found, after) = rest.split_once("<!-- end of generated -->").expect("a second marker");
    let wanted = format!("\n{}\n\n", wanted.trim());
    if found == wanted {
        return;
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{before}{begin}{wanted}<!-- end of generated -->{after}")).expect("a page");
        return;
    }
    panic!("{page} is out of date: run `UPDATE_DOCS=1 cargo test --release -p peristyle-tests docs`");
}

/// Every table of the catalogue, module by module.
pub(super) fn catalogue() -> String {
    let mut text = String::new();
    let mut module = "";
    for schema in Catalogue::builtin().tables() {
        if *schema.name.module != *module {
            module = &schema.name.module;
            let _ = write!(
                text,
                "\n## {module}\n\n| table | file | rows | permission | columns |\n|---|---|---|---|---|\n"
            );
        }
        text.push_str(&table(schema));
    }
    text
}

fn table(schema: &TableSchema) -> String {
    let TableSchema { name, table, one_row_per_patient, required_permission, columns, .. } = schema;
    let rows = if *one_row_per_patient { "one" } else { "many" };
    let permission = required_permission.as_ref().map_or_else(String::new, |permission| format!("`{permission}`"));
    let columns: Vec<String> = columns.iter().map(column).collect();
    format!("| `{}` | `{table}` | {rows} | {permission} | {} |\n", name.name, columns.join("; "))
}

fn column(column: &Column) -> String {
    let name = if column.is_not_null() { format!("**{}**", column.name) } else { column.name.to_string() };
    let name = name.replace('_', "\\_");
    let categories = column.categories().map(|values| values.iter().map(category).collect::<Vec<_>>().join(", "));
    match categories {
        Some(known) if known.chars().count() <= CATEGORIES_CHARS_MAX => {
            format!("{name} {} ({known})", column.value_type)
        }
        Some(_) => format!("{name} {} (of a list)", column.value_type),
        None => format!("{name} {}", column.value_type),
    }
}

fn category(value: &Constant) -> String {
    match value {
        Constant::Str(text) => text.replace('|', "\\|"),
        Constant::Int(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

/// Every bound on a definition, with its default.
pub(super) fn limits() -> String {
    let Limits {
        document_bytes_max,
        depth_max,
        values_max,
        string_bytes_max,
        constant_bytes_max,
        name_bytes_max,
        set_members_max,
        inline_columns_max,
        output_columns_max,
        frame_operations_max,
        population_steps_max,
    } = Limits::default();
    let rows: [(&str, u64); 11] = [
        ("size of the document, in bytes", document_bytes_max as u64),
        ("lists and objects inside each other", depth_max as u64),
        ("values in the document: each number, string, list, object is one", values_max as u64),
        ("length of one string, in bytes", string_bytes_max as u64),
        ("length of a constant or code, in bytes", constant_bytes_max as u64),
        ("length of a name, in bytes", name_bytes_max as u64),
        ("members of one set, such as a code list", set_members_max as u64),
        ("columns of an inline table", inline_columns_max as u64),
        ("columns of a dataset and its event tables together", output_columns_max as u64),
        ("filters and sorts between a frame and its table", frame_operations_max.into()),
        ("intervals, times the nodes of denominators that depend on them", population_steps_max),
    ];
    let mut text = String::from("| what | at most |\n|---|---|\n");
    for (what, most) in rows {
        let _ = writeln!(text, "| {what} | {} |", with_commas(most));
    }
    text
}

fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}

#[test]
fn numbers_are_readable() {
    assert_eq!([7, 1_000, 67_108_864].map(with_commas), ["7", "1,000", "67,108,864"]);
}
