//! Random links, rules and rows: a run over all rows, and one over rows from which those that are left out were deleted,
//! answer alike. Which rows those are is worked out once more here, one at a time, from what the rules say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

const CASES: u64 = 250;
const KEYS: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];
const DAYS: [&str; 5] = ["2019-12-31", "2020-05-05", "2020-05-06", "2020-05-07", "2026-01-01"];

/// A row of deaths as a CSV has it; the last cell is a number, or of a row that must not be looked at, none.
#[derive(Clone, Debug)]
struct Death {
    key: Option<&'static str>,
    died: Option<&'static str>,
    weight: String,
}

#[derive(Debug)]
struct World {
    patients: PatientsPerKey,
    by_date: bool,
    opted_out: BTreeSet<i64>,
    not_opted_out: BTreeSet<i64>,
    /// Patient, practice (7 is activated), and the day of the end
    registrations: Vec<(i64, i64, Option<&'static str>)>,
    everybody: BTreeSet<i64>,
    link: Vec<(i64, Option<&'static str>)>,
    deaths: Vec<Death>,
    permissions: Vec<&'static str>,
}

impl World {
    fn random(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut some = |of: i64, share: u32| -> BTreeSet<i64> {
            (1..=of).filter(|_| random.random_range(0..100) < share).collect()
        };
        let (opted_out, not_opted_out, everybody) = (some(8, 20), some(8, 85), some(9, 90));
        let mut registrations: Vec<(i64, i64, Option<&str>)> = Vec::new();
        for patient in 1..=9 {
            for _ in 0..random.random_range(0..3) {
                let end = (random.random_range(0..3) > 0).then(|| DAYS[random.random_range(0..DAYS.len())]);
                registrations.push((patient, [7, 7, 9][random.random_range(0..3)], end));
            }
        }
        let key =
            |random: &mut StdRng| (random.random_range(0..10) > 0).then(|| KEYS[random.random_range(0..KEYS.len())]);
        let links = random.random_range(0..12);
        let link = (0..links).map(|_| (random.random_range(1..10), key(&mut random))).collect();
        let permissions = ["include_t1oo", "include_ndoo", "include_gp_unactivated"];
        let permissions = permissions.into_iter().filter(|_| random.random_range(0..5) == 0).collect();
        let mut world = World {
            patients: if random.random_range(0..2) == 0 { PatientsPerKey::One } else { PatientsPerKey::Many },
            by_date: random.random_range(0..2) == 0,
            opted_out,
            not_opted_out,
            registrations,
            everybody,
            link,
            deaths: Vec::new(),
            permissions,
        };
        for _ in 0..random.random_range(0..30) {
            let died = (random.random_range(0..6) > 0).then(|| DAYS[random.random_range(0..DAYS.len())]);
            let mut death = Death { key: key(&mut random), died, weight: random.random_range(0..100).to_string() };
            // Rows that would give themselves away, if they were looked at.
            if world.hides(&death) && random.random_range(0..3) == 0 {
                death.weight = "hidden text".to_owned();
            }
            world.deaths.push(death);
        }
        world
    }

    fn in_force(&self, permission: &str) -> bool {
        !self.permissions.contains(&permission)
    }

    /// The last end of the patient's registrations, at the activated practice or elsewhere; open is last of all.
    fn last_end(&self, patient: i64, activated: bool) -> Option<&'static str> {
        let of = |(whose, practice, _): &&(i64, i64, Option<&str>)| *whose == patient && (*practice == 7) == activated;
        self.registrations.iter().filter(of).map(|(_, _, end)| end.unwrap_or("9999-12-31")).max()
    }

    fn hides_patient(&self, patient: i64) -> bool {
        (self.in_force("include_t1oo") && self.opted_out.contains(&patient))
            || (self.in_force("include_ndoo") && !self.not_opted_out.contains(&patient))
            || (self.in_force("include_gp_unactivated") && self.last_end(patient, true).is_none())
    }

    fn hides(&self, death: &Death) -> bool {
        let Some(key) = death.key else { return true };
        let patients: BTreeSet<i64> =
            self.link.iter().filter(|(_, known)| *known == Some(key)).map(|(patient, _)| *patient).collect();
        if patients.is_empty() || (self.patients == PatientsPerKey::One && patients.len() > 1) {
            return true;
        }
        patients.iter().any(|patient| {
            let cut_off = || {
                let activated = self.last_end(*patient, true).unwrap();
                self.last_end(*patient, false).filter(|other| *other > activated).map(|_| activated)
            };
            let after = || match (death.died, cut_off()) {
                (None, _) => true,
                (Some(died), Some(cut_off)) => died > cut_off,
                (Some(_), None) => false,
            };
            self.hides_patient(*patient)
                || !self.everybody.contains(patient)
                || (self.by_date && self.in_force("include_gp_unactivated") && after())
        })
    }

    fn place(&self) -> Place {
        let rules = [
            ("type_one", type_one("has_opted_out")),
            ("national", national("has_not_opted_out")),
            ("practice_activation", activation()),
        ];
        let rules: Vec<(&str, &str)> = rules.iter().map(|(rule, text)| (*rule, text.as_str())).collect();
        let listed = |patients: &BTreeSet<i64>| {
            let lines = patients.iter().map(|patient| format!("{patient} 2026-06-15\n")).collect::<String>();
            // Without a row, a register has no date.
            format!("patient:int of:date\n999 2026-06-15\n{lines}")
        };
        let mut registrations = "patient:int practice:int end:moment of:date\n999 7 - 2026-06-15\n".to_owned();
        for (patient, practice, end) in &self.registrations {
            let end = end.map_or("-".to_owned(), |end| format!("{end}T00:00:00"));
            writeln!(registrations, "{patient} {practice} {end} 2026-06-15").unwrap();
        }
        let registers = [
            ("type_one.parquet", listed(&self.opted_out)),
            ("national.csv", listed(&self.not_opted_out)),
            ("practices.arrow", "practice:int off:date of:date\n7 - 2026-06-15\n".to_owned()),
            ("registrations.parquet", registrations),
        ];
        let registers: Vec<(&str, &str)> = registers.iter().map(|(file, lines)| (*file, lines.as_str())).collect();
        Place::new(&policy_text("int", &rules, TERMS), &registers)
    }

    /// Writes the tables: all rows, or those alone that may be seen.
    fn lay_down(&self, place: &Place, all: bool) {
        let seen = |patient: &i64| all || !self.hides_patient(*patient);
        let mut link = "gp,person,of\n".to_owned();
        for (patient, key) in self.link.iter().filter(|(patient, _)| seen(patient)) {
            writeln!(link, "{patient},{},2026-06-15", key.unwrap_or_default()).unwrap();
        }
        writeln!(link, "1000,nobody,2026-06-15").unwrap();
        let mut deaths = "person,died,weight\n".to_owned();
        for death in self.deaths.iter().filter(|death| all || !self.hides(death)) {
            let Death { key, died, weight } = death;
            writeln!(deaths, "{},{},{weight}", key.unwrap_or_default(), died.unwrap_or_default()).unwrap();
        }
        let people = self.everybody.iter().filter(|patient| seen(patient)).map(|patient| format!("{patient}\n"));
        place.tables.put("person_link.csv", link).put("deaths.csv", deaths);
        place.tables.put("people.csv", format!("gp\n{}", people.collect::<String>()));
        seal(&place.tables.path().join("person_link.csv"));
    }

    fn connector(&self, sql: &str) -> Connector {
        let activation = if self.by_date { RawActivation::ByDate("died".into()) } else { RawActivation::NotApplied };
        let mut connector = deaths(self.patients, KeyType::Text, activation);
        connector.raw.get_mut("deaths").unwrap().columns[1] = column("weight", ColumnClass::Number, RawType::Int);
        let people = RawTable {
            rows_of: RowsOf::Patients("gp".into()),
            activation: RawActivation::NotApplied,
            columns: Vec::new(),
            may_be_absent: false,
            sorted_by_patient: false,
        };
        connector.raw.insert("people".into(), people);
        connector.everybody = Some("people".into());
        connector.views = BTreeMap::from([(DEATHS.into(), view(sql))]);
        connector
    }

    fn answers(&self, place: &Place) -> Vec<Result<Vec<String>, String>> {
        let joined = "FROM \"deaths\" d JOIN \"person_link\" l ON d.\"person\" = l.\"person\"";
        let queries = [
            format!("SELECT l.\"gp\" AS patient_id, d.\"died\" AS date, CAST(d.\"weight\" AS VARCHAR) AS cause {joined}"),
            format!(
                "SELECT l.\"gp\" AS patient_id, max(d.\"died\") OVER () AS date, \
                 CAST(100 / (d.\"weight\" - 50) AS VARCHAR) AS cause {joined}"
            ),
            "SELECT l.\"gp\" AS patient_id, x.\"most\" AS date, CAST(x.\"n\" AS VARCHAR) AS cause FROM \"people\" l CROSS \
             JOIN (SELECT max(\"died\") AS \"most\", count(*) AS \"n\" FROM \"deaths\") x"
                .to_owned(),
            format!(
                "SELECT l.\"gp\" AS patient_id, min(d.\"died\") AS date, CAST(sum(d.\"weight\") AS VARCHAR) AS cause {joined} \
                 WHERE d.\"weight\" > 10 GROUP BY 1"
            ),
        ];
        let permissions = format!("{:?}", self.permissions);
        let answer = |sql: &String| {
            let extracts = in_place(place, self.connector(sql));
            let policy = place.verify_for(&permissions, &extracts, &[DEATHS]).unwrap();
            let enclave = Enclave::open_extracts(extracts.to_vec(), policy, options()).unwrap();
            run_view(&enclave, &wanted(), None)
        };
        queries.iter().map(answer).collect()
    }
}

#[test]
fn linked_rows_tell_nothing_of_rows_that_are_left_out() {
    let (mut hiding, mut answered) = (0, 0);
    for seed in 0..CASES {
        let world = World::random(seed);
        let place = world.place();
        world.lay_down(&place, true);
        begin(&place, &in_place(&place, world.connector(SQL))).unwrap();
        let all = world.answers(&place);
        world.lay_down(&place, false);
        let without = world.answers(&place);
        assert_eq!(all, without, "who is left out can be told, seed {seed}: {world:#?}");
        hiding += u32::from(world.deaths.iter().any(|death| world.hides(death)));
        answered += u32::from(all[0].as_ref().is_ok_and(|rows| !rows.is_empty()));
    }
    // A property that never had anything to hide, or to show, would hold as well.
    assert!(hiding > 100 && answered > 50, "hiding {hiding}, answered {answered}");
}
