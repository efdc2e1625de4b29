//! The manifest's fields, as written. What they may be together is for `examine`.

use std::collections::BTreeMap;

use peristyle_opt_out::KeyType;
use peristyle_opt_out::connector::PatientsPerKey;
use serde::Deserialize;
use toml::{Spanned, Value};

/// Things by their names, which know where they stand.
pub(crate) type Named<T> = BTreeMap<Spanned<String>, T>;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ManifestDocument {
    /// The version of this format: 1. Read before all else
    #[serde(rename = "peristyle_connector")]
    pub(crate) _version: Value,
    /// That of the folder
    pub(crate) name: Spanned<String>,
    /// What patients are known by: "int", "bytes16" or "text"
    pub(crate) patient_key: KeyType,
    /// Modules of the catalogue, all tables of which have a view or a reason
    pub(crate) modules: Spanned<Vec<Spanned<String>>>,
    /// The raw table that has every patient, of a source where there is one
    pub(crate) everybody: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) registers: RegistersDocument,
    /// By table, as definitions import it
    #[serde(default)]
    pub(crate) missing: Named<MissingDocument>,
    #[serde(default)]
    pub(crate) link: Named<LinkDocument>,
    pub(crate) raw: Named<RawTableDocument>,
}

/// `[registers]`: tables of the extract that a policy may read as registers.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegistersDocument {
    pub(crate) type_one: Option<Spanned<String>>,
    pub(crate) national: Option<Spanned<String>>,
    pub(crate) practices: Option<Spanned<String>>,
    pub(crate) registrations: Option<Spanned<String>>,
}

/// `[missing."module.table"]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MissingDocument {
    /// What researchers are told
    pub(crate) because: Spanned<String>,
}

/// `[link.NAME]`: how rows of another key become a patient's.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkDocument {
    /// A raw table of patients
    pub(crate) table: Spanned<String>,
    /// Its column of the other key
    pub(crate) column: Spanned<String>,
    /// "one" or "many"
    pub(crate) patients: PatientsPerKeyDocument,
}

/// `patients` of a link.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PatientsPerKeyDocument {
    One,
    Many,
}

impl From<PatientsPerKeyDocument> for PatientsPerKey {
    fn from(document: PatientsPerKeyDocument) -> Self {
        match document {
            PatientsPerKeyDocument::One => PatientsPerKey::One,
            PatientsPerKeyDocument::Many => PatientsPerKey::Many,
        }
    }
}

/// `[raw.TABLE]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTableDocument {
    /// The column of the patient's key; or
    pub(crate) patient_key: Option<Spanned<String>>,
    /// rows of another key; or
    pub(crate) linked: Option<LinkedDocument>,
    /// `true`: rows of nobody
    pub(crate) reference: Option<Spanned<bool>>,
    /// "not applied", or one of `date`, `practice` and `joined_to`
    pub(crate) activation: Option<Spanned<Value>>,
    pub(crate) columns: Named<ColumnDocument>,
    #[serde(default)]
    pub(crate) may_be_absent: bool,
    /// `true`: the rows of each file ascend by the patient's key
    pub(crate) sorted_by_patient: Option<Spanned<bool>>,
}

/// `linked = { by = "LINK", column = "COLUMN" }`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkedDocument {
    pub(crate) by: Spanned<String>,
    pub(crate) column: Spanned<String>,
}

/// `COLUMN = { class = "…", type = "…" }`. Classes and types are texts here, so that all unknown ones are said at once.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ColumnDocument {
    pub(crate) class: Spanned<String>,
    #[serde(rename = "type")]
    pub(crate) column_type: Spanned<String>,
    #[serde(default)]
    pub(crate) null_values: Vec<Spanned<Value>>,
    /// Why its values identify nobody, though its name or their shape says otherwise
    pub(crate) reviewed: Option<Spanned<String>>,
}
