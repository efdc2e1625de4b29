//! The policy file's fields, as written. What they may be together is for `examine.rs`.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::{JudgedBy, PracticeKeyType};
use crate::name::Name;
use crate::patients::{KeyType, LetterCase};
use crate::register::{Scalar, Taking};

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyDocument {
    /// The version of this format: 1. Read before all else, by `load.rs`
    #[serde(rename = "peristyle_policy")]
    pub(super) _version: toml::Value,
    /// How outputs, ledgers and set-asides name the policy
    pub(super) name: Name,
    /// What patients are known by: "int", "bytes16" or "text"
    pub(super) patient_key: KeyType,
    pub(super) type_one: Spanned<OptOutDocument>,
    pub(super) national: Spanned<OptOutDocument>,
    pub(super) practice_activation: Spanned<ActivationDocument>,
    pub(super) disclosure_control: Spanned<DisclosureControlDocument>,
    /// By name, as the connector has them: `[link.NAME]`
    #[serde(default)]
    pub(super) link: BTreeMap<String, Spanned<LinkDocument>>,
    /// How texts that are keys are compared; without it, as they are
    pub(super) text_keys: Option<Spanned<TextKeysDocument>>,
    /// Needed wherever a rule is applied, or a link is followed
    pub(super) counts: Option<CountsDocument>,
    /// Without it no set-aside is accepted
    pub(super) set_aside: Option<Spanned<SetAsideDocument>>,
}

/// `[type_one]` and `[national]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OptOutDocument {
    /// Whether the rule is applied here
    pub(super) applied: bool,
    /// Why not; only where it is not
    pub(super) because: Option<Spanned<String>>,
    /// Permissions each of which lifts the rule; an empty list for none
    pub(super) lifted_by: Option<Vec<Spanned<Name>>>,
    /// National alone: whether it is applied to all projects (true) or only to `projects`
    pub(super) by_default: Option<Spanned<bool>>,
    /// National alone: the projects that it is applied to where that is not the default
    pub(super) projects: Option<Spanned<Vec<Name>>>,
    pub(super) register: Option<Spanned<RegisterDocument>>,
}

/// `[practice_activation]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ActivationDocument {
    pub(super) applied: bool,
    pub(super) because: Option<Spanned<String>>,
    pub(super) lifted_by: Option<Vec<Spanned<Name>>>,
    /// What practices are known by: "int" or "text"
    pub(super) practice_key: Option<PracticeKeyType>,
    pub(super) practices: Option<Spanned<RegisterDocument>>,
    pub(super) registrations: Option<Spanned<RegisterDocument>>,
    /// By table, as definitions import it: which rows are read
    #[serde(default)]
    pub(super) tables: BTreeMap<String, Spanned<RowRuleDocument>>,
}

/// `[practice_activation.tables."module.table"]`: exactly one of these.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RowRuleDocument {
    /// `true`: the table holds no GP activity
    pub(super) all_rows: Option<bool>,
    /// Rows until the patient's cut-off, by this column
    pub(super) date_column: Option<String>,
    /// Rows of activated practices, by this column
    pub(super) practice_column: Option<String>,
}

/// A register.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RegisterDocument {
    /// A table of the extract; or
    pub(super) table: Option<Spanned<String>>,
    /// a file: .parquet, .arrow, .csv or .csv.gz, from the policy's folder
    pub(super) file: Option<Spanned<String>>,
    /// Opt-outs alone: "has_opted_out" or "has_not_opted_out"
    pub(super) lists: Option<Spanned<OptOutLists>>,
    /// The column of the patient's (of practices: the practice's) key
    pub(super) key_column: Spanned<String>,
    /// Registrations alone: the column of the practice's key
    pub(super) practice_column: Option<Spanned<String>>,
    /// Registrations alone: the column of the end
    pub(super) end_column: Option<Spanned<String>>,
    /// Opt-outs and practices: the column of the first day
    pub(super) from_column: Option<Spanned<String>>,
    /// Opt-outs and practices: the column of the last day
    pub(super) until_column: Option<Spanned<String>>,
    /// Only rows with this value belong to the register
    pub(super) only_where: Option<Spanned<OnlyWhereDocument>>,
    /// The fewest it may list
    pub(super) least_count: u64,
    /// 0 to 100
    pub(super) greatest_fall_percent: Spanned<u8>,
    /// 0 to 10,000; needed where more entries let more rows through
    pub(super) greatest_rise_percent: Option<Spanned<u16>>,
    /// 0 to 100: of its keys, how many must be those of patients of the extract; not of practices
    pub(super) least_found_percent: Option<Spanned<u8>>,
    /// 0 to 366
    pub(super) max_age_days: Spanned<u16>,
    pub(super) as_of: Spanned<AsOfDocument>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OptOutLists {
    HasOptedOut,
    HasNotOptedOut,
}

/// `only_where = { column = "is_consent_9nu0", equals = false }`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OnlyWhereDocument {
    pub(super) column: String,
    pub(super) equals: Scalar,
}

/// `as_of = { column = "..", taking = "oldest" }`, `{ metadata = ".." }` or `{ file_modified = true }`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AsOfDocument {
    pub(super) column: Option<String>,
    /// "oldest" or "newest" row's date
    pub(super) taking: Option<Taking>,
    pub(super) metadata: Option<String>,
    pub(super) file_modified: Option<bool>,
}

/// `[counts]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CountsDocument {
    /// Where the counts of recent runs are kept
    pub(super) file: Spanned<String>,
    /// The key that seals them; best where only the engine's account can read it
    pub(super) key_file: Spanned<String>,
    /// 1 to 366: how many days back counts are compared
    pub(super) reference_days: Spanned<u16>,
}

/// `[link.NAME]`. Where the link's table is and what its columns are, the connector says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkDocument {
    /// The fewest other keys that it may link
    pub(super) least_count: u64,
    /// 0 to 100
    pub(super) greatest_fall_percent: Spanned<u8>,
    /// 0 to 100: of the patients that it links, how many must be in the extract
    pub(super) least_found_percent: Spanned<u8>,
    /// 0 to 366
    pub(super) max_age_days: Spanned<u16>,
    pub(super) as_of: Spanned<AsOfDocument>,
}

/// `[text_keys]`: only where patients, practices or other keys are known by texts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TextKeysDocument {
    /// Whether white space before and after a key does not count
    pub(super) trim: bool,
    /// "exact", or "ignored": whether capitals and small letters are the same
    pub(super) case: LetterCase,
}

/// `[disclosure_control]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DisclosureControlDocument {
    /// Whether switching it off needs the permission `disable_disclosure_control`
    pub(super) locked: bool,
    /// "people" or "sums"
    pub(super) judged_by: Option<JudgedBy>,
}

/// `[set_aside]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetAsideDocument {
    /// 1 to 366
    pub(super) longest_days: Spanned<u16>,
    /// All of them must have signed: two at least
    pub(super) bodies: Spanned<Vec<Spanned<Name>>>,
    /// Their keys: `[[set_aside.signers]]`
    pub(super) signers: Vec<Spanned<SignerDocument>>,
    /// Identifiers of set-asides that were withdrawn
    #[serde(default)]
    pub(super) withdrawn: Vec<Name>,
}

/// `[[set_aside.signers]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignerDocument {
    pub(super) body: Name,
    /// As `peristyle policy keygen` prints it
    pub(super) public_key: Spanned<String>,
}
