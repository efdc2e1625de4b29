//! What can go wrong while planning and running.

use peristyle_opt_out::SourceError;

/// Why a study could not be run. Holds no value of any record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecutionError {
    /// A value of a variable cannot be computed: overflow, or a date out of range.
    #[error(
        "{output}: computing {operation} gives {fault} for at least one patient; \
         restrict its inputs, for example with a filter on plausible values"
    )]
    Computation {
        /// The variable, measure or event column, such as `variable 'age'`
        output: String,
        /// The operation of the definition, such as `DateAddYears`
        operation: &'static str,
        /// What it gives instead of a value
        fault: peristyle_model::scalar::Fault,
    },
    /// A table cannot be read as the definition needs it.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The total of a measure does not fit 64 bits.
    #[error("measure '{measure}': the total of its {part} does not fit 64 bits; check the values that it sums up")]
    MeasureOverflow {
        /// The measure
        measure: String,
        /// `numerator` or `denominator`
        part: &'static str,
    },
    /// Something that a measure needs cannot be computed, and which it is may not be told: where disclosure control is
    /// judged by people, its name would be an answer about a single patient.
    #[error(
        "a value that the measures need cannot be computed for at least one patient, or a total does not fit 64 bits. \
         Under this policy the message does not say which: run the definition over dummy tables that hold such values to \
         find it, and restrict its inputs, for example with a filter on plausible values"
    )]
    MeasureFault,
    /// An inline table of the definition cannot be made.
    #[error("inline table of the definition: {reason}")]
    InlineTable {
        /// What is wrong with it
        reason: String,
    },
    /// The engine's own ground gave way.
    #[error("internal error while {doing}; this is a fault of Peristyle, not of the definition")]
    Internal {
        /// What was being done
        doing: &'static str,
        /// The cause. Its text may come from libraries: not for users
        source: datafusion::error::DataFusionError,
    },
}

impl ExecutionError {
    /// The error behind an error of a plan's stream, however it is wrapped.
    pub fn from_stream(error: datafusion::error::DataFusionError) -> ExecutionError {
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(cause) = next {
            match cause.downcast_ref::<ExecutionError>() {
                Some(ExecutionError::Computation { output, operation, fault }) => {
                    return ExecutionError::Computation { output: output.clone(), operation, fault: *fault };
                }
                Some(ExecutionError::MeasureOverflow { measure, part }) => {
                    return ExecutionError::MeasureOverflow { measure: measure.clone(), part };
                }
                Some(ExecutionError::MeasureFault) => return ExecutionError::MeasureFault,
                // Transparent: it is not among its own causes.
                Some(ExecutionError::Source(source)) => return ExecutionError::Source(source.clone()),
                _ => next = cause.source(),
            }
        }
        match SourceError::find(&error) {
            Some(source) => ExecutionError::Source(source.clone()),
            None => ExecutionError::Internal { doing: "evaluating patient blocks", source: error },
        }
    }
}
