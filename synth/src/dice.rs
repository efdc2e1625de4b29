//! Random draws of one patient for one purpose.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A stream of random draws, keyed by seed, patient and purpose: no other stream's draws change it.
///
/// ChaCha, because its streams are the same on every machine and in every version.
pub(crate) struct Dice(ChaCha8Rng);

/// Purposes that one patient may have.
const PURPOSES: u64 = 64;

impl Dice {
    /// The stream of `patient` for `purpose`, which is below 64.
    pub(crate) fn new(seed: u64, patient: u64, purpose: u64) -> Self {
        debug_assert!(purpose < PURPOSES);
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(patient.wrapping_mul(PURPOSES) | purpose);
        Dice(generator)
    }

    /// Any 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// From 0 up to, not including, 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// From 0 up to, not including, `end`; 0 if `end` is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(end)) >> 64) as u64
    }

    /// A whole number from `low` to `high`, both included; `low` if `high` is smaller.
    pub(crate) fn between(&mut self, low: i32, high: i32) -> i32 {
        let span = (i64::from(high) - i64::from(low) + 1).max(1);
        (i64::from(low) + self.below(span as u64) as i64) as i32
    }

    /// True so many times out of one.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Exponentially distributed with this mean.
    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// The largest [`geometric`](Self::geometric) count.
    pub(crate) const GEOMETRIC_MAX: usize = 1_000;

    /// A count with this mean and a long tail, at most 1,000.
    pub(crate) fn geometric(&mut self, mean: f64) -> usize {
        self.exponential_floor(mean).min(Self::GEOMETRIC_MAX)
    }

    fn exponential_floor(&mut self, mean: f64) -> usize {
        // The floor of an exponential is geometric; its mean is 1 / (e^(1/scale) - 1).
        let scale = 1.0 / (1.0 / mean.max(1e-9)).ln_1p();
        self.exponential(scale) as usize
    }

    /// `mean` rounded up or down by chance, so that it is right on average.
    pub(crate) fn round(&mut self, mean: f64) -> usize {
        (mean + self.unit()) as usize
    }

    /// Normally distributed with mean 0 and standard deviation 1.
    pub(crate) fn normal(&mut self) -> f64 {
        // Box and Muller. 1 - unit() is above zero.
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Lognormally distributed with mean 1; the larger `sigma`, the more skewed.
    pub(crate) fn skew(&mut self, sigma: f64) -> f64 {
        (sigma * self.normal() - sigma * sigma / 2.0).exp()
    }
}

/// Draws an index by weight in constant time (Walker's alias method, in Vose's form).
pub(crate) struct Weighted {
    /// Of 2^32: how often a draw that lands here stays
    stays: Vec<u32>,
    /// Where it goes otherwise
    other: Vec<u32>,
}

impl Weighted {
    /// Weights need not sum to one. No weights: every draw is 0.
    pub(crate) fn new(weights: &[f64]) -> Self {
        let count = weights.len().max(1);
        let sum: f64 = weights.iter().sum();
        let mut share: Vec<f64> = weights.iter().map(|weight| weight * count as f64 / sum).collect();
        share.resize(count, 1.0);
        let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..count).partition(|&index| share[index] < 1.0);
        let mut drawn = Weighted { stays: vec![u32::MAX; count], other: (0..count as u32).collect() };
        while let (Some(low), Some(&high)) = (small.pop(), large.last()) {
            drawn.stays[low] = (share[low] * f64::from(u32::MAX)) as u32;
            drawn.other[low] = high as u32;
            share[high] -= 1.0 - share[low];
            if share[high] < 1.0 {
                large.pop();
                small.push(high);
            }
        }
        drawn
    }

    /// Weights that fall off with rank, as word and code frequencies do.
    pub(crate) fn zipf(count: usize) -> Self {
        Self::new(&(0..count).map(|rank| (rank as f64 + 2.7).powf(-1.07)).collect::<Vec<_>>())
    }

    /// An index.
    pub(crate) fn draw(&self, dice: &mut Dice) -> usize {
        let bits = dice.bits();
        let index = (((bits >> 32) * self.stays.len() as u64) >> 32) as usize;
        if bits as u32 <= self.stays[index] { index } else { self.other[index] as usize }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_the_means_they_are_asked_for() {
        let mut dice = Dice::new(1, 2, 3);
        let weighted = Weighted::new(&[1.0, 2.0, 5.0]);
        let mut mean =
            |mut draw: Box<dyn FnMut(&mut Dice) -> f64>| (0..50_000).map(|_| draw(&mut dice)).sum::<f64>() / 50_000.0;
        for (what, got, want) in [
            ("unit", mean(Box::new(|dice| dice.unit())), 0.5),
            ("below", mean(Box::new(|dice| dice.below(11) as f64)), 5.0),
            ("between", mean(Box::new(|dice| f64::from(dice.between(-3, 9)))), 3.0),
            ("geometric", mean(Box::new(|dice| dice.geometric(4.0) as f64)), 4.0),
            ("round", mean(Box::new(|dice| dice.round(2.3) as f64)), 2.3),
            ("skew", mean(Box::new(|dice| dice.skew(0.8))), 1.0),
            ("weighted", mean(Box::new(move |dice| weighted.draw(dice) as f64)), 1.5),
        ] {
            assert!((got - want).abs() < 0.05 * want, "{what}: mean {got}, not {want}");
        }
    }

    #[test]
    fn a_stream_depends_on_seed_patient_and_purpose() {
        let first = |seed, patient, purpose| Dice::new(seed, patient, purpose).bits();
        assert_eq!(first(1, 2, 3), first(1, 2, 3));
        for other in [first(2, 2, 3), first(1, 3, 3), first(1, 2, 4)] {
            assert_ne!(first(1, 2, 3), other);
        }
    }
}
