//! Which permissions a definition needs, and whether the run has them.
//!
//! A table that is restricted needs the permission that the catalogue names for it, and event tables need
//! `event_level_data`. Dummy tables are free; who does not claim a permission in the definition, with
//! `claim_permissions`, is told, so that nobody finds out only when the study reaches real records. A run that is given
//! permissions is held to them, over dummy tables too: so a project can rehearse.

use std::collections::BTreeSet;

use peristyle_model::catalogue::TableSchema;
use peristyle_model::graph::InlineRows;
use peristyle_model::{Catalogue, Dataset, Definition, Measure, NodeId, Op, suggestion};
use peristyle_policy::permissions::{Feature, PERMISSIONS_VARIABLE, Permissions, RequiredPermissions};
use peristyle_policy::{Name, Policy};

use crate::exit::ExitStatus;
use crate::failure::Failure;

/// What a dataset needs.
pub(crate) fn dataset_needs(definition: &Definition, dataset: &Dataset) -> RequiredPermissions {
    let mut needs = for_tables(definition, dataset_roots(dataset));
    if !dataset.events.is_empty() {
        needs.feature(Feature::EventLevelData);
    }
    needs
}

/// What measures need.
pub(crate) fn measures_needs(definition: &Definition, measures: &[Measure]) -> RequiredPermissions {
    for_tables(definition, measures_roots(measures))
}

/// What a dataset is made of.
pub(crate) fn dataset_roots(dataset: &Dataset) -> impl Iterator<Item = NodeId> + '_ {
    let variables = dataset.variables.iter().map(|(_, node)| *node);
    let members = dataset.events.iter().flat_map(|events| events.members.iter().map(|(_, node)| *node));
    std::iter::once(dataset.population).chain(variables).chain(members)
}

/// What measures are made of.
pub(crate) fn measures_roots(measures: &[Measure]) -> impl Iterator<Item = NodeId> + '_ {
    measures.iter().flat_map(|measure| {
        [measure.numerator, measure.denominator].into_iter().chain(measure.group_by.iter().map(|(_, node)| *node))
    })
}

/// The tables that `roots` use.
pub(crate) fn tables(
    definition: &Definition,
    roots: impl Iterator<Item = NodeId>,
) -> impl Iterator<Item = &TableSchema> {
    let graph = &definition.graph;
    let needed = graph.reachable(roots);
    let used = graph.nodes().filter(move |(id, _)| needed[id.index()]);
    used.filter_map(|(_, node)| if let Op::Table(table) = node.op { Some(graph.table(table).as_ref()) } else { None })
}

/// Whether `roots` use rows of a file that the definition names.
pub(crate) fn reads_files(definition: &Definition, roots: impl Iterator<Item = NodeId>) -> bool {
    let graph = &definition.graph;
    let needed = graph.reachable(roots);
    graph.nodes().filter(|(id, _)| needed[id.index()]).any(|(_, node)| match node.op {
        Op::InlineTable(table) => matches!(graph.inline_tables()[table.index()].rows, InlineRows::File(_)),
        _ => false,
    })
}

/// The permissions of the tables that `roots` use.
fn for_tables(definition: &Definition, roots: impl Iterator<Item = NodeId>) -> RequiredPermissions {
    let mut required = RequiredPermissions::default();
    for table in tables(definition, roots) {
        if let Some(permission) = &table.required_permission {
            let module = table.name.module.strip_prefix("ehrql.tables.").unwrap_or(&table.name.module);
            required.table(permission, &format!("{module}.{}", table.name.name));
        }
    }
    required
}

/// The permissions that the command line gives the run, or else the platform; `None` where neither says.
pub(crate) fn given(argument: Option<&str>) -> Result<Option<Permissions>, Failure> {
    let parse = |place: &str, text: &str| {
        let parsed = Permissions::parse(Some(text));
        parsed.map(Some).map_err(|error| Failure::new(ExitStatus::Arguments, format!("{place}: {error}")))
    };
    if let Some(text) = argument {
        return parse("--permissions", text);
    }
    let Some(text) = std::env::var_os(PERMISSIONS_VARIABLE) else { return Ok(None) };
    match text.to_str() {
        Some(text) => parse(PERMISSIONS_VARIABLE, text),
        None => Err(Failure::new(ExitStatus::Arguments, format!("{PERMISSIONS_VARIABLE} is not UTF-8 text"))),
    }
}

/// Refuses permissions that neither the engine, the catalogue nor the policy knows: whoever gave one believes that the
/// project may do something, and it does nothing.
pub(crate) fn require_known(given: &Permissions, policy: &Policy) -> Result<(), Failure> {
    let features = Feature::ALL.iter().map(|feature| feature.permission());
    let tables = Catalogue::builtin().tables().filter_map(|table| table.required_permission.as_deref());
    let known: BTreeSet<&str> = features.chain(tables).chain(policy.permissions().map(Name::as_str)).collect();
    match given.names().find(|name| !known.contains(name.as_str())) {
        None => Ok(()),
        Some(unknown) => {
            let meant = suggestion(unknown.as_str(), known.iter().copied());
            let message =
                format!("no part of the engine, and no rule of the policy, knows a permission `{unknown}`{meant}");
            Err(Failure::new(ExitStatus::Arguments, message).code("permission_unknown"))
        }
    }
}

/// Holds a run to the permissions that it is given.
pub(crate) fn check(required: &RequiredPermissions, given: &Permissions) -> Result<(), Failure> {
    given.check(required).map_err(|missing| {
        Failure::new(ExitStatus::Permission, missing.to_string())
            .help(format!("they are given with --permissions, or in the environment variable {PERMISSIONS_VARIABLE}"))
    })
}

/// Of a run over dummy tables that was given none: tells what its definition should claim.
pub(crate) fn warn_of_unclaimed(definition: &Definition, required: &RequiredPermissions) {
    let claims: Vec<&str> = definition.claimed_permissions.iter().map(|claim| &**claim).collect();
    let list = serde_json::to_string(&claims).unwrap_or_default();
    if let Ok(claimed) = Permissions::parse(Some(&list))
        && let Err(missing) = claimed.check(required)
    {
        let names = missing.names().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        tracing::warn!("over real records this needs permissions that the definition does not claim: {names}");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use peristyle_model::Limits;

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
        let with = |list: &str| check(&needs, &given(Some(list)).unwrap().unwrap());
        assert_eq!(with(r#"["event_level_data", "appointments", "other"]"#), Ok(()));
        let failure = with(r#"["appointments"]"#).unwrap_err();
        assert_eq!(failure.status, ExitStatus::Permission);
        assert!(failure.message.contains("event_level_data"), "{}", failure.message);
        let failure = with("[]").unwrap_err();
        assert!(failure.message.contains("`tpp.appointments`"), "{}", failure.message);
    }
}
