#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod emisv2;
mod ids;
mod rates;
mod schema;
mod sheet;
mod tpp;

use std::sync::Arc;

use peristyle_model::types::CodeSystem;

use crate::{Planted, Population};

/// A population with all that one can have.
fn population() -> Population {
    let list = |system, code: &str| Planted { patient_rate: 0.2, ..Planted::common(system, [Arc::from(code)]) };
    let planted = vec![
        list(CodeSystem::SnomedCt, "314159265"),
        list(CodeSystem::Ctv3, "XPLAN"),
        list(CodeSystem::Dmd, "271828182"),
        list(CodeSystem::Icd10, "Z987"),
        list(CodeSystem::Opcs4, "Z123"),
    ];
    Population { patients: 1_500, events_per_patient: 25.0, seed: 7, planted, ..Population::default() }
}
