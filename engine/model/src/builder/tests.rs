#![allow(clippy::unwrap_used, clippy::expect_used)]
use std::mem::discriminant;

use super::*;
use crate::catalogue::{ActivationFilter, Constraint, TableSchema};
use crate::graph::{Aggregation, Binary, Constant, InlineTable, Parameter, Position, Unary};
use crate::types::{CodeSystem, MultiCodeSystem};

const ALL_TYPES: [ValueType; 8] = [
    ValueType::Bool,
    ValueType::Int,
    ValueType::Float,
    ValueType::Date,
    ValueType::Str,
    ValueType::Code(CodeSystem::SnomedCt),
    ValueType::Code(CodeSystem::Icd10),
    ValueType::MultiCode(MultiCodeSystem::Icd10),
];

fn schema(name: &str, one_row_per_patient: bool) -> Arc<TableSchema> {
    let column = |value_type: &ValueType| Column {
        name: value_type.name().into(),
        value_type: *value_type,
        constraints: vec![Constraint::NotNull],
    };
    Arc::new(TableSchema {
        name: TableName { module: "test".into(), name: name.into() },
        table: name.into(),
        one_row_per_patient,
        required_permission: None,
        activation: ActivationFilter::NotApplied,
        columns: ALL_TYPES.iter().map(column).collect(),
    })
}

/// A one-row table `p`, and event tables `e` and `f`, each with a column of every type.
struct Bench {
    builder: GraphBuilder,
    p: NodeId,
    e: NodeId,
    f: NodeId,
}

impl Bench {
    fn new() -> Self {
        let mut builder = GraphBuilder::default();
        let p = builder.table(&schema("p", true)).unwrap();
        let e = builder.table(&schema("e", false)).unwrap();
        let f = builder.table(&schema("f", false)).unwrap();
        Bench { builder, p, e, f }
    }

    fn column(&mut self, frame: NodeId, value_type: ValueType) -> NodeId {
        self.builder.column(frame, value_type.name()).unwrap()
    }

    fn int(&mut self, value: i64) -> NodeId {
        self.builder.value(Constant::Int(value), ValueType::Int).unwrap()
    }

    /// `frame` without the rows whose int is `value`.
    fn filter(&mut self, frame: NodeId, value: i64) -> NodeId {
        let (column, value) = (self.column(frame, ValueType::Int), self.int(value));
        let condition = self.builder.binary(Binary::Ne, column, value).unwrap();
        self.builder.filter(frame, condition).unwrap()
    }

    fn kind(&self, built: &Checked<NodeId>) -> Option<ValueType> {
        built.as_ref().ok().and_then(|id| self.builder.graph().node(*id).value_type())
    }
}

#[test]
fn functions_of_one_series_take_and_give_these_types() {
    use ValueType::{Bool, Date, Float, Int};
    let same = |types: &[ValueType]| types.iter().map(|t| (*t, *t)).collect::<Vec<_>>();
    let to = |types: &[ValueType], to: ValueType| types.iter().map(|t| (*t, to)).collect::<Vec<_>>();
    let cases = [
        (Unary::Not, same(&[Bool])),
        (Unary::IsNull, to(&ALL_TYPES, Bool)),
        (Unary::Negate, same(&[Int, Float])),
        (Unary::Absolute, same(&[Int, Float])),
        (Unary::CastToInt, to(&[Bool, Int, Float], Int)),
        (Unary::CastToFloat, to(&[Int, Float], Float)),
        (Unary::YearFromDate, to(&[Date], Int)),
        (Unary::MonthFromDate, to(&[Date], Int)),
        (Unary::DayFromDate, to(&[Date], Int)),
        (Unary::ToFirstOfYear, same(&[Date])),
        (Unary::ToFirstOfMonth, same(&[Date])),
    ];
    assert_eq!(cases.len(), Unary::NAMES.len());
    let bench = &mut Bench::new();
    for (function, expected) in cases {
        for input in ALL_TYPES {
            let column = bench.column(bench.p, input);
            let built = bench.builder.unary(function, column);
            let expected = expected.iter().find(|(from, _)| *from == input).map(|(_, to)| *to);
            assert_eq!(bench.kind(&built), expected, "{function:?} {input}");
        }
    }
}

/// The type of a function of two series of these types; `None` where it is refused. Definition format, sections 2 and 4.
fn expected_type(function: Binary, lhs: ValueType, rhs: ValueType) -> Option<ValueType> {
    use ValueType::{Bool, Date, Float, Int};
    let numbers = lhs == rhs && matches!(lhs, Int | Float);
    match function {
        Binary::Eq | Binary::Ne => (lhs == rhs).then_some(Bool),
        Binary::Lt | Binary::Le | Binary::Gt | Binary::Ge => (lhs == rhs && lhs != Bool).then_some(Bool),
        Binary::And | Binary::Or => (lhs == Bool && rhs == Bool).then_some(Bool),
        Binary::Add | Binary::Subtract | Binary::Multiply => numbers.then_some(lhs),
        Binary::TrueDivide | Binary::Power => numbers.then_some(Float),
        Binary::FloorDivide => numbers.then_some(Int),
        Binary::DateAddDays | Binary::DateAddMonths | Binary::DateAddYears => {
            (lhs == Date && rhs == Int).then_some(Date)
        }
        Binary::DateDifferenceInDays | Binary::DateDifferenceInMonths | Binary::DateDifferenceInYears => {
            (lhs == Date && rhs == Date).then_some(Int)
        }
        Binary::StringContains => {
            let is_string = |value_type| matches!(value_type, ValueType::Str | ValueType::MultiCode(_));
            (is_string(lhs) && is_string(rhs)).then_some(Bool)
        }
    }
}

#[test]
fn functions_of_two_series_take_and_give_these_types() {
    let bench = &mut Bench::new();
    for (_, function) in Binary::NAMES {
        for lhs in ALL_TYPES {
            for rhs in ALL_TYPES {
                let (left, right) = (bench.column(bench.p, lhs), bench.column(bench.p, rhs));
                let built = bench.builder.binary(function, left, right);
                assert_eq!(bench.kind(&built), expected_type(function, lhs, rhs), "{function:?} {lhs} {rhs}");
            }
        }
    }
}

#[test]
fn aggregations_take_and_give_these_types() {
    use ValueType::{Bool, Date, Float, Int};
    let episodes = Aggregation::CountEpisodes { maximum_gap_days: 3 };
    let bench = &mut Bench::new();
    for input in ALL_TYPES {
        let number = matches!(input, Int | Float);
        let cases = [
            (Aggregation::CountDistinct, Some(Int)),
            (episodes, (input == Date).then_some(Int)),
            (Aggregation::Min, (input != Bool).then_some(input)),
            (Aggregation::Max, (input != Bool).then_some(input)),
            (Aggregation::Sum, number.then_some(input)),
            (Aggregation::Mean, number.then_some(Float)),
        ];
        for (aggregation, expected) in cases {
            let column = bench.column(bench.e, input);
            let built = bench.builder.aggregate(aggregation, column);
            assert_eq!(bench.kind(&built), expected, "{aggregation:?} {input}");
            let of_patient = bench.column(bench.p, input);
            assert!(
                bench.builder.aggregate(aggregation, of_patient).is_err(),
                "{aggregation:?} of a patient's {input}"
            );
        }
    }
}

#[test]
fn sets_go_only_right_of_in_and_with_their_own_type() {
    let bench = &mut Bench::new();
    let strings = bench.builder.value_set(vec![Constant::Str("A01".into())], ValueType::Str).unwrap();
    let codes = vec![Constant::Str("A01".into())];
    let codes = bench.builder.value_set(codes, ValueType::Code(CodeSystem::Icd10)).unwrap();
    let empty = bench.builder.value_set(vec![], ValueType::Bool).unwrap();
    let exists = bench.builder.exists(bench.p).unwrap();
    for input in ALL_TYPES {
        let series = bench.column(bench.p, input);
        let events = bench.column(bench.e, input);
        let combined = bench.builder.aggregate(Aggregation::CombineAsSet, events).unwrap();
        let cases = [
            (strings, input == ValueType::Str),
            (codes, input == ValueType::Code(CodeSystem::Icd10)),
            (empty, true),
            (combined, true),
        ];
        for (set, fits) in cases {
            assert_eq!(bench.builder.in_set(series, set).is_ok(), fits, "{input}");
            assert!(bench.builder.binary(Binary::Eq, series, set).is_err());
            assert!(bench.builder.binary(Binary::Eq, set, set).is_err());
            assert!(bench.builder.in_set(set, set).is_err());
            assert!(bench.builder.unary(Unary::IsNull, set).is_err());
            assert!(bench.builder.case(vec![(exists, Some(set))], None).is_err());
            assert!(bench.builder.one_row_series(set, "x").is_err());
        }
        assert!(bench.builder.in_set(series, series).is_err());
    }
}

#[test]
fn constants_are_of_their_type() {
    let text = |text: &str| Constant::Str(text.into());
    let snomed = ValueType::Code(CodeSystem::SnomedCt);
    let cases = [
        (Constant::Int(1), ValueType::Int, true),
        (Constant::Int(1), ValueType::Float, false),
        (Constant::Bool(true), ValueType::Int, false),
        (Constant::Float(f64::NAN), ValueType::Float, false),
        (Constant::Float(f64::INFINITY), ValueType::Float, false),
        (Constant::Date(0), ValueType::Date, true),
        (Constant::Date(i32::MAX), ValueType::Date, false),
        (text("123456"), snomed, true),
        (text("12345"), snomed, false),
        (text("12345"), ValueType::Str, true),
    ];
    for (constant, value_type, fits) in cases {
        let bench = &mut Bench::new();
        assert_eq!(bench.builder.value(constant.clone(), value_type).is_ok(), fits, "{constant:?} {value_type}");
        assert_eq!(
            bench.builder.value_set(vec![constant.clone()], value_type).is_ok(),
            fits,
            "{constant:?} {value_type}"
        );
    }
}

#[test]
fn equal_nodes_are_one_and_others_are_not() {
    let bench = &mut Bench::new();
    let b = &mut bench.builder;
    let values = [
        (Constant::Int(1), ValueType::Int),
        (Constant::Float(1.0), ValueType::Float),
        (Constant::Bool(true), ValueType::Bool),
        (Constant::Float(0.0), ValueType::Float),
        (Constant::Float(-0.0), ValueType::Float),
        (Constant::Str("123456".into()), ValueType::Str),
        (Constant::Str("123456".into()), ValueType::Code(CodeSystem::SnomedCt)),
        (Constant::Str("123456".into()), ValueType::Code(CodeSystem::Dmd)),
    ];
    let ids: Vec<NodeId> = values.iter().map(|(constant, t)| b.value(constant.clone(), *t).unwrap()).collect();
    let distinct: std::collections::HashSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), values.len());
    for ((constant, value_type), id) in values.into_iter().zip(ids) {
        assert_eq!(b.value(constant, value_type), Ok(id));
    }
    let set = |b: &mut GraphBuilder, values: &[i64]| {
        b.value_set(values.iter().map(|value| Constant::Int(*value)).collect(), ValueType::Int).unwrap()
    };
    assert_eq!(set(b, &[3, 1, 2, 1]), set(b, &[1, 2, 3]));
    assert_ne!(set(b, &[1, 2]), set(b, &[1, 2, 3]));
    let before = b.graph().len();
    let again = b.table(&schema("e", false)).unwrap();
    assert_eq!((again, b.graph().len()), (bench.e, before));
    let domains = bench.builder.graph().domain_count();
    assert_eq!(bench.filter(bench.e, 5), bench.filter(bench.e, 5));
    assert_eq!(bench.builder.graph().domain_count(), domains + 1);
}

#[test]
fn domains_of_series_must_agree() {
    let bench = &mut Bench::new();
    let (e, f) = (bench.e, bench.f);
    let filtered = bench.filter(e, 1);
    let deeper = bench.filter(filtered, 2);
    let other = bench.filter(e, 2);
    let sorted = {
        let by = bench.column(e, ValueType::Int);
        bench.builder.sort(e, by).unwrap()
    };
    let picked = bench.builder.pick(sorted, Position::Last).unwrap();
    let sorted_then_filtered = bench.filter(sorted, 1);
    let cases = [
        ("same table", e, e, true),
        ("two tables", e, f, false),
        ("patient and event", bench.p, e, true),
        ("filtered and not", filtered, e, false),
        ("same filter", filtered, filtered, true),
        ("two filters", filtered, other, false),
        ("filter of a filter", filtered, deeper, false),
        ("sorted and not", sorted, e, true),
        ("picked and event", picked, e, true),
        ("picked and another table", picked, f, true),
        // As in ehrQL, a filter stands on all that is below it, sorts too.
        ("filter of sorted and filter", sorted_then_filtered, filtered, false),
    ];
    for (what, lhs, rhs, fits) in cases {
        let (lhs, rhs) = (bench.column(lhs, ValueType::Int), bench.column(rhs, ValueType::Int));
        let built = bench.builder.binary(Binary::Add, lhs, rhs);
        assert_eq!(built.is_ok(), fits, "{what}");
        assert_eq!(bench.builder.maximum_of(vec![lhs, rhs]).is_ok(), fits, "{what}");
        assert_eq!(bench.builder.event_table(&[lhs, rhs]).is_ok(), fits, "{what}");
        let condition = bench.builder.unary(Unary::IsNull, lhs).unwrap();
        assert_eq!(bench.builder.case(vec![(condition, Some(rhs))], None).is_ok(), fits, "{what}");
        if let Ok(id) = built {
            let graph = bench.builder.graph();
            assert_eq!(graph.node(id).domain, graph.node(lhs).domain.max(graph.node(rhs).domain), "{what}");
        }
    }
}

#[test]
fn filters_and_sorts_take_series_of_their_frame_or_its_ancestors() {
    let bench = &mut Bench::new();
    let filtered = bench.filter(bench.e, 1);
    let deeper = bench.filter(filtered, 2);
    let other = bench.filter(bench.e, 3);
    let cases = [
        ("own", bench.e, bench.e, true, true),
        ("parent's", filtered, bench.e, true, true),
        ("grandparent's", deeper, bench.e, true, true),
        ("child's", filtered, deeper, false, false),
        ("cousin's", deeper, other, false, false),
        ("another table's", bench.e, bench.f, false, false),
        ("patient's", deeper, bench.p, true, false),
    ];
    for (what, frame, series, filters, sorts) in cases {
        let (by, condition) = (bench.column(series, ValueType::Date), bench.column(series, ValueType::Bool));
        assert_eq!(bench.builder.filter(frame, condition).is_ok(), filters, "{what}");
        assert_eq!(bench.builder.sort(frame, by).is_ok(), sorts, "{what}");
        assert!(bench.builder.filter(frame, by).is_err(), "{what}: a condition of dates");
        assert!(bench.builder.sort(frame, condition).is_err(), "{what}: an order of bools");
    }
}

#[test]
fn picks_need_an_order_through_filters() {
    let bench = &mut Bench::new();
    let filtered = bench.filter(bench.e, 1);
    let by = bench.column(filtered, ValueType::Int);
    let sorted = bench.builder.sort(filtered, by).unwrap();
    let then_filtered = bench.filter(sorted, 2);
    let picked = bench.builder.pick(sorted, Position::First).unwrap();
    let cases = [
        ("table", bench.e, false),
        ("filter", filtered, false),
        ("sort", sorted, true),
        ("filter of sort", then_filtered, true),
        ("patients", bench.p, false),
        ("pick", picked, false),
    ];
    for (what, frame, fits) in cases {
        assert_eq!(bench.builder.pick(frame, Position::First).is_ok(), fits, "{what}");
        assert!(bench.builder.exists(frame).is_ok() && bench.builder.count(frame).is_ok(), "{what}");
    }
    let graph = bench.builder.graph();
    assert_eq!(graph.node(picked).domain, DomainId::PATIENT);
    assert_eq!(graph.node(sorted).domain, graph.node(filtered).domain);
    let Domain::Filter { root, parent, depth, .. } = graph.domain(graph.node(then_filtered).domain) else { panic!() };
    assert_eq!((root, parent, depth), (graph.node(bench.e).domain, graph.node(filtered).domain, 2));
}

#[test]
fn each_rule_names_its_field() {
    let bench = &mut Bench::new();
    let (int, float) = (bench.column(bench.p, ValueType::Int), bench.column(bench.p, ValueType::Float));
    let b = &mut bench.builder;
    let cases = [
        (b.binary(Binary::Add, int, float), Some("rhs")),
        (b.binary(Binary::DateAddDays, int, int), Some("lhs")),
        (b.filter(bench.p, int), Some("source")),
        (b.filter(bench.e, int), Some("condition")),
        (b.sort(bench.e, int), Some("sort_by")),
        (b.column(bench.e, "patient_id"), Some("name")),
        (b.column(bench.e, "nothing"), Some("name")),
        (b.minimum_of(vec![]), Some("sources")),
        (b.case(vec![], Some(int)), Some("cases")),
        (b.count(int), Some("source")),
        (b.unary(Unary::Not, bench.e), Some("source")),
    ];
    for (index, (built, field)) in cases.into_iter().enumerate() {
        assert_eq!(built.unwrap_err().field, field, "{index}");
    }
}

#[test]
fn dependence_on_the_interval_is_inherited() {
    let bench = &mut Bench::new();
    let start = bench.builder.parameter(Parameter::IntervalStart).unwrap();
    let date = bench.column(bench.e, ValueType::Date);
    let later = bench.builder.binary(Binary::Gt, date, start).unwrap();
    let filtered = bench.builder.filter(bench.e, later).unwrap();
    let count = bench.builder.count(filtered).unwrap();
    let all = bench.builder.count(bench.e).unwrap();
    let graph = bench.builder.graph();
    for (id, expected) in [(start, true), (date, false), (later, true), (filtered, true), (count, true), (all, false)] {
        assert_eq!(graph.node(id).depends_on_interval, expected, "{}", graph.node(id).op.name());
    }
}

#[test]
fn inline_tables_are_one_where_they_are_equal() {
    let bench = &mut Bench::new();
    let inline = |value: i64| {
        let column = Column { name: "i".into(), value_type: ValueType::Int, constraints: vec![] };
        let schema = TableSchema { columns: vec![column], ..(*schema("given", true)).clone() };
        let rows: Arc<[_]> = vec![(1, vec![Some(Constant::Int(value))].into())].into();
        InlineTable { schema: Arc::new(schema), rows: InlineRows::Given(rows) }
    };
    let first = bench.builder.inline_table(inline(1)).unwrap();
    assert_eq!(bench.builder.inline_table(inline(1)), Ok(first));
    assert_ne!(bench.builder.inline_table(inline(2)), Ok(first));
    assert_eq!(bench.builder.graph().inline_tables().len(), 2);
    let column = bench.builder.column(first, "i").unwrap();
    assert_eq!(bench.builder.one_row_series(column, "x"), Ok(ValueType::Int));
    let filter = bench.builder.filter(first, column).unwrap_err();
    assert_eq!(discriminant(&filter.rule), discriminant(&Rule::NotManyRowsFrame { found: String::new() }));
}
