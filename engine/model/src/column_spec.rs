//! What is known of an output column's values: its type in a file follows from it.

use std::collections::HashSet;
use std::sync::Arc;

use crate::catalogue::{Column, Constraint};
use crate::graph::{Aggregation, Constant, Graph, NodeId, Op};
use crate::types::Physical;

/// What is known of an output column's values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnSpec {
    /// How values are held; codes are strings
    pub physical: Physical,
    /// Whether NULL may occur
    pub nullable: bool,
    /// The strings that it may hold, in their order; only for strings
    pub categories: Option<Arc<[Arc<str>]>>,
    /// Smallest and largest whole number that it may hold; only for whole numbers
    pub range: Option<(i64, i64)>,
}

/// Counts of rows are taken to fit 16 bits, as in ehrQL: a patient with more of anything calls for a grouping.
const COUNT_RANGE: (i64, i64) = (0, u16::MAX as i64);

/// The specification of a series that is written to a file.
///
/// Categories survive the selection of a categorical column, `Min` and `Max`, constants, and `Case` over such values
/// without a NULL among its cases. A range is known for `Count` and for columns with a `ClosedRange`. All as in ehrQL.
pub fn column_spec(graph: &Graph, series: NodeId) -> ColumnSpec {
    // A frame or set is never written; whoever asks gets a string column.
    let physical = graph.node(series).value_type().map_or(Physical::Str, |value_type| value_type.physical());
    ColumnSpec {
        physical,
        nullable: true,
        categories: (physical == Physical::Str).then(|| categories(graph, series)).flatten(),
        range: (physical == Physical::Int).then(|| range(graph, series)).flatten(),
    }
}

/// The strings that a series may hold: those of all that it can come from, in order of appearance.
///
/// Walks with a stack of its own, each node once: cases may lie inside each other as deep as the document allows, and
/// may share what they choose from.
fn categories(graph: &Graph, series: NodeId) -> Option<Arc<[Arc<str>]>> {
    let (mut seen_nodes, mut seen) = (HashSet::new(), HashSet::new());
    let mut found: Vec<Arc<str>> = Vec::new();
    let mut add = |constant: &Constant| {
        if let Constant::Str(text) = constant
            && seen.insert(Arc::clone(text))
        {
            found.push(Arc::clone(text));
        }
    };
    let mut open = vec![series];
    while let Some(id) = open.pop() {
        if !seen_nodes.insert(id) {
            continue;
        }
        match &graph.node(id).op {
            Op::Value(constant) => add(constant),
            Op::Column { source, column } => selected(graph, *source, *column)?.categories()?.iter().for_each(&mut add),
            Op::Aggregate { aggregation: Aggregation::Min | Aggregation::Max, source } => open.push(*source),
            Op::Case { cases, default } => {
                // The last one pushed is the next one seen.
                open.extend(*default);
                for (_, value) in cases.iter().rev() {
                    open.push((*value)?);
                }
            }
            _ => return None,
        }
    }
    Some(found.into())
}

fn range(graph: &Graph, series: NodeId) -> Option<(i64, i64)> {
    match &graph.node(series).op {
        Op::Count(_) => Some(COUNT_RANGE),
        Op::Column { source, column } => {
            selected(graph, *source, *column)?.constraints.iter().find_map(|constraint| match constraint {
                Constraint::ClosedRange { minimum, maximum, .. } => Some((*minimum, *maximum)),
                _ => None,
            })
        }
        _ => None,
    }
}

fn selected(graph: &Graph, frame: NodeId, column: usize) -> Option<&Column> {
    graph.frame_schema(frame)?.columns.get(column)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::builder::GraphBuilder;
    use crate::catalogue::{Catalogue, TableName};
    use crate::graph::{Binary, Position};
    use crate::types::{CodeSystem, ValueType};

    fn table(builder: &mut GraphBuilder, name: &str) -> NodeId {
        let name = TableName { module: "ehrql.tables.tpp".into(), name: name.into() };
        builder.table(Catalogue::builtin().table(&name).unwrap()).unwrap()
    }

    fn text(builder: &mut GraphBuilder, text: &str) -> NodeId {
        builder.value(Constant::Str(text.into()), ValueType::Str).unwrap()
    }

    fn words(spec: &ColumnSpec) -> Option<Vec<&str>> {
        Some(spec.categories.as_ref()?.iter().map(|word| &**word).collect())
    }

    #[test]
    fn categories_survive_what_ehrql_lets_them_survive() {
        let b = &mut GraphBuilder::default();
        let (patients, appointments) = (table(b, "patients"), table(b, "clinical_events_ranges"));
        let sex = b.column(patients, "sex").unwrap();
        let born = b.column(patients, "date_of_birth").unwrap();
        let comparator = b.column(appointments, "comparator").unwrap();
        let sorted = b.sort(appointments, comparator).unwrap();
        let picked = b.pick(sorted, Position::First).unwrap();
        let picked = b.column(picked, "comparator").unwrap();
        let least = b.aggregate(Aggregation::Min, comparator).unwrap();
        let (young, old) = (text(b, "young"), text(b, "female"));
        let female = text(b, "female");
        let (is_female, is_male) = (b.binary(Binary::Eq, sex, female).unwrap(), {
            let male = text(b, "male");
            b.binary(Binary::Eq, sex, male).unwrap()
        });
        let case = b.case(vec![(is_female, Some(young)), (is_male, Some(sex))], Some(old)).unwrap();
        let with_null = b.case(vec![(is_female, Some(young)), (is_male, None)], Some(old)).unwrap();
        let without_default = b.case(vec![(is_female, Some(young))], None).unwrap();
        let code = b.value(Constant::Str("123456".into()), ValueType::Code(CodeSystem::SnomedCt)).unwrap();
        let smallest = b.minimum_of(vec![sex, young]).unwrap();
        let sexes = ["female", "male", "intersex", "unknown"];
        let comparators = ["~", "=", ">=", ">", "<", "<="];
        let cases: [(&str, NodeId, Option<&[&str]>); 10] = [
            ("column", sex, Some(&sexes)),
            ("of another type", born, None),
            ("picked", picked, Some(&comparators)),
            ("min", least, Some(&comparators)),
            ("constant", young, Some(&["young"])),
            ("case", case, Some(&["young", "female", "male", "intersex", "unknown"])),
            ("case with NULL", with_null, None),
            ("case without default", without_default, Some(&["young"])),
            ("code", code, Some(&["123456"])),
            ("minimum of", smallest, None),
        ];
        for (what, series, expected) in cases {
            let spec = column_spec(b.graph(), series);
            assert_eq!(words(&spec).as_deref(), expected, "{what}");
            assert!(spec.nullable && spec.range.is_none(), "{what}");
        }
    }

    #[test]
    fn ranges_are_of_counts_and_closed_ranges() {
        let b = &mut GraphBuilder::default();
        let addresses = table(b, "addresses");
        let count = b.count(addresses).unwrap();
        let rural = b.column(addresses, "rural_urban_classification").unwrap();
        let greatest = b.aggregate(Aggregation::Max, rural).unwrap();
        let kind = b.column(addresses, "address_type").unwrap();
        let one = b.value(Constant::Int(1), ValueType::Int).unwrap();
        let cases = [
            ("count", count, Some((0, 65_535))),
            ("closed range", rural, Some((1, 8))),
            ("its maximum", greatest, None),
            ("int categories", kind, None),
            ("constant", one, None),
        ];
        for (what, series, expected) in cases {
            let spec = column_spec(b.graph(), series);
            assert_eq!((spec.physical, spec.range, spec.categories), (Physical::Int, expected, None), "{what}");
        }
    }

    #[test]
    fn deep_shared_cases_take_linear_time() {
        let b = &mut GraphBuilder::default();
        let patients = table(b, "patients");
        let is_there = b.exists(patients).unwrap();
        let mut case = text(b, "0");
        for index in 1..=20_000 {
            let other = text(b, &index.to_string());
            let no = b.binary(Binary::And, is_there, is_there).unwrap();
            case = b.case(vec![(is_there, Some(case)), (no, Some(other))], Some(case)).unwrap();
        }
        let start = std::time::Instant::now();
        let spec = column_spec(b.graph(), case);
        assert_eq!(spec.categories.unwrap().len(), 20_001);
        assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    }
}
