//! Made-up vocabularies of clinical codes, with the planted code lists among them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringArray};
use peristyle_model::types::CodeSystem;

use crate::dice::{Dice, Weighted};
use crate::life::Life;
use crate::population::Planted;

/// The codes of one system: every string once, drawn with a long tail.
pub(crate) struct CodeBook {
    /// All codes; an index into it is what tables hold
    pub(crate) codes: ArrayRef,
    background: Weighted,
    /// The planted lists of this system
    pub(crate) lists: Vec<PlantedList>,
}

/// A planted list, as indices into its book.
pub(crate) struct PlantedList {
    patient_rate: f64,
    /// Of a patient that has any
    events_per_patient: f64,
    members: Vec<i32>,
    frequencies: Weighted,
}

impl CodeBook {
    /// A book of `size` made-up codes and those of the planted lists of this system.
    pub(crate) fn new(system: CodeSystem, size: usize, planted: &[Planted]) -> Self {
        let mut codes: Vec<Arc<str>> = (0..size as u64).map(|number| made_up(system, number).into()).collect();
        let mut index: HashMap<Arc<str>, i32> =
            codes.iter().cloned().enumerate().map(|(index, code)| (code, index as i32)).collect();
        let lists = planted
            .iter()
            .filter(|list| list.system == system && !list.codes.is_empty())
            .map(|list| {
                let member = |code: &Arc<str>| {
                    *index.entry(Arc::clone(code)).or_insert_with(|| {
                        codes.push(Arc::clone(code));
                        codes.len() as i32 - 1
                    })
                };
                PlantedList {
                    patient_rate: list.patient_rate,
                    events_per_patient: list.events_per_patient,
                    members: list.codes.iter().map(member).collect(),
                    frequencies: Weighted::zipf(list.codes.len()),
                }
            })
            .collect();
        let codes = Arc::new(StringArray::from_iter_values(codes.iter()));
        CodeBook { codes, background: Weighted::zipf(size), lists }
    }

    /// All codes, by index.
    pub(crate) fn strings(&self) -> &StringArray {
        self.codes.as_string()
    }

    /// Mean number of rows per patient with codes of the planted lists.
    pub(crate) fn planted_per_patient(&self) -> f64 {
        self.lists.iter().map(|list| list.patient_rate * list.events_per_patient).sum()
    }

    /// Any made-up code.
    pub(crate) fn any(&self, dice: &mut Dice) -> i32 {
        self.background.draw(dice) as i32
    }
}

impl PlantedList {
    /// How many rows with its codes a patient has: none for most.
    pub(crate) fn events(&self, life: &Life, dice: &mut Dice) -> usize {
        // Two times in three it is health that decides, so that the same patients tend to have several lists.
        let luck = if dice.chance(2.0 / 3.0) { life.health } else { dice.unit() };
        if luck < self.patient_rate {
            (1 + dice.geometric(self.events_per_patient - 1.0)).min(Dice::GEOMETRIC_MAX)
        } else {
            0
        }
    }

    /// One of its codes.
    pub(crate) fn any(&self, dice: &mut Dice) -> i32 {
        self.members[self.frequencies.draw(dice)]
    }
}

/// A code in the form of its system; different numbers give different codes.
fn made_up(system: CodeSystem, number: u64) -> String {
    // An odd factor is a bijection on the low bits: neighbours in rank are no neighbours in spelling.
    let scramble = |bits: u32| (number * 2_654_435_761) & ((1 << bits) - 1);
    match system {
        CodeSystem::SnomedCt => format!("{}00{}", 1_000_000 + scramble(26), number % 10),
        CodeSystem::Dmd => format!("{}100000{}", 10_000_000 + scramble(26), 100 + number % 10),
        CodeSystem::Ctv3 => {
            const LETTERS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz01";
            let mut rest = number;
            let mut code = String::from("X");
            for _ in 0..4 {
                code.push(char::from(LETTERS[(rest % 62) as usize]));
                rest /= 62;
            }
            code
        }
        CodeSystem::Icd10 | CodeSystem::Opcs4 => {
            let scrambled = (number * 7_919) % 26_000;
            let letter = char::from(b'A' + (scrambled / 1_000) as u8);
            format!("{letter}{:03}", scrambled % 1_000)
        }
        CodeSystem::Bnf => format!("{:015}", scramble(40)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_differ_and_have_the_form_of_their_system() {
        for (system, digits_only, lengths) in [
            (CodeSystem::SnomedCt, true, 6..=18),
            (CodeSystem::Dmd, true, 6..=18),
            (CodeSystem::Ctv3, false, 5..=5),
            (CodeSystem::Icd10, false, 4..=4),
            (CodeSystem::Opcs4, false, 4..=4),
        ] {
            let codes: HashSet<String> = (0..20_000).map(|number| made_up(system, number)).collect();
            assert_eq!(codes.len(), 20_000, "{system:?}");
            for code in codes {
                assert!(lengths.contains(&code.len()), "{system:?}: {code}");
                assert!(!digits_only || code.bytes().all(|byte| byte.is_ascii_digit()), "{system:?}: {code}");
            }
        }
    }

    #[test]
    fn planted_codes_are_in_the_book_once() {
        let known: Arc<str> = made_up(CodeSystem::SnomedCt, 7).into();
        let codes = [Arc::from("999"), known, Arc::from("999")];
        let lists = [Planted::common(CodeSystem::SnomedCt, codes.clone()), Planted::common(CodeSystem::Dmd, codes)];
        let book = CodeBook::new(CodeSystem::SnomedCt, 100, &lists);
        assert_eq!(book.codes.len(), 101);
        assert_eq!(book.lists.len(), 1);
        assert_eq!(book.lists[0].members, [100, 7, 100]);
        assert_eq!(book.codes.as_string::<i32>().value(100), "999");
    }
}
