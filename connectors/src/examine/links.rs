//! Links: other keys, and the raw tables that are known by them.

use std::collections::BTreeMap;
use std::sync::Arc;

use peristyle_opt_out::KeyType;
use peristyle_opt_out::connector::{ColumnClass, Link, RawType};
use peristyle_policy::Name;

use super::tables::ExaminedTables;
use super::{Examination, each};
use crate::document::{LinkDocument, Named, RawTableDocument};
use crate::error::Fault;

impl Examination<'_> {
    pub(super) fn links(&mut self, links: &Named<LinkDocument>, tables: &ExaminedTables) -> BTreeMap<Name, Link> {
        let mut examined = BTreeMap::new();
        for (name, place, link) in each(links) {
            let (table, column) = (link.table.get_ref(), link.column.get_ref());
            let why = match tables.get(table.as_str()) {
                None => Some("is no raw table of this manifest"),
                Some(known) if !known.has_patient_key() => Some("is not known by the patient's key"),
                Some(_) => None,
            };
            if let Some(why) = why {
                let fault = Fault::LinkTable { link: name.to_owned(), table: table.clone(), why };
                self.at(link.table.span(), fault);
                continue;
            }
            let Some(key_type) = key_type(tables, table, column) else {
                let (table, column) = (table.clone(), column.clone());
                self.at(link.column.span(), Fault::LinkColumn { link: name.to_owned(), table, column });
                continue;
            };
            let Ok(name) = Name::parse(name) else {
                self.at(place, Fault::LinkName { link: name.to_owned() });
                continue;
            };
            let (table, column) = (table.as_str().into(), column.as_str().into());
            examined.insert(name, Link { table, column, key_type, patients: link.patients.into() });
        }
        examined
    }

    /// The linked tables, with the link of each. Where a link itself is at fault, that has been said.
    pub(super) fn linked(
        &mut self,
        raw: &Named<RawTableDocument>,
        documents: &Named<LinkDocument>,
        links: &BTreeMap<Name, Link>,
        tables: &ExaminedTables,
    ) -> BTreeMap<Arc<str>, Name> {
        let mut examined = BTreeMap::new();
        for (name, _, table) in each(raw) {
            let Some(linked) = &table.linked else { continue };
            let (by, column) = (linked.by.get_ref(), linked.column.get_ref());
            match links.get_key_value(by.as_str()) {
                None if documents.contains_key(by.as_str()) => {}
                None => {
                    self.at(linked.by.span(), Fault::UnknownLink { table: name.to_owned(), link: by.clone() });
                }
                Some((_, link)) if key_type(tables, name, column) != Some(link.key_type) => {
                    let fault = Fault::LinkedColumn { table: name.to_owned(), column: column.clone() };
                    self.at(linked.column.span(), fault);
                }
                Some((by, _)) => _ = examined.insert(Arc::from(name), by.clone()),
            }
        }
        examined
    }

    pub(super) fn unused(&mut self, links: &Named<LinkDocument>, raw: &Named<RawTableDocument>) {
        for (name, place, _) in each(links) {
            let is_used = |(_, _, table): (_, _, &RawTableDocument)| {
                table.linked.as_ref().is_some_and(|linked| linked.by.get_ref() == name)
            };
            if !each(raw).any(is_used) {
                self.at(place, Fault::UnusedLink { link: name.to_owned() });
            }
        }
    }
}

/// The type of a column that may hold another key.
fn key_type(tables: &ExaminedTables, table: &str, column: &str) -> Option<KeyType> {
    let column = tables.get(table)?.columns.iter().find(|known| &*known.name == column)?;
    match (column.class, column.column_type) {
        (ColumnClass::LinkKey, RawType::Int) => Some(KeyType::Int),
        (ColumnClass::LinkKey, RawType::Str) => Some(KeyType::Text),
        (ColumnClass::LinkKey, RawType::Bytes16) => Some(KeyType::Bytes16),
        _ => None,
    }
}
