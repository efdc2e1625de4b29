//! Rows that are known by another key: whose are seen, what is counted, what is refused.

mod columns;
mod interference;
mod refusals;
mod sources;

use std::collections::BTreeMap;
use std::fs;

use peristyle_policy::Name;
use peristyle_policy::counts::CountsFile;
use peristyle_policy::register::Register;

use super::fixtures::*;
use super::policy::{Place, activation, counted, national, policy_text, seal, today, type_one};
use crate::connector::{
    ColumnClass, Connector, Link, PatientsPerKey, RawActivation, RawColumnSpec, RawTable, RawType, RowsOf, View,
};
use crate::{
    ConnectedExtract, Enclave, KeyType, RegisterError, TableRemovals, TableRequest, link_registers, read_link,
};

const DEATHS: &str = "ehrql.tables.core.ons_deaths";
const TERMS: &str = "[link.person]\nleast_count = 0\ngreatest_fall_percent = 100\nleast_found_percent = 0\n\
                     max_age_days = 8\nas_of = { column = \"of\", taking = \"oldest\" }\n";
const SQL: &str = "SELECT l.\"gp\" AS patient_id, d.\"died\" AS date, d.\"cause\" AS cause FROM \"deaths\" d \
                   JOIN \"person_link\" l ON d.\"person\" = l.\"person\"";

fn person() -> Name {
    Name::parse("person").unwrap()
}

fn column(name: &str, class: ColumnClass, column_type: RawType) -> RawColumnSpec {
    RawColumnSpec { name: name.into(), class, column_type, null_values: Vec::new() }
}

/// Deaths by another key, and a table that links it to patients, who are integers.
fn deaths(patients: PatientsPerKey, key_type: KeyType, activation: RawActivation) -> Connector {
    let other_key = match key_type {
        KeyType::Int => RawType::Int,
        KeyType::Bytes16 => RawType::Bytes16,
        KeyType::Text => RawType::Str,
    };
    let link = RawTable {
        rows_of: RowsOf::Patients("gp".into()),
        activation: RawActivation::NotApplied,
        columns: vec![column("person", ColumnClass::LinkKey, other_key)],
        may_be_absent: false,
        sorted_by_patient: false,
    };
    let deaths = RawTable {
        rows_of: RowsOf::Linked { by: person(), column: "person".into() },
        activation,
        columns: vec![
            column("died", ColumnClass::Date, RawType::Date),
            column("cause", ColumnClass::Code, RawType::Str),
        ],
        may_be_absent: false,
        sorted_by_patient: false,
    };
    Connector {
        name: "deaths".into(),
        patient_key: KeyType::Int,
        raw: BTreeMap::from([("person_link".into(), link), ("deaths".into(), deaths)]),
        views: BTreeMap::from([(DEATHS.into(), view(SQL))]),
        missing: BTreeMap::new(),
        links: BTreeMap::from([(
            person(),
            Link { table: "person_link".into(), column: "person".into(), key_type, patients },
        )]),
        everybody: None,
    }
}

fn view(sql: &str) -> View {
    View { file: "deaths.sql".into(), sql: sql.into(), links: [person()].into() }
}

fn by_text(patients: PatientsPerKey) -> Connector {
    deaths(patients, KeyType::Text, RawActivation::NotApplied)
}

fn in_place(place: &Place, connector: Connector) -> [ConnectedExtract; 1] {
    [ConnectedExtract { connector, location: place.tables.path().into() }]
}

fn wanted() -> TableRequest {
    TableRequest {
        name: DEATHS.into(),
        location: crate::Location::Table("ons_deaths".into()),
        ..request("date:date cause:str")
    }
}

/// Begins the counts of the links, which stay what they are of registers.
fn begin(place: &Place, extracts: &[ConnectedExtract]) -> Result<(), RegisterError> {
    place.begin();
    let links = link_registers(&place.policy, extracts);
    let read = |link: &Register| read_link(&place.policy, &link.id, extracts, today());
    let members =
        links.iter().map(|link| Ok(read(link)?.unwrap().members)).collect::<Result<Vec<u64>, RegisterError>>()?;
    let counted: Vec<(&Register, u64)> = links.iter().zip(members).collect();
    CountsFile::begin(&place.policy, &counted, today(), 0).unwrap();
    Ok(())
}

/// Rows of the view of deaths in order, and what was counted of the table below it.
fn seen(
    place: &Place,
    extracts: &[ConnectedExtract],
    permissions: &str,
) -> (Result<Vec<String>, String>, TableRemovals) {
    let policy = place.verify_for(permissions, extracts, &[DEATHS]).unwrap();
    let enclave = Enclave::open_extracts(extracts.to_vec(), policy, options()).unwrap();
    let rows = run_view(&enclave, &wanted(), None);
    let removals = enclave.removals().into_iter().find(|removals| &*removals.table == "deaths").unwrap();
    enclave.policy().check_pins().unwrap();
    (rows, removals)
}

fn counted_with_unlinked(removals: &TableRemovals) -> String {
    format!("{}, unlinked {}/{}", counted(removals), removals.unlinked.rows, removals.unlinked.patients)
}

const LINK: &str = "gp:int person:str of:date
    1 a 2026-06-14
    2 b 2026-06-14
    3 c 2026-06-14
    4 c 2026-06-14
    5 d 2026-06-14
    2 d 2026-06-14
    6 - 2026-06-14
    7 e 2026-06-14
    7 f 2026-06-14
    7 f 2026-06-14";
const DEATH_ROWS: &str = "person:str died:date cause:str
    a 2020-01-01 A
    b 2020-01-02 B
    c 2020-01-03 C
    d 2020-01-04 D
    z 2020-01-05 Z
    - 2020-01-06 N
    e 2020-01-07 E
    f 2020-01-08 F
    a - A2";

fn opted_out() -> String {
    policy_text("int", &[("type_one", type_one("has_opted_out").as_str())], TERMS)
}

const TYPE_ONE: (&str, &str) = ("type_one.parquet", "patient:int of:date\n2 2026-06-15\n");

fn death_place() -> Place {
    let place = Place::new(&opted_out(), &[TYPE_ONE]);
    place.tables.put_rows("person_link.parquet", &rows(LINK), Written::default());
    place.tables.put_rows("deaths.parquet", &rows(DEATH_ROWS), Written::default());
    place
}

/// Patient 2 has opted out. Key b is theirs, d theirs and another's, c of two patients, z of nobody; a row has no key;
/// patient 7 has two keys, one of them linked twice (a view's join repeats that row: which of the two is wrong, only the
/// source can say).
#[test]
fn rows_of_another_key_are_seen_where_all_its_patients_are() {
    let place = death_place();
    let of_one = ["1  A2", "1 2020-01-01 A", "7 2020-01-07 E", "7 2020-01-08 F", "7 2020-01-08 F"];
    let shared = ["3 2020-01-03 C", "4 2020-01-03 C"];
    let lifted = ["2 2020-01-02 B"];
    let shared_lifted = ["2 2020-01-04 D", "5 2020-01-04 D"];
    let some = |lists: &[&[&str]]| {
        let mut all: Vec<String> = lists.concat().into_iter().map(str::to_owned).collect();
        all.sort();
        all
    };
    for (patients, permissions, expected, counts) in [
        (PatientsPerKey::One, "[]", some(&[&of_one]), "4/9, type_one 2/2, unlinked 3/2"),
        (PatientsPerKey::Many, "[]", some(&[&of_one, &shared]), "5/9, type_one 2/2, unlinked 2/1"),
        (PatientsPerKey::One, r#"["include_t1oo"]"#, some(&[&of_one, &lifted]), "5/9, unlinked 4/3"),
        (
            PatientsPerKey::Many,
            r#"["include_t1oo"]"#,
            some(&[&of_one, &shared, &lifted, &shared_lifted]),
            "7/9, unlinked 2/1",
        ),
    ] {
        let extracts = in_place(&place, by_text(patients));
        begin(&place, &extracts).unwrap();
        let (found, removals) = seen(&place, &extracts, permissions);
        assert_eq!(found.unwrap(), expected, "{patients:?} {permissions}");
        assert_eq!(counted_with_unlinked(&removals), counts, "{patients:?} {permissions}");
    }
}

#[test]
fn keys_of_every_type_in_every_format() {
    for (key_type, kind) in [(KeyType::Int, "int"), (KeyType::Text, "str"), (KeyType::Bytes16, "bytes16")] {
        for ending in ["parquet", "arrow", "csv", "csv.gz"] {
            if key_type == KeyType::Bytes16 && ending.starts_with("csv") {
                continue;
            }
            let place = Place::new(&opted_out(), &[TYPE_ONE]);
            let link = format!(
                "gp:int person:{kind} of:date\n1 11 2026-06-15\n2 22 2026-06-15\n3 33 2026-06-15\n4 - 2026-06-15\n"
            );
            let died = format!(
                "person:{kind} died:date cause:str\n33 2020-03-03 C\n- 2020-04-04 N\n22 2020-02-02 B\n44 2020-05-05 Z\n11 - A\n"
            );
            for (table, lines) in [("person_link", link), ("deaths", died)] {
                let file = format!("{table}.{ending}");
                place.tables.put_rows(&file, &rows(&lines), Written::default());
            }
            let connector = deaths(PatientsPerKey::One, key_type, RawActivation::NotApplied);
            let extracts = in_place(&place, connector);
            begin(&place, &extracts).unwrap();
            let (found, removals) = seen(&place, &extracts, "[]");
            assert_eq!(found.unwrap(), ["1  A", "3 2020-03-03 C"], "{key_type:?} {ending}");
            assert_eq!(counted_with_unlinked(&removals), "2/5, type_one 1/1, unlinked 2/1", "{key_type:?} {ending}");
        }
    }
}

/// Patient 1 is at an activated practice; 2 moved on in May 2020; 3 never was at one; 4 moved on in 2019.
#[test]
fn activation_holds_by_the_strictest_of_a_key_s_patients() {
    let registers = [
        ("practices.arrow", "practice:int off:date of:date\n7 - 2026-06-15\n"),
        (
            "registrations.parquet",
            "patient:int practice:int end:moment of:date\n1 7 - 2026-06-15\n\
             2 7 2020-05-05T12:00:00 2026-06-15\n2 9 - 2026-06-15\n3 9 - 2026-06-15\n\
             4 7 2019-05-05T12:00:00 2026-06-15\n4 9 - 2026-06-15\n",
        ),
    ];
    let place = Place::new(&policy_text("int", &[("practice_activation", activation().as_str())], TERMS), &registers);
    let link = "gp:int person:str of:date\n1 a 2026-06-15\n2 b 2026-06-15\n3 c 2026-06-15\n1 d 2026-06-15\n\
                2 d 2026-06-15\n4 d 2026-06-15\n1 e 2026-06-15\n3 e 2026-06-15\n";
    let died = "person:str died:date cause:str\na 2026-01-01 A\na - A\nb 2020-05-05 B\nb 2020-05-06 B\nc 2010-01-01 C\n\
                d 2019-05-05 D\nd 2019-05-06 D\ne 2010-01-01 E\nz 2010-01-01 Z\n";
    place.tables.put_rows("person_link.parquet", &rows(link), Written::default());
    place.tables.put_rows("deaths.parquet", &rows(died), Written::default());
    for (activation, expected, counts) in [
        (
            RawActivation::ByDate("died".into()),
            ["1 2019-05-05 D", "1 2026-01-01 A", "2 2019-05-05 D", "2 2020-05-05 B", "4 2019-05-05 D"].as_slice(),
            "3/9, practice_activation 5/5, unlinked 1/1",
        ),
        (
            RawActivation::NotApplied,
            [
                "1  A",
                "1 2019-05-05 D",
                "1 2019-05-06 D",
                "1 2026-01-01 A",
                "2 2019-05-05 D",
                "2 2019-05-06 D",
                "2 2020-05-05 B",
                "2 2020-05-06 B",
                "4 2019-05-05 D",
                "4 2019-05-06 D",
            ]
            .as_slice(),
            "6/9, practice_activation 2/2, unlinked 1/1",
        ),
    ] {
        let extracts = in_place(&place, deaths(PatientsPerKey::Many, KeyType::Text, activation));
        begin(&place, &extracts).unwrap();
        let (found, removals) = seen(&place, &extracts, "[]");
        assert_eq!(found.unwrap(), expected);
        assert_eq!(counted_with_unlinked(&removals), counts);
    }
}

/// What stands for no key in the link's table is none: else whoever has it would be one person.
#[test]
fn what_stands_for_no_key_links_nobody() {
    let place = death_place();
    let link = "gp:int person:str of:date\n1 a 2026-06-15\n3 none 2026-06-15\n4 none 2026-06-15\n";
    place.tables.put_rows("person_link.parquet", &rows(link), Written::default());
    let died = "person:str died:date cause:str\na 2020-01-01 A\nnone 2020-01-02 B\n";
    place.tables.put_rows("deaths.parquet", &rows(died), Written::default());
    let mut connector = by_text(PatientsPerKey::Many);
    let link = connector.raw.get_mut("person_link").unwrap();
    link.columns[0].null_values = vec![crate::connector::NullValue::Text("none".to_owned())];
    let extracts = in_place(&place, connector);
    begin(&place, &extracts).unwrap();
    assert_eq!(seen(&place, &extracts, "[]").0.unwrap(), ["1 2020-01-01 A"]);
}

/// Whatever a query does, rows that are hidden are not among those that it sees.
#[test]
fn views_see_permitted_rows_only() {
    let place = death_place();
    let joined = "FROM \"deaths\" d JOIN \"person_link\" l ON d.\"person\" = l.\"person\"";
    for (sql, expected) in [
        (
            format!("SELECT l.\"gp\" AS patient_id, max(d.\"died\") OVER () AS date, d.\"cause\" AS cause {joined}"),
            ["1 2020-01-08 A", "1 2020-01-08 A2", "7 2020-01-08 E", "7 2020-01-08 F", "7 2020-01-08 F"].as_slice(),
        ),
        (
            format!(
                "SELECT l.\"gp\" AS patient_id, min(d.\"died\") AS date, CAST(count(*) AS VARCHAR) AS cause {joined} GROUP BY 1"
            ),
            &["1 2020-01-01 2", "7 2020-01-07 3"],
        ),
        (
            "SELECT l.\"gp\" AS patient_id, x.\"most\" AS date, CAST(x.\"n\" AS VARCHAR) AS cause FROM \"person_link\" l \
             CROSS JOIN (SELECT max(\"died\") AS \"most\", count(*) AS \"n\" FROM \"deaths\") x WHERE l.\"gp\" = 1"
                .to_owned(),
            &["1 2020-01-08 4"],
        ),
        (
            format!("SELECT l.\"gp\" AS patient_id, d.\"died\" AS date, d.\"cause\" AS cause {joined} WHERE d.\"cause\" IN ('B', 'C', 'Z')"),
            &[],
        ),
    ] {
        let mut connector = by_text(PatientsPerKey::One);
        connector.views.insert(DEATHS.into(), view(&sql));
        let extracts = in_place(&place, connector);
        begin(&place, &extracts).unwrap();
        assert_eq!(seen(&place, &extracts, "[]").0.unwrap(), expected, "{sql}");
    }
}

#[test]
fn the_dummy_policy_follows_links_without_terms() {
    let place = death_place();
    for (patients, expected) in [(PatientsPerKey::One, 6), (PatientsPerKey::Many, 10)] {
        let extracts = in_place(&place, by_text(patients));
        let policy = crate::VerifiedPolicy::dummy_tables();
        let enclave = Enclave::open_extracts(extracts.to_vec(), policy, options()).unwrap();
        assert_eq!(run_view(&enclave, &wanted(), None).unwrap().len(), expected, "{patients:?}");
    }
}
