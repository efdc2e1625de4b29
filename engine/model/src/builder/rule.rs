//! The rules that a node can break, in words.

use crate::text::quoted;

/// Why the builder refused a node: the field at fault and the rule that it breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule}")]
pub struct RuleError {
    /// The node's field, as the definition format names it; `None` where the node as a whole is at fault
    pub field: Option<&'static str>,
    /// What it breaks
    pub rule: Rule,
}

/// The rules of types and domains: definition format, sections 2 to 4. Fields describe what was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Rule {
    #[error("needs a table, perhaps filtered or sorted, but this is {found}")]
    NotAFrame { found: String },
    #[error("needs a table with many rows per patient, but this is {found}, with one row per patient")]
    NotManyRowsFrame { found: String },
    #[error("needs a series, but this is {found}. Select a column of it first")]
    FrameAsSeries { found: String },
    #[error("needs a series, but this is {found}. A set can stand only on the right side of `is_in`")]
    SetAsSeries { found: String },
    #[error("needs a set of values, but this is {found}")]
    NotASet { found: String },
    #[error("needs a series of {wanted}, but this is {found}")]
    WrongType { wanted: &'static str, found: String },
    #[error("must be of type {wanted} like the {other}, but this is {found}. {advice}")]
    TypesDiffer { other: &'static str, wanted: &'static str, found: String, advice: &'static str },
    #[error(
        "mixes rows of {first} with rows of {second}. Series can only be combined if they come from the same table with \
         the same filters: reduce one of them to one row per patient first"
    )]
    DomainsDiffer { first: String, second: String },
    #[error(
        "uses rows of {series} on {frame}. The series must come from the same table, with the same filters or fewer"
    )]
    SeriesNotOfFrame { series: String, frame: String },
    #[error(
        "sorts by {found}, which has one row per patient, so that it orders nothing. Sort by a column of the table"
    )]
    SortByPatientSeries { found: String },
    #[error("picks a row of {found}, which is not sorted. Sort it first")]
    PickUnsorted { found: String },
    #[error("needs many rows per patient to aggregate, but this is {found}, with one row per patient")]
    AggregateOfPatientSeries { found: String },
    #[error(
        "must have one row per patient, but this is {found}, with many. Aggregate it, or pick one row of its table"
    )]
    NotOneRow { found: String },
    #[error("needs at least one series with many rows per patient; make these variables of the dataset instead")]
    NoManyRowsMember,
    #[error("needs at least one {what}")]
    Empty { what: &'static str },
    #[error("is NULL in every case, so that it has no type. Give at least one value")]
    NoValueInCase,
    #[error("has the same condition twice, the second time as entry {entry}")]
    ConditionTwice { entry: usize },
    #[error("{} is not a column of {table}{suggestion}", quoted(name))]
    UnknownColumn { name: String, table: String, suggestion: String },
    #[error("is `patient_id`, which cannot be selected: it identifies patients and is no column of a definition")]
    PatientId,
    #[error("is {}, which is not a {type_name}. The form is: {form}", quoted(text))]
    MalformedCode { text: String, type_name: &'static str, form: &'static str },
    #[error("is not a constant of type {type_name}")]
    NotOfType { type_name: &'static str },
    #[error("has {found} filters and sorts on one table; at most {most} are allowed")]
    TooManyFrameOperations { found: u32, most: u32 },
    #[error("is the definition's node number {found}, more than can be counted")]
    TooManyNodes { found: usize },
}

impl Rule {
    pub(super) fn of(self, field: &'static str) -> RuleError {
        RuleError { field: Some(field), rule: self }
    }

    pub(super) fn of_node(self) -> RuleError {
        RuleError { field: None, rule: self }
    }
}
