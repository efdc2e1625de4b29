//! Sets of patients: keys, sorted, each once. Membership is a search; a batch of rows in order of patient is masked in
//! one pass.

mod dated;
mod keys;
mod marks;
mod mask;
mod set;
mod texts;

pub use dated::{PatientDays, PatientDaysBuilder};
pub use keys::{KeyType, PATIENTS_MAX, PatientKey, PatientKeyError, TEXT_KEY_BYTES_MAX};
pub use marks::Marks;
pub use mask::RowMask;
pub use set::{PatientSet, PatientSetBuilder};
pub use texts::{LetterCase, TextComparison, TextKeyProblem, lowered};
