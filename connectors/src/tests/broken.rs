//! Connectors in which something is wrong, and what is said of each.

use super::fixtures::{Clinic, EVENTS, PATIENTS};
use crate::folder::FILE_BYTES_MAX;

/// One line of the manifest for another, and what is said then.
const ALTERED: [(&str, &str, &str); 70] = [
    ("another version", "peristyle_connector = 1", "peristyle_connector = 2"),
    ("not TOML", "patient_key = \"int\"", "patient_key = int"),
    ("an unknown field", "patient_key = \"int\"", "patient_key = \"int\"\npatient_kye = 1"),
    ("a field that is missing", "patient_key = \"int\"", ""),
    ("an unknown type of key", "patient_key = \"int\"", "patient_key = \"uuid\""),
    ("not a name", "name = \"clinic\"", "name = \"The Clinic\""),
    ("another name", "name = \"clinic\"", "name = \"practice\""),
    ("no module", "[\"ehrql.tables.core\", \"ehrql.tables.smoketest\"]", "[]"),
    ("an unknown module", "\"ehrql.tables.smoketest\"]", "\"ehrql.tables.smoketest\", \"ehrql.tables.cor\"]"),
    ("a module twice", "\"ehrql.tables.smoketest\"]", "\"ehrql.tables.smoketest\", \"ehrql.tables.core\"]"),
    ("an unknown register", "type_one = ", "type_two = "),
    ("a register elsewhere", "\"dissent\"", "\"../dissent\""),
    (
        "neither view nor reason",
        "[missing.\"ehrql.tables.core.ons_deaths\"]",
        "[missing.\"ehrql.tables.core.ons_death\"]",
    ),
    ("a reason and a view", "[missing.\"ehrql.tables.core.medications\"]", "[missing.\"ehrql.tables.core.patients\"]"),
    ("an empty reason", "\"the clinic does not prescribe\"", "\" \""),
    (
        "a raw table elsewhere",
        "[raw.codes]\nreference = true\n[raw.codes.columns]",
        "[raw.\"../codes\"]\nreference = true\n[raw.\"../codes\".columns]",
    ),
    ("nobody said whose rows", "reference = true", "reference = false"),
    ("rows of patients and of nobody", "patient_key = \"person\"", "patient_key = \"person\"\nreference = true"),
    ("the key among the columns", "born = {", "person = { class = \"link_key\", type = \"int\" }\nborn = {"),
    ("no activation", "activation = \"not applied\"", ""),
    ("an order of nobody's", "reference = true", "reference = true\nsorted_by_patient = true"),
    ("activation of nobody", "reference = true", "reference = true\nactivation = \"not applied\""),
    ("activation in other words", "\"not applied\"", "\"none\""),
    ("two activations", "{ date = \"seen_at\" }", "{ date = \"seen_at\", practice = \"clinic\" }"),
    ("an unknown activation", "{ date = \"seen_at\" }", "{ dates = \"seen_at\" }"),
    ("activation by what is not named", "{ date = \"seen_at\" }", "{ date = \"SeenAt\" }"),
    ("activation by what is no date", "{ date = \"seen_at\" }", "{ date = \"visit\" }"),
    ("activation by what is no practice", "{ date = \"seen_at\" }", "{ practice = \"seen_at\" }"),
    ("joined to nothing", "{ joined_to = \"visits\" }", "{ joined_to = [] }"),
    ("joined to what is not there", "{ joined_to = \"visits\" }", "{ joined_to = [\"visits\", \"visit\"] }"),
    ("joined to itself", "{ joined_to = \"visits\" }", "{ joined_to = \"findings\" }"),
    ("joined to rows of nobody", "{ joined_to = \"visits\" }", "{ joined_to = \"codes\" }"),
    ("joined to what has no rule", "{ joined_to = \"visits\" }", "{ joined_to = \"people\" }"),
    ("free text", "class = \"category\"", "class = \"free_text\""),
    ("the key's class", "class = \"category\"", "class = \"patient_key\""),
    ("no class", "class = \"category\", ", ""),
    ("an unknown type", "class = \"category\", type = \"str\"", "class = \"category\", type = \"string\""),
    (
        "a code that is a number",
        "finding = { class = \"code\", type = \"str\" }",
        "finding = { class = \"code\", type = \"int\" }",
    ),
    ("a date that is a number", "class = \"date\", type = \"date\"", "class = \"date\", type = \"int\""),
    ("a number that is text", "class = \"number\", type = \"float\"", "class = \"number\", type = \"str\""),
    ("a category that is a float", "class = \"category\", type = \"str\"", "class = \"category\", type = \"float\""),
    ("a key that is a date", "class = \"link_key\", type = \"str\"", "class = \"link_key\", type = \"date\""),
    ("a date without quotation marks", "\"9999-12-31\"", "9999-12-31"),
    ("a number for a date", "\"9999-12-31\"", "99991231"),
    ("a fraction for a whole number", "[0, \"\"]", "[0.5]"),
    ("a number for a text", "null_values = [\"\"]", "null_values = [9]"),
    ("a number for a float", "type = \"float\" }", "type = \"float\", null_values = [-1] }"),
    ("one value, not a list", "[0, \"\"]", "0"),
    (
        "a link that nobody uses",
        "[registers]",
        "[link.x]\ntable = \"people\"\ncolumn = \"pseudonym\"\npatients = \"one\"\n[registers]",
    ),
    (
        "a link to some patients",
        "[registers]",
        "[link.x]\ntable = \"people\"\ncolumn = \"pseudonym\"\npatients = \"some\"\n[registers]",
    ),
    ("no such link", "patient_key = \"person\"", "linked = { by = \"x\", column = \"pseudonym\" }"),
    (
        "a link through nothing",
        "reference = true",
        "linked = { by = \"x\", column = \"finding\" }\nactivation = \"not applied\"\n[link.x]\ntable = \"person\"\ncolumn = \"pseudonym\"\npatients = \"one\"",
    ),
    (
        "a link through what has no key",
        "reference = true",
        "linked = { by = \"x\", column = \"finding\" }\nactivation = \"not applied\"\n[link.x]\ntable = \"codes\"\ncolumn = \"finding\"\npatients = \"one\"",
    ),
    (
        "a link by what is no key",
        "reference = true",
        "linked = { by = \"x\", column = \"finding\" }\nactivation = \"not applied\"\n[link.x]\ntable = \"people\"\ncolumn = \"sex\"\npatients = \"one\"",
    ),
    (
        "a link through what is linked",
        "reference = true",
        "linked = { by = \"x\", column = \"finding\" }\nactivation = \"not applied\"\n[link.x]\ntable = \"codes\"\ncolumn = \"finding\"\npatients = \"one\"\n[link.y]\ntable = \"people\"\ncolumn = \"pseudonym\"\npatients = \"one\"",
    ),
    (
        "a link that no policy can name",
        "reference = true",
        "linked = { by = \"a b\", column = \"finding\" }\nactivation = \"not applied\"\n[link.\"a b\"]\ntable = \"people\"\ncolumn = \"pseudonym\"\npatients = \"one\"",
    ),
    ("everybody in a dictionary", "[registers]", "everybody = \"codes\"\n[registers]"),
    ("everybody nowhere", "[registers]", "everybody = \"persons\"\n[registers]"),
    (
        "linked by what is no key",
        "reference = true",
        "linked = { by = \"x\", column = \"finding\" }\nactivation = \"not applied\"\n[link.x]\ntable = \"people\"\ncolumn = \"pseudonym\"\npatients = \"many\"",
    ),
    ("an NHS number for a code", "finding = { class = \"code\"", "NHSNumber = { class = \"code\""),
    ("a name for a category", "sex = { class = \"category\"", "patient_name = { class = \"category\""),
    ("a date of birth for a code", "finding = { class = \"code\"", "DateOfBirth = { class = \"code\""),
    ("an e-mail address for a key", "pseudonym = {", "eMail = {"),
    ("a telephone number for a number", "visit = { class = \"link_key\"", "home_tel = { class = \"number\""),
    (
        "a review that says nothing",
        "finding = { class = \"code\", type = \"str\" }",
        "finding = { class = \"code\", type = \"str\", reviewed = \" \" }",
    ),
    (
        "a review of two lines",
        "finding = { class = \"code\", type = \"str\" }",
        "finding = { class = \"code\", type = \"str\", reviewed = \"a\\nb\" }",
    ),
    (
        "a review that is not seen",
        "finding = { class = \"code\", type = \"str\" }",
        "finding = { class = \"code\", type = \"str\", reviewed = \"a\\u202Eb\" }",
    ),
    (
        "a review that is no text",
        "finding = { class = \"code\", type = \"str\" }",
        "finding = { class = \"code\", type = \"str\", reviewed = true }",
    ),
    (
        "a postcode for a date",
        "died = { class = \"date\", type = \"date\" }",
        "post_code = { class = \"date\", type = \"str\" }",
    ),
    ("an address for a code", "finding = { class = \"code\"", "home_address_line1 = { class = \"code\""),
];

#[test]
fn the_clinic_passes() {
    assert_eq!(Clinic::new().problems(), "");
}

/// A review lets a column pass, and is there for who checks the connector to read.
#[test]
fn a_reviewed_column_passes() {
    let reviewed =
        "NHSNumber = { class = \"code\", type = \"str\", reviewed = \" a pseudonym of the clinic's \" }\nfinding = {";
    let manifest =
        Clinic::new().altered("finding = {", reviewed).load().unwrap_or_else(|problems| panic!("{problems}"));
    let why: Vec<_> =
        manifest.reviewed.iter().flat_map(|(table, columns)| columns.iter().map(|c| (&**table, c))).collect();
    assert_eq!(why, [("visits", (&"NHSNumber".into(), &"a pseudonym of the clinic's".to_owned()))]);
}

#[test]
fn manifests() {
    let mut said = String::new();
    for (what, from, to) in ALTERED {
        let problems = Clinic::new().altered(from, to).problems();
        assert!(problems.starts_with("clinic/"), "{what}: {problems}");
        said.push_str(&format!("{what}\n    {}\n", problems.replace('\n', "\n    ")));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn views_and_other_files() {
    let patients = |sql: &str| Clinic::new().view("ehrql.tables.core.patients", sql);
    let events = |sql: &str| Clinic::new().view("ehrql.tables.core.clinical_events", sql);
    let policy = include_str!("../../emis/policy.example.toml");
    let cases = [
        ("no manifest", Clinic::new().without("manifest.toml")),
        ("a view is gone", Clinic::new().without("views/ehrql.tables.core.patients.sql")),
        ("a view of no table", Clinic::new().view("ehrql.tables.core.visits", PATIENTS)),
        ("a view of another module", Clinic::new().view("ehrql.tables.emis.patients", PATIENTS)),
        ("not a view", Clinic::new().file("views/notes.txt", "")),
        ("what an editor left", Clinic::new().file("views/.patients.sql.swp", "")),
        ("an empty view", patients(" \n")),
        ("not text", Clinic::new().file("views/ehrql.tables.core.patients.sql", b"\xff")),
        ("endless", patients(&"-".repeat(FILE_BYTES_MAX + 1))),
        ("not SQL", patients("SELEKT 1")),
        ("two queries", patients(&format!("{PATIENTS}; {PATIENTS}"))),
        ("a column that the manifest does not name", patients(&PATIENTS.replace("\"sex\"", "\"name\""))),
        ("a raw table that the manifest does not name", patients(&PATIENTS.replace("\"people\"", "\"People\""))),
        ("a column is missing", patients(&PATIENTS.replace(", \"died\" AS date_of_death", ""))),
        ("a column too many", patients(&PATIENTS.replace("AS date_of_death", "AS date_of_death, 1 AS one"))),
        ("a column of another type", patients(&PATIENTS.replace("\"born\" AS", "CAST(\"born\" AS VARCHAR) AS"))),
        ("no patient", patients(&PATIENTS.replace("AS patient_id", "AS patient"))),
        ("a calculated patient", patients(&PATIENTS.replace("\"person\" AS", "\"person\" + 1 AS"))),
        ("rows that may leave only joined", events(&EVENTS.replace("RIGHT JOIN", "LEFT JOIN"))),
        ("a policy that is none", Clinic::new().file("policy.example.toml", "x = 1")),
        ("a policy for other keys", Clinic::new().file("policy.example.toml", policy)),
    ];
    let said: Vec<String> = cases
        .iter()
        .map(|(what, clinic)| format!("{what}\n    {}", clinic.problems().replace('\n', "\n    ")))
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}

/// A file that is something else is not repeated, not even a word of it: it may hold records.
#[test]
fn other_files_are_not_repeated() {
    for text in ["", "MARKER,nhs_number\n1,9434765919\n", "MARKER = \"MARKER\"", "[MARKER]\n[MARKER]\n"] {
        let problems = Clinic::new().file("manifest.toml", text).problems();
        assert!(problems.contains("is not a manifest") && !problems.contains("MARKER"), "{problems}");
    }
}

/// All that is wrong is said at once, in the order of the files.
#[test]
fn nothing_waits_for_the_next_check() {
    let manifest = super::fixtures::MANIFEST
        .replacen("\"not applied\"", "\"none\"", 1)
        .replacen("class = \"category\"", "class = \"text\"", 1)
        .replacen("{ joined_to = \"visits\" }", "{ joined_to = \"visit\" }", 1);
    let clinic = Clinic::new().file("manifest.toml", manifest).file("views/a.txt", "").view("b.c", "");
    let problems = clinic.problems();
    let files: Vec<&str> = problems.lines().filter_map(|line| line.split(": ").next()).collect();
    let places = [
        "clinic/manifest.toml:18",
        "clinic/manifest.toml:22",
        "clinic/manifest.toml:36",
        "clinic/views/a.txt",
        "clinic/views/b.c.sql",
    ];
    assert_eq!(files, places, "{problems}");
}
