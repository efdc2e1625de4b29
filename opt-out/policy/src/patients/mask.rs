//! Which rows of a batch stay.

/// One bit a row: set where the row stays.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowMask {
    words: Vec<u64>,
    rows: usize,
}

impl RowMask {
    pub(crate) fn with_capacity(rows: usize) -> Self {
        Self { words: Vec::with_capacity(rows.div_ceil(64)), rows: 0 }
    }

    pub(crate) fn push(&mut self, stays: bool) {
        let bit = self.rows % 64;
        if bit == 0 {
            self.words.push(0);
        }
        if let Some(word) = self.words.last_mut() {
            *word |= u64::from(stays) << bit;
        }
        self.rows += 1;
    }

    /// How many rows the mask is for.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many rows stay.
    pub fn kept(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether the row at `row` stays; false beyond the last.
    pub fn stays(&self, row: usize) -> bool {
        row < self.rows && self.words[row / 64] >> (row % 64) & 1 == 1
    }

    /// The mask of the other rows.
    #[must_use]
    pub fn inverted(mut self) -> Self {
        self.words.iter_mut().for_each(|word| *word = !*word);
        // Bits beyond the last row stay clear, so that counting words counts rows.
        let used = self.rows % 64;
        if let Some(last) = self.words.last_mut().filter(|_| used != 0) {
            *last &= (1 << used) - 1;
        }
        self
    }

    /// Bits of 64 rows a word, the first row lowest, unused bits clear: the layout of an Arrow bitmap on a
    /// little-endian machine.
    pub fn into_words(self) -> Vec<u64> {
        self.words
    }
}

impl FromIterator<bool> for RowMask {
    fn from_iter<I: IntoIterator<Item = bool>>(rows: I) -> Self {
        let rows = rows.into_iter();
        let mut mask = Self::with_capacity(rows.size_hint().0);
        rows.for_each(|stays| mask.push(stays));
        mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_mask_is_its_rows(rows in proptest::collection::vec(any::<bool>(), 0..200)) {
            let mask: RowMask = rows.iter().copied().collect();
            prop_assert_eq!(mask.rows(), rows.len());
            prop_assert_eq!(mask.kept(), rows.iter().filter(|stays| **stays).count());
            prop_assert_eq!((0..rows.len()).map(|row| mask.stays(row)).collect::<Vec<_>>(), rows.clone());
            prop_assert!(!mask.stays(rows.len()));
            prop_assert_eq!(mask.inverted(), rows.iter().map(|stays| !stays).collect::<RowMask>());
        }
    }
}
