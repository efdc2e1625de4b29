//! Statistical disclosure control of measures: small numbers suppressed, all others rounded.
//!
//! Two rules. By [`sums`](DisclosureControl::BySums) is OpenSAFELY's; definition format, section 6. It takes a number for
//! a count of patients. But a definition may let a patient add any amount: three patients who add 1000 each come to 3000,
//! which is not small. By [`people`](DisclosureControl::ByPeople) asks how many patients add something, and how much:
//!
//! ```text
//!   amounts of single patients, by size:  900  40  30  30  20  20  12  11   9  9  8  …
//!                                          └────────────────────────────┘
//!   the eighth is 11, so the unit is 20 (of 1, 2, 5, 10, 20, 50, …)
//!   what lies beyond the unit is what 7 patients or fewer have: 900, 40, 30 and 30 count 20 each
//!   suppressed up to 7 units, else rounded to the nearest 5 units: each patient is one of five, at most
//! ```
//!
//! Where patients add 1 or nothing, the unit is 1, and both rules show the same.

/// Counts up to this one become zero, and so does what so many patients add.
pub const SUPPRESSION_THRESHOLD: i64 = 7;

/// Counts are rounded to the nearest multiple of this.
pub const ROUNDING_MULTIPLE: i64 = 5;

/// How many of the amounts that single patients add decide by how much a number is rounded: the last of them is the
/// greatest that more patients have than are suppressed.
pub const GREATEST_AMOUNTS: usize = SUPPRESSION_THRESHOLD as usize + 1;

/// Whether numbers are suppressed and rounded before anybody sees them, and what decides whether one is small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DisclosureControl {
    /// The number itself: ehrQL's rule
    #[default]
    BySums,
    /// The patients who add to it
    ByPeople,
    /// Numbers as they are: for dummy tables, and for those who may see them
    Off,
}

/// What is shown of a sum by ehrQL's rule: zero up to [`SUPPRESSION_THRESHOLD`], below zero included; else the nearest
/// multiple of [`ROUNDING_MULTIPLE`].
pub(crate) fn by_sums(sum: i64) -> i64 {
    suppressed_and_rounded(sum.into(), 1)
}

/// What is shown of a sum, judged by the patients who add to it.
///
/// `greatest` are the amounts of single patients that are greatest in size, the greatest first, and 0 where there are fewer
/// patients. The last of them, in size, is what more than [`SUPPRESSION_THRESHOLD`] patients have: without one, the sum is
/// suppressed. With one, the least of 1, 2, 5, 10, 20, … that is not below it is the unit. No patient counts more than the
/// unit, above or below zero. Of the sum that is left, up to [`SUPPRESSION_THRESHOLD`] units become zero, and more are
/// rounded to [`ROUNDING_MULTIPLE`] units.
pub(crate) fn by_people(sum: i64, greatest: &[i64; GREATEST_AMOUNTS]) -> i64 {
    let [.., last] = greatest;
    if *last == 0 {
        return 0;
    }
    let unit = unit(last.unsigned_abs());
    // All others are no greater than the last of these.
    let beyond = |amount: &i64| i128::from(*amount) - i128::from(*amount).clamp(-unit, unit);
    let sum = i128::from(sum) - greatest.iter().map(beyond).sum::<i128>();
    suppressed_and_rounded(sum, unit)
}

/// The least of 1, 2, 5, 10, 20, 50, … that is not below `size`.
fn unit(size: u64) -> i128 {
    let size = i128::from(size);
    let mut decade = 1;
    loop {
        match [1, 2, 5].into_iter().map(|step| step * decade).find(|unit| *unit >= size) {
            Some(unit) => return unit,
            None => decade *= 10,
        }
    }
}

/// Zero for up to [`SUPPRESSION_THRESHOLD`] units; else the nearest multiple of [`ROUNDING_MULTIPLE`] units, and of two that
/// are as near the even one. Of multiples that do not fit 64 bits, the greatest that does.
fn suppressed_and_rounded(sum: i128, unit: i128) -> i64 {
    if sum <= i128::from(SUPPRESSION_THRESHOLD) * unit {
        return 0;
    }
    let multiple = i128::from(ROUNDING_MULTIPLE) * unit;
    let (below, rest) = (sum / multiple, sum % multiple);
    let is_up = 2 * rest > multiple || (2 * rest == multiple && below % 2 == 1);
    let multiples = (below + i128::from(is_up)).min(i128::from(i64::MAX) / multiple);
    i64::try_from(multiples * multiple).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::cmp::Reverse;

    use proptest::prelude::*;

    use super::*;

    /// What is shown of a number that patients add these amounts to.
    fn shown(amounts: &[i64]) -> i64 {
        let mut greatest = amounts.to_vec();
        greatest.sort_by_key(|amount| Reverse(amount.unsigned_abs()));
        greatest.resize(GREATEST_AMOUNTS.max(amounts.len()), 0);
        let sum = amounts.iter().map(|amount| i128::from(*amount)).sum::<i128>();
        by_people(sum.try_into().unwrap(), greatest[..GREATEST_AMOUNTS].try_into().unwrap())
    }

    /// So many patients who add this amount, for each pair.
    type Given<'a> = &'a [(usize, i64)];

    fn patients(given: Given<'_>) -> Vec<i64> {
        given.iter().flat_map(|(patients, amount)| vec![*amount; *patients]).collect()
    }

    #[test]
    fn counts_are_suppressed_then_rounded() {
        let cases = [
            (i64::MIN, 0),
            (-8, 0),
            (0, 0),
            (1, 0),
            (6, 0),
            (7, 0),
            (8, 10),
            (10, 10),
            (12, 10),
            (13, 15),
            (17, 15),
            (18, 20),
            (1_002, 1_000),
            (1_003, 1_005),
            (i64::MAX, i64::MAX - 2),
            (i64::MAX - 3, i64::MAX - 2),
        ];
        for (count, expected) in cases {
            assert_eq!(by_sums(count), expected, "{count}");
        }
    }

    #[test]
    fn a_unit_is_the_next_of_one_two_five() {
        let cases = [
            (1, 1),
            (2, 2),
            (3, 5),
            (5, 5),
            (6, 10),
            (11, 20),
            (20, 20),
            (21, 50),
            (51, 100),
            (1_001, 2_000),
            (i64::MAX as u64, 10_i128.pow(19)),
            (u64::MAX, 2 * 10_i128.pow(19)),
        ];
        for (size, expected) in cases {
            assert_eq!(unit(size), expected, "{size}");
        }
    }

    #[test]
    fn numbers_are_judged_by_the_patients_who_add_to_them() {
        let cases: [(&str, Given<'_>, i64); 18] = [
            ("nobody", &[], 0),
            ("seven patients", &[(7, 1)], 0),
            ("eight patients", &[(8, 1)], 10),
            ("patients who add nothing are not there", &[(7, 1), (1_000, 0)], 0),
            ("three patients, a thousand each", &[(3, 1_000)], 0),
            ("seven patients, whatever they add", &[(7, i64::MAX / 8)], 0),
            ("eight patients, a thousand each", &[(8, 1_000)], 10_000),
            ("three among others who add 1", &[(3, 1_000), (997, 1)], 1_000),
            ("seven among others who add 1", &[(7, 1_000_000), (993, 1)], 1_000),
            ("eight among others who add 1", &[(8, 1_000), (992, 1)], 10_000),
            ("a birth year, times 10", &[(1, 19_010), (59, 0)], 0),
            ("one who counts below zero for all others", &[(1, -1_000_000), (100, 1)], 100),
            ("one and the same above and below zero", &[(10, 5), (10, -5)], 0),
            ("below zero in all", &[(100, -5)], 0),
            ("a unit of two, halfway: to the even one above", &[(8, 2), (19, 1)], 40),
            ("a unit of two, halfway: to the even one below", &[(8, 2), (29, 1)], 40),
            ("up to seven units", &[(8, 3), (11, 1)], 0),
            ("more than seven units", &[(8, 3), (12, 1)], 25),
        ];
        for (case, amounts, expected) in cases {
            assert_eq!(shown(&patients(amounts)), expected, "{case}");
        }
    }

    #[test]
    fn the_greatest_sums_do_not_overflow() {
        let of = |last: i64, sum: i64| by_people(sum, &[last; GREATEST_AMOUNTS]);
        assert_eq!(of(1, i64::MAX), i64::MAX - 2);
        assert_eq!(of(1_000_000_000_000_000_000, i64::MAX), 5_000_000_000_000_000_000, "10^19 does not fit");
        assert_eq!(of(i64::MAX, i64::MAX), 0);
        assert_eq!(of(i64::MIN, i64::MAX), 0);
        assert_eq!(of(i64::MIN, i64::MIN), 0);
        let mut greatest = [i64::MIN; GREATEST_AMOUNTS];
        greatest[GREATEST_AMOUNTS - 1] = 1;
        assert_eq!(by_people(i64::MAX, &greatest), i64::MAX - 2, "what is taken off below zero");
    }

    /// The rule as it is worded, in floats, for counts that a float holds.
    fn as_worded(count: i64) -> i64 {
        let count = if count <= 7 { 0 } else { count };
        5 * (count as f64 / 5.0).round_ties_even() as i64
    }

    fn amounts() -> impl Strategy<Value = Vec<i64>> {
        let amount = prop_oneof![Just(0), Just(1), -3..4_i64, -1_000..2_000_i64, Just(1_000_000)];
        proptest::collection::vec(amount, 0..60)
    }

    proptest! {
        #[test]
        fn every_count_is_as_the_rule_is_worded(count in 0_i64..1 << 48) {
            prop_assert_eq!(by_sums(count), as_worded(count));
        }

        #[test]
        fn no_small_count_and_no_exact_count_is_shown(count: i64) {
            let shown = by_sums(count);
            prop_assert!(shown == 0 || shown >= 10);
            prop_assert_eq!(shown % ROUNDING_MULTIPLE, 0);
            prop_assert!(shown == 0 || (i128::from(shown) - i128::from(count)).abs() <= 2);
        }

        /// Where every patient adds 1 or nothing, people and sums are the same.
        #[test]
        fn counts_of_patients_are_shown_alike_by_both_rules(ones in 0..3_000_usize, zeros in 0..20_usize) {
            prop_assert_eq!(shown(&patients(&[(ones, 1), (zeros, 0)])), by_sums(ones as i64));
        }

        /// What 7 patients or fewer add beyond what others do makes no difference, whatever it is.
        #[test]
        fn what_few_patients_add_beyond_all_others_is_not_shown(
            others in amounts(),
            few in proptest::collection::vec(0_u64..1 << 40, 1..8),
        ) {
            let most = others.iter().map(|amount| amount.abs()).max().unwrap_or_default();
            let most_have_it = [most; GREATEST_AMOUNTS];
            let beyond = |extra: &dyn Fn(&u64) -> u64| {
                let few = few.iter().map(|amount| unit(most.unsigned_abs()) as i64 + extra(amount) as i64);
                shown(&few.chain(others.iter().copied()).chain(most_have_it).collect::<Vec<_>>())
            };
            prop_assert_eq!(beyond(&|extra| *extra), beyond(&|_| 0));
        }

        /// A number that is shown is a multiple of five units, and at most half of that from the sum of what is taken of
        /// each patient.
        #[test]
        fn a_number_is_suppressed_or_rounded_to_five_units(all in amounts()) {
            let mut sizes: Vec<u64> = all.iter().map(|amount| amount.unsigned_abs()).collect();
            sizes.sort_by_key(|size| Reverse(*size));
            let number = shown(&all);
            match sizes.get(7).copied().filter(|size| *size > 0) {
                None => prop_assert_eq!(number, 0),
                Some(eighth) => {
                    let multiple = 5 * unit(eighth) as i64;
                    prop_assert_eq!(number % multiple, 0);
                    prop_assert!(number == 0 || number >= multiple);
                    let clipped: i64 = all.iter().map(|amount| (*amount).clamp(-multiple / 5, multiple / 5)).sum();
                    prop_assert!(number == 0 || (number - clipped).abs() <= multiple / 2);
                }
            }
        }
    }
}
