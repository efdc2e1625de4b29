//! Raw tables: whose rows they are, and how practice activation applies.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use peristyle_opt_out::connector::{RawActivation, RawColumnSpec, RawTable, RawType, RowsOf};
use peristyle_policy::Name;
use toml::{Spanned, Value};

use super::{Examination, each, is_raw_name};
use crate::document::{Named, RawTableDocument};
use crate::error::Fault;

/// A raw table as far as it is in order.
pub(super) struct ExaminedTable {
    whose: Option<Whose>,
    activation: Option<RawActivation>,
    pub(super) columns: Vec<RawColumnSpec>,
    may_be_absent: bool,
    sorted_by_patient: bool,
}

/// Whose rows a raw table has.
enum Whose {
    /// Of patients, whose key is in this column
    Patients(Arc<str>),
    /// Of patients, by another key, which is in this column
    Linked(Arc<str>),
    Nobody,
}

pub(super) type ExaminedTables = BTreeMap<Arc<str>, ExaminedTable>;

impl ExaminedTable {
    pub(super) fn has_patient_key(&self) -> bool {
        matches!(self.whose, Some(Whose::Patients(_)))
    }

    /// As the Guard knows raw tables. `by` is the link of a linked one.
    pub(super) fn into_raw(self, by: Option<&Name>) -> Option<RawTable> {
        let mut columns = self.columns;
        let rows_of = match self.whose? {
            Whose::Patients(column) => RowsOf::Patients(column),
            Whose::Nobody => RowsOf::Nobody,
            Whose::Linked(column) => {
                // The key of the rows is no column beside others.
                columns.retain(|known| known.name != column);
                RowsOf::Linked { by: by?.clone(), column }
            }
        };
        let activation = self.activation?;
        let Self { may_be_absent, sorted_by_patient, .. } = self;
        Some(RawTable { rows_of, activation, columns, may_be_absent, sorted_by_patient })
    }
}

impl Examination<'_> {
    pub(super) fn tables(&mut self, tables: &Named<RawTableDocument>) -> ExaminedTables {
        let mut examined = BTreeMap::new();
        for (name, place, table) in each(tables) {
            if !is_raw_name(name) {
                self.at(place.clone(), Fault::RawName { what: "table", name: name.to_owned() });
            }
            let whose = self.whose(name, place.clone(), table);
            let columns = self.columns(name, &table.columns);
            let activation = self.activation(name, place, whose.as_ref(), &columns, tables);
            let may_be_absent = table.may_be_absent;
            let sorted_by_patient = self.sorted_by_patient(name, whose.as_ref(), table);
            let table = ExaminedTable { whose, activation, columns, may_be_absent, sorted_by_patient };
            examined.insert(Arc::from(name), table);
        }
        examined
    }

    /// Of rows of another key, and of nobody's, no order by patient can be promised.
    fn sorted_by_patient(&mut self, name: &str, whose: Option<&Whose>, table: &RawTableDocument) -> bool {
        let Some(sorted) = table.sorted_by_patient.as_ref().filter(|sorted| *sorted.get_ref()) else { return false };
        let has_patients = matches!(whose, Some(Whose::Patients(_)) | None);
        if !has_patients {
            self.at(sorted.span(), Fault::SortedWithoutPatients { table: name.to_owned() });
        }
        has_patients
    }

    fn whose(&mut self, name: &str, place: Range<usize>, table: &RawTableDocument) -> Option<Whose> {
        let whose = match (&table.patient_key, &table.linked, &table.reference) {
            (Some(key), None, None) => {
                if !is_raw_name(key.get_ref()) {
                    self.at(key.span(), Fault::RawName { what: "column", name: key.get_ref().clone() });
                }
                if let Some((column, _)) = table.columns.get_key_value(key.get_ref().as_str()) {
                    let fault = Fault::KeyAmongColumns { table: name.to_owned(), column: column.get_ref().clone() };
                    self.at(column.span(), fault);
                }
                Some(Whose::Patients(key.get_ref().as_str().into()))
            }
            (None, Some(linked), None) => Some(Whose::Linked(linked.column.get_ref().as_str().into())),
            (None, None, Some(reference)) if *reference.get_ref() => Some(Whose::Nobody),
            _ => None,
        };
        if whose.is_none() {
            self.at(place, Fault::WhoseRows { table: name.to_owned() });
        }
        whose
    }

    fn activation(
        &mut self,
        name: &str,
        place: Range<usize>,
        whose: Option<&Whose>,
        columns: &[RawColumnSpec],
        tables: &Named<RawTableDocument>,
    ) -> Option<RawActivation> {
        let document = tables.get(name)?;
        let table = || name.to_owned();
        let stated = match (whose?, &document.activation) {
            (Whose::Nobody, None) => return Some(RawActivation::NotApplied),
            (Whose::Nobody, Some(stated)) => {
                self.at(stated.span(), Fault::ActivationOfReference { table: table() });
                return None;
            }
            (_, None) => {
                self.at(place, Fault::NoActivation { table: table() });
                return None;
            }
            (_, Some(stated)) => stated,
        };
        let statement = Statement::read(stated.get_ref());
        match statement {
            Some(Statement::NotApplied) => Some(RawActivation::NotApplied),
            Some(Statement::Date(column)) => {
                let dates: (&[RawType], _) = (&[RawType::Date], "of type date");
                self.activation_column(name, column, dates, columns, document, stated).map(RawActivation::ByDate)
            }
            Some(Statement::Practice(column)) => {
                let keys: (&[RawType], _) = (&[RawType::Int, RawType::Str], "of type int or str");
                self.activation_column(name, column, keys, columns, document, stated).map(RawActivation::ByPractice)
            }
            Some(Statement::JoinedTo(others)) => {
                for to in &others {
                    if let Some(why) = unfit_to_be_joined(name, to, tables) {
                        let fault = Fault::JoinedTo { table: table(), to: (*to).to_owned(), why };
                        self.at(stated.span(), fault);
                    }
                }
                Some(RawActivation::JoinedTo(others.into_iter().map(Arc::from).collect()))
            }
            None => {
                self.at(stated.span(), Fault::Activation { table: table() });
                None
            }
        }
    }

    /// The column that activation is judged by, which must be of one of these types.
    fn activation_column(
        &mut self,
        table: &str,
        column: &str,
        (types, wanted): (&[RawType], &'static str),
        columns: &[RawColumnSpec],
        document: &RawTableDocument,
        stated: &Spanned<Value>,
    ) -> Option<Arc<str>> {
        let (table, named) = (table.to_owned(), column.to_owned());
        if !document.columns.contains_key(column) {
            self.at(stated.span(), Fault::ActivationColumn { table, column: named });
            return None;
        }
        // A column with something wrong is not among the examined: that has been said.
        let found = columns.iter().find(|known| &*known.name == column)?;
        if !types.contains(&found.column_type) {
            self.at(stated.span(), Fault::ActivationColumnType { table, column: named, wanted });
            return None;
        }
        Some(Arc::clone(&found.name))
    }
}

/// What `activation` says, in good form.
enum Statement<'v> {
    NotApplied,
    Date(&'v str),
    Practice(&'v str),
    JoinedTo(Vec<&'v str>),
}

impl<'v> Statement<'v> {
    fn read(value: &'v Value) -> Option<Self> {
        if value.as_str() == Some("not applied") {
            return Some(Statement::NotApplied);
        }
        let table = value.as_table().filter(|table| table.len() == 1)?;
        let (rule, value) = table.iter().next()?;
        match (rule.as_str(), value) {
            ("date", Value::String(column)) => Some(Statement::Date(column)),
            ("practice", Value::String(column)) => Some(Statement::Practice(column)),
            ("joined_to", Value::String(table)) => Some(Statement::JoinedTo(vec![table])),
            ("joined_to", Value::Array(tables)) if !tables.is_empty() => {
                tables.iter().map(Value::as_str).collect::<Option<_>>().map(Statement::JoinedTo)
            }
            _ => None,
        }
    }
}

/// Why rows cannot be judged by those of another table that they are joined to.
fn unfit_to_be_joined(table: &str, to: &str, tables: &Named<RawTableDocument>) -> Option<&'static str> {
    if table == to {
        return Some("is the table itself");
    }
    let Some(other) = tables.get(to) else { return Some("is no raw table of this manifest") };
    if other.patient_key.is_none() {
        return Some("has no `patient_key`");
    }
    let stated = other.activation.as_ref().and_then(|stated| Statement::read(stated.get_ref()));
    match stated {
        Some(Statement::NotApplied | Statement::JoinedTo(_)) => Some("does not state a rule of its own"),
        // Where it states nothing, or nothing that is known, that is said of itself.
        Some(Statement::Date(_) | Statement::Practice(_)) | None => None,
    }
}
