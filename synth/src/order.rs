//! In which order rows stand in a table's file.

use std::ops::Range;

use crate::dice::Dice;

/// In which order rows stand in a table's file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Ascending by patient; Parquet files say so in their metadata
    #[default]
    ByPatient,
    /// The same rows shuffled: a patient's lie in up to four distant places, among those of others
    Shuffled,
}

/// Places of the file at which a patient's rows may lie when they are shuffled.
const PASSES: u64 = 4;

/// Which patients, and which of their rows, each chunk of a file holds. A chunk is what is made at once.
#[derive(Clone, Debug)]
pub(crate) struct Chunks {
    order: Order,
    seed: u64,
    patients: u64,
    patients_per_chunk: u64,
}

/// One chunk.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    pub(crate) index: u64,
    places: Range<u64>,
    shuffle: Option<Shuffle>,
}

#[derive(Clone, Debug)]
struct Shuffle {
    pass: u64,
    patients: u64,
    factor: u64,
    offset: u64,
}

impl Chunks {
    /// Chunks of about so many rows each.
    pub(crate) fn new(order: Order, seed: u64, patients: u64, rows_per_patient: f64, rows_per_chunk: usize) -> Self {
        let patients_per_chunk = (rows_per_chunk as f64 / rows_per_patient.max(1e-3)) as u64;
        let places = if order == Order::Shuffled { PASSES } else { 1 };
        Chunks { order, seed, patients, patients_per_chunk: (patients_per_chunk * places).clamp(1, patients) }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.per_pass() * if self.order == Order::Shuffled { PASSES } else { 1 }
    }

    fn per_pass(&self) -> u64 {
        self.patients.div_ceil(self.patients_per_chunk)
    }

    /// The chunk of that index.
    pub(crate) fn chunk(&self, index: u64) -> Chunk {
        let start = index % self.per_pass() * self.patients_per_chunk;
        let places = start..(start + self.patients_per_chunk).min(self.patients);
        let shuffle = (self.order == Order::Shuffled).then(|| Shuffle::new(self, index / self.per_pass()));
        Chunk { index, places, shuffle }
    }
}

impl Chunk {
    /// The chunk's patients, in the order in which they are made.
    pub(crate) fn patients(&self) -> impl Iterator<Item = u64> + '_ {
        self.places.clone().map(|place| match &self.shuffle {
            None => place + 1,
            Some(shuffle) => shuffle.patient(place),
        })
    }

    /// Whether the chunk has a patient's row of that number, or all of them.
    pub(crate) fn holds(&self, patient: u64, row: usize) -> bool {
        self.shuffle.as_ref().is_none_or(|shuffle| (patient + row as u64) % PASSES == shuffle.pass)
    }

    /// The order in which the chunk's rows are written, if not the order in which they were made.
    pub(crate) fn permutation(&self, seed: u64, rows: &mut [u64]) {
        if self.shuffle.is_some() {
            let mut dice = Dice::new(seed ^ SHUFFLE_SEED, self.index, 0);
            for last in (1..rows.len()).rev() {
                rows.swap(last, dice.below(last as u64 + 1) as usize);
            }
        }
    }

    /// Whether rows are taken and put elsewhere.
    pub(crate) fn is_shuffled(&self) -> bool {
        self.shuffle.is_some()
    }
}

/// Keeps the draws that shuffle apart from those that make patients.
const SHUFFLE_SEED: u64 = 0x5348_5546_464c_4544;

impl Shuffle {
    fn new(chunks: &Chunks, pass: u64) -> Self {
        let mut dice = Dice::new(chunks.seed ^ SHUFFLE_SEED, u64::MAX / 64, pass);
        // A factor without a common divisor makes place -> patient a bijection.
        let mut factor = 1 + dice.below(chunks.patients);
        while greatest_common_divisor(factor, chunks.patients) != 1 {
            factor += 1;
        }
        Shuffle { pass, patients: chunks.patients, factor, offset: dice.below(chunks.patients) }
    }

    fn patient(&self, place: u64) -> u64 {
        let spread = u128::from(place) * u128::from(self.factor) + u128::from(self.offset);
        (spread % u128::from(self.patients)) as u64 + 1
    }
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_every_patient_is_in_one_chunk() {
        for order in [Order::ByPatient, Order::Shuffled] {
            for (patients, rows_per_patient, rows_per_chunk) in
                [(1, 1.0, 10), (97, 3.0, 60), (100, 0.01, 50), (64, 9.0, 1)]
            {
                let chunks = Chunks::new(order, 5, patients, rows_per_patient, rows_per_chunk);
                let mut seen = vec![0; patients as usize * 7];
                for index in 0..chunks.count() {
                    let chunk = chunks.chunk(index);
                    for patient in chunk.patients() {
                        for row in (0..7).filter(|row| chunk.holds(patient, *row)) {
                            seen[(patient as usize - 1) * 7 + row] += 1;
                        }
                    }
                }
                assert!(seen.iter().all(|times| *times == 1), "{order:?} {patients} {rows_per_patient}");
            }
        }
    }
}
