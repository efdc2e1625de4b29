//! What a project may use: the permissions it was given, those that a definition needs, and what is missing.

use std::collections::BTreeSet;
use std::fmt;

use crate::name::{Name, listed};

/// The environment variable in which a platform hands a run its project's permissions, as a JSON list of names.
pub const PERMISSIONS_VARIABLE: &str = "EHRQL_PERMISSIONS";
/// The longest list that is read, in bytes.
pub const PERMISSIONS_BYTES_MAX: usize = 65_536;
/// The most permissions of one project.
pub const PERMISSIONS_MAX: usize = 1_000;

/// Permissions that are not a list of names. The run stops: a project whose permissions are not known has none, and
/// somebody believes otherwise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PermissionsError {
    /// Longer than [`PERMISSIONS_BYTES_MAX`]
    #[error("the permissions are longer than {PERMISSIONS_BYTES_MAX} bytes: give a JSON list of names")]
    TooLong,
    /// More than [`PERMISSIONS_MAX`]
    #[error("there are more than {PERMISSIONS_MAX} permissions: give those of one project")]
    TooMany,
    /// Not JSON, or not a list of texts
    #[error("the permissions are not a JSON list of names such as [\"include_t1oo\"] (line {line}, column {column})")]
    NotAList {
        /// From 1
        line: usize,
        /// From 1; 0 where the text ends too soon
        column: usize,
    },
    /// An entry that cannot be a permission's name
    #[error("entry {position} of the permissions is not a name: 1 to 100 letters, digits, `-`, `_` or `.`")]
    NotAName {
        /// From 1
        position: usize,
    },
}

/// The permissions of a project: a set of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions(BTreeSet<Name>);

impl Permissions {
    /// No permission.
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads what [`PERMISSIONS_VARIABLE`] holds. Absent or empty: no permission, as ehrQL has it. Anything but a JSON
    /// list of names is an error, where ehrQL would read `"abc"` as three permissions.
    pub fn parse(text: Option<&str>) -> Result<Self, PermissionsError> {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(Self::none()) };
        if text.len() > PERMISSIONS_BYTES_MAX {
            return Err(PermissionsError::TooLong);
        }
        let names: Vec<String> = serde_json::from_str(text)
            .map_err(|error| PermissionsError::NotAList { line: error.line(), column: error.column() })?;
        if names.len() > PERMISSIONS_MAX {
            return Err(PermissionsError::TooMany);
        }
        let parsed = names.iter().enumerate();
        let parsed =
            parsed.map(|(at, name)| Name::parse(name).map_err(|_| PermissionsError::NotAName { position: at + 1 }));
        parsed.collect::<Result<_, _>>().map(Self)
    }

    /// Whether the project was given this permission.
    pub fn include(&self, permission: &str) -> bool {
        self.0.contains(permission)
    }

    /// The names, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &Name> {
        self.0.iter()
    }

    /// Those of `required` that are missing; `Ok` where none is.
    pub fn check(&self, required: &RequiredPermissions) -> Result<(), MissingPermissions> {
        let missing: Vec<Needed> =
            required.0.iter().filter(|needed| !self.include(&needed.permission)).cloned().collect();
        if missing.is_empty() { Ok(()) } else { Err(MissingPermissions(missing)) }
    }
}

impl FromIterator<Name> for Permissions {
    fn from_iter<I: IntoIterator<Item = Name>>(names: I) -> Self {
        Self(names.into_iter().collect())
    }
}

/// What needs a permission without being a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// Output of rows of events, not of one row per patient
    EventLevelData,
    /// Patients with a Type 1 opt-out
    IncludeT1oo,
    /// Patients with a National Data Opt-out
    IncludeNdoo,
    /// Patients and rows that practice activation leaves out
    IncludeGpUnactivated,
    /// Measures without disclosure control, where the policy locks it
    DisableDisclosureControl,
}

impl Feature {
    /// All features.
    pub const ALL: [Feature; 5] = [
        Feature::EventLevelData,
        Feature::IncludeT1oo,
        Feature::IncludeNdoo,
        Feature::IncludeGpUnactivated,
        Feature::DisableDisclosureControl,
    ];

    /// The permission's name.
    pub fn permission(self) -> &'static str {
        match self {
            Feature::EventLevelData => "event_level_data",
            Feature::IncludeT1oo => "include_t1oo",
            Feature::IncludeNdoo => "include_ndoo",
            Feature::IncludeGpUnactivated => "include_gp_unactivated",
            Feature::DisableDisclosureControl => "disable_disclosure_control",
        }
    }

    fn needed_for(self) -> &'static str {
        match self {
            Feature::EventLevelData => "event tables in the output (`dataset.add_event_table()`)",
            Feature::IncludeT1oo => "patients with a Type 1 opt-out",
            Feature::IncludeNdoo => "patients with a National Data Opt-out",
            Feature::IncludeGpUnactivated => "records that practice activation leaves out",
            Feature::DisableDisclosureControl => "measures without disclosure control",
        }
    }
}

/// A permission and all that it is needed for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Needed {
    permission: String,
    tables: Vec<String>,
    features: Vec<Feature>,
}

/// The permissions that a definition needs, each with what it is needed for, in the order in which they were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequiredPermissions(Vec<Needed>);

impl RequiredPermissions {
    /// Nothing is needed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// `table` (as definitions import it: `tpp.appointments`) needs `permission`.
    pub fn table(&mut self, permission: &str, table: &str) {
        let tables = &mut self.needed(permission).tables;
        if !tables.iter().any(|known| known == table) {
            tables.push(table.to_owned());
        }
    }

    /// `feature` is used.
    pub fn feature(&mut self, feature: Feature) {
        let features = &mut self.needed(feature.permission()).features;
        if !features.contains(&feature) {
            features.push(feature);
        }
    }

    fn needed(&mut self, permission: &str) -> &mut Needed {
        let position = self.0.iter().position(|needed| needed.permission == permission).unwrap_or_else(|| {
            self.0.push(Needed { permission: permission.to_owned(), tables: Vec::new(), features: Vec::new() });
            self.0.len() - 1
        });
        &mut self.0[position]
    }
}

/// Permissions that a definition needs and its project lacks: refused before anything is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingPermissions(Vec<Needed>);

impl MissingPermissions {
    /// The missing permissions, in the order in which the definition needs them.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(|needed| needed.permission.as_str())
    }
}

impl fmt::Display for MissingPermissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the project lacks permissions that this definition needs.\n\nMissing permissions are:\n\n")?;
        for needed in &self.0 {
            writeln!(f, "    * {}: required for {needed}", needed.permission)?;
        }
        f.write_str("\nAsk whoever approved the project for them, or leave out what needs them.")
    }
}

impl std::error::Error for MissingPermissions {}

impl fmt::Display for Needed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.tables.len() == 1 { "table" } else { "tables" };
        let tables = (!self.tables.is_empty()).then(|| format!("access to the {} {word}", listed(&self.tables)));
        let features = self.features.iter().map(|feature| feature.needed_for().to_owned());
        f.write_str(&tables.into_iter().chain(features).collect::<Vec<_>>().join("; "))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn permissions_are_read_or_refused() {
        let refused = |line, column| Err(PermissionsError::NotAList { line, column });
        let read = |names: &[&str]| Ok(names.iter().map(|name| Name::parse(name).unwrap()).collect::<Permissions>());
        for (text, expected) in [
            (None, read(&[])),
            (Some(""), read(&[])),
            (Some("[]"), read(&[])),
            (Some(" [ \"include_t1oo\" ] "), read(&["include_t1oo"])),
            (Some(r#"["b", "a", "b"]"#), read(&["a", "b"])),
            (Some(" "), refused(1, 1)),
            (Some("null"), refused(1, 4)),
            (Some("\"include_t1oo\""), refused(1, 14)),
            (Some("include_t1oo"), refused(1, 1)),
            (Some(r#"{"include_t1oo": true}"#), refused(1, 0)),
            (Some(r#"["include_t1oo""#), refused(1, 15)),
            (Some(r#"["a"] ["b"]"#), refused(1, 7)),
            (Some(r#"["a", 1]"#), refused(1, 7)),
            (Some(r#"["a", null]"#), refused(1, 10)),
            (Some(r#"[["a"]]"#), refused(1, 1)),
            (Some(r#"["a", ""]"#), Err(PermissionsError::NotAName { position: 2 })),
            (Some(r#"["include_t1oo "]"#), Err(PermissionsError::NotAName { position: 1 })),
        ] {
            assert_eq!(Permissions::parse(text), expected, "{text:?}");
        }
        assert_eq!(Permissions::parse(Some(&" ".repeat(PERMISSIONS_BYTES_MAX + 1))), Err(PermissionsError::TooLong));
        assert_eq!(
            Permissions::parse(Some(&format!("[{}\"a\"]", "\"a\",".repeat(1000)))),
            Err(PermissionsError::TooMany)
        );
    }

    #[test]
    fn what_is_missing_is_said_with_what_it_is_for() {
        let mut required = RequiredPermissions::new();
        required.table("appointments", "tpp.appointments");
        required.table("waiting_list", "tpp.wl_clockstops");
        required.table("waiting_list", "tpp.wl_openpathways");
        required.table("waiting_list", "tpp.wl_clockstops");
        required.table("ukrr", "tpp.ukrr");
        Feature::ALL.into_iter().for_each(|feature| required.feature(feature));
        let given = Permissions::parse(Some(r#"["ukrr"]"#)).unwrap();
        insta::assert_snapshot!(given.check(&required).unwrap_err());

        let all = RequiredPermissions(required.0.clone());
        let everything =
            required.0.iter().map(|needed| Name::parse(&needed.permission).unwrap()).collect::<Permissions>();
        assert_eq!(everything.check(&all), Ok(()));
        assert_eq!(Permissions::none().check(&RequiredPermissions::new()), Ok(()));
    }

    #[test]
    fn the_errors_say_what_to_do() {
        let errors = [Some("nope"), Some(r#"["a b"]"#)].map(|text| Permissions::parse(text).unwrap_err().to_string());
        insta::assert_snapshot!(errors.join("\n"));
    }

    proptest! {
        /// A permission is missing exactly if it is needed and not given.
        #[test]
        fn nothing_is_forgotten(needed in proptest::collection::btree_set("[a-d]", 0..4), given in proptest::collection::btree_set("[a-d]", 0..4)) {
            let mut required = RequiredPermissions::new();
            needed.iter().for_each(|name| required.table(name, "core.patients"));
            let given: Permissions = given.iter().map(|name| Name::parse(name).unwrap()).collect();
            let missing: BTreeSet<String> =
                given.check(&required).err().iter().flat_map(|missing| missing.names().map(str::to_owned).collect::<Vec<_>>()).collect();
            prop_assert_eq!(missing, needed.into_iter().filter(|name| !given.include(name)).collect::<BTreeSet<_>>());
        }
    }
}
