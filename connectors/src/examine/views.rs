//! Views and reasons: together they account for every table of the modules that are promised.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use peristyle_model::Catalogue;
use peristyle_model::catalogue::TableName;
use peristyle_opt_out::connector::View;
use peristyle_policy::Name;

use super::{Examination, each};
use crate::document::{MissingDocument, Named};
use crate::error::Fault;
use crate::names_in_sql::names_in;

const BECAUSE_CHARS_MAX: usize = 500;

type Modules = BTreeMap<String, Range<usize>>;
type Reasons = BTreeMap<Arc<str>, String>;
type Views = BTreeMap<Arc<str>, View>;

impl Examination<'_> {
    /// Why tables are missing, by table.
    pub(super) fn missing(&mut self, missing: &Named<MissingDocument>, modules: &Modules) -> Reasons {
        let mut reasons = BTreeMap::new();
        for (table, place, document) in each(missing) {
            let because = document.because.get_ref().trim();
            if !known(table).is_some_and(|name| modules.contains_key(&*name.module)) {
                self.at(place, Fault::MissingUnknown { table: table.to_owned() });
            } else if self.folder.views.contains_key(&format!("{table}.sql")) {
                self.at(place, Fault::MissingWithView { table: table.to_owned() });
            }
            if !(1..=BECAUSE_CHARS_MAX).contains(&because.chars().count()) {
                self.at(document.because.span(), Fault::MissingBecause { table: table.to_owned() });
            }
            reasons.insert(Arc::from(table), because.to_owned());
        }
        reasons
    }

    /// The views, each with the links of the `linked` tables that it names.
    pub(super) fn views(&mut self, modules: &Modules, missing: &Reasons, linked: &BTreeMap<Arc<str>, Name>) -> Views {
        let folder = self.folder;
        let mut views = BTreeMap::new();
        let mut given: BTreeSet<&str> = BTreeSet::new();
        for (name, sql) in &folder.views {
            let table = name.strip_suffix(".sql").unwrap_or(name);
            let file = folder.view_file(name);
            let Some(known) = known(table) else {
                self.in_file(file, Fault::ViewOfNoTable { table: table.to_owned() });
                continue;
            };
            given.insert(table);
            if !modules.contains_key(&*known.module) {
                self.in_file(file, Fault::ViewOfOtherModule { module: known.module.to_string() });
            } else if sql.trim().is_empty() {
                self.in_file(file, Fault::EmptyView);
            } else {
                let links = names_in(sql).iter().filter_map(|name| linked.get(name.as_str())).cloned().collect();
                views.insert(Arc::from(table), View { file, sql: sql.as_str().into(), links });
            }
        }
        let unread: BTreeSet<Arc<str>> = self.problems.iter().map(|problem| Arc::clone(&problem.file)).collect();
        for (module, place) in modules {
            let promised = Catalogue::builtin().tables().filter(|table| *table.name.module == **module);
            for table in promised.map(|table| format!("{module}.{}", table.name.name)) {
                let is_given =
                    given.contains(table.as_str()) || unread.contains(&folder.view_file(&format!("{table}.sql")));
                if !is_given && !missing.contains_key(table.as_str()) {
                    self.at(place.clone(), Fault::NoView { table });
                }
            }
        }
        views
    }
}

/// The table of the catalogue that is written so: `ehrql.tables.core.patients`.
fn known(table: &str) -> Option<TableName> {
    let (module, name) = table.rsplit_once('.')?;
    let name = TableName { module: module.into(), name: name.into() };
    Catalogue::builtin().table(&name).is_some().then_some(name)
}
