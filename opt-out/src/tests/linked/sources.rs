//! A linked source beside a GP supplier's: two extracts, each with its connector.

use super::*;

const PATIENTS: &str = "ehrql.tables.core.patients";

/// A GP supplier, who has people and, by chance, a table of the same name as the other source.
fn gp(patient_key: KeyType) -> Connector {
    let people = |name: &str| RawTable {
        rows_of: RowsOf::Patients(name.into()),
        activation: RawActivation::NotApplied,
        columns: vec![column("born", ColumnClass::Date, RawType::Date)],
        may_be_absent: false,
        sorted_by_patient: false,
    };
    let sql = "SELECT p.\"id\" AS patient_id, p.\"born\" AS date, CAST('gp' AS VARCHAR) AS cause FROM \"people\" p";
    let view = View { file: "patients.sql".into(), sql: sql.into(), links: [].into() };
    Connector {
        name: "gp".into(),
        patient_key,
        raw: BTreeMap::from([("people".into(), people("id")), ("deaths".into(), people("patient"))]),
        views: BTreeMap::from([(PATIENTS.into(), view)]),
        missing: BTreeMap::from([(DEATHS.into(), "they are not the supplier's".to_owned())]),
        links: BTreeMap::new(),
        everybody: Some("people".into()),
    }
}

fn patients() -> TableRequest {
    TableRequest { name: PATIENTS.into(), location: crate::Location::Table("patients".into()), ..wanted() }
}

struct TwoSources {
    place: Place,
    gp: Tables,
}

impl TwoSources {
    fn new() -> Self {
        let gp = Tables::new();
        let people = "id:int born:date\n1 1950-01-01\n2 1951-01-01\n3 1952-01-01\n4 1953-01-01\n";
        gp.put_rows("people.parquet", &rows(people), Written::default());
        gp.put_rows("deaths.parquet", &rows("patient:int born:date\n1 2000-01-01\n"), Written::default());
        gp.put_rows("person_link.parquet", &rows(LINK), Written::default());
        Self { place: death_place(), gp }
    }

    fn extracts(&self, change: impl Fn(&mut Connector, &mut Connector)) -> Vec<ConnectedExtract> {
        let (mut gp, mut deaths) = (gp(KeyType::Int), by_text(PatientsPerKey::Many));
        change(&mut gp, &mut deaths);
        let at = |connector, tables: &Tables| ConnectedExtract { connector, location: tables.path().into() };
        vec![at(gp, &self.gp), at(deaths, &self.place.tables)]
    }

    fn opened(&self, change: impl Fn(&mut Connector, &mut Connector)) -> Result<Enclave, String> {
        let extracts = self.extracts(change);
        begin(&self.place, &extracts).unwrap();
        let policy = self.place.verify_for("[]", &extracts, &[DEATHS, PATIENTS]).map_err(|error| error.to_string())?;
        Enclave::open_extracts(extracts, policy, options()).map_err(|error| error.to_string())
    }
}

/// Patients 5 and 7 are in the link's table and not in the supplier's: whoever was taken out of the extract before, because
/// they opted out, is in no register, and their death must not bring them back. Of 5's key, shared with 2, nothing is seen
/// either way.
#[test]
fn deaths_of_patients_whom_the_supplier_has_not_are_not_seen() {
    let sources = TwoSources::new();
    for (everybody, expected) in [
        (true, ["1  A2", "1 2020-01-01 A", "3 2020-01-03 C", "4 2020-01-03 C"].as_slice()),
        (
            false,
            &[
                "1  A2",
                "1 2020-01-01 A",
                "3 2020-01-03 C",
                "4 2020-01-03 C",
                "7 2020-01-07 E",
                "7 2020-01-08 F",
                "7 2020-01-08 F",
            ],
        ),
    ] {
        let enclave = sources.opened(|gp, _| gp.everybody = gp.everybody.take().filter(|_| everybody)).unwrap();
        assert_eq!(run_view(&enclave, &wanted(), None).unwrap(), expected);
        assert_eq!(run_view(&enclave, &patients(), None).unwrap().len(), 3, "patient 2 has opted out");
        let mut files: Vec<String> = enclave.source_files().unwrap().into_iter().map(|file| file.name).collect();
        files.sort();
        assert_eq!(files, ["deaths/deaths.parquet", "deaths/person_link.parquet", "gp/people.parquet"]);
        assert!(enclave.policy().check_pins().is_ok());
    }
    // The table that says whom the supplier has is pinned as the link is.
    let enclave = sources.opened(|_, _| ()).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    sources.gp.put_rows("people.parquet", &rows("id:int born:date\n1 1950-01-01\n"), Written::default());
    assert!(matches!(enclave.policy().check_pins(), Err(RegisterError::Changed { .. })));
}

#[test]
fn sources_that_do_not_go_together_are_refused() {
    let sources = TwoSources::new();
    let refused = |change: fn(&mut Connector, &mut Connector)| sources.opened(change).map(|_| ()).unwrap_err();
    let asked = |change: fn(&mut Connector, &mut Connector)| {
        run_view(&sources.opened(change).unwrap(), &wanted(), None).unwrap_err()
    };
    let texts = [
        refused(|gp, _| gp.name = "deaths".into()),
        refused(|gp, _| (gp.patient_key, gp.everybody) = (KeyType::Text, None)),
        refused(|gp, deaths| {
            // Two links of one name.
            gp.links = deaths.links.clone();
            gp.raw.extend(deaths.raw.clone());
            gp.views.insert(DEATHS.into(), view(SQL));
        }),
        asked(|gp, _| _ = gp.views.insert(DEATHS.into(), View { links: [].into(), ..view("SELECT 1") })),
        asked(|_, deaths| deaths.views.clear()),
    ];
    insta::assert_snapshot!(texts.join("\n"));
}
