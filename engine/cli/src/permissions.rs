//! Which permissions a definition needs, and whether the run has them.
//!
//! A table that is restricted needs the permission that the catalogue names for it, and event tables need
//! `event_level_data`. Dummy tables are free; who does not claim a permission in the definition, with
//! `claim_permissions`, is told, so that nobody finds out only when the study reaches real records. A run that is given
//! permissions in `EHRQL_PERMISSIONS` is held to them, over dummy tables too: so a project can rehearse.

use peristyle_model::{Dataset, Definition, Measure, NodeId, Op};
use peristyle_policy::permissions::{Feature, PERMISSIONS_VARIABLE, Permissions, RequiredPermissions};

use crate::exit::ExitStatus;
use crate::failure::Failure;

/// Checks what a dataset needs, before any file is opened.
pub(crate) fn check_dataset(definition: &Definition, dataset: &Dataset) -> Result<(), Failure> {
    check(definition, &dataset_needs(definition, dataset), given()?.as_ref())
}

/// Checks what measures need, before any file is opened.
pub(crate) fn check_measures(definition: &Definition, measures: &[Measure]) -> Result<(), Failure> {
    check(definition, &measures_needs(definition, measures), given()?.as_ref())
}

fn dataset_needs(definition: &Definition, dataset: &Dataset) -> RequiredPermissions {
    let variables = dataset.variables.iter().map(|(_, node)| *node);
    let members = dataset.events.iter().flat_map(|events| events.members.iter().map(|(_, node)| *node));
    let mut needs = for_tables(definition, std::iter::once(dataset.population).chain(variables).chain(members));
    if !dataset.events.is_empty() {
        needs.feature(Feature::EventLevelData);
    }
    needs
}

fn measures_needs(definition: &Definition, measures: &[Measure]) -> RequiredPermissions {
    let series = measures.iter().flat_map(|measure| {
        [measure.numerator, measure.denominator].into_iter().chain(measure.group_by.iter().map(|(_, node)| *node))
    });
    for_tables(definition, series)
}

/// The permissions of the tables that `roots` use.
fn for_tables(definition: &Definition, roots: impl Iterator<Item = NodeId>) -> RequiredPermissions {
    let graph = &definition.graph;
    let needed = graph.reachable(roots);
    let mut required = RequiredPermissions::default();
    for (_, node) in graph.nodes().filter(|(id, _)| needed[id.index()]) {
        let Op::Table(table) = node.op else { continue };
        let table = graph.table(table);
        if let Some(permission) = &table.required_permission {
            let module = table.name.module.strip_prefix("ehrql.tables.").unwrap_or(&table.name.module);
            required.table(permission, &format!("{module}.{}", table.name.name));
        }
    }
    required
}

/// The permissions that the platform gives the run; `None` where it does not say.
fn given() -> Result<Option<Permissions>, Failure> {
    let Some(text) = std::env::var_os(PERMISSIONS_VARIABLE) else { return Ok(None) };
    let parsed = text.to_str().map(|text| Permissions::parse(Some(text)));
    match parsed {
        Some(Ok(permissions)) => Ok(Some(permissions)),
        Some(Err(error)) => Err(Failure::new(ExitStatus::Permission, format!("{PERMISSIONS_VARIABLE}: {error}"))),
        None => Err(Failure::new(ExitStatus::Permission, format!("{PERMISSIONS_VARIABLE} is not UTF-8 text"))),
    }
}

fn check(definition: &Definition, required: &RequiredPermissions, given: Option<&Permissions>) -> Result<(), Failure> {
    if let Some(given) = given {
        return given.check(required).map_err(|missing| {
            Failure::new(ExitStatus::Permission, missing.to_string())
                .help(format!("they are given in the environment variable {PERMISSIONS_VARIABLE}"))
        });
    }
    let claims: Vec<&str> = definition.claimed_permissions.iter().map(|claim| &**claim).collect();
    let list = serde_json::to_string(&claims).unwrap_or_default();
    if let Ok(claimed) = Permissions::parse(Some(&list))
        && let Err(missing) = claimed.check(required)
    {
        let names = missing.names().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        tracing::warn!("over real records this needs permissions that the definition does not claim: {names}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use peristyle_model::{Catalogue, Limits};

    /// A definition over appointments, with an event table.
    fn definition() -> Definition {
        let document = r#"{
            "value": {"Dataset": {
                "population": {"AggregateByPatient.Exists": {"source": {"ref": "1"}}},
                "variables": {"dict": [["n", {"AggregateByPatient.Count": {"source": {"ref": "1"}}}]]},
                "events": {"dict": [["e", {"SeriesCollectionFrame": {"members": {"dict": [
                    ["d", {"SelectColumn": {"source": {"ref": "1"}, "name": "start_date"}}]
                ]}}}]]},
                "measures": null
            }},
            "1": {"external_ref": {"module": "ehrql.tables.tpp", "name": "appointments"}}
        }"#;
        Definition::parse(document.as_bytes(), Catalogue::builtin(), &Limits::default()).unwrap()
    }

    #[test]
    fn a_run_is_held_to_the_permissions_that_it_is_given() {
        let definition = definition();
        let needs = dataset_needs(&definition, definition.dataset.as_ref().unwrap().as_ref().unwrap());
        let with = |list: Option<&str>| {
            let given = list.map(|list| Permissions::parse(Some(list)).unwrap());
            check(&definition, &needs, given.as_ref())
        };
        assert_eq!(with(Some(r#"["event_level_data", "appointments", "other"]"#)), Ok(()));
        assert_eq!(with(None), Ok(()), "dummy tables are free");
        let failure = with(Some(r#"["appointments"]"#)).unwrap_err();
        assert_eq!(failure.status, ExitStatus::Permission);
        assert!(failure.message.contains("event_level_data"), "{}", failure.message);
        let failure = with(Some("[]")).unwrap_err();
        assert!(failure.message.contains("`tpp.appointments`"), "{}", failure.message);
    }
}
