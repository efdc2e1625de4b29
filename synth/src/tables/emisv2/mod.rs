//! EMIS's tables, in its second layout: names and types are those of its schema. A patient is known by 16 bytes, and has
//! the registration that is current, or was last; practices have keys of their own.

use super::{Columns, Layout, Rows, Table, per_patient};
use crate::codes::CodeBook;
use crate::dice::Dice;
use crate::life::{Life, SEXES};
use crate::records::events::Code;
use crate::records::{Subject, addresses, events, medications, minutes, opt_outs};
use crate::world::World;

/// Tables that the connector's example of a policy reads as registers.
pub(super) const REGISTERS: [&str; 1] = ["patient"];

/// Named as in the schema.
pub(super) const TABLES: [Table; 3] = [
    Table::of(Layout::EmisV2, "patient", Subject::Patients, per_patient::one, |world| Box::new(Patient::new(world))),
    Table::of(Layout::EmisV2, "observation", Subject::Events, per_patient::events, |world| {
        Box::new(Observation::new(world))
    }),
    Table::of(Layout::EmisV2, "medication_issue_record", Subject::Medications, per_patient::issues, |world| {
        Box::new(MedicationIssueRecord::new(world))
    }),
];

struct Patient<'a> {
    world: &'a World,
    columns: Columns,
}

impl<'a> Patient<'a> {
    fn new(world: &'a World) -> Self {
        let columns = Columns::default()
            .key("patient_id")
            .stamp("date_of_birth")
            .stamp("date_of_death")
            .category("sex", SEXES.map(|(_, letter, _)| letter))
            .coded("middle_level_super_output_area", &addresses::neighbourhood_codes())
            .float("imd_rounded")
            .stamp("registration_start_datetime")
            .stamp("registration_end_datetime")
            .flag("is_consent_9nu0")
            .flag("is_national_data_opted_in")
            .stamp("transform_datetime")
            .flag("is_deleted");
        Patient { world, columns }
    }
}

impl Rows for Patient<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        let world = self.world;
        let of = |subject: Subject| Dice::new(world.seed, life.patient as u64, subject as u64);
        let opt_outs = opt_outs::draw(&mut of(Subject::OptOuts));
        let mut home = None;
        addresses::draw(world, life, &mut of(Subject::Addresses), |last| home = last.place);
        let registration = life.registrations.last();
        let row = self.columns.push_key(world.key(life.patient)).push_day(life.birth);
        row.push_day(life.death_known_to_practice(dice))
            .push_index(life.sex as i32)
            .push_index(home.map(|place| place.neighbourhood))
            .push_number(home.map(|place| place.deprivation as f32))
            .push_day(registration.map(|registration| registration.start))
            .push_day(registration.and_then(|registration| registration.end))
            // NULL for most: nobody asked.
            .push_flag(if opt_outs.type_one { Some(false) } else { dice.chance(0.1).then_some(true) })
            .push_flag(!opt_outs.national)
            .push_day(world.last_date)
            .push_flag(false);
    }

    fn columns(&mut self) -> &mut Columns {
        &mut self.columns
    }
}

/// The codes of a system as numbers; NULL for one that is none.
fn numbers(book: &CodeBook) -> Vec<Option<i64>> {
    book.strings().iter().map(|code| code.and_then(|code| code.parse().ok())).collect()
}

struct Observation<'a> {
    world: &'a World,
    concepts: Vec<Option<i64>>,
    columns: Columns,
}

impl<'a> Observation<'a> {
    fn new(world: &'a World) -> Self {
        let columns = Columns::default()
            .key("patient_id")
            .zoned_stamp("effective_datetime")
            .int("snomed_concept_id")
            .looked_up()
            .thousandths("numeric_value")
            .flag("is_deleted");
        Observation { world, concepts: numbers(&world.snomed), columns }
    }
}

impl Rows for Observation<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        let key = self.world.key(life.patient);
        events::draw(self.world, life, dice, |event| {
            let concept = match event.code {
                Code::Snomed(code) => code.and_then(|code| self.concepts[code as usize]),
                // EMIS has no CTV3: to it this is an entry without a concept.
                Code::Ctv3(_) => None,
            };
            let row = self.columns.push_key(key).push_moment(event.date, minutes(event.consultation));
            row.push_int(concept).push_number(event.value).push_flag(false);
        });
    }

    fn columns(&mut self) -> &mut Columns {
        &mut self.columns
    }
}

struct MedicationIssueRecord<'a> {
    world: &'a World,
    products: Vec<Option<i64>>,
    columns: Columns,
}

impl<'a> MedicationIssueRecord<'a> {
    fn new(world: &'a World) -> Self {
        let columns = Columns::default()
            .key("patient_id")
            .zoned_stamp("effective_datetime")
            .int("dmd_product_code_id")
            .looked_up()
            .flag("is_deleted");
        MedicationIssueRecord { world, products: numbers(&world.dmd), columns }
    }
}

impl Rows for MedicationIssueRecord<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        let key = self.world.key(life.patient);
        medications::draw(self.world, life, dice, |issue| {
            let product = issue.code.and_then(|code| self.products[code as usize]);
            let row = self.columns.push_key(key).push_moment(issue.date, minutes(issue.consultation));
            row.push_int(product).push_flag(false);
        });
    }

    fn columns(&mut self) -> &mut Columns {
        &mut self.columns
    }
}
