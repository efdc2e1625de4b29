//! What a manifest's fields and the views beside it may be together. All that is wrong is found, not only the first of it.

mod columns;
mod identifiers;
mod links;
mod tables;
mod views;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use peristyle_model::Catalogue;
use peristyle_opt_out::{Connector, KeyType};
use peristyle_policy::Policy;
use toml::Spanned;

use crate::document::{ManifestDocument, Named, RegistersDocument};
use crate::error::{Fault, Problem};
use crate::folder::Folder;
use crate::manifest::{Manifest, RegisterUse, line_at};
use tables::{ExaminedTable, ExaminedTables};

const NAME_CHARS_MAX: usize = 60;
const RAW_NAME_CHARS_MAX: usize = 200;

/// A connector while it is examined, with what was found to be wrong.
pub(crate) struct Examination<'f> {
    folder: &'f Folder,
    problems: Vec<Problem>,
    reviewed: BTreeMap<Arc<str>, BTreeMap<Arc<str>, String>>,
}

impl<'f> Examination<'f> {
    /// Of a folder, in which something may be known to be wrong already.
    pub(crate) fn of(folder: &'f Folder, problems: Vec<Problem>) -> Self {
        Examination { folder, problems, reviewed: BTreeMap::new() }
    }

    /// The manifest, or all that is wrong, by file and line.
    pub(crate) fn manifest(mut self, document: ManifestDocument) -> Result<Manifest, Vec<Problem>> {
        self.name(&document.name);
        let modules = self.modules(&document.modules);
        let registers = self.registers(&document.registers);
        let tables = self.tables(&document.raw);
        let links = self.links(&document.link, &tables);
        let linked = self.linked(&document.raw, &document.link, &links, &tables);
        self.unused(&document.link, &document.raw);
        let everybody = self.everybody(document.everybody.as_ref(), &tables);
        let missing = self.missing(&document.missing, &modules);
        let views = self.views(&modules, &missing, &linked);
        self.policy(document.patient_key);
        if !self.problems.is_empty() {
            self.problems.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
            return Err(self.problems);
        }
        let raw = tables.into_iter().filter_map(|(name, table)| {
            let by = linked.get(&name);
            Some((name, table.into_raw(by)?))
        });
        let raw = raw.collect();
        Ok(Manifest {
            folder: self.folder.path.as_str().into(),
            connector: Connector {
                name: document.name.get_ref().as_str().into(),
                patient_key: document.patient_key,
                raw,
                views,
                missing,
                links,
                everybody,
            },
            modules: modules.into_keys().map(Arc::from).collect(),
            registers,
            reviewed: self.reviewed,
        })
    }

    /// The table that has every patient.
    fn everybody(&mut self, everybody: Option<&Spanned<String>>, tables: &ExaminedTables) -> Option<Arc<str>> {
        let everybody = everybody?;
        let table = everybody.get_ref().as_str();
        if !tables.get(table).is_some_and(ExaminedTable::has_patient_key) {
            self.at(everybody.span(), Fault::Everybody { table: table.to_owned() });
        }
        Some(table.into())
    }

    /// Something is wrong with these bytes of the manifest.
    fn at(&mut self, place: Range<usize>, fault: Fault) {
        let line = Some(line_at(&self.folder.manifest, place.start));
        self.problems.push(Problem { file: self.folder.manifest_file(), line, fault });
    }

    /// Something is wrong with another file, or with what is beside the manifest.
    fn in_file(&mut self, file: Arc<str>, fault: Fault) {
        self.problems.push(Problem { file, line: None, fault });
    }

    fn name(&mut self, name: &Spanned<String>) {
        if !is_name(name.get_ref()) {
            self.at(name.span(), Fault::Name);
        } else if let Some(folder) = self.folder.name.as_ref().filter(|folder| *folder != name.get_ref()) {
            let fault = Fault::OtherFolder { name: name.get_ref().clone(), folder: folder.clone() };
            self.at(name.span(), fault);
        }
    }

    /// The modules that are promised, each with where.
    fn modules(&mut self, modules: &Spanned<Vec<Spanned<String>>>) -> BTreeMap<String, Range<usize>> {
        let known: BTreeSet<&str> = Catalogue::builtin().tables().map(|table| &*table.name.module).collect();
        let list = known.iter().copied().collect::<Vec<_>>().join(", ");
        if modules.get_ref().is_empty() {
            self.at(modules.span(), Fault::NoModules { known: list.clone() });
        }
        let mut promised = BTreeMap::new();
        for module in modules.get_ref() {
            let name = module.get_ref().clone();
            if !known.contains(name.as_str()) {
                self.at(module.span(), Fault::UnknownModule { module: name, known: list.clone() });
            } else if promised.insert(name.clone(), module.span()).is_some() {
                self.at(module.span(), Fault::ModuleTwice { module: name });
            }
        }
        promised
    }

    fn registers(&mut self, registers: &RegistersDocument) -> BTreeMap<RegisterUse, Arc<str>> {
        let stated = [
            (RegisterUse::TypeOne, &registers.type_one),
            (RegisterUse::National, &registers.national),
            (RegisterUse::Practices, &registers.practices),
            (RegisterUse::Registrations, &registers.registrations),
        ];
        let mut named = BTreeMap::new();
        for (register, table) in stated {
            let Some(table) = table else { continue };
            if is_raw_name(table.get_ref()) {
                named.insert(register, table.get_ref().as_str().into());
            } else {
                let fault = Fault::Register { register: register.key(), table: table.get_ref().clone() };
                self.at(table.span(), fault);
            }
        }
        named
    }

    /// The example of a policy must be one, and for these keys: else nobody could begin with it.
    fn policy(&mut self, patient_key: KeyType) {
        let Some(text) = &self.folder.policy else { return };
        let file = self.folder.policy_file();
        match Policy::parse(text.as_bytes(), Path::new(&*file)) {
            Err(error) => {
                let fault = Fault::Policy { problem: error.fault.to_string() };
                self.problems.push(Problem { file, line: error.line, fault });
            }
            Ok(policy) if policy.patient_key != patient_key => {
                let (found, wanted) = (policy.patient_key.key(), patient_key.key());
                self.in_file(file, Fault::PolicyKey { found, wanted });
            }
            Ok(_) => {}
        }
    }
}

/// Whether a text may name a connector.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// Whether a text may name a raw table, which is a file or a folder, or a column of one.
fn is_raw_name(text: &str) -> bool {
    (1..=RAW_NAME_CHARS_MAX).contains(&text.chars().count())
        && !text.contains(|c: char| c.is_control() || c == '/' || c == '\\')
        && !text.contains("..")
        && text.trim() == text
}

/// What is named, and where the name stands.
fn each<T>(named: &Named<T>) -> impl Iterator<Item = (&str, Range<usize>, &T)> {
    named.iter().map(|(name, value)| (name.get_ref().as_str(), name.span(), value))
}
