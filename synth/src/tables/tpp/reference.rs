//! Tables about no patient: practices, products, vaccines.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::error::ArrowError;

use crate::practices::{self, REGIONS, areas};
use crate::records::medications::Issue;
use crate::records::vaccinations::{self, DISEASES, VACCINES};
use crate::tables::Columns;
use crate::world::World;

/// Practices.
pub(super) fn organisation(world: &World) -> Result<RecordBatch, ArrowError> {
    let mut columns = Columns::default()
        .int("Organisation_ID")
        .required()
        .moment("GoLiveDate")
        .coded("STPCode", &areas())
        .required()
        .category("Region", REGIONS.map(|(region, _)| region))
        .required();
    for (at, practice) in world.practices.iter().enumerate() {
        let row = columns.push_int(practices::id(at)).push_day(practice.go_live);
        row.push_index(practice.area as i32).push_index(practice.region as i32);
    }
    columns.take()
}

/// Practices that take part. One that was switched off is not listed, nor one that never was activated.
pub(super) fn directions_acknowledged(world: &World) -> Result<RecordBatch, ArrowError> {
    let mut columns = Columns::default().int("Organisation_ID").required();
    for (at, _) in world.practices.iter().enumerate().filter(|(_, practice)| practice.takes_part()) {
        columns.push_int(practices::id(at));
    }
    columns.take()
}

/// Products of the supplier: two for each dm+d code, and some that have none, or several.
pub(super) struct Products {
    /// The supplier's ids
    pub(super) ids: ArrayRef,
    coded: i32,
}

const PRODUCTS_PER_CODE: i32 = 2;
const WITHOUT_CODE: i32 = 40;
/// Of those without code: in no dictionary.
const UNKNOWN: i32 = 10;

/// Of the products with a code, one in so many has it in the custom dictionary only.
const CUSTOM_EVERY: i32 = 20;
/// A product that the custom dictionary gives a code that does not count, since the supplier's gives one too.
const GIVEN_TWICE: i32 = 4;

/// The supplier's products.
pub(super) fn products(world: &World) -> Products {
    let coded = world.dmd.codes.len() as i32 * PRODUCTS_PER_CODE;
    let ids = (0..coded + WITHOUT_CODE).map(|product| format!("{};{};{}", 10_000 + product, product % 97, product % 7));
    Products { ids: Arc::new(StringArray::from_iter_values(ids)), coded }
}

impl Products {
    /// The product of an issue, as an index into the ids.
    pub(super) fn of(&self, issue: &Issue) -> i32 {
        match issue.code {
            Some(code) => code * PRODUCTS_PER_CODE + (issue.course % i64::from(PRODUCTS_PER_CODE)) as i32,
            None => self.coded + (issue.course % i64::from(WITHOUT_CODE)) as i32,
        }
    }

    fn id(&self, product: i32) -> &str {
        self.ids.as_string::<i32>().value(product as usize)
    }

    fn is_custom(product: i32) -> bool {
        product % CUSTOM_EVERY == CUSTOM_EVERY / 2
    }
}

fn code(world: &World, product: i32) -> &str {
    world.dmd.strings().value((product / PRODUCTS_PER_CODE) as usize)
}

/// The supplier's dictionary.
pub(super) fn medication_dictionary(world: &World) -> Result<RecordBatch, ArrowError> {
    let products = products(world);
    let mut columns = Columns::default().text("MultilexDrug_ID").text("DMD_ID");
    for product in 0..products.coded {
        let code = if Products::is_custom(product) { "" } else { code(world, product) };
        columns.push_text(products.id(product)).push_text(code);
    }
    for product in products.coded..products.coded + WITHOUT_CODE - UNKNOWN {
        columns.push_text(products.id(product)).push_text(["", "MULTIPLE_DMD_MAPPING"][product as usize % 2]);
    }
    columns.take()
}

/// The dictionary that is kept beside the supplier's, for products that have no code there.
pub(super) fn custom_medication_dictionary(world: &World) -> Result<RecordBatch, ArrowError> {
    let products = products(world);
    let mut columns = Columns::default().text("MultilexDrug_ID").text("DMD_ID");
    for product in (0..products.coded).filter(|product| Products::is_custom(*product)) {
        columns.push_text(products.id(product)).push_text(code(world, product));
    }
    columns.push_text(products.id(GIVEN_TWICE)).push_text("999999999999");
    columns.take()
}

/// What vaccines are against: a row for each disease.
pub(super) fn vaccination_reference(_: &World) -> Result<RecordBatch, ArrowError> {
    let mut columns = Columns::default()
        .small("VaccinationName_ID")
        .required()
        .text("VaccinationName")
        .required()
        .text("VaccinationContent")
        .required();
    for (vaccine, (product, diseases)) in VACCINES.into_iter().enumerate() {
        for disease in diseases {
            let row = columns.push_int(vaccinations::name_id(vaccine));
            row.push_text(product).push_text(DISEASES[*disease]);
        }
    }
    columns.take()
}
