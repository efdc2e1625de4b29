//! Synthetic GP-like populations: the one generator that demo, tests and benchmarks share.
//!
//! Every patient is drawn from a random stream of their own, keyed by seed, patient and table. So a population is the
//! same on any number of threads, any table can be made without the others, and memory does not depend on the number
//! of patients. The shapes are those of GP records (ages, code frequencies with a long tail, skewed numbers of events,
//! winter peaks, moves between practices); no real record was looked at to make them.
//!
//! ```
//! use peristyle_synth::{FileFormat, Population, Table};
//!
//! let folder = tempfile::tempdir()?;
//! let population = Population { patients: 100, events_per_patient: 10.0, ..Population::default() };
//! let written = population.write_tables(folder.path(), &Table::ALL, FileFormat::Parquet, 2, &|_| ())?;
//! assert_eq!(written[0].rows, 100);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod codes;
mod dice;
mod error;
mod life;
mod order;
mod population;
mod practices;
mod records;
mod tables;
mod world;
mod write;

pub use error::SynthError;
pub use order::Order;
pub use population::{Planted, Population};
pub use tables::{Layout, Table};
pub use write::{FileFormat, Progress, WrittenTable};
