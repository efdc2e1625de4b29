//! Registers of opt-outs and practices, for a policy over user-facing tables.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;

use super::{Columns, Layout, Rows, Table, per_patient};
use crate::dice::Dice;
use crate::life::Life;
use crate::practices;
use crate::records::{Subject, opt_outs};
use crate::world::World;

/// In a folder of their own: definitions see none of them.
pub(super) const TABLES: [Table; 4] = [
    Table::of(Layout::User, "registers/type_one_dissent", Subject::OptOuts, per_patient::opt_outs, |_| {
        Box::new(OptOutList::type_one("patient_id"))
    }),
    Table::of(Layout::User, "registers/without_ndoo", Subject::OptOuts, per_patient::one, |_| {
        Box::new(OptOutList::without_national("patient_id"))
    }),
    Table::once(Layout::User, "registers/practices", practices),
    Table::of(Layout::User, "registers/registrations", Subject::Registrations, per_patient::registrations, |_| {
        Box::new(Registrations::new())
    }),
];

/// Patients with, or without, an opt-out.
pub(super) struct OptOutList {
    columns: Columns,
    lists: fn(opt_outs::OptOuts) -> bool,
}

impl OptOutList {
    /// Patients with a Type 1 opt-out.
    pub(super) fn type_one(patient: &str) -> Self {
        OptOutList { columns: Columns::default().patient(patient), lists: |opt_outs| opt_outs.type_one }
    }

    /// Patients without a National Data Opt-out.
    pub(super) fn without_national(patient: &str) -> Self {
        OptOutList { columns: Columns::default().patient(patient), lists: |opt_outs| !opt_outs.national }
    }
}

impl Rows for OptOutList {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        if (self.lists)(opt_outs::draw(dice)) {
            self.columns.push_int(life.patient);
        }
    }

    fn columns(&mut self) -> &mut Columns {
        &mut self.columns
    }
}

/// Practices that were ever activated; a day on which one was switched off ends that.
fn practices(world: &World) -> Result<RecordBatch, ArrowError> {
    let mut columns =
        Columns::default().int("practice_pseudo_id").required().date("activated_date").date("switched_off_date");
    for (at, practice) in world.practices.iter().enumerate().filter(|(_, practice)| practice.activated.is_some()) {
        columns.push_int(practices::id(at)).push_day(practice.activated).push_day(practice.switched_off);
    }
    columns.take()
}

/// Who was registered where, and until when.
struct Registrations(Columns);

impl Registrations {
    fn new() -> Self {
        let columns = Columns::default().patient("patient_id");
        Registrations(columns.int("practice_pseudo_id").date("start_date").date("end_date"))
    }
}

impl Rows for Registrations {
    fn add(&mut self, life: &Life, _dice: &mut Dice) {
        for registration in &life.registrations {
            let row = self.0.push_int(life.patient).push_int(practices::id(registration.practice));
            row.push_day(registration.start).push_day(registration.end);
        }
    }

    fn columns(&mut self) -> &mut Columns {
        &mut self.0
    }
}
