//! What is kept of the amounts that patients add to a number of a measure.

use std::fmt::Debug;

/// How many amounts are kept where disclosure control is judged by people: one more than the patients whose number, and
/// whose amounts, are not to be shown.
pub const GREATEST_AMOUNTS: usize = 8;

/// What is kept of the amounts that patients add to a number. What is kept of all patients does not depend on the order in
/// which they come.
pub(crate) trait Tally: Copy + Debug + Default + Send + Sync + 'static {
    /// How many of the amounts are kept, beside their sum
    const KEPT: usize;
    /// Whether an error says what could not be computed
    const NAMES_FAULTS: bool;

    /// Of so many patients, each of whom adds the same.
    fn of_equal(amount: i64, patients: u32) -> Self;
    /// Takes a patient's amount.
    fn add(&mut self, amount: i64);
    /// Takes what was kept of other patients.
    fn merge(&mut self, other: &Self);
    /// The sum of all amounts.
    fn sum(&self) -> i128;
    /// The amounts of greatest size, the greatest first, as many as are kept; 0 stands for nobody.
    fn greatest(&self) -> &[i64];
}

/// The sum alone: 128 bits, so that the order of additions cannot matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum(i128);

impl Tally for Sum {
    const KEPT: usize = 0;
    const NAMES_FAULTS: bool = true;

    fn of_equal(amount: i64, patients: u32) -> Self {
        Sum(i128::from(amount) * i128::from(patients))
    }

    fn add(&mut self, amount: i64) {
        self.0 += i128::from(amount);
    }

    fn merge(&mut self, other: &Self) {
        self.0 += other.0;
    }

    fn sum(&self) -> i128 {
        self.0
    }

    fn greatest(&self) -> &[i64] {
        &[]
    }
}

/// The sum, and the amounts of greatest size: what disclosure control is judged by people with. So an error says no more
/// than that something could not be computed; each name would be an answer about a single patient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SumAndGreatest {
    sum: Sum,
    greatest: [i64; GREATEST_AMOUNTS],
}

impl SumAndGreatest {
    /// Keeps an amount if it is among the greatest; whether it is.
    fn keep(&mut self, amount: i64) -> bool {
        // The sign decides between amounts of one size, so that it is always the same ones that are kept.
        let size = |amount: i64| (amount.unsigned_abs(), amount);
        let is_among = size(amount) > size(self.greatest[GREATEST_AMOUNTS - 1]);
        if is_among {
            let place = self.greatest.partition_point(|kept| size(*kept) >= size(amount));
            self.greatest[place..].rotate_right(1);
            self.greatest[place] = amount;
        }
        is_among
    }
}

impl Tally for SumAndGreatest {
    const KEPT: usize = GREATEST_AMOUNTS;
    const NAMES_FAULTS: bool = false;

    fn of_equal(amount: i64, patients: u32) -> Self {
        let mut greatest = [0; GREATEST_AMOUNTS];
        greatest.iter_mut().zip(0..patients).for_each(|(kept, _)| *kept = amount);
        SumAndGreatest { sum: Sum::of_equal(amount, patients), greatest }
    }

    fn add(&mut self, amount: i64) {
        self.sum.add(amount);
        self.keep(amount);
    }

    fn merge(&mut self, other: &Self) {
        self.sum.merge(&other.sum);
        // Where one is too small, so are those after it.
        let _ = other.greatest.iter().all(|amount| self.keep(*amount));
    }

    fn sum(&self) -> i128 {
        self.sum.sum()
    }

    fn greatest(&self) -> &[i64] {
        &self.greatest
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use proptest::prelude::*;

    use super::*;

    fn tally<T: Tally>(amounts: &[i64]) -> T {
        let mut tally = T::default();
        amounts.iter().for_each(|amount| tally.add(*amount));
        tally
    }

    fn amounts() -> impl Strategy<Value = Vec<i64>> {
        let amount = prop_oneof![Just(0), Just(i64::MIN), Just(i64::MAX), -3..4_i64, any::<i64>()];
        proptest::collection::vec(amount, 0..30)
    }

    proptest! {
        #[test]
        fn the_greatest_amounts_are_kept_however_patients_come(all in amounts(), cut in 0..30_usize) {
            let (first, second) = all.split_at(cut.min(all.len()));
            let mut merged: SumAndGreatest = tally(second);
            merged.merge(&tally(first));
            prop_assert_eq!(merged, tally(&all));
            prop_assert_eq!(merged.sum(), tally::<Sum>(&all).sum());

            let mut expected = all.clone();
            expected.sort_by_key(|amount| Reverse((amount.unsigned_abs(), *amount)));
            expected.resize(GREATEST_AMOUNTS.max(all.len()), 0);
            prop_assert_eq!(merged.greatest(), &expected[..GREATEST_AMOUNTS]);
        }

        #[test]
        fn patients_who_add_the_same_are_taken_together(amount: i64, patients in 0..20_u32) {
            let amounts = vec![amount; patients as usize];
            prop_assert_eq!(SumAndGreatest::of_equal(amount, patients), tally(&amounts));
            prop_assert_eq!(Sum::of_equal(amount, patients), tally(&amounts));
        }
    }
}
