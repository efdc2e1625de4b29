//! `source check`, as a new user meets it: a supplier's extract of ten rows a table, and what is said when it is broken.

use std::fs;

use serde_json::Value as Json;

use super::place;
use super::sandbox::Sandbox;

/// In every text of every table. Nobody may ever read it.
const MARKER: &str = "markedtext";

const POLICY: &str = r#"peristyle_policy = 1
name = "nobody"
patient_key = "int"

[type_one]
applied = false
because = "these patients do not exist"

[national]
applied = false
because = "these patients do not exist"

[practice_activation]
applied = false
because = "these patients do not exist"

[disclosure_control]
locked = false
judged_by = "people"
"#;

/// A raw table of the manifest: its name and its columns with their types.
type RawTable = (String, Vec<(String, String)>);

fn quoted_after<'t>(line: &'t str, field: &str) -> Option<&'t str> {
    line.split_once(&format!("{field} = \""))?.1.split('"').next()
}

/// The raw tables of TPP's manifest.
fn raw_tables() -> Vec<RawTable> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../connectors/tpp/manifest.toml");
    let manifest = fs::read_to_string(manifest).expect("a manifest");
    let mut tables: Vec<RawTable> = Vec::new();
    for line in manifest.lines() {
        let table = line.strip_prefix("[raw.").and_then(|line| line.strip_suffix(']'));
        if let Some(table) = table.filter(|table| !table.ends_with(".columns")) {
            tables.push((table.trim_matches('"').to_owned(), Vec::new()));
        }
        let Some((_, columns)) = tables.last_mut() else { continue };
        if let Some(key) = line.strip_prefix("patient_key = ") {
            columns.push((key.trim_matches('"').to_owned(), "key".to_owned()));
        } else if let (Some((name, _)), Some(column_type)) = (line.split_once(" = {"), quoted_after(line, "type")) {
            columns.push((name.trim().trim_matches('"').to_owned(), column_type.to_owned()));
        }
    }
    assert!(tables.len() > 40, "{}", tables.len());
    tables
}

fn cell(column_type: &str, row: usize) -> String {
    match column_type {
        "key" | "int" => row.to_string(),
        "float" => format!("{row}.5"),
        "date" => format!("2020-{row:02}-0{}", row % 9 + 1),
        "bool" => "T".to_owned(),
        _ => format!("{MARKER}{row}"),
    }
}

/// A place with ten rows in each table.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    for (table, columns) in raw_tables() {
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        let mut text = names.join(",") + "\n";
        for row in 1..=10 {
            let cells: Vec<String> = columns.iter().map(|(_, column_type)| cell(column_type, row)).collect();
            text += &(cells.join(",") + "\n");
        }
        sandbox.write(&format!("raw/{table}.csv"), text);
    }
    sandbox.write("policy.toml", POLICY);
    let source = place::SOURCE.replace("\"user-facing\"", "\"tpp\"").replace("\"tables\"", "\"raw\"");
    sandbox.write("source.toml", source);
    sandbox
}

fn change(sandbox: &Sandbox, table: &str, change: impl Fn(&str) -> String) {
    let name = format!("raw/{table}.csv");
    let changed = change(&sandbox.read(&name));
    assert_ne!(changed, sandbox.read(&name), "{table}");
    sandbox.write(&name, changed);
}

/// One column's cells through a function; the header too.
fn column(text: &str, name: &str, change: impl Fn(usize, &str) -> Option<String>) -> String {
    let at =
        text.lines().next().and_then(|header| header.split(',').position(|known| known == name)).expect("a column");
    let line = |(row, line): (usize, &str)| {
        let cells = line.split(',').enumerate();
        let cells = cells.filter_map(|(cell, text)| if cell == at { change(row, text) } else { Some(text.to_owned()) });
        cells.collect::<Vec<_>>().join(",") + "\n"
    };
    text.lines().enumerate().map(line).collect()
}

/// What is said of faults, what is told of ignored columns and files, and of answers that are not all that they could be.
fn said(sandbox: &Sandbox, title: &str) -> String {
    let run = sandbox.run("source check source.toml");
    assert!(!run.stdout.contains(MARKER) && !run.stderr.contains(MARKER), "{title}: {run:?}");
    let is_told = |line: &&str| {
        ["ERROR", "warning", "STUDIES", "studies", "in no table", "  Patient: ", "not there"]
            .iter()
            .any(|start| line.starts_with(start))
            || ["  refused  ", "  partly  "].iter().any(|word| line.contains(word))
    };
    let lines: String = run.stdout.lines().filter(is_told).map(|line| format!("    {line}\n")).collect();
    let own = sandbox.path("").display().to_string();
    format!("{title}\nexit {}\n{lines}{}\n", run.status.unwrap_or(-1), run.stderr).replace(&own, "[FOLDER]/")
}

#[test]
fn an_extract_without_fault_and_all_that_is_said_of_it() {
    let sandbox = sandbox();
    let run = sandbox.run("source check source.toml");
    assert_eq!(run.status, Some(0), "{run:?}");
    assert!(!run.stdout.contains(MARKER));
    insta::assert_snapshot!(place::transcript(&sandbox, &run));
}

#[test]
fn an_extract_that_is_broken_in_many_ways() {
    let remove =
        |sandbox: &Sandbox, table: &str| fs::remove_file(sandbox.path(&format!("raw/{table}.csv"))).expect("a file");
    let mut text = String::new();
    let mut broken = |title: &str, damage: &dyn Fn(&Sandbox)| {
        let sandbox = sandbox();
        damage(&sandbox);
        text += &said(&sandbox, title);
    };
    broken("a table that is not there", &|sandbox| remove(sandbox, "UKRR"));
    broken("a table in small letters", &|sandbox| {
        fs::rename(sandbox.path("raw/Patient.csv"), sandbox.path("raw/patient.csv")).expect("a file");
    });
    broken("two files for a table", &|sandbox| sandbox.write("raw/Patient.csv.gz", "x"));
    broken("a column that is not there", &|sandbox| {
        change(sandbox, "Patient", |text| column(text, "Sex", |_, _| None));
    });
    broken("a column that nobody needs", &|sandbox| {
        change(sandbox, "Patient", |text| text.replace('\n', ",x\n").replacen(",x\n", ",NHS_Number\n", 1));
    });
    broken("a column that one view needs is not there", &|sandbox| {
        change(sandbox, "CodedEvent", |text| column(text, "CodedEvent_ID", |_, _| None));
    });
    broken("days as they are written in letters", &|sandbox| {
        change(sandbox, "CodedEvent", |text| {
            column(text, "ConsultationDate", |row, cell| Some(if row == 3 { "03/03/2020".into() } else { cell.into() }))
        });
    });
    broken("words for numbers", &|sandbox| {
        change(sandbox, "CodedEvent", |text| {
            column(text, "NumericValue", |row, cell| Some(if row == 7 { MARKER.into() } else { cell.into() }))
        });
    });
    broken("no header", &|sandbox| {
        change(sandbox, "Patient", |text| text.split_once('\n').expect("a header").1.to_owned());
    });
    broken("semicolons", &|sandbox| change(sandbox, "Patient", |text| text.replace(',', ";")));
    broken("a row that is too long", &|sandbox| {
        change(sandbox, "Patient", |text| text.to_owned() + "11,2,3,4,5,6,7,8,9\n")
    });
    broken("a row of nobody", &|sandbox| {
        change(sandbox, "Patient", |text| {
            column(text, "Patient_ID", |row, cell| Some(if row == 4 { String::new() } else { cell.into() }))
        });
    });
    broken("a quotation mark that is not closed", &|sandbox| {
        change(sandbox, "Patient", |text| text.to_owned() + "\"11,2020-01-01\n");
    });
    broken("an empty file", &|sandbox| sandbox.write("raw/Patient.csv", ""));
    broken("no Parquet in a Parquet file", &|sandbox| {
        remove(sandbox, "Patient");
        sandbox.write("raw/Patient.parquet", MARKER.repeat(100));
    });
    broken("no folder", &|sandbox| fs::rename(sandbox.path("raw"), sandbox.path("cooked")).expect("a folder"));
    broken("another key than the policy's", &|sandbox| {
        sandbox.write("policy.toml", POLICY.replace("\"int\"", "\"bytes16\""));
    });
    broken("a layout of no table", &|sandbox| {
        sandbox.write("source.toml", sandbox.read("source.toml") + "[tables.Patients]\nfiles = \"Patient*.csv\"\n");
    });
    broken("a layout of no file", &|sandbox| {
        sandbox.write("source.toml", sandbox.read("source.toml") + "[tables.Patient]\nfiles = \"people/*.csv\"\n");
    });
    broken("a slip of the pen in a layout", &|sandbox| {
        sandbox.write("source.toml", sandbox.read("source.toml") + "[tables.Patient]\nseparator = \";\"\n");
    });
    insta::assert_snapshot!(text);
}

#[test]
fn a_column_that_no_view_needs_is_only_warned_of() {
    let sandbox = Sandbox::new();
    let run = sandbox.run("connector new asthma-clinic");
    assert_eq!(run.status, Some(0), "{run:?}");
    let spare = "sex = { class = \"category\", type = \"str\" }\nspare = { class = \"number\", type = \"int\" }";
    place::change(&sandbox, "asthma-clinic/manifest.toml", "sex = { class = \"category\", type = \"str\" }", spare);
    sandbox.write("policy.toml", POLICY);
    sandbox.write("source.toml", place::SOURCE.replace("\"user-facing\"", "\"./asthma-clinic\""));
    sandbox.write("tables/people.csv", "person_id,born,sex,died\n1,2000-01-01,F,\n");
    let run = sandbox.run("source check source.toml");
    assert_eq!(run.status, Some(0), "{run:?}");
    insta::assert_snapshot!(place::transcript(&sandbox, &run));
}

/// What a run says of the same: an error where it needs what is wrong, and nothing where it does not.
#[test]
fn runs_stumble_over_what_they_need_and_over_nothing_else() {
    let study = |columns: &str| {
        let study = format!(
            "\npatients patients\n  patient | date_of_birth:date | sex:str\nevents clinical_events\n  patient | date:date | \
             snomedct_code:SNOMEDCTCode | numeric_value:float\npopulation = patients.exists_for_patient()\n{columns}\n"
        );
        crate::spec::study(&study, "ehrql.tables.core").0.to_string()
    };
    type Damage = fn(&str) -> String;
    let (no_sex, no_value, word): (Damage, Damage, Damage) = (
        |text| column(text, "Sex", |_, _| None),
        |text| column(text, "NumericValue", |_, _| None),
        |text| column(text, "NumericValue", |row, cell| Some(if row == 7 { MARKER.into() } else { cell.into() })),
    );
    let mut text = String::new();
    for (title, table, damage, needs, needs_not) in [
        ("a column that is not there", "Patient", no_sex, "v = patients.sex", "v = patients.date_of_birth"),
        (
            "a column of events that is not there",
            "CodedEvent_SNOMED",
            no_value,
            "v = clinical_events.numeric_value.maximum_for_patient()",
            "v = clinical_events.date.maximum_for_patient()",
        ),
        (
            "words for numbers",
            "CodedEvent_SNOMED",
            word,
            "v = clinical_events.numeric_value.maximum_for_patient()",
            "v = clinical_events.snomedct_code.count_distinct_for_patient()",
        ),
    ] {
        let sandbox = sandbox();
        change(&sandbox, table, damage);
        for (variables, status) in [(needs, 11), (needs_not, 0)] {
            sandbox.write("study.json", study(variables));
            let run = sandbox.run("generate-dataset study.json --source source.toml --project p --output answer.csv");
            assert_eq!(run.status, Some(status), "{title}: {run:?}");
            if status != 0 {
                assert!(!run.stderr.contains(MARKER), "{run:?}");
                text += &format!("{title}\n{}\n", place::transcript(&sandbox, &run));
            }
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn tables_of_the_catalogue_s_shape_as_text_and_as_json() {
    let sandbox = place::place();
    let absent = "absent = [\"core.patients.date_of_death\", \"emis.patients\", \"core.clinical_events.snomedct_code\", \
                  \"tpp.clinical_events.consultation_id\", \"tpp.clinical_events.ctv3_code\"]";
    sandbox.write("source.toml", format!("{}{absent}\n", place::SOURCE));
    let run = sandbox.run("source check source.toml");
    let mut text = place::transcript(&sandbox, &run);
    let run = sandbox.run("source check source.toml --json");
    let found: Json = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!((run.status, &found["ok"]), (Some(0), &Json::from(true)), "{run:?}");
    text += &place::transcript(&sandbox, &run);
    place::change(&sandbox, "tables/patients.csv", "date_of_birth", "born");
    sandbox.write("registers/type-one.csv", "patient\n2\n3\n");
    let run = sandbox.run("source check source.toml --json");
    let found: Json = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!((run.status, &found["ok"]), (Some(11), &Json::from(false)), "{run:?}");
    text += &place::lasting(&format!("{:#}\n{:#}\n", found["errors"], found["registers"]));
    insta::assert_snapshot!(text.replace(&sandbox.path("").display().to_string(), "[FOLDER]/"));
}

/// Names say nothing of a column `CTV3Code` that holds NHS numbers; its values do. They are not repeated.
#[test]
fn values_that_look_like_identifiers_are_found() {
    const NHS_NUMBERS: [&str; 10] = [
        "9434765919",
        "9434765927",
        "9434765935",
        "9434765943",
        "9434765951",
        "9434765978",
        "9434765986",
        "9434765994",
        "9434766001",
        "9434766028",
    ];
    let postcode = |row: usize| format!("M{row} 1AE");
    let email = |row: usize| format!("someone{row}@example.org");
    let spread = |text: &str, column_name: &str, value: &dyn Fn(usize) -> String| {
        column(text, column_name, |row, cell| Some(if row == 0 { cell.to_owned() } else { value(row) }))
    };
    for (table, column_name, value, looks_like) in [
        (
            "CodedEvent",
            "CTV3Code",
            (&|row: usize| NHS_NUMBERS[row - 1].to_owned()) as &dyn Fn(usize) -> String,
            "NHS numbers",
        ),
        ("CodedEvent_SNOMED", "ConceptId", &postcode, "postcodes"),
        ("ONS_Deaths", "Place_of_occurrence", &email, "e-mail addresses"),
        ("Patient", "Sex", &|row: usize| NHS_NUMBERS[row - 1].to_owned(), "NHS numbers"),
    ] {
        let sandbox = sandbox();
        change(&sandbox, table, |text| spread(text, column_name, value));
        let run = sandbox.run("source check source.toml");
        let wanted = format!("column `{column_name}` of raw table `{table}` looks like {looks_like}");
        assert_eq!(run.status, Some(11), "{run:?}");
        let all = format!("{}{}", run.stdout, run.stderr);
        assert!(all.contains(&wanted), "{all}");
        for row in 1..=10 {
            assert!(!all.contains(&value(row)), "{all}");
        }
        let run = sandbox.run("source check source.toml --json");
        assert!(run.stdout.contains(&format!("\"looks_like\": \"{looks_like}\"")), "{}", run.stdout);
    }
    // A few of them are chance: one code of ten digits in eleven has the check digit.
    let sandbox = sandbox();
    change(&sandbox, "CodedEvent", |text| {
        column(text, "CTV3Code", |row, cell| {
            Some(if (1..=7).contains(&row) { NHS_NUMBERS[row].to_owned() } else { cell.to_owned() })
        })
    });
    let run = sandbox.run("source check source.toml");
    assert!(run.status == Some(0) && !run.stdout.contains("looks like"), "{run:?}");
}

/// In Parquet, and of a size at which chance would show.
#[test]
fn no_column_of_a_synthetic_extract_looks_like_identifiers() {
    let sandbox = Sandbox::new();
    let made = sandbox.run("synth --patients 300 --events-per-patient 20 --layout tpp --out raw");
    assert_eq!(made.status, Some(0), "{made:?}");
    sandbox.write("policy.toml", POLICY);
    sandbox.write("source.toml", place::SOURCE.replace("\"user-facing\"", "\"tpp\"").replace("\"tables\"", "\"raw\""));
    let run = sandbox.run("source check source.toml --json");
    let found: Json = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}"));
    let tables = found["tables"].as_array().expect("tables");
    let columns: Vec<&Json> = tables.iter().filter_map(|table| table["columns"].as_array()).flatten().collect();
    assert!(columns.len() > 50, "{}", run.stdout);
    assert!(columns.iter().all(|column| column["looks_like"].is_null()), "{}", run.stdout);
}
