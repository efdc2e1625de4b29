//! Registers and policies, at random, and their files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use chrono::{Days, NaiveDate, NaiveDateTime, Utc};
use sha2::{Digest, Sha256};

use crate::cells::{Cell, parse_date};
use crate::files::{Format, Layout, RowOrder, write_table};
use crate::property::choices::Choices;
use crate::tables::{Column, Table};

/// A list for or against.
#[derive(Clone, Debug, Default)]
pub(super) struct OptOuts {
    /// Whether who is listed has opted out, or everybody else
    pub(super) lists_opted_out: bool,
    /// Whether the policy names the columns of the first and the last day
    pub(super) from_column: bool,
    pub(super) until_column: bool,
    /// Patient, first day, last day
    pub(super) rows: Vec<(i64, Option<NaiveDate>, Option<NaiveDate>)>,
}

/// Which rows of a table are read, by practice activation.
#[derive(Clone, Debug)]
pub(super) enum RowRule {
    All,
    UntilCutOff(&'static str),
    AtActivated(&'static str),
}

/// Practice activation.
#[derive(Clone, Debug, Default)]
pub(super) struct Activation {
    /// Whether the policy names the column of the day of activation
    pub(super) from_column: bool,
    /// Practice, activated, switched off
    pub(super) practices: Vec<(i64, Option<NaiveDate>, Option<NaiveDate>)>,
    /// Patient, practice, end
    pub(super) registrations: Vec<(i64, Option<i64>, Option<NaiveDateTime>)>,
    /// By the table's name in a policy; of tables of which nothing is said all rows are read
    pub(super) tables: BTreeMap<String, RowRule>,
}

/// What a run is under.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    pub(super) type_one: Option<OptOuts>,
    pub(super) national: Option<OptOuts>,
    /// Whether National Data Opt-outs are for all projects, or for others than ours
    pub(super) national_is_for_others: bool,
    pub(super) activation: Option<Activation>,
    /// Whether measures are judged by their sums, rather than by people
    pub(super) judged_by_sums: bool,
    /// The run's permissions
    pub(super) permissions: Vec<&'static str>,
    pub(super) format: Format,
    pub(super) in_order: bool,
}

pub(super) fn today() -> NaiveDate {
    Utc::now().date_naive()
}

fn days_from_now(days: i64) -> NaiveDate {
    let shift = Days::new(days.unsigned_abs());
    if days < 0 { today() - shift } else { today() + shift }
}

/// Numbers to choose by, made of one.
pub(super) fn many(choices: &mut Choices<'_>) -> Vec<u32> {
    let mut state = choices.seed();
    let step = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32
    };
    (0..4_000).map(step).collect()
}

/// Random rules about `patients`. `ends` are days on which registrations may end, `tables` what activation may say.
pub(super) fn rules(
    choices: &mut Choices<'_>,
    patients: &[i64],
    ends: &[&str],
    practices: &[i64],
    tables: &[(&str, Vec<RowRule>)],
) -> Rules {
    let numbers = many(choices);
    let choices = &mut Choices::new(&numbers);
    let type_one = Some(opt_outs(choices, patients)).filter(|_| !choices.one_in(8));
    let national = Some(opt_outs(choices, patients)).filter(|_| !choices.one_in(3));
    let activation = Some(activation(choices, patients, ends, practices, tables)).filter(|_| !choices.one_in(4));
    let mut permissions = vec!["event_level_data"];
    for permission in ["include_t1oo", "include_ndoo", "include_gp_unactivated"] {
        if choices.one_in(6) {
            permissions.push(permission);
        }
    }
    Rules {
        type_one,
        national,
        national_is_for_others: choices.one_in(6),
        activation,
        judged_by_sums: choices.one_in(2),
        permissions,
        format: choices.of(&Format::ALL),
        in_order: choices.one_in(3),
    }
}

fn opt_outs(choices: &mut Choices<'_>, patients: &[i64]) -> OptOuts {
    let lists_opted_out = choices.one_in(2);
    let (from_column, until_column) = (choices.one_in(3), choices.one_in(3));
    // Most patients may be seen, so that there is something to see.
    let (listed, from, until) = match lists_opted_out {
        true => (
            [0, 0, 0, 1, 2],
            [None, Some(-400), Some(-1), Some(0), Some(1), Some(400)],
            [None, Some(-1), Some(0), Some(1)],
        ),
        false => (
            [1, 1, 1, 2, 0],
            [Some(-400), Some(-400), Some(-1), Some(0), Some(1), None],
            [None, None, Some(1), Some(0)],
        ),
    };
    let mut rows = vec![];
    for patient in patients {
        // Some of them twice, and with other days.
        for _ in 0..choices.of(&listed) {
            rows.push((*patient, choices.of(&from).map(days_from_now), choices.of(&until).map(days_from_now)));
        }
    }
    OptOuts { lists_opted_out, from_column, until_column, rows }
}

fn activation(
    choices: &mut Choices<'_>,
    patients: &[i64],
    ends: &[&str],
    practices: &[i64],
    tables: &[(&str, Vec<RowRule>)],
) -> Activation {
    let mut dated: Vec<_> =
        practices[..2].iter().map(|practice| (*practice, Some(days_from_now(-500)), None)).collect();
    for practice in practices {
        for _ in 0..choices.of(&[1, 1, 0, 2]) {
            let (from, off) = choices.of(&[
                (Some(-400), None),
                (Some(-400), None),
                (Some(-400), Some(-1)),
                (Some(-1), Some(0)),
                (Some(0), None),
                (Some(1), None),
                (Some(-400), Some(1)),
                (None, None),
                (None, Some(-300)),
                (Some(-2), Some(-2)),
            ]);
            dated.push((*practice, from.map(days_from_now), off.map(days_from_now)));
        }
    }
    let mut registrations = vec![];
    for patient in patients {
        for _ in 0..choices.of(&[1, 2, 3, 0, 1, 2]) {
            // Mostly where they are activated: the first two have been, whatever else is said of them.
            let practice = match choices.below(8) {
                0 => None,
                1..=3 => Some(choices.of(&practices[..2])),
                _ => Some(choices.of(practices)),
            };
            let end = match choices.below(4) {
                0 => None,
                1 => parse_date("9999-12-31"),
                _ => parse_date(choices.of(ends)),
            };
            let time = choices.of(&[(0, 0), (9, 30), (23, 59)]);
            registrations.push((*patient, practice, end.and_then(|day| day.and_hms_opt(time.0, time.1, 0))));
        }
    }
    let mut rules = BTreeMap::new();
    for (table, possible) in tables {
        rules.insert((*table).to_owned(), choices.of(possible));
    }
    Activation { from_column: choices.one_in(2), practices: dated, registrations, tables: rules }
}

/// Limits that hold whatever a register lists.
const LIMITS: &str = "least_count = 0
greatest_fall_percent = 100
greatest_rise_percent = 1000
max_age_days = 2
as_of = { file_modified = true }
";

/// Registers of random patients list some whom the extract does not have.
const FOUND: &str = "least_found_percent = 0\n";

impl Rules {
    /// The policy in words.
    pub(super) fn policy(&self) -> String {
        let file = |name: &str| format!("file = \"registers/{name}.{}\"\nkey_column = \"patient_id\"\n", self.ending());
        let opt_outs = |rule: &str, name: &str, opt_outs: &OptOuts| {
            let lists = if opt_outs.lists_opted_out { "has_opted_out" } else { "has_not_opted_out" };
            let from = if opt_outs.from_column { "from_column = \"from_day\"\n" } else { "" };
            let until = if opt_outs.until_column { "until_column = \"until_day\"\n" } else { "" };
            format!("[{rule}.register]\n{}lists = \"{lists}\"\n{from}{until}{LIMITS}{FOUND}", file(name))
        };
        let not_applied = "applied = false\nbecause = \"not in this test\"\n";
        let mut text = String::from("peristyle_policy = 1\nname = \"random\"\npatient_key = \"int\"\n[type_one]\n");
        match &self.type_one {
            None => text += not_applied,
            Some(register) => {
                text += "applied = true\nlifted_by = [\"include_t1oo\"]\n";
                text += &opt_outs("type_one", "type_one", register);
            }
        }
        text += "[national]\n";
        match &self.national {
            None => text += not_applied,
            Some(register) => {
                let applied = match self.national_is_for_others {
                    true => "by_default = false\nprojects = [\"others\"]",
                    false => "by_default = true",
                };
                text += &format!("applied = true\n{applied}\nlifted_by = [\"include_ndoo\"]\n");
                text += &opt_outs("national", "national", register);
            }
        }
        text += "[practice_activation]\n";
        match &self.activation {
            None => text += not_applied,
            Some(activation) => text += &activation.policy(&file("practices"), &file("registrations")),
        }
        let judged_by = if self.judged_by_sums { "sums" } else { "people" };
        text += &format!("[disclosure_control]\nlocked = true\njudged_by = \"{judged_by}\"\n");
        text += "[counts]\nfile = \"state/counts.json\"\n";
        text + "key_file = \"state/counts.key\"\nreference_days = 31\n"
    }

    fn ending(&self) -> &'static str {
        match self.format {
            Format::Parquet => "parquet",
            Format::Arrow => "arrow",
            Format::Csv => "csv",
            Format::CsvGz => "csv.gz",
        }
    }

    /// Writes the registers below `folder`, with the digests of text.
    pub(super) fn write(&self, folder: &Path) {
        fs::create_dir_all(folder).expect("a folder");
        let date = |day: &Option<NaiveDate>| day.map_or(Cell::Null, Cell::Date);
        let columns = || vec![Column::new("from_day", "date"), Column::new("until_day", "date")];
        for (name, register) in [("type_one", &self.type_one), ("national", &self.national)] {
            let Some(register) = register else { continue };
            let rows = register.rows.iter().map(|(patient, from, until)| (*patient, vec![date(from), date(until)]));
            self.write_register(folder, name, columns(), rows.collect());
        }
        let Some(activation) = &self.activation else { return };
        let rows = activation.practices.iter().map(|(practice, from, off)| (*practice, vec![date(from), date(off)]));
        self.write_register(folder, "practices", columns(), rows.collect());
        let columns = vec![Column::new("practice", "int"), Column::new("ended", self.end_type())];
        let rows = activation.registrations.iter().map(|(patient, practice, end)| {
            let end = match end {
                None => Cell::Null,
                Some(end) if self.has_moments() => Cell::Str(end.format("%Y-%m-%d %H:%M:%S").to_string()),
                Some(end) => Cell::Date(end.date()),
            };
            (*patient, vec![practice.map_or(Cell::Null, Cell::Int), end])
        });
        self.write_register(folder, "registrations", columns, rows.collect());
    }

    fn end_type(&self) -> &'static str {
        if self.has_moments() { "str" } else { "date" }
    }

    /// Whether registers say at which moment a registration ended, or only on which day.
    pub(super) fn has_moments(&self) -> bool {
        matches!(self.format, Format::Csv | Format::CsvGz)
    }

    fn write_register(&self, folder: &Path, name: &str, columns: Vec<Column>, mut rows: Vec<(i64, Vec<Cell>)>) {
        if self.in_order {
            rows.sort_by_key(|(patient, _)| *patient);
        }
        let order = if self.in_order { RowOrder::Promised } else { RowOrder::AsGiven };
        let table = Table { module: String::new(), name: name.to_owned(), one_row_per_patient: false, columns, rows };
        let path = folder.join(format!("{name}.{}", self.ending()));
        write_table(&table, &Layout { format: self.format, order, batch_rows: 3, ..Layout::default() }, &path);
        seal(&path);
    }
}

impl Activation {
    fn policy(&self, practices: &str, registrations: &str) -> String {
        let from = if self.from_column { "from_column = \"from_day\"\n" } else { "" };
        let mut text = format!(
            "applied = true\nlifted_by = [\"include_gp_unactivated\"]\npractice_key = \"int\"\n\
             [practice_activation.practices]\n{practices}{from}until_column = \"until_day\"\n{LIMITS}\
             [practice_activation.registrations]\n{registrations}practice_column = \"practice\"\n\
             end_column = \"ended\"\n{LIMITS}{FOUND}"
        );
        for (table, rule) in &self.tables {
            let rule = match rule {
                RowRule::All => "all_rows = true".to_owned(),
                RowRule::UntilCutOff(column) => format!("date_column = \"{column}\""),
                RowRule::AtActivated(column) => format!("practice_column = \"{column}\""),
            };
            text += &format!("[practice_activation.tables.\"{table}\"]\n{rule}\n");
        }
        text
    }
}

/// Writes a file's digest beside it, as `sha256sum` does.
pub(super) fn seal(path: &Path) {
    let digest: String =
        Sha256::digest(fs::read(path).expect("a file")).iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(format!("{}.sha256", path.display()), format!("{digest}  {}\n", path.display())).expect("a file");
}
