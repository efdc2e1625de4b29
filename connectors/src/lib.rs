//! Connectors: what may be read of a supplier's extract, and the views that make the catalogue's tables of it.
//!
//! ```text
//! NAME/manifest.toml ──► document ──► examine ──► Manifest { Connector, registers }
//! NAME/views/*.sql   ────────────────────┘             │
//!                                                       └──► check: views planned by `opt-out` against the catalogue
//! ```
//!
//! A connector comes with Peristyle or lies in an operator's folder; both are read alike. All that is wrong with one is
//! said at once, each with its file and line. What is absent: rows. Nothing here opens an extract.

mod check;
mod document;
mod error;
mod examine;
mod folder;
mod manifest;
mod names_in_sql;
mod scaffold;
#[cfg(test)]
mod tests;

pub use check::{check, expected_columns};
pub use error::{Fault, LoadError, Problem};
pub use folder::policy_example;
pub use manifest::{Manifest, RegisterUse, builtin, load};
pub use scaffold::{ScaffoldError, scaffold};
