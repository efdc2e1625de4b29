//! The rules once more, from DESIGN §5 and the policy's reference, without a line of the engine's: which rows are to be
//! left out of a run. It is naive, one row at a time, and knows nothing of sets, blocks and files.

use chrono::NaiveDateTime;

use crate::cells::Cell;
use crate::tables::Table;

use super::registers::{Activation, OptOuts, RowRule, Rules, today};

/// A row of a table: whose it is, and its cells.
pub(super) type Row = (i64, Vec<Cell>);

impl Rules {
    fn is_lifted_by(&self, permission: &str) -> bool {
        self.permissions.contains(&permission)
    }

    fn type_one_in_force(&self) -> Option<&OptOuts> {
        self.type_one.as_ref().filter(|_| !self.is_lifted_by("include_t1oo"))
    }

    fn national_in_force(&self) -> Option<&OptOuts> {
        self.national.as_ref().filter(|_| !self.is_lifted_by("include_ndoo") && !self.national_is_for_others)
    }

    fn activation_in_force(&self) -> Option<&Activation> {
        self.activation.as_ref().filter(|_| !self.is_lifted_by("include_gp_unactivated"))
    }

    /// Whether no row of the patient may be seen.
    pub(super) fn hides_patient(&self, patient: i64) -> bool {
        self.type_one_in_force().is_some_and(|register| register.is_out(patient))
            || self.national_in_force().is_some_and(|register| register.is_out(patient))
            || self.activation_in_force().is_some_and(|activation| self.last_end(activation, patient, true).is_none())
    }

    /// Whether the row may not be seen.
    pub(super) fn hides(&self, table: &Table, row: &Row) -> bool {
        if self.hides_patient(row.0) {
            return true;
        }
        let Some(activation) = self.activation_in_force() else { return false };
        let module = table.module.strip_prefix("ehrql.tables.").unwrap_or(&table.module);
        match activation.tables.get(&format!("{module}.{}", table.name)) {
            None | Some(RowRule::All) => false,
            Some(RowRule::UntilCutOff(column)) => match &row.1[table.column_index(column)] {
                Cell::Date(date) => {
                    let activated = self.last_end(activation, row.0, true).expect("who is never registered is hidden");
                    match self.last_end(activation, row.0, false) {
                        Some(other) if other > activated => *date > activated.date(),
                        _ => false,
                    }
                }
                Cell::Null => true,
                // Where the row has no date that could be judged it stays, and the run fails on it.
                _ => false,
            },
            Some(RowRule::AtActivated(column)) => match &row.1[table.column_index(column)] {
                Cell::Int(practice) => !activation.is_activated(*practice),
                _ => true,
            },
        }
    }

    /// When the patient's last registration ended: of those at activated practices, or of all others.
    fn last_end(&self, activation: &Activation, patient: i64, activated: bool) -> Option<NaiveDateTime> {
        let far = NaiveDateTime::MAX;
        let end = |end: Option<NaiveDateTime>| match end {
            None => far,
            Some(end) if *end.date().to_string() >= *"9999-12-31" => far,
            Some(end) if self.has_moments() => end,
            Some(end) => end.date().into(),
        };
        activation
            .registrations
            .iter()
            .filter(|(whose, practice, _)| {
                *whose == patient && practice.is_some_and(|practice| activation.is_activated(practice)) == activated
            })
            .map(|(_, _, ended)| end(*ended))
            .max()
    }
}

impl OptOuts {
    /// Whether the patient has opted out, as the list says today. Where that is doubtful, they have.
    fn is_out(&self, patient: i64) -> bool {
        let today = today();
        let listed = self.rows.iter().filter(|(whose, _, _)| *whose == patient).any(|(_, from, until)| {
            let has_begun = match (self.from_column, from) {
                (false, _) => true,
                (true, Some(from)) => *from <= today,
                // Since always, if it is an opt-out; not yet, if it is leave.
                (true, None) => self.lists_opted_out,
            };
            let has_ended = match (self.until_column, until) {
                (false, _) | (true, None) => false,
                // The last day belongs to an opt-out, and not to leave.
                (true, Some(until)) if self.lists_opted_out => *until < today,
                (true, Some(until)) => *until <= today,
            };
            has_begun && !has_ended
        });
        listed == self.lists_opted_out
    }
}

impl Activation {
    /// Whether the practice takes part today: it was activated after it was last switched off.
    fn is_activated(&self, practice: i64) -> bool {
        let today = today();
        let rows = || self.practices.iter().filter(|(known, _, _)| *known == practice);
        let last_off = rows().filter_map(|(_, _, off)| *off).filter(|off| *off <= today).max();
        if !self.from_column {
            // Who is listed takes part, until switched off.
            return rows().next().is_some() && last_off.is_none();
        }
        let last_on = rows().filter_map(|(_, from, _)| *from).filter(|from| *from <= today).max();
        match (last_on, last_off) {
            (Some(on), Some(off)) => on > off,
            (on, None) => on.is_some(),
            (None, Some(_)) => false,
        }
    }
}
