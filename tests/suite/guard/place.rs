//! A folder with a policy, its registers and its tables: all of their rows, or only those that may be seen.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use peristyle_model::Definition;
use peristyle_opt_out::{Extract, PolicyRun, RegisterError, VerifiedPolicy, read_registers};
use peristyle_outputs::DisclosureControl;
use peristyle_policy::counts::CountsFile;
use peristyle_policy::permissions::Permissions;
use peristyle_policy::policy::JudgedBy;
use peristyle_policy::register::RegisterId;
use peristyle_policy::{Day, Name, Policy, applied_rules};
use tempfile::TempDir;

use crate::engine::{self, Setup};
use crate::files::{Format, Layout, RowOrder, write_table};
use crate::property::checks::Traces;
use crate::tables::Table;

use super::deletion::Row;
use super::registers::Rules;

/// The project that all runs are made for.
pub(super) const PROJECT: &str = "flu";

pub(super) struct Place {
    folder: TempDir,
    policy: Policy,
}

/// A folder of its own; in memory where that can be had, as counts are synced to the disk with every run.
pub(super) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a folder")
}

impl Place {
    /// A place under these rules, whose counts have been begun.
    pub(super) fn new(rules: &Rules) -> Self {
        let folder = folder();
        let path = folder.path().join("policy.toml");
        fs::create_dir(folder.path().join("state")).expect("a folder");
        fs::create_dir(folder.path().join("tables")).expect("a folder");
        rules.write(&folder.path().join("registers"));
        fs::write(&path, rules.policy()).expect("a file");
        let policy = Policy::load(&path).unwrap_or_else(|error| panic!("{error}\n{}", rules.policy()));
        let place = Place { folder, policy };
        place.begin();
        place
    }

    /// Disclosure control as the policy says that it is judged.
    pub(super) fn disclosure_control(&self) -> DisclosureControl {
        match self.policy.disclosure_control.judged_by {
            JudgedBy::People => DisclosureControl::ByPeople,
            JudgedBy::Sums => DisclosureControl::BySums,
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn begin(&self) {
        let registers: Vec<_> = self.policy.registers().collect();
        if registers.is_empty() {
            return;
        }
        let today = Day::today();
        let read = read_registers(&self.policy, &registers, &Extract::from(&self.path("tables")), today)
            .expect("sound registers");
        let members =
            |register: &RegisterId| read.iter().find(|known| known.id == *register).expect("a register").members;
        let counted: Vec<_> = registers.iter().map(|register| (*register, members(&register.id))).collect();
        CountsFile::begin(&self.policy, &counted, today, 0).expect("counts");
    }

    /// The policy as it is for a run with these permissions.
    pub(super) fn verify(&self, permissions: &[&str]) -> Result<VerifiedPolicy, RegisterError> {
        let permissions = serde_json::to_string(permissions).expect("JSON");
        let permissions = Permissions::parse(Some(&permissions)).expect("permissions");
        let project = Name::parse(PROJECT).expect("a name");
        let today = Day::today();
        let rules = applied_rules(&self.policy, &permissions, None, &project, today);
        let tables = Extract::from(&self.path("tables"));
        let (policy, asked) = (&self.policy, BTreeSet::new());
        let run = PolicyRun {
            policy,
            rules: &rules,
            tables: &tables,
            extracts: &[],
            asked: &asked,
            today,
            known_counts: 0,
            threads: 1,
        };
        VerifiedPolicy::verify(&run)
    }

    /// Runs a definition over the tables of the place.
    pub(super) fn run(
        &self,
        policy: VerifiedPolicy,
        definition: &Definition,
        setup: &Setup,
        disclosure_control: DisclosureControl,
    ) -> Traces {
        let tables = self.path("tables");
        let outcome = engine::outcome_under(policy, definition, &tables, Path::new("."), setup, disclosure_control)?;
        let mut files = outcome.files("csv")?;
        files.extend(outcome.files("arrow")?.into_iter().map(|(name, bytes)| (format!("{name}.arrow"), bytes)));
        Ok(files)
    }

    /// Writes the tables in the place of those that are there.
    pub(super) fn lay_down(&self, tables: &[Table], layout: &Layout, wanted: impl Fn(&Table, &Row) -> bool) {
        lay_down(&self.path("tables"), tables, layout, wanted);
    }
}

/// Writes the tables below `folder`, in the place of what is there. Rows that are not wanted are left out of the files
/// that they would be in; all other rows stay in their file and in their order.
pub(super) fn lay_down(folder: &Path, tables: &[Table], layout: &Layout, wanted: impl Fn(&Table, &Row) -> bool) {
    fs::remove_dir_all(folder).expect("a folder");
    fs::create_dir(folder).expect("a folder");
    let ending = match layout.format {
        Format::Parquet => "parquet",
        Format::Arrow => "arrow",
        Format::Csv => "csv",
        Format::CsvGz => "csv.gz",
    };
    for table in tables {
        let rows_per_file = table.rows.len().div_ceil(layout.files).max(1);
        let mut parts: Vec<&[Row]> = table.rows.chunks(rows_per_file).collect();
        parts.resize(layout.files, &[]);
        let paths = |number: usize| match layout.files {
            1 => folder.join(format!("{}.{ending}", table.name)),
            _ => folder.join(&table.name).join(format!("part-{number}.{ending}")),
        };
        for (number, rows) in parts.into_iter().enumerate() {
            let rows = rows.iter().filter(|row| wanted(table, row)).cloned().collect();
            let path = paths(number);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            write_table(&Table { rows, ..table.clone() }, layout, &path);
        }
    }
}

/// Puts the rows of all tables in the order that a layout is of.
pub(super) fn arrange(tables: &mut [Table], order: RowOrder) {
    for table in tables {
        match order {
            RowOrder::AsGiven => {}
            RowOrder::Promised | RowOrder::Unpromised => table.rows.sort_by_key(|(patient, _)| *patient),
            RowOrder::Shuffled(seed) => {
                let key = |row: &usize| (*row as u64 ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
                let mut order: Vec<usize> = (0..table.rows.len()).collect();
                order.sort_by_key(key);
                table.rows = order.into_iter().map(|row| table.rows[row].clone()).collect();
            }
        }
    }
}
