//! Predicates that may go below everything else: those that cannot fail.
//!
//! A column against a literal, a set or NULL, and `AND`/`OR` of such. They are evaluated by code of our own, after the
//! mask, so that nothing hangs on how an optimiser has arranged them. Whatever else a filter may say stays above the
//! scan.

mod evaluate;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{Between, BinaryExpr, Operator, TableProviderFilterPushDown};
use datafusion::prelude::Expr;
use datafusion::scalar::ScalarValue;
use hashbrown::HashSet;

pub(crate) use evaluate::PredicateState;

/// A predicate that is true or not of every row: never an error. NULL counts as not true, and there is no negation of
/// a whole predicate, so nothing more needs to be known of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ScanPredicate {
    All(Vec<ScanPredicate>),
    Any(Vec<ScanPredicate>),
    Column { column: Arc<str>, test: Test },
}

/// What is asked of one column's value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Test {
    IsNull,
    IsNotNull,
    IsBool(bool),
    Compare(Comparison, Literal),
    In(LiteralSet),
    /// Not NULL, and not in the set
    NotIn(LiteralSet),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// A value that a definition states; of the column's type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Int(i64),
    /// Finite
    Float(f64),
    Date(i32),
    Str(Arc<str>),
}

/// Values that a definition states.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LiteralSet {
    Int(HashSet<i64>),
    Date(HashSet<i32>),
    Str(HashSet<Arc<str>>),
}

/// Which filters a table of this schema decides by itself, while it is scanned: those that cannot fail.
pub(crate) fn pushed_down(filters: &[&Expr], schema: &Schema) -> Vec<TableProviderFilterPushDown> {
    let answer = |filter: &&Expr| match ScanPredicate::of(filter, schema) {
        Some(_) => TableProviderFilterPushDown::Exact,
        None => TableProviderFilterPushDown::Unsupported,
    };
    filters.iter().map(answer).collect()
}

/// Deepest nesting that is looked into: a definition is no reason to run out of stack.
const DEPTH_MAX: usize = 64;

impl ScanPredicate {
    /// The predicate that a filter is, if it is one that cannot fail, over columns of the schema (of the enclave's own
    /// types). None: it must stay above the scan.
    pub(crate) fn of(filter: &Expr, schema: &Schema) -> Option<Self> {
        Self::within(filter, schema, DEPTH_MAX)
    }

    fn within(filter: &Expr, schema: &Schema, depth: usize) -> Option<Self> {
        let depth = depth.checked_sub(1)?;
        match filter {
            Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
                let both = vec![Self::within(left, schema, depth)?, Self::within(right, schema, depth)?];
                Some(if *op == Operator::And { Self::All(both) } else { Self::Any(both) })
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                let comparison = Comparison::of(*op)?;
                compared(left, comparison, right, schema)
                    .or_else(|| compared(right, comparison.turned_round(), left, schema))
            }
            Expr::Between(Between { expr, negated: false, low, high }) => Some(Self::All(vec![
                compared(expr, Comparison::Ge, low, schema)?,
                compared(expr, Comparison::Le, high, schema)?,
            ])),
            Expr::InList(InList { expr, list, negated }) => {
                let (column, found) = column_of(expr, schema)?;
                let set = LiteralSet::of(list, &found)?;
                Some(Self::Column { column, test: if *negated { Test::NotIn(set) } else { Test::In(set) } })
            }
            Expr::IsNull(operand) => Some(Self::Column { column: column_of(operand, schema)?.0, test: Test::IsNull }),
            Expr::IsNotNull(operand) => {
                Some(Self::Column { column: column_of(operand, schema)?.0, test: Test::IsNotNull })
            }
            Expr::Not(operand) => bool_column(operand, false, schema),
            operand => bool_column(operand, true, schema),
        }
    }

    /// Of several filters that must all hold.
    pub(crate) fn all(filters: Vec<ScanPredicate>) -> Option<Self> {
        let mut filters = filters;
        match filters.len() {
            0 | 1 => filters.pop(),
            _ => Some(Self::All(filters)),
        }
    }

    /// The texts that a column may have in a row of which this is true; None where it may have any.
    pub(crate) fn texts(&self, of: &str) -> Option<BTreeSet<Arc<str>>> {
        match self {
            Self::Column { column, test } if **column == *of => match test {
                Test::In(LiteralSet::Str(set)) => Some(set.iter().cloned().collect()),
                Test::Compare(Comparison::Eq, Literal::Str(text)) => Some(BTreeSet::from([Arc::clone(text)])),
                _ => None,
            },
            Self::Column { .. } => None,
            Self::All(parts) => parts.iter().filter_map(|part| part.texts(of)).min_by_key(BTreeSet::len),
            Self::Any(parts) => {
                let texts: Option<Vec<_>> = parts.iter().map(|part| part.texts(of)).collect();
                texts.map(|texts| texts.into_iter().flatten().collect())
            }
        }
    }

    /// Calls `visit` with every column that it asks about.
    pub(crate) fn for_each_column(&self, visit: &mut impl FnMut(&Arc<str>)) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.for_each_column(visit)),
            Self::Column { column, .. } => visit(column),
        }
    }
}

/// A column, bare or cast from a dictionary to its strings, which changes no value.
fn column_of(operand: &Expr, schema: &Schema) -> Option<(Arc<str>, DataType)> {
    match operand {
        Expr::Column(column) => {
            let field = schema.field_with_name(&column.name).ok()?;
            Some((column.name.as_str().into(), field.data_type().clone()))
        }
        Expr::Cast(cast) if is_string(cast.field.data_type()) => of_strings(column_of(&cast.expr, schema)?),
        Expr::TryCast(cast) if is_string(cast.field.data_type()) => of_strings(column_of(&cast.expr, schema)?),
        _ => None,
    }
}

fn is_string(found: &DataType) -> bool {
    matches!(found, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn of_strings((column, found): (Arc<str>, DataType)) -> Option<(Arc<str>, DataType)> {
    matches!(found, DataType::Dictionary(_, _)).then_some((column, found))
}

fn bool_column(operand: &Expr, wanted: bool, schema: &Schema) -> Option<ScanPredicate> {
    let (column, found) = column_of(operand, schema)?;
    (found == DataType::Boolean).then_some(ScanPredicate::Column { column, test: Test::IsBool(wanted) })
}

fn compared(operand: &Expr, comparison: Comparison, literal: &Expr, schema: &Schema) -> Option<ScanPredicate> {
    let (column, found) = column_of(operand, schema)?;
    let Expr::Literal(scalar, _) = literal else { return None };
    let test = match (&found, scalar, comparison) {
        (DataType::Boolean, ScalarValue::Boolean(Some(wanted)), Comparison::Eq) => Test::IsBool(*wanted),
        (DataType::Boolean, ScalarValue::Boolean(Some(unwanted)), Comparison::Ne) => Test::IsBool(!unwanted),
        _ => Test::Compare(comparison, Literal::of(scalar, &found)?),
    };
    Some(ScanPredicate::Column { column, test })
}

impl Literal {
    /// A scalar that is of a column's type; not NULL.
    fn of(scalar: &ScalarValue, column: &DataType) -> Option<Self> {
        match (column, scalar) {
            (column, ScalarValue::Dictionary(_, entry)) => Self::of(entry, column),
            (DataType::Int64, ScalarValue::Int64(Some(value))) => Some(Self::Int(*value)),
            (DataType::Float64, ScalarValue::Float64(Some(value))) if value.is_finite() => Some(Self::Float(*value)),
            (DataType::Date32, ScalarValue::Date32(Some(day))) => Some(Self::Date(*day)),
            (
                DataType::Dictionary(_, _),
                ScalarValue::Utf8(Some(text)) | ScalarValue::LargeUtf8(Some(text)) | ScalarValue::Utf8View(Some(text)),
            ) => Some(Self::Str(text.as_str().into())),
            _ => None,
        }
    }
}

impl LiteralSet {
    fn of(list: &[Expr], column: &DataType) -> Option<Self> {
        let literal = |item: &Expr| match item {
            Expr::Literal(scalar, _) => Literal::of(scalar, column),
            _ => None,
        };
        let literals: Vec<Literal> = list.iter().map(literal).collect::<Option<_>>()?;
        match column {
            DataType::Int64 => {
                all_of(literals, |l| if let Literal::Int(n) = l { Some(n) } else { None }).map(Self::Int)
            }
            DataType::Date32 => {
                all_of(literals, |l| if let Literal::Date(d) = l { Some(d) } else { None }).map(Self::Date)
            }
            DataType::Dictionary(_, _) => {
                all_of(literals, |l| if let Literal::Str(s) = l { Some(s) } else { None }).map(Self::Str)
            }
            _ => None,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Int(set) => set.len(),
            Self::Date(set) => set.len(),
            Self::Str(set) => set.len(),
        }
    }
}

fn all_of<T: Eq + std::hash::Hash>(literals: Vec<Literal>, of: impl Fn(Literal) -> Option<T>) -> Option<HashSet<T>> {
    literals.into_iter().map(of).collect()
}

impl Comparison {
    fn of(operator: Operator) -> Option<Self> {
        Some(match operator {
            Operator::Eq => Self::Eq,
            Operator::NotEq => Self::Ne,
            Operator::Lt => Self::Lt,
            Operator::LtEq => Self::Le,
            Operator::Gt => Self::Gt,
            Operator::GtEq => Self::Ge,
            _ => return None,
        })
    }

    fn turned_round(self) -> Self {
        match self {
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
            same => same,
        }
    }

    /// Whether it holds of two values. Strings compare by code point, which is the order of their bytes.
    fn holds<T: PartialOrd + ?Sized>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Eq => left == right,
            Self::Ne => left != right,
            Self::Lt => left < right,
            Self::Le => left <= right,
            Self::Gt => left > right,
            Self::Ge => left >= right,
        }
    }
}

impl fmt::Display for ScanPredicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |f: &mut fmt::Formatter<'_>, parts: &[ScanPredicate], between: &str| {
            for (index, part) in parts.iter().enumerate() {
                let before = if index == 0 { "" } else { between };
                match part {
                    Self::Column { .. } => write!(f, "{before}{part}")?,
                    _ => write!(f, "{before}({part})")?,
                }
            }
            Ok(())
        };
        match self {
            Self::All(parts) => joined(f, parts, " AND "),
            Self::Any(parts) => joined(f, parts, " OR "),
            Self::Column { column, test } => write!(f, "{column} {test}"),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IsNull => f.write_str("IS NULL"),
            Self::IsNotNull => f.write_str("IS NOT NULL"),
            Self::IsBool(wanted) => write!(f, "= {}", if *wanted { "T" } else { "F" }),
            Self::Compare(comparison, literal) => {
                let sign = match comparison {
                    Comparison::Eq => "=",
                    Comparison::Ne => "!=",
                    Comparison::Lt => "<",
                    Comparison::Le => "<=",
                    Comparison::Gt => ">",
                    Comparison::Ge => ">=",
                };
                match literal {
                    Literal::Int(value) => write!(f, "{sign} {value}"),
                    Literal::Float(value) => write!(f, "{sign} {value}"),
                    Literal::Date(day) => write!(f, "{sign} {}", ScalarValue::Date32(Some(*day))),
                    Literal::Str(text) => write!(f, "{sign} '{text}'"),
                }
            }
            Self::In(set) => write!(f, "IN (values: {})", set.len()),
            Self::NotIn(set) => write!(f, "NOT IN (values: {})", set.len()),
        }
    }
}
