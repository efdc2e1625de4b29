//! Links that cannot be trusted, or that nobody spoke of: the run is refused.

use super::*;

/// Verifies a run over deaths at a place whose counts were begun with the link as it is in [`LINK`].
fn refused(spoil: impl Fn(&Place, &mut Connector)) -> String {
    let mut place = death_place();
    let mut connector = by_text(PatientsPerKey::One);
    begin(&place, &in_place(&place, connector.clone())).unwrap();
    let terms = place.policy.links.get_mut(&person()).unwrap();
    (terms.limits.least, terms.limits.greatest_fall_percent) = (3, 20);
    spoil(&place, &mut connector);
    let verified = place.verify_for("[]", &in_place(&place, connector), &[DEATHS]);
    let text = verified.map(|_| ()).expect_err("the run should be refused").to_string();
    text.replace(place.tables.path().to_str().unwrap(), "PLACE")
}

fn put(place: &Place, lines: &str) {
    place.tables.put_rows("person_link.parquet", &rows(lines), Written::default());
}

#[test]
fn a_link_is_needed_whole_fresh_and_of_its_size() {
    type Spoil = fn(&Place, &mut Connector);
    let cases: [(&str, Spoil); 12] = [
        ("missing", |place, _| fs::remove_file(place.tables.path().join("person_link.parquet")).unwrap()),
        ("empty", |place, _| put(place, "gp:int person:str of:date\n")),
        ("short", |place, _| put(place, "gp:int person:str of:date\n1 a 2026-06-15\n2 b 2026-06-15\n")),
        ("fallen", |place, _| {
            put(place, "gp:int person:str of:date\n1 a 2026-06-15\n2 b 2026-06-15\n3 c 2026-06-15\n7 e 2026-06-15\n");
        }),
        ("stale", |place, _| put(place, &LINK.replace("2026-06-14", "2026-06-06"))),
        ("of tomorrow", |place, _| put(place, &LINK.replace("2026-06-14", "2026-06-30"))),
        ("without a date", |place, _| put(place, &LINK.replace("7 e 2026-06-14", "7 e -"))),
        ("without a patient", |place, _| put(place, &LINK.replace("5 d", "- d"))),
        ("without the other key", |place, _| put(place, "gp:int of:date\n1 2026-06-15\n")),
        ("the patient's key of another type", |place, _| put(place, &LINK.replace("gp:int", "gp:str"))),
        ("without its digest", |place, _| {
            fs::remove_file(place.tables.path().join("person_link.parquet.sha256")).unwrap();
        }),
        ("altered text", |place, _| {
            fs::remove_file(place.tables.path().join("person_link.parquet")).unwrap();
            place.tables.put_rows("person_link.csv", &rows(LINK), Written::default());
            place.tables.put("person_link.csv", "gp,person,of\n1,a,2026-06-15\n");
        }),
    ];
    let texts: Vec<String> = cases.iter().map(|(what, spoil)| format!("{what}\n    {}", refused(spoil))).collect();
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn a_link_that_the_policy_does_not_speak_of_is_not_followed() {
    let mut place = death_place();
    let extracts = in_place(&place, by_text(PatientsPerKey::One));
    begin(&place, &extracts).unwrap();
    place.policy.links.clear();
    let refused = place.verify_for("[]", &extracts, &[DEATHS]).map(|_| ()).unwrap_err();
    insta::assert_snapshot!("a_link_without_terms", refused);
    // Who asks for nothing of it needs no terms; and what was not read cannot be scanned.
    let policy = place.verify_for("[]", &extracts, &["ehrql.tables.core.patients"]).unwrap();
    let enclave = Enclave::open_extracts(extracts.to_vec(), policy, options()).unwrap();
    insta::assert_snapshot!("a_table_whose_link_was_not_read", run_view(&enclave, &wanted(), None).unwrap_err());
}

#[test]
fn counts_of_a_link_are_begun_by_a_person() {
    let place = death_place();
    let extracts = in_place(&place, by_text(PatientsPerKey::One));
    let refused = place.verify_for("[]", &extracts, &[DEATHS]).map(|_| ()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "register `link.person` was never counted: begin its counts with `peristyle policy begin`"
    );
}

#[test]
fn a_link_is_recorded_and_pinned() {
    let place = death_place();
    let extracts = in_place(&place, by_text(PatientsPerKey::One));
    begin(&place, &extracts).unwrap();
    let digest = |lines: &str| {
        put(&place, lines);
        let policy = place.verify_for("[]", &extracts, &[DEATHS]).unwrap();
        let link = policy.registers().last().unwrap();
        assert_eq!((link.id.to_string().as_str(), link.rows, link.members), ("link.person", 10, 6));
        assert_eq!(link.as_of.to_string(), "2026-06-14");
        link.digest
    };
    let first = digest(LINK);
    let mut lines: Vec<&str> = LINK.lines().collect();
    lines[1..].reverse();
    assert_eq!(digest(&lines.join("\n")), first, "whatever the order of rows");
    assert_ne!(digest(&LINK.replace("5 d", "8 d")), first);

    let policy = place.verify_for("[]", &extracts, &[DEATHS]).unwrap();
    let enclave = Enclave::open_extracts(extracts.to_vec(), policy, options()).unwrap();
    // The clock of a file system may stand still for some milliseconds.
    std::thread::sleep(std::time::Duration::from_millis(20));
    put(&place, LINK);
    assert!(matches!(enclave.policy().check_pins(), Err(RegisterError::Changed { .. })));
}

/// A view must say whose its rows are by the patient's own key.
#[test]
fn views_that_bypass_the_link_are_refused() {
    let link = "\"person_link\" l ON d.\"person\" = l.\"person\"";
    for (sql, passes) in [
        (SQL.to_owned(), true),
        ("SELECT \"person\" AS patient_id, \"died\" AS date, \"cause\" AS cause FROM \"deaths\"".to_owned(), false),
        (
            format!(
                "SELECT d.\"person\" AS patient_id, d.\"died\" AS date, d.\"cause\" AS cause FROM \"deaths\" d JOIN {link}"
            ),
            false,
        ),
        (
            format!(
                "SELECT l.\"person\" AS patient_id, d.\"died\" AS date, d.\"cause\" AS cause FROM \"deaths\" d JOIN {link}"
            ),
            false,
        ),
        (
            format!(
                "SELECT l.\"gp\" + 0 AS patient_id, d.\"died\" AS date, d.\"cause\" AS cause FROM \"deaths\" d JOIN {link}"
            ),
            false,
        ),
    ] {
        let mut connector = deaths(PatientsPerKey::One, KeyType::Int, RawActivation::NotApplied);
        connector.views.insert(DEATHS.into(), view(&sql));
        let columns = |_: &str| {
            let column = |name: &str, column_type| crate::ViewColumn { name: name.into(), column_type };
            Some(vec![column("date", crate::ColumnType::Date), column("cause", crate::ColumnType::Str)])
        };
        let errors: Vec<String> = connector.check_views(&columns).iter().map(ToString::to_string).collect();
        assert_eq!(errors.is_empty(), passes, "{sql}: {errors:?}");
        assert!(errors.iter().all(|error| error.contains("bypasses the patient's key")), "{errors:?}");
    }
}
