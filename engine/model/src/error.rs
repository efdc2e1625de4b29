//! What is wrong with a definition document, and where.

/// Why a definition was refused. Holds parts of the definition at most, never a value of a patient's record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct DefinitionError {
    /// Where in the document, such as ``variable `age`, node 12 (Function.Add), field lhs``
    pub place: String,
    /// Which rule is broken, and what to do
    pub message: String,
    /// The arena entry that it was found in, by which the output it belongs to can be found
    pub(crate) entry: Option<Box<str>>,
}

impl DefinitionError {
    pub(crate) fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        DefinitionError { place: place.into(), message: message.into(), entry: None }
    }
}
