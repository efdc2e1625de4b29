//! What nodes do: constants and operations.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::{InlineTableId, NodeId, TableId};
use crate::types::Physical;

/// A constant. Strings serve for codes too; the node's type tells which.
///
/// Equality is of what was written: `1`, `1.0` and `true` differ, and so do `0.0` and `-0.0`.
#[derive(Clone, Debug)]
pub enum Constant {
    /// `bool`
    Bool(bool),
    /// `int`
    Int(i64),
    /// `float`, finite
    Float(f64),
    /// `date`: days since 1970-01-01, within years 1 to 9999
    Date(i32),
    /// `str` or a code
    Str(Arc<str>),
}

impl Constant {
    /// How the value is held.
    pub fn physical(&self) -> Physical {
        match self {
            Constant::Bool(_) => Physical::Bool,
            Constant::Int(_) => Physical::Int,
            Constant::Float(_) => Physical::Float,
            Constant::Date(_) => Physical::Date,
            Constant::Str(_) => Physical::Str,
        }
    }

    /// The order that constant sets are kept in: values of one type by size, strings by code point.
    pub fn set_order(&self, other: &Constant) -> Ordering {
        match (self, other) {
            (Constant::Bool(lhs), Constant::Bool(rhs)) => lhs.cmp(rhs),
            (Constant::Int(lhs), Constant::Int(rhs)) => lhs.cmp(rhs),
            (Constant::Float(lhs), Constant::Float(rhs)) => lhs.total_cmp(rhs),
            (Constant::Date(lhs), Constant::Date(rhs)) => lhs.cmp(rhs),
            (Constant::Str(lhs), Constant::Str(rhs)) => lhs.cmp(rhs),
            _ => (self.physical() as u8).cmp(&(other.physical() as u8)),
        }
    }
}

impl PartialEq for Constant {
    fn eq(&self, other: &Self) -> bool {
        self.set_order(other).is_eq()
    }
}

impl Eq for Constant {}

impl Hash for Constant {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.physical().hash(state);
        match self {
            Constant::Bool(value) => value.hash(state),
            Constant::Int(value) => value.hash(state),
            Constant::Float(value) => value.to_bits().hash(state),
            Constant::Date(value) => value.hash(state),
            Constant::Str(value) => value.hash(state),
        }
    }
}

/// A constant set, without NULLs; in [`Constant::set_order`], each member once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConstantSet(pub Arc<[Constant]>);

/// First or last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the variants say it")]
pub enum Position {
    First,
    Last,
}

/// What stands in for a date until an interval of a measure is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Parameter {
    /// `interval_start_date`
    IntervalStart,
    /// `interval_end_date`
    IntervalEnd,
}

/// Aggregations of a series to one row per patient; NULLs are skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aggregation {
    /// Number of different values; 0 for none
    CountDistinct,
    /// Episodes of dates: a gap of more than so many days starts a new one; 0 for no date
    CountEpisodes {
        /// Gap that still belongs to an episode, in days
        maximum_gap_days: i64,
    },
    /// Smallest; NULL for none
    Min,
    /// Largest; NULL for none
    Max,
    /// Sum of the input's type; NULL for none
    Sum,
    /// Mean as float; NULL for none
    Mean,
    /// The set of values, for the right side of [`Op::InSet`]
    CombineAsSet,
}

/// Functions of one series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named as in the definition format, section 4")]
pub enum Unary {
    Not,
    IsNull,
    Negate,
    Absolute,
    CastToInt,
    CastToFloat,
    YearFromDate,
    MonthFromDate,
    DayFromDate,
    ToFirstOfYear,
    ToFirstOfMonth,
}

/// Functions of two series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named as in the definition format, section 4")]
pub enum Binary {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    And,
    Or,
    Add,
    Subtract,
    Multiply,
    TrueDivide,
    FloorDivide,
    Power,
    DateAddDays,
    DateAddMonths,
    DateAddYears,
    DateDifferenceInDays,
    DateDifferenceInMonths,
    DateDifferenceInYears,
    StringContains,
}

/// What a node does. Definition format, sections 3 and 4, states each one's meaning.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// A catalogue table: many rows per patient, or one
    Table(TableId),
    /// A table given in the definition: one row per patient
    InlineTable(InlineTableId),
    /// The rows of `source` for which `condition` is true
    #[expect(missing_docs, reason = "said above")]
    Filter { source: NodeId, condition: NodeId },
    /// A stable sort of `source` within each patient; the outermost has the highest priority
    #[expect(missing_docs, reason = "said above")]
    Sort { source: NodeId, by: NodeId },
    /// One row of each patient. Ties are broken by the columns that are selected from it
    #[expect(missing_docs, reason = "said above")]
    Pick { source: NodeId, position: Position },
    /// A column of a frame; `column` indexes the columns of the frame's root table
    #[expect(missing_docs, reason = "said above")]
    Column { source: NodeId, column: usize },
    /// A constant, the same for every patient
    Value(Constant),
    /// A constant set: only as the right side of [`Op::InSet`]
    ValueSet(ConstantSet),
    /// A placeholder for a date
    Parameter(Parameter),
    /// Whether the patient has a row in the frame; never NULL
    Exists(NodeId),
    /// The patient's rows in the frame; never NULL
    Count(NodeId),
    /// An aggregation of a many-rows series
    #[expect(missing_docs, reason = "said above")]
    Aggregate { aggregation: Aggregation, source: NodeId },
    /// A function of one series
    #[expect(missing_docs, reason = "said above")]
    Unary { function: Unary, source: NodeId },
    /// A function of two series
    #[expect(missing_docs, reason = "said above")]
    Binary { function: Binary, lhs: NodeId, rhs: NodeId },
    /// Whether `lhs` is a member of the set `rhs`: false for an empty set, even for NULL
    #[expect(missing_docs, reason = "said above")]
    InSet { lhs: NodeId, rhs: NodeId },
    /// The smallest of several series, NULLs skipped
    MinimumOf(Arc<[NodeId]>),
    /// The largest of several series, NULLs skipped
    MaximumOf(Arc<[NodeId]>),
    /// The value beside the first condition that is true, else the default; `None` is NULL
    #[expect(missing_docs, reason = "said above")]
    Case { cases: Arc<[(NodeId, Option<NodeId>)]>, default: Option<NodeId> },
}

impl Aggregation {
    /// The name that a definition document uses, without its prefix.
    pub fn name(self) -> &'static str {
        match self {
            Aggregation::CountDistinct => "CountDistinct",
            Aggregation::CountEpisodes { .. } => "CountEpisodes",
            Aggregation::Min => "Min",
            Aggregation::Max => "Max",
            Aggregation::Sum => "Sum",
            Aggregation::Mean => "Mean",
            Aggregation::CombineAsSet => "CombineAsSet",
        }
    }
}

impl Unary {
    /// Every one, with the name that a definition document gives it, without its prefix.
    pub const NAMES: [(&'static str, Unary); 11] = [
        ("Not", Unary::Not),
        ("IsNull", Unary::IsNull),
        ("Negate", Unary::Negate),
        ("Absolute", Unary::Absolute),
        ("CastToInt", Unary::CastToInt),
        ("CastToFloat", Unary::CastToFloat),
        ("YearFromDate", Unary::YearFromDate),
        ("MonthFromDate", Unary::MonthFromDate),
        ("DayFromDate", Unary::DayFromDate),
        ("ToFirstOfYear", Unary::ToFirstOfYear),
        ("ToFirstOfMonth", Unary::ToFirstOfMonth),
    ];

    /// The name that a definition document uses, without its prefix.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, known)| *known == self).map_or("unknown", |(name, _)| name)
    }
}

impl Binary {
    /// Every one, with the name that a definition document gives it, without its prefix.
    pub const NAMES: [(&'static str, Binary); 21] = [
        ("EQ", Binary::Eq),
        ("NE", Binary::Ne),
        ("LT", Binary::Lt),
        ("LE", Binary::Le),
        ("GT", Binary::Gt),
        ("GE", Binary::Ge),
        ("And", Binary::And),
        ("Or", Binary::Or),
        ("Add", Binary::Add),
        ("Subtract", Binary::Subtract),
        ("Multiply", Binary::Multiply),
        ("TrueDivide", Binary::TrueDivide),
        ("FloorDivide", Binary::FloorDivide),
        ("Power", Binary::Power),
        ("DateAddDays", Binary::DateAddDays),
        ("DateAddMonths", Binary::DateAddMonths),
        ("DateAddYears", Binary::DateAddYears),
        ("DateDifferenceInDays", Binary::DateDifferenceInDays),
        ("DateDifferenceInMonths", Binary::DateDifferenceInMonths),
        ("DateDifferenceInYears", Binary::DateDifferenceInYears),
        ("StringContains", Binary::StringContains),
    ];

    /// The name that a definition document uses, without its prefix.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, known)| *known == self).map_or("unknown", |(name, _)| name)
    }
}

impl Parameter {
    /// The name that a definition document uses.
    pub fn name(self) -> &'static str {
        match self {
            Parameter::IntervalStart => "interval_start_date",
            Parameter::IntervalEnd => "interval_end_date",
        }
    }
}

impl Op {
    /// Calls `visit` with each input, in the order of the fields.
    pub fn for_each_input(&self, mut visit: impl FnMut(NodeId)) {
        match self {
            Op::Table(_) | Op::InlineTable(_) | Op::Value(_) | Op::ValueSet(_) | Op::Parameter(_) => {}
            Op::Filter { source, condition } => {
                visit(*source);
                visit(*condition);
            }
            Op::Sort { source, by } => {
                visit(*source);
                visit(*by);
            }
            Op::Pick { source, .. }
            | Op::Column { source, .. }
            | Op::Exists(source)
            | Op::Count(source)
            | Op::Aggregate { source, .. }
            | Op::Unary { source, .. } => visit(*source),
            Op::Binary { lhs, rhs, .. } | Op::InSet { lhs, rhs } => {
                visit(*lhs);
                visit(*rhs);
            }
            Op::MinimumOf(sources) | Op::MaximumOf(sources) => sources.iter().copied().for_each(visit),
            Op::Case { cases, default } => {
                for (condition, value) in cases.iter() {
                    visit(*condition);
                    value.iter().copied().for_each(&mut visit);
                }
                default.iter().copied().for_each(visit);
            }
        }
    }

    /// The name that the definition format gives the node.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Table(_) => "Table",
            Op::InlineTable(_) => "InlinePatientTable",
            Op::Filter { .. } => "Filter",
            Op::Sort { .. } => "Sort",
            Op::Pick { .. } => "PickOneRowPerPatient",
            Op::Column { .. } => "SelectColumn",
            Op::Value(_) | Op::ValueSet(_) => "Value",
            Op::Parameter(_) => "Parameter",
            Op::Exists(_) => "Exists",
            Op::Count(_) => "Count",
            Op::Aggregate { aggregation, .. } => aggregation.name(),
            Op::Unary { function, .. } => function.name(),
            Op::Binary { function, .. } => function.name(),
            Op::InSet { .. } => "In",
            Op::MinimumOf(_) => "MinimumOf",
            Op::MaximumOf(_) => "MaximumOf",
            Op::Case { .. } => "Case",
        }
    }

    /// The key that a definition document uses for it, such as `Function.Add`.
    pub fn document_name(&self) -> String {
        let prefix = match self {
            Op::Exists(_) | Op::Count(_) | Op::Aggregate { .. } => "AggregateByPatient.",
            Op::Unary { .. } | Op::Binary { .. } | Op::InSet { .. } | Op::MinimumOf(_) | Op::MaximumOf(_) => {
                "Function."
            }
            _ => "",
        };
        format!("{prefix}{}", self.name())
    }
}
