//! Opt-outs: who does not want their records used, and which of the two kinds.

use crate::dice::Dice;

/// Share of patients with a Type 1 opt-out, and with a National one.
const TYPE_ONE: f64 = 0.05;
const NATIONAL: f64 = 0.05;
/// Share of those with a Type 1 opt-out that have a National one too.
const BOTH: f64 = 0.3;

/// A patient's opt-outs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OptOuts {
    pub(crate) type_one: bool,
    pub(crate) national: bool,
}

/// The opt-outs of a patient.
pub(crate) fn draw(dice: &mut Dice) -> OptOuts {
    let type_one = dice.chance(TYPE_ONE);
    let other = (NATIONAL - TYPE_ONE * BOTH) / (1.0 - TYPE_ONE);
    OptOuts { type_one, national: dice.chance(if type_one { BOTH } else { other }) }
}
