//! `patients`: one row each.

use std::sync::Arc;

use arrow::array::{Date32Builder, Int64Builder, RecordBatch};
use arrow::error::ArrowError;

use super::Rows;
use super::columns::{Coded, batch};
use crate::dice::Dice;
use crate::life::{Life, SEXES};

pub(crate) struct Patients {
    patient_id: Int64Builder,
    date_of_birth: Date32Builder,
    sex: Coded,
    date_of_death: Date32Builder,
}

impl Default for Patients {
    fn default() -> Self {
        Patients {
            patient_id: Int64Builder::new(),
            date_of_birth: Date32Builder::new(),
            sex: Coded::of(SEXES.map(|(sex, _)| sex)),
            date_of_death: Date32Builder::new(),
        }
    }
}

impl Rows for Patients {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        self.patient_id.append_value(life.patient);
        self.date_of_birth.append_value(life.birth);
        self.sex.push(Some(life.sex as i32));
        // A practice does not hear of every death.
        self.date_of_death.append_option(life.death.filter(|_| !dice.chance(0.02)));
    }

    fn len(&self) -> usize {
        arrow::array::ArrayBuilder::len(&self.patient_id)
    }

    fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        batch(
            Arc::new(self.patient_id.finish()),
            [
                ("date_of_birth", Arc::new(self.date_of_birth.finish())),
                ("sex", self.sex.take()?),
                ("date_of_death", Arc::new(self.date_of_death.finish())),
            ],
        )
    }
}
