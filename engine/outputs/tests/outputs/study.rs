//! A study's definition, and the tables that its answer is made of.

use peristyle_model::catalogue::{ActivationFilter, Column as TableColumn, TableName, TableSchema};
use peristyle_model::types::ValueType;
use peristyle_model::{Dataset, Definition, EventTable, GraphBuilder, Interval, Measure};
use peristyle_outputs::{DisclosureControl, PatientKeys, dataset, measures};

use super::*;

/// Two measures over patients, of which the second has one group more; and a dataset with one event table.
fn study() -> (Definition, Dataset, Vec<Measure>) {
    let mut builder = GraphBuilder::default();
    let schema = |name: &str, one_row_per_patient: bool, columns: &[(&str, ValueType)]| {
        let column = |(name, value_type): &(&str, ValueType)| TableColumn {
            name: (*name).into(),
            value_type: *value_type,
            constraints: Vec::new(),
        };
        Arc::new(TableSchema {
            name: TableName { module: "study".into(), name: name.into() },
            table: name.into(),
            one_row_per_patient,
            required_permission: None,
            activation: ActivationFilter::NotApplied,
            columns: columns.iter().map(column).collect(),
        })
    };
    let patients = [("sex", ValueType::Str), ("imd", ValueType::Int), ("is_alive", ValueType::Bool)];
    let patients = builder.table(&schema("patients", true, &patients)).unwrap();
    let visits = builder.table(&schema("visits", false, &[("date", ValueType::Date)])).unwrap();
    let mut column = |name| builder.column(patients, name).unwrap();
    let (sex, imd, is_alive) = (column("sex"), column("imd"), column("is_alive"));
    let date = builder.column(visits, "date").unwrap();

    let measure = |name: &str, group_by: &[(&str, _)]| Measure {
        name: name.into(),
        numerator: is_alive,
        denominator: is_alive,
        group_by: group_by.iter().map(|(name, node)| ((*name).into(), *node)).collect(),
        intervals: [Interval { start: 18_262, end: 18_292 }].into(),
    };
    let measures = vec![
        measure("all", &[]),
        measure("by sex", &[("sex", sex)]),
        measure("by both", &[("imd", imd), ("sex", sex)]),
    ];
    let visits = EventTable {
        name: "visits".into(),
        domain: builder.graph().node(date).domain,
        members: vec![("date".into(), date), ("sex".into(), sex)],
    };
    let dataset = Dataset { population: is_alive, variables: vec![("imd".into(), imd)], events: vec![visits] };
    let definition = Definition {
        graph: Arc::new(builder.finish()),
        dataset: None,
        measures: None,
        disclosure_control: None,
        claimed_permissions: Vec::new(),
    };
    (definition, dataset, measures)
}

fn shown(tables: &[TableSpec]) -> String {
    let table = |table: &TableSpec| {
        let column = |(name, spec): &(Arc<str>, ColumnSpec)| {
            let categories = spec.categories.as_ref().map_or(String::new(), |categories| format!(" of {categories:?}"));
            format!("{name} {:?}{categories}{}", spec.physical, if spec.nullable { "" } else { " not null" })
        };
        let patients = table.patients.map(|keys| format!("patients known by {keys:?}"));
        let columns: Vec<_> = patients.into_iter().chain(table.columns.iter().map(column)).collect();
        format!("{}: {}", table.name, columns.join(", "))
    };
    tables.iter().map(table).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_dataset_has_a_table_of_patients_and_one_for_each_kind_of_event() {
    let (definition, dataset, _) = study();
    insta::assert_snapshot!(shown(&dataset::table_specs(&definition, &dataset, PatientKeys::Int)), @r"
    dataset: patients known by Int, imd Int
    visits: patients known by Int, date Date, sex Str
    ");
}

#[test]
fn measures_go_to_one_table_or_to_one_each() {
    let (definition, _, measures) = study();
    insta::assert_snapshot!(shown(&[measures::table_spec(&definition, &measures)]), @r#"measures: measure Str of ["all", "by sex", "by both"] not null, interval_start Date not null, interval_end Date not null, ratio Float, numerator Int, denominator Int, sex Str, imd Int"#);
    insta::assert_snapshot!(shown(&measures::table_specs(&definition, &measures)), @r"
    all: interval_start Date not null, interval_end Date not null, ratio Float, numerator Int, denominator Int
    by sex: interval_start Date not null, interval_end Date not null, ratio Float, numerator Int, denominator Int, sex Str
    by both: interval_start Date not null, interval_end Date not null, ratio Float, numerator Int, denominator Int, imd Int, sex Str
    ");
}

/// A batch of the measures plan of [`study`].
fn counted() -> RecordBatch {
    let measures: ArrayRef = Arc::new(StringArray::from(vec!["all", "by sex", "by sex", "by both"]));
    let sexes: ArrayRef = Arc::new(StringArray::from(vec![None, None, Some("f"), Some("f")]));
    let imds: ArrayRef = Arc::new(Int64Array::from(vec![None, None, None, Some(100)]));
    let day = |day: i32| -> ArrayRef { Arc::new(Date32Array::from(vec![day; 4])) };
    let counts = |counts: [i64; 4]| -> ArrayRef { Arc::new(Int64Array::from(counts.to_vec())) };
    let columns = [
        ("measure", measures),
        ("interval_start", day(18_262)),
        ("interval_end", day(18_292)),
        ("numerator", counts([50, 30, 8, 1])),
        ("denominator", counts([100, 40, 60, 7])),
        ("sex", sexes),
        ("imd", imds),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

#[test]
fn measures_are_written_to_one_file_or_to_one_each() {
    let (definition, _, measures) = study();
    let finished = measures::finish(&counted(), DisclosureControl::BySums).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let together = vec![(measures::table_spec(&definition, &measures), finished.clone())];
    write(&directory.path().join("measures.csv"), &together).unwrap();
    let split = measures::split(&finished, &measures).unwrap();
    let apart: Vec<_> = measures::table_specs(&definition, &measures).into_iter().zip(split).collect();
    write(&directory.path().join("apart/:csv"), &apart).unwrap();
    write(&directory.path().join("apart/:arrow"), &apart).unwrap();

    let files = files_in(directory.path()).into_iter().filter(|file| file.ends_with("csv"));
    let shown: Vec<_> =
        files.map(|file| format!("{file}\n{}", fs::read_to_string(directory.path().join(&file)).unwrap())).collect();
    insta::assert_snapshot!(shown.join("\n").replace('\r', ""), @r"
    apart/all.csv
    interval_start,interval_end,ratio,numerator,denominator
    2020-01-01,2020-01-31,0.5,50,100

    apart/by%20both.csv
    interval_start,interval_end,ratio,numerator,denominator,imd,sex
    2020-01-01,2020-01-31,,0,0,100,f

    apart/by%20sex.csv
    interval_start,interval_end,ratio,numerator,denominator,sex
    2020-01-01,2020-01-31,0.75,30,40,
    2020-01-01,2020-01-31,0.16666666666666666,10,60,f

    measures.csv
    measure,interval_start,interval_end,ratio,numerator,denominator,sex,imd
    all,2020-01-01,2020-01-31,0.5,50,100,,
    by sex,2020-01-01,2020-01-31,0.75,30,40,,
    by sex,2020-01-01,2020-01-31,0.16666666666666666,10,60,f,
    by both,2020-01-01,2020-01-31,,0,0,f,100
    ");
}
