//! Which columns of a supplier's tables a study reads: those that it needs and no other, however the views are made. The
//! plan says which it asks for; that it takes nothing from another column is shown by spoiling every byte of all others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::cli::Sandbox;

const SOURCE: &str = "peristyle_source = 1\nconnector = \"tpp\"\nlocation = \"extract\"\npolicy = \"policy.toml\"\n\
                      ledger = \"ledger.jsonl\"\n";

const TABLES: &str = "
patients patients
  patient | date_of_birth:date | sex:str
events clinical_events
  patient | date:date | snomedct_code:SNOMEDCTCode | numeric_value:float
events medications
  patient | date:date | dmd_code:DMDCode
events apcs
  patient | admission_date:date | primary_diagnosis:ICD10Code
events practice_registrations
  patient | start_date:date | end_date:date | practice_pseudo_id:int
";

/// A definition, and the columns of each raw table that it takes.
const CASES: [(&str, &[(&str, &str)]); 6] = [
    (
        "population = patients.exists_for_patient()
sex = patients.sex",
        &[("Patient", "Patient_ID Sex")],
    ),
    (
        "population = patients.date_of_birth > 1990-01-01
n = clinical_events.count_for_patient()",
        &[("CodedEvent", "Patient_ID"), ("CodedEvent_SNOMED", "Patient_ID"), ("Patient", "DateOfBirth Patient_ID")],
    ),
    (
        "population = patients.exists_for_patient()
latest = clinical_events.where(date > 2015-01-01).sort_by(date).last_for_patient().date",
        &[
            ("CodedEvent", "ConsultationDate Patient_ID"),
            ("CodedEvent_SNOMED", "ConsultationDate Patient_ID"),
            ("Patient", "Patient_ID"),
        ],
    ),
    (
        "population = patients.exists_for_patient()
highest = clinical_events.where(date > 2015-01-01).numeric_value.maximum_for_patient()",
        &[
            ("CodedEvent", "ConsultationDate NumericValue Patient_ID"),
            ("CodedEvent_SNOMED", "ConsultationDate NumericValue Patient_ID"),
            ("Patient", "Patient_ID"),
        ],
    ),
    (
        "population = patients.exists_for_patient()
drug = medications.sort_by(date).last_for_patient().dmd_code",
        &[
            ("CustomMedicationDictionary", "DMD_ID MultilexDrug_ID"),
            ("MedicationDictionary", "DMD_ID MultilexDrug_ID"),
            ("MedicationIssue", "ConsultationDate MultilexDrug_ID Patient_ID"),
            ("Patient", "Patient_ID"),
        ],
    ),
    (
        "population = patients.exists_for_patient()
why = apcs.sort_by(admission_date).last_for_patient().primary_diagnosis",
        &[
            ("APCS", "APCS_Ident Admission_Date Der_Activity_Month Patient_ID"),
            ("APCS_ARCHIVED", "APCS_Ident Admission_Date Der_Activity_Month Patient_ID"),
            ("APCS_Der", "APCS_Ident Patient_ID Spell_Primary_Diagnosis"),
            ("APCS_Der_ARCHIVED", "APCS_Ident Patient_ID Spell_Primary_Diagnosis"),
            ("Patient", "Patient_ID"),
        ],
    ),
];

type Columns = BTreeMap<String, BTreeSet<String>>;

/// Where the bytes of each column of a file are.
fn chunks(path: &Path) -> Vec<(String, u64, u64)> {
    let file = fs::File::open(path).expect("a file");
    let reader = SerializedFileReader::new(file).expect("Parquet");
    let groups = reader.metadata().row_groups().iter();
    groups
        .flat_map(|group| group.columns())
        .map(|column| {
            let (start, length) = column.byte_range();
            (column.column_descr().name().to_owned(), start, length)
        })
        .collect()
}

/// The columns that a plan's scans ask for: to hand on, or to filter by.
fn asked_for(plan: &str, extract: &Path) -> Columns {
    let mut asked = Columns::new();
    for scan in plan.lines().filter_map(|line| line.split_once("GuardedScanExec: table=")).map(|(_, scan)| scan) {
        let (table, rest) = scan.split_once(',').expect("more than a name");
        let columns = asked.entry(table.to_owned()).or_default();
        let list = rest.split_once("columns=[").and_then(|(_, rest)| rest.split_once(']')).expect("columns").0;
        columns.extend(list.split(", ").filter(|name| !name.is_empty()).map(str::to_owned));
        let predicate = rest.split_once("predicate=").map_or("", |(_, rest)| rest);
        let words: Vec<&str> = predicate.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        let known = chunks(&extract.join(format!("{table}.parquet"))).into_iter().map(|(name, ..)| name);
        columns.extend(known.filter(|name| words.contains(&name.as_str())));
    }
    asked
}

/// Puts rubbish in the place of every byte of other columns.
fn spoil(extract: &Path, but_for: &Columns) {
    let files = fs::read_dir(extract).expect("a folder").map(|entry| entry.expect("an entry").path());
    for path in files.filter(|path| path.extension().is_some_and(|ending| ending == "parquet")) {
        let table = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let file = OpenOptions::new().write(true).open(&path).expect("a file");
        for (column, start, length) in chunks(&path) {
            if !but_for.get(&table).is_some_and(|needed| needed.contains(&column)) {
                file.write_all_at(&vec![0xA5; usize::try_from(length).expect("a length")], start).expect("rubbish");
            }
        }
    }
}

#[test]
fn a_study_over_a_supplier_s_tables_reads_the_columns_that_it_needs() {
    let sandbox = Sandbox::new();
    let run = |line: &str| {
        let run = sandbox.run(line);
        assert_eq!(run.status, Some(0), "{line}: {}", run.stderr);
        run.stdout
    };
    run("synth --patients 400 --events-per-patient 12 --layout tpp --out whole");
    let rules = ["type_one", "national", "practice_activation"];
    let rules = rules.map(|rule| format!("[{rule}]\napplied = false\nbecause = \"people who do not exist\"\n"));
    let head = "peristyle_policy = 1\nname = \"columns\"\npatient_key = \"int\"\n";
    sandbox.write(
        "policy.toml",
        format!("{head}{}[disclosure_control]\nlocked = true\njudged_by = \"people\"\n", rules.concat()),
    );
    sandbox.write("source.toml", SOURCE);
    let extract = sandbox.path("extract");
    for (definition, expected) in CASES {
        let (document, _) = crate::spec::study(&format!("{TABLES}{definition}\n"), "ehrql.tables.tpp");
        sandbox.write("study.json", document.to_string());
        let of = |columns: &str| columns.split(' ').map(str::to_owned).collect();
        let expected: Columns = expected.iter().map(|(table, columns)| ((*table).to_owned(), of(columns))).collect();
        let _ = fs::remove_dir_all(&extract);
        fs::create_dir(&extract).expect("a folder");
        for entry in fs::read_dir(sandbox.path("whole")).expect("a folder") {
            let path = entry.expect("an entry").path();
            fs::copy(&path, extract.join(path.file_name().expect("a name"))).expect("a copy");
        }
        let study = "study.json --source source.toml --project flu";
        assert_eq!(asked_for(&run(&format!("explain {study}")), &extract), expected, "{definition}");
        let answer = |name: &str| {
            run(&format!("generate-dataset {study} --output {name}"));
            sandbox.read(name)
        };
        let whole = answer("whole.csv");
        assert!(whole.lines().count() > 100, "{definition}: {whole}");
        spoil(&extract, &expected);
        assert_eq!(answer("spoiled.csv"), whole, "{definition}");
    }
}
