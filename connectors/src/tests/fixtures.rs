//! A connector to be broken.

use std::collections::BTreeMap;
use std::fs;

use tempfile::TempDir;

use crate::{Manifest, check, load};

pub(super) const MANIFEST: &str = r#"peristyle_connector = 1
name = "clinic"
patient_key = "int"
modules = ["ehrql.tables.core", "ehrql.tables.smoketest"]

[registers]
type_one = "dissent"

[missing."ehrql.tables.core.medications"]
because = "the clinic does not prescribe"
[missing."ehrql.tables.core.practice_registrations"]
because = "the clinic registers nobody"
[missing."ehrql.tables.core.ons_deaths"]
because = "the clinic sees no death certificates"

[raw.people]
patient_key = "person"
activation = "not applied"
[raw.people.columns]
pseudonym = { class = "link_key", type = "str" }
born = { class = "date", type = "date", null_values = ["9999-12-31", "NA"] }
sex = { class = "category", type = "str", null_values = [""] }
died = { class = "date", type = "date" }

[raw.visits]
patient_key = "person"
activation = { date = "seen_at" }
[raw.visits.columns]
visit = { class = "link_key", type = "int", null_values = [0, ""] }
seen_at = { class = "date", type = "date" }
clinic = { class = "link_key", type = "int" }
finding = { class = "code", type = "str" }

[raw.findings]
patient_key = "person"
activation = { joined_to = "visits" }
may_be_absent = true
[raw.findings.columns]
visit = { class = "link_key", type = "int" }
peak_flow = { class = "number", type = "float" }

[raw.codes]
reference = true
[raw.codes.columns]
finding = { class = "code", type = "str" }
"#;

pub(super) const PATIENTS: &str = r#"SELECT "person" AS patient_id, "born" AS date_of_birth,
    CASE "sex" WHEN 'F' THEN 'female' WHEN 'M' THEN 'male' ELSE 'unknown' END AS sex, "died" AS date_of_death
FROM "people"
"#;

pub(super) const EVENTS: &str = r#"SELECT visits."person" AS patient_id, visits."seen_at" AS date,
    visits."finding" AS snomedct_code, findings."peak_flow" AS numeric_value
FROM "findings" AS findings
RIGHT JOIN "visits" AS visits ON findings."person" = visits."person" AND findings."visit" = visits."visit"
"#;

/// A folder of a connector.
pub(super) struct Clinic {
    place: TempDir,
    files: BTreeMap<String, Vec<u8>>,
}

impl Clinic {
    /// Of a connector that passes.
    pub(super) fn new() -> Self {
        let smoke = "SELECT \"person\" AS patient_id, \"born\" AS date_of_birth FROM \"people\"";
        let empty = Clinic { place: tempfile::tempdir().expect("a folder"), files: BTreeMap::new() };
        empty
            .file("manifest.toml", MANIFEST)
            .view("ehrql.tables.core.patients", PATIENTS)
            .view("ehrql.tables.core.clinical_events", EVENTS)
            .view("ehrql.tables.smoketest.patients", smoke)
    }

    pub(super) fn file(mut self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.files.insert(name.to_owned(), bytes.as_ref().to_owned());
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        assert!(self.files.remove(name).is_some(), "{name}");
        self
    }

    pub(super) fn view(self, table: &str, sql: &str) -> Self {
        self.file(&format!("views/{table}.sql"), sql)
    }

    /// With the manifest altered: the first `from` becomes `to`.
    pub(super) fn altered(self, from: &str, to: &str) -> Self {
        assert!(MANIFEST.contains(from), "{from}");
        self.file("manifest.toml", MANIFEST.replacen(from, to, 1))
    }

    /// With more at the manifest's end.
    pub(super) fn manifest_and(self, more: &str) -> Self {
        self.file("manifest.toml", format!("{MANIFEST}\n{more}"))
    }

    /// The connector, or what is wrong, with paths from its parent folder.
    pub(super) fn load(&self) -> Result<Manifest, String> {
        let folder = self.place.path().join("clinic");
        fs::create_dir_all(folder.join("views")).expect("a folder");
        for (name, bytes) in &self.files {
            fs::write(folder.join(name), bytes).expect("a file");
        }
        load(folder.to_str().expect("a path")).map_err(|error| self.relative(&error.to_string()))
    }

    /// All that is wrong, its views included.
    pub(super) fn problems(&self) -> String {
        match self.load() {
            Err(problems) => problems,
            Ok(manifest) => {
                let problems: Vec<String> = check(&manifest).iter().map(ToString::to_string).collect();
                self.relative(&problems.join("\n"))
            }
        }
    }

    fn relative(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.place.path().display()), "")
    }
}
