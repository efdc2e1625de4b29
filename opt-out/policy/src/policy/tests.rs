//! Policies that are read, and the many that are refused.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::fixtures::{PUBLIC_KEYS, THREE_RULES, TYPE_ONE_ONLY, policy};
use crate::register::{AsOf, Lists, RegisterFormat, RegisterId, RegisterLocation, Scalar, Taking};

fn refused(text: &str) -> PolicyError {
    Policy::parse(text.as_bytes(), Path::new("policy.toml")).map(|_| ()).unwrap_err()
}

/// The example with `from`, which must be there once, replaced.
fn altered(from: &str, to: &str) -> String {
    assert_eq!(THREE_RULES.matches(from).count(), 1, "`{from}` must be there once");
    THREE_RULES.replacen(from, to, 1)
}

#[test]
fn the_example_says_what_it_says() {
    let policy = policy(&THREE_RULES);
    let registers: Vec<(RegisterId, &str)> =
        policy.registers().map(|register| (register.id.clone(), register.lists.key())).collect();
    let expected = [
        (RegisterId::TypeOne, "has_opted_out"),
        (RegisterId::National, "has_not_opted_out"),
        (RegisterId::Practices, "activated_practices"),
        (RegisterId::Registrations, "registrations"),
    ];
    assert_eq!(registers, expected);
    let national = &policy.national.applied().unwrap().register;
    assert_eq!(
        national.location,
        RegisterLocation::File {
            written: "registers/without-national-opt-out.parquet".to_owned(),
            path: PathBuf::from("registers/without-national-opt-out.parquet"),
            format: RegisterFormat::Parquet,
        }
    );
    assert_eq!(national.as_of, AsOf::Metadata("as_of".to_owned()));
    assert_eq!(national.from_column.as_deref(), Some("from_date"));
    let activation = policy.practice_activation.applied().unwrap();
    assert_eq!(
        activation.registrations.as_of,
        AsOf::Column { column: "LastRefreshed".to_owned(), taking: Taking::Newest }
    );
    assert_eq!(activation.practices.lists, Lists::ActivatedPractices);
    let name = crate::fixtures::name("person");
    let through = LinkTable { name: &name, table: "person_link", patient_column: "Patient_ID", column: "person_key" };
    let link = policy.links[&name].register(through);
    assert_eq!((link.id.to_string().as_str(), link.limits.least, link.max_age_days), ("link.person", 1_000_000, 35));
    assert_eq!(
        (link.key_column.as_str(), &link.lists),
        ("Patient_ID", &Lists::Link { column: "person_key".to_owned() })
    );
    assert_eq!(policy.set_aside.as_ref().unwrap().bodies.len(), 2);
    assert_eq!(policy.disclosure_control, DisclosureControlTerms { locked: true, judged_by: JudgedBy::People });
}

#[test]
fn the_small_example_applies_one_rule() {
    let policy = policy(TYPE_ONE_ONLY);
    let register = &policy.type_one.applied().unwrap().register;
    assert_eq!(register.only_where.as_ref().unwrap().equals, Scalar::Bool(false));
    assert_eq!(policy.registers().count(), 1);
    assert!(policy.national.applied().is_none() && policy.set_aside.is_none());
    assert_eq!(policy.patient_key, KeyType::Bytes16);
}

#[test]
fn paths_are_from_the_policys_folder() {
    let policy = Policy::parse(THREE_RULES.as_bytes(), Path::new("/etc/peristyle/policy.toml")).unwrap();
    assert_eq!(policy.counts.as_ref().unwrap().file.path, Path::new("/etc/peristyle/state/counts.json"));
    // But where the policy lies is nothing that it says.
    assert_eq!(policy.digest(), crate::fixtures::policy(&THREE_RULES).digest());
}

/// Every way to get it wrong: the message says where, what, and what to do.
#[test]
fn what_makes_no_sense_is_refused() {
    let rest = "[disclosure_control]\nlocked = true\njudged_by = \"people\"";
    let cases = [
        ("not TOML", altered("[disclosure_control]", "[disclosure_control")),
        ("a field twice", altered("patient_key = \"int\"", "patient_key = \"int\"\npatient_key = \"int\"")),
        ("another version", altered("peristyle_policy = 1 ", "peristyle_policy = 2 ")),
        ("the version as text", altered("peristyle_policy = 1 ", "peristyle_policy = \"1\" ")),
        ("unknown field", altered("locked = true", "locked = true\nlokced = false")),
        ("unknown section", altered("[disclosure_control]", "[disclosure]\n[disclosure_control]")),
        (
            "unknown field of a register",
            altered("end_column = \"EndDate\"", "end_column = \"EndDate\"\nstart_column = \"StartDate\""),
        ),
        ("no rule at all", altered("[type_one]\napplied = true ", "[type_one]\n")),
        (
            "a section is missing",
            altered("[disclosure_control]\nlocked = true ", "# ").replace("judged_by = \"people\" ", "# "),
        ),
        ("nobody said what is small", altered("judged_by = \"people\" ", "# ")),
        ("small by a third way", altered("judged_by = \"people\" ", "judged_by = \"rows\" ")),
        ("not a name", altered("name = \"three-rules\" ", "name = \"three rules\" ")),
        ("not a key type", altered("patient_key = \"int\"", "patient_key = \"integer\"")),
        ("not applied, without why", altered("[type_one]\napplied = true ", "[type_one]\napplied = false ")),
        (
            "applied, with why not",
            altered("lifted_by = [\"include_t1oo\"]", "lifted_by = [\"include_t1oo\"]\nbecause = \"of\""),
        ),
        ("nobody said who may lift it", altered("lifted_by = [\"include_t1oo\"] ", "# ")),
        ("one permission for two rules", altered("lifted_by = [\"include_ndoo\"]", "lifted_by = [\"include_t1oo\"]")),
        ("type 1 by default", altered("lifted_by = [\"include_t1oo\"]", "lifted_by = []\nby_default = false")),
        ("national without by_default", altered("by_default = true ", "# ")),
        ("by default, with projects", altered("by_default = true ", "by_default = true\nprojects = [\"a\"] ")),
        ("not by default, without projects", altered("by_default = true ", "by_default = false ")),
        (
            "table and file",
            altered("table = \"RegistrationHistory\"", "table = \"RegistrationHistory\"\nfile = \"r.csv\""),
        ),
        ("neither table nor file", altered("table = \"RegistrationHistory\"\n", "")),
        ("a table elsewhere", altered("table = \"RegistrationHistory\"", "table = \"../other/RegistrationHistory\"")),
        ("unknown format", altered("opt-out.parquet\"", "opt-out.xlsx\"")),
        ("CSV has no metadata", altered("opt-out.parquet\"", "opt-out.csv\"")),
        ("which way round", altered("lists = \"has_opted_out\" ", "# ")),
        ("a third way round", altered("lists = \"has_opted_out\" ", "lists = \"opted_out\" ")),
        (
            "practices that opt out",
            altered("key_column = \"Organisation_ID\"", "key_column = \"Organisation_ID\"\nlists = \"has_opted_out\""),
        ),
        ("registrations without their end", altered("end_column = \"EndDate\" ", "# ")),
        (
            "registrations from",
            altered("end_column = \"EndDate\" ", "end_column = \"EndDate\"\nfrom_column = \"StartDate\" "),
        ),
        ("an opt-out with an end", altered("key_column = \"patient\"", "key_column = \"patient\"\nend_column = \"e\"")),
        ("no least count", altered("least_count = 1000 ", "# ")),
        ("a negative count", altered("least_count = 1000 ", "least_count = -1 ")),
        ("a fall beyond all", altered("greatest_fall_percent = 5               #", "greatest_fall_percent = 101 #")),
        ("no least part that is found", altered("least_found_percent = 95                #", "#")),
        ("more than all", altered("least_found_percent = 95                #", "least_found_percent = 101 #")),
        (
            "practices among patients",
            altered("until_column = \"SwitchedOffDate\"", "least_found_percent = 95\nuntil_column = \"SwitchedOffDate\""),
        ),
        (
            "a comparison of texts where there are none",
            TYPE_ONE_ONLY.replace("[disclosure_control]", "[text_keys]\ntrim = true\ncase = \"exact\"\n[disclosure_control]"),
        ),
        (
            "a comparison of texts that is half stated",
            altered("[disclosure_control]", "[text_keys]\ntrim = true\n[disclosure_control]"),
        ),
        ("no rise where it matters", altered("greatest_rise_percent = 10\n", "")),
        ("a rise beyond all", altered("greatest_rise_percent = 10\n", "greatest_rise_percent = 10001\n")),
        ("years old", altered("as_of = { metadata = \"as_of\" }", "as_of = {}")),
        ("two dates", altered("taking = \"newest\" }", "taking = \"newest\", file_modified = true }")),
        ("a column without which row", altered(", taking = \"newest\" }", " }")),
        ("an empty column", altered("end_column = \"EndDate\" ", "end_column = \" \" ")),
        ("a column with an escape", altered("end_column = \"EndDate\" ", "end_column = \"End\\u001bDate\" ")),
        (
            "two row rules",
            altered(
                "[practice_activation.tables.\"core.practice_registrations\"]",
                "[practice_activation.tables.\"core.practice_registrations\"]\nall_rows = true",
            ),
        ),
        (
            "a row rule that is none",
            altered(
                "[practice_activation.tables.\"core.practice_registrations\"]\npractice_column = \"practice_pseudo_id\"",
                "[practice_activation.tables.\"core.practice_registrations\"]\nall_rows = false",
            ),
        ),
        ("no counts", format!("{}{}", THREE_RULES.split_once("[counts]").unwrap().0, rest)),
        ("a link that may be empty", altered("least_count = 1000000 ", "# ")),
        (
            "a link that says where it is",
            altered("least_count = 1000000 ", "table = \"person_link\"\nleast_count = 1000000 "),
        ),
        ("a link that may fall beyond all", altered("greatest_fall_percent = 3 ", "greatest_fall_percent = 101 ")),
        ("a link without a date", altered("as_of = { metadata = \"linked\" }", "# ")),
        ("a link of no name", altered("[link.person]", "[link.\"a person\"]")),
        (
            "a link without counts",
            TYPE_ONE_ONLY.split_once("[type_one]").map_or_else(String::new, |(head, _)| {
                let rules = ["type_one", "national", "practice_activation"]
                    .map(|rule| format!("[{rule}]\napplied = false\nbecause = \"of\"\n"));
                let link = "[link.person]\nleast_count = 1\ngreatest_fall_percent = 5\nleast_found_percent = 95\nmax_age_days = 8\n\
                            as_of = { file_modified = true }\n";
                format!("{head}{}{link}{rest}", rules.concat())
            }),
        ),
        ("no days", altered("reference_days = 31 ", "reference_days = 0 ")),
        ("one body", altered("bodies = [\"nhs-england\", \"joint-gp-it-committee\"]", "bodies = [\"nhs-england\"]")),
        (
            "one body twice",
            altered(
                "bodies = [\"nhs-england\", \"joint-gp-it-committee\"]",
                "bodies = [\"nhs-england\", \"nhs-england\"]",
            ),
        ),
        (
            "a body without a key",
            altered(
                "[[set_aside.signers]]\nbody = \"joint-gp-it-committee\"",
                "[[set_aside.signers]]\nbody = \"nhs-england\"",
            ),
        ),
        (
            "a key without a body",
            altered("[[set_aside.signers]]\nbody = \"joint-gp-it-committee\"", "[[set_aside.signers]]\nbody = \"me\""),
        ),
        ("a weak key", THREE_RULES.replace(PUBLIC_KEYS[0], &format!("{}=", "A".repeat(43)))),
        ("not base64", altered("public_key = \"iojj", "public_key = \"!ojj")),
        (
            "one key for two bodies",
            THREE_RULES.replace(
                "gTl3Dqh9F19Wo1Rmw0x+zMuNipG07jeiXfYPW4/Js5Q=",
                "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=",
            ),
        ),
        ("a set-aside for ever", altered("longest_days = 28", "longest_days = 367")),
    ];
    let messages: Vec<String> = cases.iter().map(|(what, text)| format!("{what}\n    {}", refused(text))).collect();
    insta::assert_snapshot!(messages.join("\n"));
}

/// A file that is something else is not repeated, not even a word of it: it may hold records.
#[test]
fn other_files_are_not_repeated() {
    for text in [
        "",
        "patient_id,nhs_number\n1,9434765919\n",
        "MARKER = \"MARKER\"",
        "MARKER = MARKER",
        "[MARKER]\n[MARKER]\n",
        "{\"MARKER\": \"MARKER\"}",
        "# peristyle_policy = 1\nMARKER = \"MARKER\"",
    ] {
        let error = refused(text).to_string();
        assert!(
            error.contains("is not a policy") && !error.contains("MARKER") && !error.contains("9434765919"),
            "{error}"
        );
    }
    let parsed = |bytes: &[u8]| Policy::parse(bytes, Path::new("policy.toml")).unwrap_err().fault;
    assert_eq!(parsed(b"\xff\xfe"), PolicyFault::NotText);
    assert_eq!(parsed(&vec![b'#'; POLICY_BYTES_MAX + 1]), PolicyFault::TooLong);
    let missing = Policy::load(Path::new("/nowhere/policy.toml")).unwrap_err();
    assert_eq!(missing.fault, PolicyFault::Unreadable { kind: std::io::ErrorKind::NotFound.into() });
}

/// Spacing, comments and order change nothing; every statement does.
#[test]
fn the_digest_is_of_what_the_policy_says() {
    let digest = policy(&THREE_RULES).digest();
    let bare: String =
        THREE_RULES.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}   \n")).collect();
    assert_eq!(policy(&bare).digest(), digest);
    let (first, second) = ("lifted_by = [\"include_ndoo\", \"x\"]", "lifted_by = [\"x\", \"include_ndoo\"]");
    let ordered = |list| policy(&altered("lifted_by = [\"include_ndoo\"]", list)).digest();
    assert_eq!(ordered(first), ordered(second));

    let changes = [
        ("name = \"three-rules\"", "name = \"other-rules\""),
        ("patient_key = \"int\"", "patient_key = \"text\""),
        ("lifted_by = [\"include_t1oo\"]", "lifted_by = []"),
        ("lists = \"has_opted_out\"", "lists = \"has_not_opted_out\""),
        ("table = \"PatientsWithTypeOneDissent\"", "table = \"AllowedPatientsWithTypeOneDissent\""),
        ("table = \"PatientsWithTypeOneDissent\"", "file = \"PatientsWithTypeOneDissent.csv\""),
        ("least_count = 1000 ", "least_count = 1001 "),
        ("greatest_fall_percent = 5               #", "greatest_fall_percent = 6 #"),
        ("greatest_rise_percent = 50 ", "# "),
        ("least_found_percent = 95                #", "least_found_percent = 94 #"),
        ("[disclosure_control]", "[text_keys]\ntrim = true\ncase = \"exact\"\n[disclosure_control]"),
        ("[disclosure_control]", "[text_keys]\ntrim = false\ncase = \"ignored\"\n[disclosure_control]"),
        ("max_age_days = 8\nas_of = { metadata", "max_age_days = 9\nas_of = { metadata"),
        ("as_of = { metadata = \"as_of\" }", "as_of = { file_modified = true }"),
        ("as_of = { metadata = \"as_of\" }", "as_of = { metadata = \"as-of\" }"),
        ("taking = \"newest\"", "taking = \"oldest\""),
        ("by_default = true ", "by_default = false\nprojects = [] "),
        ("by_default = true ", "by_default = false\nprojects = [\"a\"] "),
        ("from_column = \"from_date\" ", "# "),
        ("until_column = \"until_date\" ", "until_column = \"until\" "),
        ("practice_key = \"int\"", "practice_key = \"text\""),
        ("practice_column = \"Organisation_ID\"", "practice_column = \"Practice\""),
        ("end_column = \"EndDate\"", "end_column = \"StartDate\""),
        ("key_column = \"patient\"", "key_column = \"patient\"\nonly_where = { column = \"a\", equals = 1 }"),
        ("key_column = \"patient\"", "key_column = \"patient\"\nonly_where = { column = \"a\", equals = \"1\" }"),
        ("key_column = \"patient\"", "key_column = \"patient\"\nonly_where = { column = \"a\", equals = true }"),
        ("[practice_activation.tables.\"tpp.practice_registrations\"]\npractice_column = \"practice_pseudo_id\"", ""),
        (
            "[practice_activation.tables.\"tpp.practice_registrations\"]\npractice_column",
            "[practice_activation.tables.\"tpp.practice_registrations\"]\ndate_column",
        ),
        ("[link.person]", "[link.people]"),
        ("least_count = 1000000 ", "least_count = 1000001 "),
        ("greatest_fall_percent = 3 ", "greatest_fall_percent = 4 "),
        ("max_age_days = 35 ", "max_age_days = 36 "),
        ("as_of = { metadata = \"linked\" }", "as_of = { metadata = \"link\" }"),
        ("file = \"state/counts.json\"", "file = \"counts.json\""),
        ("key_file = \"state/counts.key\"", "key_file = \"counts.key\""),
        ("reference_days = 31 ", "reference_days = 30 "),
        ("locked = true ", "locked = false "),
        ("judged_by = \"people\" ", "judged_by = \"sums\" "),
        ("longest_days = 28", "longest_days = 27"),
        ("withdrawn = [\"SA-2025-004\"]", "withdrawn = []"),
        (
            "\"joint-gp-it-committee\"]",
            "\"joint-gp-it-committee\", \"other\"]\n[[set_aside.signers]]\nbody = \"other\"\npublic_key = \"7UkoxijRwsbq6QM4kFmVYSlZJzpcY/k2NsFGFKyHN9E=\"\n#",
        ),
    ];
    let mut digests = BTreeSet::from([digest]);
    for (from, to) in changes {
        let text = if to.contains("other") && to.contains("signers") {
            THREE_RULES.replacen("withdrawn = [\"SA-2025-004\"]", "", 1).replacen(from, to, 1)
        } else {
            altered(from, to)
        };
        assert!(digests.insert(policy(&text).digest()), "`{from}` to `{to}` changes nothing");
    }
}

#[test]
fn rows_are_judged_as_the_catalogue_and_the_policy_say() {
    use CatalogueStatement::{ByColumn, NotApplied, Unstated};
    let stated = |rule: &str| {
        policy(&altered(
            "[practice_activation.tables.\"tpp.practice_registrations\"]\npractice_column = \"practice_pseudo_id\"",
            &format!("[practice_activation.tables.t]\n{rule}"),
        ))
    };
    let until = |column: &str| RowRule::UntilCutOff { date_column: column.to_owned() };
    let at = |column: &str| RowRule::AtActivatedPractices { practice_column: column.to_owned() };
    let unstated = RowRuleError::Unstated { table: "t".to_owned() };
    let disagree = RowRuleError::Disagree { table: "t".to_owned(), column: "date".to_owned() };
    for (rule, catalogue, expected) in [
        ("", NotApplied, Err(&unstated)),
        ("all_rows = true", NotApplied, Ok(RowRule::AllRows)),
        ("date_column = \"d\"", NotApplied, Ok(until("d"))),
        ("practice_column = \"p\"", NotApplied, Ok(at("p"))),
        ("all_rows = true", Unstated, Ok(RowRule::AllRows)),
        ("date_column = \"d\"", Unstated, Ok(until("d"))),
        ("practice_column = \"p\"", Unstated, Ok(at("p"))),
        ("all_rows = true", ByColumn("date"), Err(&disagree)),
        ("date_column = \"d\"", ByColumn("date"), Err(&disagree)),
        ("date_column = \"date\"", ByColumn("date"), Ok(until("date"))),
        ("practice_column = \"p\"", ByColumn("date"), Err(&disagree)),
    ] {
        if rule.is_empty() {
            let policy = policy(&THREE_RULES);
            assert_eq!(policy.row_rule("t", NotApplied), Ok(RowRule::AllRows));
            assert_eq!(policy.row_rule("t", ByColumn("date")), Ok(until("date")));
            assert_eq!(policy.row_rule("t", Unstated).as_ref(), Err(&unstated));
            continue;
        }
        assert_eq!(stated(rule).row_rule("t", catalogue), expected.map_err(Clone::clone), "{rule} {catalogue:?}");
    }
    insta::assert_snapshot!(format!("{unstated}\n{disagree}"));
}
