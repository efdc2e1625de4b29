//! Series: constants, functions, aggregations.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Checked, GraphBuilder, Rule};
use crate::codes;
use crate::graph::{Aggregation, Binary, Constant, ConstantSet, DomainId, Kind, NodeId, Op, Parameter, Unary};
use crate::scalar;
use crate::types::ValueType;

const NUMBER: &str = "int or float";
const ORDERED: &str = "a type with an order (any but bool)";

fn is_bool(value_type: ValueType) -> bool {
    value_type == ValueType::Bool
}

fn is_int(value_type: ValueType) -> bool {
    value_type == ValueType::Int
}

fn is_date(value_type: ValueType) -> bool {
    value_type == ValueType::Date
}

/// Checks that a constant is one of that type.
fn check_constant(constant: &Constant, value_type: ValueType) -> Checked<()> {
    let in_bounds = match constant {
        Constant::Float(value) => value.is_finite(),
        Constant::Date(days) => (scalar::DATE_MIN..=scalar::DATE_MAX).contains(days),
        Constant::Bool(_) | Constant::Int(_) | Constant::Str(_) => true,
    };
    let type_name = value_type.name();
    if constant.physical() != value_type.physical() || !in_bounds {
        return Err(Rule::NotOfType { type_name }.of_node());
    }
    match (constant, value_type) {
        (Constant::Str(text), ValueType::Code(system)) if !codes::is_well_formed(system, text) => {
            let form = codes::form(system);
            Err(Rule::MalformedCode { text: text.to_string(), type_name, form }.of_node())
        }
        _ => Ok(()),
    }
}

impl GraphBuilder {
    /// A constant: the same for every patient.
    ///
    /// # Errors
    /// If it is not a constant of that type: codes have a form, floats are finite, dates are in years 1 to 9999.
    pub fn value(&mut self, constant: Constant, value_type: ValueType) -> Checked<NodeId> {
        check_constant(&constant, value_type)?;
        self.add(Op::Value(constant), Kind::Series(value_type), DomainId::PATIENT)
    }

    /// A constant set. An empty one has no type and goes with any.
    ///
    /// # Errors
    /// If a member is not a constant of that type.
    pub fn value_set(&mut self, mut members: Vec<Constant>, value_type: ValueType) -> Checked<NodeId> {
        for member in &members {
            check_constant(member, value_type)?;
        }
        let kind = Kind::Set((!members.is_empty()).then_some(value_type));
        members.sort_unstable_by(Constant::set_order);
        members.dedup();
        self.add(Op::ValueSet(ConstantSet(members.into())), kind, DomainId::PATIENT)
    }

    /// A placeholder for a date.
    ///
    /// # Errors
    /// If the graph is full.
    pub fn parameter(&mut self, parameter: Parameter) -> Checked<NodeId> {
        self.add(Op::Parameter(parameter), Kind::Series(ValueType::Date), DomainId::PATIENT)
    }

    /// An aggregation to one row per patient.
    ///
    /// # Errors
    /// If `source` is not a many-rows series of a type that it takes.
    pub fn aggregate(&mut self, aggregation: Aggregation, source: NodeId) -> Checked<NodeId> {
        let field = "source";
        let series = |wanted, fits: fn(ValueType) -> bool| self.series_of(source, field, wanted, fits);
        let kind = match aggregation {
            Aggregation::CountDistinct => {
                self.series(source, field)?;
                Kind::Series(ValueType::Int)
            }
            Aggregation::CountEpisodes { .. } => {
                series("date", is_date)?;
                Kind::Series(ValueType::Int)
            }
            Aggregation::Min | Aggregation::Max => Kind::Series(series(ORDERED, ValueType::is_comparable)?),
            Aggregation::Sum => Kind::Series(series(NUMBER, ValueType::is_numeric)?),
            Aggregation::Mean => {
                series(NUMBER, ValueType::is_numeric)?;
                Kind::Series(ValueType::Float)
            }
            Aggregation::CombineAsSet => Kind::Set(Some(self.series(source, field)?)),
        };
        if self.domain_of(source) == DomainId::PATIENT {
            return Err(Rule::AggregateOfPatientSeries { found: self.describe(source) }.of(field));
        }
        self.add(Op::Aggregate { aggregation, source }, kind, DomainId::PATIENT)
    }

    /// A function of one series.
    ///
    /// # Errors
    /// If `source` is not a series of a type that it takes.
    pub fn unary(&mut self, function: Unary, source: NodeId) -> Checked<NodeId> {
        let series = |wanted, fits: fn(ValueType) -> bool| self.series_of(source, "source", wanted, fits);
        let value_type = match function {
            Unary::Not => series("bool", is_bool)?,
            Unary::IsNull => {
                self.series(source, "source")?;
                ValueType::Bool
            }
            Unary::Negate | Unary::Absolute => series(NUMBER, ValueType::is_numeric)?,
            Unary::CastToInt => {
                series("int, float or bool", |value_type| value_type.is_numeric() || is_bool(value_type))?;
                ValueType::Int
            }
            Unary::CastToFloat => {
                series(NUMBER, ValueType::is_numeric)?;
                ValueType::Float
            }
            Unary::YearFromDate | Unary::MonthFromDate | Unary::DayFromDate => {
                series("date", is_date)?;
                ValueType::Int
            }
            Unary::ToFirstOfYear | Unary::ToFirstOfMonth => series("date", is_date)?,
        };
        self.add(Op::Unary { function, source }, Kind::Series(value_type), self.domain_of(source))
    }

    /// A function of two series.
    ///
    /// # Errors
    /// If the sides are not series of types that it takes, or have no common domain.
    pub fn binary(&mut self, function: Binary, lhs: NodeId, rhs: NodeId) -> Checked<NodeId> {
        let value_type = match function {
            Binary::Eq | Binary::Ne => {
                let value_type = self.series(lhs, "lhs")?;
                self.same_type(value_type, "left side", rhs, "rhs")?;
                ValueType::Bool
            }
            Binary::Lt | Binary::Le | Binary::Gt | Binary::Ge => {
                self.both(lhs, rhs, ORDERED, ValueType::is_comparable)?;
                ValueType::Bool
            }
            Binary::And | Binary::Or => self.both(lhs, rhs, "bool", is_bool)?,
            Binary::Add | Binary::Subtract | Binary::Multiply => self.both(lhs, rhs, NUMBER, ValueType::is_numeric)?,
            Binary::TrueDivide | Binary::Power => {
                self.both(lhs, rhs, NUMBER, ValueType::is_numeric)?;
                ValueType::Float
            }
            Binary::FloorDivide => {
                self.both(lhs, rhs, NUMBER, ValueType::is_numeric)?;
                ValueType::Int
            }
            Binary::DateAddDays | Binary::DateAddMonths | Binary::DateAddYears => {
                self.series_of(lhs, "lhs", "date", is_date)?;
                self.series_of(rhs, "rhs", "int", is_int)?;
                ValueType::Date
            }
            Binary::DateDifferenceInDays | Binary::DateDifferenceInMonths | Binary::DateDifferenceInYears => {
                self.series_of(lhs, "lhs", "date", is_date)?;
                self.series_of(rhs, "rhs", "date", is_date)?;
                ValueType::Int
            }
            Binary::StringContains => {
                self.series_of(lhs, "lhs", "str", ValueType::is_string)?;
                self.series_of(rhs, "rhs", "str", ValueType::is_string)?;
                ValueType::Bool
            }
        };
        let domain = self.common_domain([lhs, rhs])?;
        self.add(Op::Binary { function, lhs, rhs }, Kind::Series(value_type), domain)
    }

    /// Checks that both sides have one and the same type, and that it fits.
    fn both(&self, lhs: NodeId, rhs: NodeId, wanted: &'static str, fits: fn(ValueType) -> bool) -> Checked<ValueType> {
        let value_type = self.series_of(lhs, "lhs", wanted, fits)?;
        self.series_of(rhs, "rhs", wanted, fits)?;
        self.same_type(value_type, "left side", rhs, "rhs")?;
        Ok(value_type)
    }

    fn same_type(&self, wanted: ValueType, other: &'static str, id: NodeId, field: &'static str) -> Checked<()> {
        let found = self.series(id, field)?;
        if found == wanted { Ok(()) } else { Err(self.types_differ(wanted, found, other, id).of(field)) }
    }

    fn types_differ(&self, wanted: ValueType, found: ValueType, other: &'static str, id: NodeId) -> Rule {
        let advice = match (wanted, found) {
            (ValueType::Int | ValueType::Float, ValueType::Int | ValueType::Float) => {
                "Convert one of them, with `as_int()` or `as_float()`"
            }
            (ValueType::Code(_), _) | (_, ValueType::Code(_)) => {
                "Codes go with codes of the same coding system only; give constants as codes of that system"
            }
            _ => "Values of two types cannot stand side by side",
        };
        Rule::TypesDiffer { other, wanted: wanted.name(), found: self.describe(id), advice }
    }

    /// Whether `lhs` is a member of the set `rhs`.
    ///
    /// # Errors
    /// If `lhs` is not a series, `rhs` not a set of its type, or they have no common domain.
    pub fn in_set(&mut self, lhs: NodeId, rhs: NodeId) -> Checked<NodeId> {
        let wanted = self.series(lhs, "lhs")?;
        match self.kind(rhs) {
            Kind::Set(None) => {}
            Kind::Set(Some(found)) if found == wanted => {}
            Kind::Set(Some(found)) => return Err(self.types_differ(wanted, found, "left side", rhs).of("rhs")),
            Kind::Frame | Kind::Series(_) => return Err(Rule::NotASet { found: self.describe(rhs) }.of("rhs")),
        }
        let domain = self.common_domain([lhs, rhs])?;
        self.add(Op::InSet { lhs, rhs }, Kind::Series(ValueType::Bool), domain)
    }

    /// The smallest of several series.
    ///
    /// # Errors
    /// If there are none, they are not of one type with an order, or have no common domain.
    pub fn minimum_of(&mut self, sources: Vec<NodeId>) -> Checked<NodeId> {
        let (kind, domain) = self.horizontal(&sources)?;
        self.add(Op::MinimumOf(sources.into()), kind, domain)
    }

    /// The largest of several series.
    ///
    /// # Errors
    /// If there are none, they are not of one type with an order, or have no common domain.
    pub fn maximum_of(&mut self, sources: Vec<NodeId>) -> Checked<NodeId> {
        let (kind, domain) = self.horizontal(&sources)?;
        self.add(Op::MaximumOf(sources.into()), kind, domain)
    }

    fn horizontal(&self, sources: &[NodeId]) -> Checked<(Kind, DomainId)> {
        let Some(first) = sources.first() else {
            return Err(Rule::Empty { what: "series" }.of("sources"));
        };
        let value_type = self.series_of(*first, "sources", ORDERED, ValueType::is_comparable)?;
        for source in sources {
            self.same_type(value_type, "first series", *source, "sources")?;
        }
        Ok((Kind::Series(value_type), self.common_domain(sources.iter().copied())?))
    }

    /// The value beside the first condition that is true, else the default.
    ///
    /// # Errors
    /// If there is no case, a condition is not a bool series or comes twice, values differ in type or are all NULL, or
    /// they have no common domain.
    pub fn case(&mut self, cases: Vec<(NodeId, Option<NodeId>)>, default: Option<NodeId>) -> Checked<NodeId> {
        if cases.is_empty() {
            return Err(Rule::Empty { what: "case" }.of("cases"));
        }
        let mut conditions = HashSet::new();
        for (index, (condition, _)) in cases.iter().enumerate() {
            self.series_of(*condition, "cases", "bool for each condition", is_bool)?;
            if !conditions.insert(*condition) {
                return Err(Rule::ConditionTwice { entry: index + 1 }.of("cases"));
            }
        }
        let values = || cases.iter().filter_map(|(_, value)| *value);
        let Some(first) = values().next().or(default) else {
            return Err(Rule::NoValueInCase.of_node());
        };
        let value_type = self.series(first, "cases")?;
        for value in values() {
            self.same_type(value_type, "first value", value, "cases")?;
        }
        if let Some(default) = default {
            self.same_type(value_type, "first value", default, "default")?;
        }
        let inputs = cases.iter().map(|(condition, _)| *condition).chain(values()).chain(default);
        let domain = self.common_domain(inputs)?;
        let cases: Arc<[_]> = cases.into();
        self.add(Op::Case { cases, default }, Kind::Series(value_type), domain)
    }
}
