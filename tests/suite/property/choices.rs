//! What is random comes from a list of numbers, so that a failing case shrinks by shortening it.

/// Numbers to choose by. When there are no more it is always the first, and simplest, that is chosen.
pub(crate) struct Choices<'a> {
    left: &'a [u32],
}

impl<'a> Choices<'a> {
    pub(crate) fn new(numbers: &'a [u32]) -> Self {
        Choices { left: numbers }
    }

    fn next(&mut self) -> u32 {
        match self.left.split_first() {
            Some((first, rest)) => {
                self.left = rest;
                *first
            }
            None => 0,
        }
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.next() as usize % bound
    }

    pub(crate) fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == chances - 1
    }

    pub(crate) fn of<T: Clone>(&mut self, options: &[T]) -> T {
        options[self.below(options.len())].clone()
    }

    /// A number for those who make many of it.
    pub(crate) fn seed(&mut self) -> u64 {
        u64::from(self.next())
    }
}
