//! Links: other keys, and the raw tables that are known by them.

use std::collections::BTreeMap;
use std::sync::Arc;

use peristyle_opt_out::connector::{ColumnClass, RawType};

use super::tables::ExaminedTables;
use super::{Examination, each};
use crate::document::{LinkDocument, Named, RawTableDocument};
use crate::error::Fault;
use crate::link::{Link, Linked};

impl Examination<'_> {
    pub(super) fn links(&mut self, links: &Named<LinkDocument>, tables: &ExaminedTables) -> BTreeMap<Arc<str>, Link> {
        let mut examined = BTreeMap::new();
        for (name, _, link) in each(links) {
            let (table, column) = (link.table.get_ref(), link.column.get_ref());
            let why = match tables.get(table.as_str()) {
                None => Some("is no raw table of this manifest"),
                Some(known) if !known.has_patient_key() => Some("is not known by the patient's key"),
                Some(_) => None,
            };
            if let Some(why) = why {
                let fault = Fault::LinkTable { link: name.to_owned(), table: table.clone(), why };
                self.at(link.table.span(), fault);
            } else if key_type(tables, table, column).is_none() {
                let (table, column) = (table.clone(), column.clone());
                self.at(link.column.span(), Fault::LinkColumn { link: name.to_owned(), table, column });
            }
            let (table, column) = (table.as_str().into(), column.as_str().into());
            examined.insert(Arc::from(name), Link { table, column, patients: link.patients });
        }
        examined
    }

    pub(super) fn linked(
        &mut self,
        raw: &Named<RawTableDocument>,
        links: &BTreeMap<Arc<str>, Link>,
        tables: &ExaminedTables,
    ) -> BTreeMap<Arc<str>, Linked> {
        let mut examined = BTreeMap::new();
        for (name, _, table) in each(raw) {
            let Some(linked) = &table.linked else { continue };
            let (by, column) = (linked.by.get_ref(), linked.column.get_ref());
            match links.get(by.as_str()) {
                None => {
                    self.at(linked.by.span(), Fault::UnknownLink { table: name.to_owned(), link: by.clone() });
                }
                Some(link) => {
                    let wanted = key_type(tables, &link.table, &link.column);
                    // Where the link itself is at fault, that has been said.
                    if wanted.is_some() && key_type(tables, name, column) != wanted {
                        let fault = Fault::LinkedColumn { table: name.to_owned(), column: column.clone() };
                        self.at(linked.column.span(), fault);
                    }
                }
            }
            examined.insert(Arc::from(name), Linked { by: by.as_str().into(), column: column.as_str().into() });
        }
        examined
    }

    pub(super) fn unused(&mut self, links: &Named<LinkDocument>, linked: &BTreeMap<Arc<str>, Linked>) {
        for (name, place, _) in each(links) {
            if !linked.values().any(|linked| &*linked.by == name) {
                self.at(place, Fault::UnusedLink { link: name.to_owned() });
            }
        }
    }
}

/// The type of a column that may hold another key.
fn key_type(tables: &ExaminedTables, table: &str, column: &str) -> Option<RawType> {
    let column = tables.get(table)?.columns.iter().find(|known| &*known.name == column)?;
    (column.class == ColumnClass::LinkKey).then_some(column.column_type)
}
