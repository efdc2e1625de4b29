//! What is asked of the store for a view: bytes of the columns that its rows take, and of no other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::Arc;

use datafusion::prelude::{Expr, ident, lit};
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::*;
use crate::source::SourceDirectory;
use crate::tests::recording::{Log, RecordingStore};

/// The columns of a table of which a byte was asked for.
fn asked_for(place: &Place, table: &str, log: &Log) -> String {
    let path = place.tables.path().join(format!("{table}.parquet"));
    let footer = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
    let log = log.lock().unwrap();
    let touched = |start: u64, length: u64| {
        log.iter().any(|(file, range)| *file == path && range.start < start + length && start < range.end)
    };
    let mut columns = BTreeSet::new();
    for group in footer.metadata().row_groups() {
        for column in group.columns() {
            let (start, length) = column.byte_range();
            if touched(start, length) {
                columns.insert(column.column_descr().name().to_owned());
            }
        }
    }
    columns.into_iter().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_view_reads_the_columns_that_its_rows_take() {
    let registers = [
        ("practices.arrow", "practice:int off:date of:date\n7 - 2026-06-15\n"),
        ("registrations.parquet", "patient:int practice:int end:moment of:date\n1 7 - 2026-06-15\n"),
    ];
    let place = Place::new(&policy_text("int", &[("practice_activation", activation().as_str())], TERMS), &registers);
    let link: String = (0..900).map(|n| format!("{n} p{n} 2026-06-15 address{n}\n")).collect();
    let died: String = (0..900).map(|n| format!("note{n} p{n} 2020-01-01 c{n} {n} other{n}\n")).collect();
    let groups = || Written { group_rows: Some(400), ..Written::default() };
    let link = rows(&format!("gp:int person:str of:date address:str\n{link}"));
    let died = rows(&format!("note:str person:str died:date cause:str weight:int other:str\n{died}"));
    place.tables.put_rows("person_link.parquet", &link, groups());
    place.tables.put_rows("deaths.parquet", &died, groups());

    let mut connector = deaths(PatientsPerKey::One, KeyType::Text, RawActivation::NotApplied);
    let raw = connector.raw.get_mut("deaths").unwrap();
    raw.columns.push(column("weight", ColumnClass::Number, RawType::Int));
    raw.columns.push(column("other", ColumnClass::Category, RawType::Str));
    let by_date = |mut connector: Connector| {
        connector.raw.get_mut("deaths").unwrap().activation = RawActivation::ByDate("died".into());
        connector
    };
    let reading = |connector: &Connector, more: &str| {
        let mut connector = connector.clone();
        connector.views.insert(DEATHS.into(), view(&format!("{SQL}{more}")));
        connector
    };
    let day = || lit(datafusion::scalar::ScalarValue::Date32(Some(18_000)));
    let cases: [(&str, Connector, Option<Expr>, &str); 8] = [
        ("", reading(&connector, ""), None, "person"),
        ("date:date", reading(&connector, ""), None, "died person"),
        ("cause:str", reading(&connector, ""), None, "cause person"),
        ("date:date cause:str", reading(&connector, ""), None, "cause died person"),
        // What a filter asks about is read, the study's and the view's own.
        ("date:date", reading(&connector, ""), Some(ident("date").gt(day())), "died person"),
        ("date:date", reading(&connector, " WHERE d.\"weight\" < 5"), None, "died person weight"),
        // And what rows are judged by.
        ("", by_date(reading(&connector, "")), None, "died person"),
        ("cause:str", by_date(reading(&connector, " AND d.\"weight\" < 800")), None, "cause died person weight"),
    ];
    for (columns, connector, predicate, expected) in cases {
        let extracts = in_place(&place, connector);
        begin(&place, &extracts).unwrap();
        let policy = place.verify_for("[]", &extracts, &[DEATHS]).unwrap();
        let log = Log::default();
        let store = Arc::new(RecordingStore(Arc::clone(&log)));
        let root = place.tables.path().to_path_buf();
        let directory = SourceDirectory::open(store, root, BTreeMap::new()).unwrap();
        let [extract] = extracts;
        let enclave = Enclave::connected(vec![(extract, directory)], policy, options()).unwrap();
        let wanted = TableRequest { columns: request(columns).columns, ..wanted() };
        assert!(run_view(&enclave, &wanted, predicate.clone()).unwrap().len() < 900);
        assert_eq!(asked_for(&place, "deaths", &log), expected, "{columns} {predicate:?}");
        assert_eq!(asked_for(&place, "person_link", &log), "gp person", "{columns} {predicate:?}");
    }
}
