//! Tables, each in a file of its own: their columns, and how what happens to a patient fills them.
//!
//! ```text
//!  records::events ─┬─► user::clinical_events      one row an event
//!                   ├─► tpp::CodedEvent            those coded in CTV3
//!                   ├─► tpp::CodedEvent_SNOMED     the others
//!                   └─► emisv2::observation        one row an event, by keys of 16 bytes
//! ```

mod cells;
mod columns;
mod emisv2;
mod registers;
mod tpp;
mod user;

use std::fmt;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;

pub(crate) use columns::{Columns, LOOKED_UP, NUMBERS_ROWS};

use crate::dice::Dice;
use crate::life::Life;
use crate::records::{Subject, admissions, appointments, emergencies, medications, outpatients};
use crate::world::World;

/// Which tables a population is written as. The same happens to the same patients in each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Layout {
    /// The tables of `ehrql.tables.tpp`, as definitions see them
    #[default]
    User,
    /// The tables of TPP's database that those are made from
    Tpp,
    /// The tables of EMIS (its second layout), with keys of 16 bytes. They hold less: of registrations and addresses
    /// only the last, and no CTV3 codes
    EmisV2,
}

/// A table of a layout.
#[derive(Clone, Copy)]
pub struct Table {
    name: &'static str,
    layout: Layout,
    subject: Subject,
    rows_per_patient: fn(&World) -> f64,
    made: Made,
}

/// How a table's rows are made.
#[derive(Clone, Copy)]
pub(crate) enum Made {
    /// Patient by patient
    PerPatient(for<'w> fn(&'w World) -> Box<dyn Rows + 'w>),
    /// At once: the table is about no patient
    Once(fn(&World) -> Result<RecordBatch, ArrowError>),
}

/// Rows of one table, as they are being made.
pub(crate) trait Rows {
    /// Adds the rows of one patient.
    fn add(&mut self, life: &Life, dice: &mut Dice);
    /// The columns with the rows that were added.
    fn columns(&mut self) -> &mut Columns;
}

impl Layout {
    /// Every layout.
    pub const ALL: [Layout; 3] = [Layout::User, Layout::Tpp, Layout::EmisV2];

    /// Its tables.
    pub fn tables(self) -> &'static [Table] {
        match self {
            Layout::User => &user::TABLES,
            Layout::Tpp => &tpp::TABLES,
            Layout::EmisV2 => &emisv2::TABLES,
        }
    }

    /// The table of that name.
    pub fn table(self, name: &str) -> Option<Table> {
        self.tables().iter().find(|table| table.name == name).copied()
    }
}

impl Table {
    /// Every user-facing table.
    pub const ALL: [Table; user::TABLES.len()] = user::TABLES;

    /// Registers that go with user-facing tables, in a folder `registers`: patients with a Type 1 opt-out, patients
    /// without a National one, practices with the days on which they were activated and switched off, and who was
    /// registered where. The other layouts have them among their tables.
    pub const REGISTERS: [Table; registers::TABLES.len()] = registers::TABLES;

    /// A table whose rows are made patient by patient.
    const fn of(
        layout: Layout,
        name: &'static str,
        subject: Subject,
        rows_per_patient: fn(&World) -> f64,
        rows: for<'w> fn(&'w World) -> Box<dyn Rows + 'w>,
    ) -> Self {
        Table { name, layout, subject, rows_per_patient, made: Made::PerPatient(rows) }
    }

    /// A table about no patient.
    const fn once(layout: Layout, name: &'static str, rows: fn(&World) -> Result<RecordBatch, ArrowError>) -> Self {
        Table { name, layout, subject: Subject::Patients, rows_per_patient: |_| 0.0, made: Made::Once(rows) }
    }

    /// Whether policies read it as a register, so that its file needs its digest beside it.
    pub fn is_register(self) -> bool {
        match self.layout {
            Layout::User => self.name.starts_with("registers/"),
            Layout::Tpp => tpp::REGISTERS.contains(&self.name),
            Layout::EmisV2 => emisv2::REGISTERS.contains(&self.name),
        }
    }

    /// Its name as a file, without ending; a register's begins with its folder.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// The layout that it belongs to.
    pub fn layout(self) -> Layout {
        self.layout
    }

    pub(crate) fn made(self) -> Made {
        self.made
    }

    /// The stream that its rows are drawn from.
    pub(crate) fn purpose(self) -> u64 {
        self.subject as u64
    }

    /// About how many rows a patient has.
    pub(crate) fn rows_per_patient(self, world: &World) -> f64 {
        (self.rows_per_patient)(world)
    }
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        (self.layout, self.name) == (other.layout, other.name)
    }
}

impl Eq for Table {}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{}", self.layout, self.name)
    }
}

/// About how many rows a patient has, by what they are of.
mod per_patient {
    use super::{World, admissions, appointments, emergencies, medications, outpatients};

    pub(super) fn one(_: &World) -> f64 {
        1.0
    }
    pub(super) fn registrations(_: &World) -> f64 {
        2.5
    }
    pub(super) fn events(world: &World) -> f64 {
        world.events_per_patient
    }
    pub(super) fn issues(world: &World) -> f64 {
        world.events_per_patient * medications::PER_EVENT
    }
    pub(super) fn doses(_: &World) -> f64 {
        8.0
    }
    pub(super) fn appointments(world: &World) -> f64 {
        world.events_per_patient * appointments::PER_EVENT
    }
    pub(super) fn deaths(_: &World) -> f64 {
        0.15
    }
    pub(super) fn care_homes(_: &World) -> f64 {
        0.05
    }
    pub(super) fn opt_outs(_: &World) -> f64 {
        0.05
    }
    pub(super) fn spells(_: &World) -> f64 {
        admissions::PER_PATIENT
    }
    pub(super) fn attendances(_: &World) -> f64 {
        emergencies::PER_PATIENT
    }
    pub(super) fn visits(_: &World) -> f64 {
        outpatients::PER_PATIENT
    }
}

/// The value, but NULL so many times out of one.
pub(crate) fn or_null<T>(value: T, null_rate: f64, dice: &mut Dice) -> Option<T> {
    (!dice.chance(null_rate)).then_some(value)
}

#[cfg(test)]
mod tests;
