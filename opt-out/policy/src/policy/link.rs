//! Links: how far a table is trusted that says whose rows those of another key are.

use crate::digest::Canonical;
use crate::name::Name;
use crate::register::{AsOf, CountLimits, Lists, Register, RegisterId, RegisterLocation};

/// On which terms a link is followed. Opt-outs are known by the patient's key, so a link decides whose opt-out holds for
/// a row: its table is a register like those of the opt-outs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkTerms {
    /// How many other keys it must link
    pub limits: CountLimits,
    /// The oldest it may be, in days
    pub max_age_days: u16,
    /// Where its date is to be found
    pub as_of: AsOf,
}

/// A link as a connector has it.
#[derive(Clone, Copy, Debug)]
pub struct LinkTable<'a> {
    /// Its name
    pub name: &'a Name,
    /// The raw table that has both keys
    pub table: &'a str,
    /// Its column of the patient's key
    pub patient_column: &'a str,
    /// Its column of the other key
    pub column: &'a str,
}

impl LinkTerms {
    /// The register that a link leads through.
    pub fn register(&self, link: LinkTable<'_>) -> Register {
        Register {
            id: RegisterId::Link(link.name.clone()),
            location: RegisterLocation::Table(link.table.to_owned()),
            lists: Lists::Link { column: link.column.to_owned() },
            key_column: link.patient_column.to_owned(),
            only_where: None,
            from_column: None,
            until_column: None,
            limits: self.limits,
            max_age_days: self.max_age_days,
            as_of: self.as_of.clone(),
        }
    }

    pub(super) fn encode(&self, canonical: &mut Canonical) {
        let Self { limits, max_age_days, as_of } = self;
        limits.encode(canonical);
        canonical.int(i64::from(*max_age_days));
        as_of.encode(canonical);
    }
}
