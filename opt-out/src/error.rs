//! What can go wrong with a source, in words of our own and without a value of anyone's record.

use datafusion::error::DataFusionError;

/// A source that cannot be read. No variant holds a cell's value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// To come
    #[error("not yet")]
    NotYet,
}

impl SourceError {
    /// The source error inside an error of DataFusion, however it is wrapped.
    pub fn find(error: &DataFusionError) -> Option<&SourceError> {
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(cause) = next {
            if let Some(found) = cause.downcast_ref::<SourceError>() {
                return Some(found);
            }
            next = cause.source();
        }
        None
    }
}
