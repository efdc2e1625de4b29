//! Which permissions a definition needs, and whether its author claims them.
//!
//! The rule is ehrQL's for dummy data: a table that is restricted needs the permission that the catalogue names for
//! it, and event tables need `event_level_data`. Over dummy tables a claim will do, made in the definition with
//! `claim_permissions`; so that nobody finds out only when the study reaches real records.

use std::collections::BTreeSet;
use std::sync::Arc;

use peristyle_model::catalogue::TableName;
use peristyle_model::{Dataset, Definition, Measure, NodeId, Op};

use crate::exit::ExitStatus;
use crate::failure::Failure;

/// What event tables need.
const EVENT_LEVEL_DATA: &str = "event_level_data";

/// A permission and what it is needed for.
type Needs = Vec<(Arc<str>, String)>;

/// Refuses a dataset that needs what the definition does not claim.
pub(crate) fn check_dataset(definition: &Definition, dataset: &Dataset) -> Result<(), Failure> {
    let variables = dataset.variables.iter().map(|(_, node)| *node);
    let members = dataset.events.iter().flat_map(|events| events.members.iter().map(|(_, node)| *node));
    let mut needs = for_tables(definition, std::iter::once(dataset.population).chain(variables).chain(members));
    if !dataset.events.is_empty() {
        needs.push((EVENT_LEVEL_DATA.into(), "event tables (`dataset.add_event_table()`)".to_owned()));
    }
    check(definition, needs)
}

/// Refuses measures that need what the definition does not claim.
pub(crate) fn check_measures(definition: &Definition, measures: &[Measure]) -> Result<(), Failure> {
    let series = measures.iter().flat_map(|measure| {
        [measure.numerator, measure.denominator].into_iter().chain(measure.group_by.iter().map(|(_, node)| *node))
    });
    check(definition, for_tables(definition, series))
}

/// The permissions of the tables that `roots` use, each once, in order of its first table.
fn for_tables(definition: &Definition, roots: impl Iterator<Item = NodeId>) -> Needs {
    let graph = &definition.graph;
    let needed = graph.reachable(roots);
    let mut found: Vec<(Arc<str>, BTreeSet<&TableName>)> = Vec::new();
    for (id, node) in graph.nodes().filter(|(id, _)| needed[id.index()]) {
        let Op::Table(table) = node.op else { continue };
        debug_assert_eq!(graph.root_frame(id), id);
        let table = graph.table(table);
        let Some(permission) = &table.required_permission else { continue };
        match found.iter_mut().find(|(known, _)| known == permission) {
            Some((_, tables)) => _ = tables.insert(&table.name),
            None => found.push((Arc::clone(permission), BTreeSet::from([&table.name]))),
        }
    }
    let described = |tables: BTreeSet<&TableName>| {
        let names: Vec<String> = tables.into_iter().map(short_name).collect();
        format!("{} {}", if names.len() == 1 { "the table" } else { "the tables" }, names.join(", "))
    };
    found.into_iter().map(|(permission, tables)| (permission, described(tables))).collect()
}

/// As definitions import it: `tpp.appointments`.
fn short_name(table: &TableName) -> String {
    let module = table.module.strip_prefix("ehrql.tables.").unwrap_or(&table.module);
    format!("`{module}.{}`", table.name)
}

fn check(definition: &Definition, needs: Needs) -> Result<(), Failure> {
    let claimed = &definition.claimed_permissions;
    let missing: Needs = needs.into_iter().filter(|(permission, _)| !claimed.contains(permission)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut message =
        String::from("the definition uses what needs a permission over real records, and does not claim it:\n");
    for (permission, what) in &missing {
        message.push_str(&format!("\n    {permission}: needed for {what}"));
    }
    message.push('\n');
    let all = claimed.iter().chain(missing.iter().map(|(permission, _)| permission));
    let list = all.map(|permission| format!("{:?}", &**permission)).collect::<Vec<_>>().join(", ");
    let help = format!(
        "over dummy tables it is enough to claim them in the definition: `from ehrql import claim_permissions`, \
         `claim_permissions({list})`; over real records the project must have been given them"
    );
    Err(Failure::new(ExitStatus::Permission, message).help(help))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use peristyle_model::{Catalogue, Limits};

    /// A definition over appointments, with an event table, that claims these permissions.
    fn definition(claims: &str) -> Definition {
        let document = format!(
            r#"{{
                "value": {{"ModuleDetails": {{
                    "dataset": {{"Dataset": {{
                        "population": {{"AggregateByPatient.Exists": {{"source": {{"ref": "1"}}}}}},
                        "variables": {{"dict": [["n", {{"AggregateByPatient.Count": {{"source": {{"ref": "1"}}}}}}]]}},
                        "events": {{"dict": [["e", {{"SeriesCollectionFrame": {{"members": {{"dict": [
                            ["d", {{"SelectColumn": {{"source": {{"ref": "1"}}, "name": "start_date"}}}}]
                        ]}}}}}}]]}},
                        "measures": null
                    }}}},
                    "dataset_dummy_data_config": null, "test_data": null, "measures": null,
                    "measures_dummy_data_config": null, "measures_disclosure_control_config": null,
                    "claimed_permissions": {{"tuple": [{claims}]}}
                }}}},
                "1": {{"external_ref": {{"module": "ehrql.tables.tpp", "name": "appointments"}}}}
            }}"#
        );
        Definition::parse(document.as_bytes(), Catalogue::builtin(), &Limits::default()).unwrap()
    }

    #[test]
    fn what_is_not_claimed_is_refused() {
        let check = |claims| {
            let definition = definition(claims);
            check_dataset(&definition, definition.dataset.as_ref().unwrap().as_ref().unwrap())
        };
        assert_eq!(check(r#""event_level_data", "appointments", "other""#), Ok(()));
        let failure = check(r#""other""#).unwrap_err();
        assert_eq!(failure.status, ExitStatus::Permission);
        for line in [
            "    appointments: needed for the table `tpp.appointments`",
            "    event_level_data: needed for event tables (`dataset.add_event_table()`)",
        ] {
            assert!(failure.message.lines().any(|own| own == line), "{}", failure.message);
        }
        assert!(failure.help.unwrap().contains(r#"claim_permissions("other", "appointments", "event_level_data")"#));
        let failure = check(r#""appointments""#).unwrap_err();
        assert!(!failure.message.contains("tpp.appointments"), "{}", failure.message);
    }
}
