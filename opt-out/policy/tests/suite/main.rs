//! The policy crate as others use it: the suppliers' vectors, and what patient sets cost.

mod measure;
mod vectors;
