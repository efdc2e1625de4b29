//! Registers: the lists that rules are decided by, where each is, and what it must be before a run may trust it.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::day::Day;
use crate::digest::Canonical;
use crate::name::Name;

/// A register, as the policy describes it. Whoever reads it checks it by [`Register::in_force`],
/// [`Register::check_freshness`] and `CountsFile::check`, and refuses the run where any of them does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Register {
    /// Which of the policy's registers
    pub id: RegisterId,
    /// Where it is
    pub location: RegisterLocation,
    /// What its rows say
    pub lists: Lists,
    /// The column of the patient's key, or, of activated practices, the practice's key
    pub key_column: String,
    /// Only rows with this value in this column belong to the register; NULL is another value
    pub only_where: Option<OnlyWhere>,
    /// The column of the day from which a row holds: for practices, that of activation
    pub from_column: Option<String>,
    /// The column of the day on which a row ends: for practices, that of being switched off
    pub until_column: Option<String>,
    /// How many it must list
    pub limits: CountLimits,
    /// The oldest it may be, in days
    pub max_age_days: u16,
    /// Where its date is to be found
    pub as_of: AsOf,
}

/// A register's part in the policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum RegisterId {
    /// Patients with, or without, a Type 1 opt-out
    TypeOne,
    /// Patients with, or without, a National Data Opt-out
    National,
    /// Practices that take part
    Practices,
    /// Patients' registrations with practices
    Registrations,
    /// Whose rows those of another key are: a connector's link of this name
    Link(Name),
}

/// A text that no register goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a register is one of type_one.register, national.register, practice_activation.practices, \
         practice_activation.registrations and link.NAME"
)]
pub struct NotARegister;

impl RegisterId {
    /// The registers that rules are decided by.
    pub const OF_RULES: [RegisterId; 4] =
        [RegisterId::TypeOne, RegisterId::National, RegisterId::Practices, RegisterId::Registrations];

    /// The register's place in the policy file.
    pub fn place(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            RegisterId::TypeOne => "type_one.register",
            RegisterId::National => "national.register",
            RegisterId::Practices => "practice_activation.practices",
            RegisterId::Registrations => "practice_activation.registrations",
            RegisterId::Link(name) => return Cow::Owned(format!("link.{name}")),
        })
    }

    /// The register of that place in the policy file.
    pub fn parse(place: &str) -> Result<Self, NotARegister> {
        let link = || Name::parse(place.strip_prefix("link.")?).ok().map(RegisterId::Link);
        Self::OF_RULES.into_iter().find(|id| id.place() == place).or_else(link).ok_or(NotARegister)
    }

    /// As files of counts write it.
    fn key(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            RegisterId::TypeOne => "type_one",
            RegisterId::National => "national",
            RegisterId::Practices => "practices",
            RegisterId::Registrations => "registrations",
            RegisterId::Link(_) => return self.place(),
        })
    }
}

impl TryFrom<String> for RegisterId {
    type Error = NotARegister;
    fn try_from(text: String) -> Result<Self, NotARegister> {
        Self::OF_RULES.into_iter().find(|id| id.key() == text).map_or_else(|| Self::parse(&text), Ok)
    }
}

impl From<RegisterId> for String {
    fn from(id: RegisterId) -> String {
        id.key().into_owned()
    }
}

impl fmt::Display for RegisterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place())
    }
}

/// Where a register is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegisterLocation {
    /// A file or folder of that name among the extract's own tables
    Table(String),
    /// A file of its own
    File {
        /// As the policy writes it
        written: String,
        /// From the policy's folder
        path: PathBuf,
        /// By its ending
        format: RegisterFormat,
    },
}

/// The format of a register's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterFormat {
    /// `.parquet`
    Parquet,
    /// `.arrow`
    Arrow,
    /// `.csv`
    Csv,
    /// `.csv.gz`
    CsvGz,
}

impl RegisterFormat {
    /// The format that a file's name tells.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let by_ending =
            [(".parquet", Self::Parquet), (".arrow", Self::Arrow), (".csv", Self::Csv), (".csv.gz", Self::CsvGz)];
        by_ending
            .into_iter()
            .find(|(ending, _)| name.ends_with(ending) && name.len() > ending.len())
            .map(|(_, format)| format)
    }

    /// Whether files of the format carry a table of names and values beside their rows.
    pub fn has_metadata(self) -> bool {
        matches!(self, Self::Parquet | Self::Arrow)
    }
}

/// What the rows of a register say. There is no default: read the wrong way round, a list of those who opted out would
/// permit nobody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lists {
    /// Who is listed has opted out
    HasOptedOut,
    /// Who is listed has not opted out; everybody else has
    HasNotOptedOut,
    /// Who is listed is a practice that takes part
    ActivatedPractices,
    /// Each row is a patient's registration
    Registrations {
        /// The column of the practice's key
        practice_column: String,
        /// The column of the day or moment on which the registration ended
        end_column: String,
    },
    /// Each row says of a patient by which other key they are known
    Link {
        /// The column of the other key
        column: String,
    },
}

impl Lists {
    /// As policies write it.
    pub fn key(&self) -> &'static str {
        match self {
            Lists::HasOptedOut => "has_opted_out",
            Lists::HasNotOptedOut => "has_not_opted_out",
            Lists::ActivatedPractices => "activated_practices",
            Lists::Registrations { .. } => "registrations",
            Lists::Link { .. } => "link",
        }
    }
}

/// A condition on the rows of a table that is more than the register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnlyWhere {
    /// The column
    pub column: String,
    /// Its value
    pub equals: Scalar,
}

/// A value that a column can be compared to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged, expecting = "a value to compare to must be true, false, an integer or a text")]
pub enum Scalar {
    /// `true` or `false`
    Bool(bool),
    /// An integer
    Int(i64),
    /// A text
    Text(String),
}

/// How many a register must list. Every number is stated: a list that is empty excludes nobody, and looks like any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountLimits {
    /// The fewest patients (of practices: practices; of registrations: rows)
    pub least: u64,
    /// By how much, in percent, the count may be below the greatest of recent runs
    pub greatest_fall_percent: u8,
    /// By how much, in percent, the count may be above the least of recent runs
    pub greatest_rise_percent: Option<u16>,
    /// Of its keys, how many, in percent, must be those of patients of the extract; `None` of practices
    pub least_found_percent: Option<u8>,
}

/// Where the date of a register is to be found: the day on which what it says was true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// In a column, of dates or moments
    Column {
        /// Its name
        column: String,
        /// Which row counts
        taking: Taking,
    },
    /// In the file's own metadata (Parquet or Arrow), under this name, as `YYYY-MM-DD`
    Metadata(String),
    /// When the file was last written, of a folder the file that was so first. The weakest of the three: a copy of an
    /// old list is new
    FileModified,
}

/// Which row's date is the register's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Taking {
    /// The oldest: for a column that has the same date in all rows, or should
    Oldest,
    /// The newest: for a column that says when each row last changed
    Newest,
}

/// A register that is not fresh. It holds days of the register, none of a patient.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FreshnessError {
    /// No date where the policy says that there is one, or a row without one
    #[error(
        "register `{register}` does not say of when it is: {expected}; have it delivered with its date, or change `as_of` in the policy"
    )]
    Unstated {
        /// The register
        register: RegisterId,
        /// Where the date should be
        expected: String,
    },
    /// Older than allowed
    #[error(
        "register `{register}` is of {as_of}, {age_days} days old; the policy allows {max_age_days}: have a newer one delivered"
    )]
    Stale {
        /// The register
        register: RegisterId,
        /// Its day
        as_of: Day,
        /// Its age
        age_days: i32,
        /// The policy's limit
        max_age_days: u16,
    },
    /// From tomorrow or later
    #[error(
        "register `{register}` is of {as_of}, which has not come yet ({today}): check the clock and the register's date"
    )]
    Future {
        /// The register
        register: RegisterId,
        /// Its day
        as_of: Day,
        /// The run's day
        today: Day,
    },
}

impl Register {
    /// Whether a row of a list of opt-outs, for or against, holds on `today`. Of a column that the policy does not name,
    /// give `None`.
    ///
    /// Where it is doubtful, the patient is left out: an opt-out without a first day has always held, and holds on its
    /// last day; one whose last day lies before its first always holds, as nobody can say which of the two is wrong.
    /// Leave to use without a first day has not begun, and is over on its last day.
    pub fn in_force(&self, from: Option<Day>, until: Option<Day>, today: Day) -> bool {
        let has_from = self.from_column.is_some();
        match self.lists {
            Lists::HasOptedOut => {
                let inverted = from.zip(until).is_some_and(|(from, until)| until < from);
                inverted || (from.is_none_or(|from| from <= today) && until.is_none_or(|until| today <= until))
            }
            Lists::HasNotOptedOut => {
                (!has_from || from.is_some_and(|from| from <= today)) && until.is_none_or(|until| today < until)
            }
            // Practices are dated by `Practices`, registrations by `RegistrationHistory`; links are not.
            Lists::ActivatedPractices | Lists::Registrations { .. } | Lists::Link { .. } => true,
        }
    }

    /// Whether a register of `as_of` may be used `today`. A day ahead is allowed, for clocks in other time zones.
    pub fn check_freshness(&self, as_of: Option<Day>, today: Day) -> Result<(), FreshnessError> {
        let register = self.id.clone();
        let Some(as_of) = as_of else {
            return Err(FreshnessError::Unstated { register, expected: self.as_of.to_string() });
        };
        let age_days = today.days_since(as_of);
        if age_days < -1 {
            return Err(FreshnessError::Future { register, as_of, today });
        }
        if age_days > i32::from(self.max_age_days) {
            return Err(FreshnessError::Stale { register, as_of, age_days, max_age_days: self.max_age_days });
        }
        Ok(())
    }

    pub(crate) fn encode(&self, canonical: &mut Canonical) {
        let Self {
            id,
            location,
            lists,
            key_column,
            only_where,
            from_column,
            until_column,
            limits,
            max_age_days,
            as_of,
        } = self;
        canonical.text(&id.place());
        match location {
            RegisterLocation::Table(table) => {
                canonical.choice(0);
                canonical.text(table);
            }
            // The folder that the policy lies in is not part of what it says; the format is part of `written`.
            RegisterLocation::File { written, path: _, format: _ } => {
                canonical.choice(1);
                canonical.text(written);
            }
        }
        canonical.text(lists.key());
        if let Lists::Registrations { practice_column, end_column } = lists {
            canonical.text(practice_column);
            canonical.text(end_column);
        }
        if let Lists::Link { column } = lists {
            canonical.text(column);
        }
        canonical.text(key_column);
        canonical.flag(only_where.is_some());
        if let Some(OnlyWhere { column, equals }) = only_where {
            canonical.text(column);
            match equals {
                Scalar::Bool(value) => {
                    canonical.choice(0);
                    canonical.flag(*value);
                }
                Scalar::Int(value) => {
                    canonical.choice(1);
                    canonical.int(*value);
                }
                Scalar::Text(value) => {
                    canonical.choice(2);
                    canonical.text(value);
                }
            }
        }
        canonical.optional(from_column.as_deref());
        canonical.optional(until_column.as_deref());
        limits.encode(canonical);
        canonical.int(i64::from(*max_age_days));
        as_of.encode(canonical);
    }
}

impl CountLimits {
    pub(crate) fn encode(&self, canonical: &mut Canonical) {
        let Self { least, greatest_fall_percent, greatest_rise_percent, least_found_percent } = self;
        canonical.text(&least.to_string());
        canonical.int(i64::from(*greatest_fall_percent));
        canonical.int(greatest_rise_percent.map_or(-1, i64::from));
        canonical.int(least_found_percent.map_or(-1, i64::from));
    }
}

impl AsOf {
    pub(crate) fn encode(&self, canonical: &mut Canonical) {
        match self {
            AsOf::Column { column, taking } => {
                canonical.choice(0);
                canonical.text(column);
                canonical.flag(*taking == Taking::Newest);
            }
            AsOf::Metadata(name) => {
                canonical.choice(1);
                canonical.text(name);
            }
            AsOf::FileModified => canonical.choice(2),
        }
    }
}

impl fmt::Display for AsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AsOf::Column { column, .. } => write!(f, "column `{column}` must have a date in every row"),
            AsOf::Metadata(name) => write!(f, "the file's metadata must have `{name}`, written YYYY-MM-DD"),
            AsOf::FileModified => f.write_str("the file system must say when the file was last written"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn register(lists: Lists, from_column: Option<&str>) -> Register {
        Register {
            id: RegisterId::TypeOne,
            location: RegisterLocation::Table("Dissent".to_owned()),
            lists,
            key_column: "Patient_ID".to_owned(),
            only_where: None,
            from_column: from_column.map(str::to_owned),
            until_column: Some("until".to_owned()),
            limits: CountLimits {
                least: 1,
                greatest_fall_percent: 5,
                greatest_rise_percent: None,
                least_found_percent: Some(90),
            },
            max_age_days: 8,
            as_of: AsOf::Metadata("as_of".to_owned()),
        }
    }

    #[test]
    fn on_a_doubtful_day_the_patient_is_left_out() {
        let today = Day::parse("2026-06-15").unwrap();
        //     from          until         opted out  may be used
        for (from, until, opted_out, may_be_used) in [
            ("none", "none", true, false),
            ("2026-06-15", "none", true, true),
            ("2026-06-14", "none", true, true),
            ("2026-06-16", "none", false, false),
            ("2026-06-01", "2026-06-14", false, false),
            ("2026-06-01", "2026-06-15", true, false),
            ("2026-06-01", "2026-06-16", true, true),
            ("none", "2026-06-16", true, false),
            ("2026-06-01", "2001-01-01", true, false),
            ("2099-01-01", "2001-01-01", true, false),
            ("2099-01-02", "2099-01-01", true, false),
        ] {
            let days = |register: Register| register.in_force(Day::parse(from), Day::parse(until), today);
            assert_eq!(days(register(Lists::HasOptedOut, Some("from"))), opted_out, "{from} {until}");
            assert_eq!(days(register(Lists::HasNotOptedOut, Some("from"))), may_be_used, "{from} {until}");
        }
        assert!(register(Lists::HasNotOptedOut, None).in_force(None, None, today));
    }

    #[test]
    fn a_register_is_fresh_or_refused() {
        let register = register(Lists::HasOptedOut, None);
        let today = Day::parse("2026-06-15").unwrap();
        let mut texts = Vec::new();
        for (as_of, fresh) in [
            ("2026-06-15", true),
            ("2026-06-07", true),
            ("2026-06-06", false),
            ("2026-06-16", true),
            ("2026-06-17", false),
            ("9999-12-31", false),
            ("none", false),
        ] {
            let checked = register.check_freshness(Day::parse(as_of), today);
            assert_eq!(checked.is_ok(), fresh, "{as_of}");
            texts.extend(checked.err().map(|error| error.to_string()));
        }
        insta::assert_snapshot!(texts.join("\n"));
    }

    #[test]
    fn formats_are_told_by_ending() {
        for (name, format) in [
            ("a.parquet", Some(RegisterFormat::Parquet)),
            ("a.b.csv.gz", Some(RegisterFormat::CsvGz)),
            ("a.csv", Some(RegisterFormat::Csv)),
            (".csv", None),
            ("a.txt", None),
            ("csv", None),
        ] {
            assert_eq!(RegisterFormat::of(Path::new(name)), format, "{name}");
        }
    }
}
