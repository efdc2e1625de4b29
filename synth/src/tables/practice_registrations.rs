//! `practice_registrations`: stays at practices, most patients several.

use std::sync::Arc;

use arrow::array::{ArrayBuilder, ArrayRef, Date32Builder, Int64Builder, RecordBatch, StringArray};
use arrow::error::ArrowError;

use super::Rows;
use super::columns::{Coded, batch};
use crate::dice::Dice;
use crate::life::Life;
use crate::world::{REGIONS, World};

pub(crate) struct PracticeRegistrations<'a> {
    world: &'a World,
    patient_id: Int64Builder,
    start_date: Date32Builder,
    end_date: Date32Builder,
    practice_pseudo_id: Int64Builder,
    practice_stp: Coded,
    practice_nuts1_region_name: Coded,
    practice_systmone_go_live_date: Date32Builder,
}

impl<'a> PracticeRegistrations<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        let areas = (1..=42).map(|area| format!("E540000{area:02}"));
        let areas: ArrayRef = Arc::new(StringArray::from_iter_values(areas));
        PracticeRegistrations {
            world,
            patient_id: Int64Builder::new(),
            start_date: Date32Builder::new(),
            end_date: Date32Builder::new(),
            practice_pseudo_id: Int64Builder::new(),
            practice_stp: Coded::new(&areas),
            practice_nuts1_region_name: Coded::of(REGIONS.map(|(region, _)| region)),
            practice_systmone_go_live_date: Date32Builder::new(),
        }
    }
}

impl Rows for PracticeRegistrations<'_> {
    fn add(&mut self, life: &Life, _dice: &mut Dice) {
        for registration in &life.registrations {
            let practice = &self.world.practices[registration.practice];
            self.patient_id.append_value(life.patient);
            self.start_date.append_value(registration.start);
            self.end_date.append_option(registration.end);
            self.practice_pseudo_id.append_value(registration.practice as i64 + 1);
            self.practice_stp.push(Some(practice.area as i32));
            self.practice_nuts1_region_name.push(Some(practice.region as i32));
            self.practice_systmone_go_live_date.append_value(practice.go_live);
        }
    }

    fn len(&self) -> usize {
        self.patient_id.len()
    }

    fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        batch(
            Arc::new(self.patient_id.finish()),
            [
                ("start_date", Arc::new(self.start_date.finish())),
                ("end_date", Arc::new(self.end_date.finish())),
                ("practice_pseudo_id", Arc::new(self.practice_pseudo_id.finish())),
                ("practice_stp", self.practice_stp.take()?),
                ("practice_nuts1_region_name", self.practice_nuts1_region_name.take()?),
                ("practice_systmone_go_live_date", Arc::new(self.practice_systmone_go_live_date.finish())),
            ],
        )
    }
}
