//! A case to a definition document.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

use crate::cells::Cell;
use crate::document::{self, Document};
use crate::tables::{Column, Table};

use super::case::{Case, GivenTable, Origin};
use super::expression::Expression;

#[derive(Clone, Debug)]
enum Built {
    Frame {
        node: Json,
        columns: Vec<Column>,
    },
    Series(Json),
    Set(Json),
    /// The function that adds it to a date, and how many
    Duration(&'static str, Json),
}

type Result<T> = std::result::Result<T, String>;

/// Makes nodes of expressions.
pub(crate) struct Builder {
    document: Document,
    names: HashMap<String, Built>,
    /// Frames whose columns may be written without the frame, innermost last
    scopes: Vec<(Json, Vec<Column>)>,
}

/// The document of a case's dataset or measures.
pub(crate) fn document(case: &Case) -> Result<Json> {
    let mut builder = Builder::new(&case.tables);
    for (name, expression) in &case.lets {
        let built = builder.build(expression)?;
        builder.names.insert(name.clone(), built);
    }
    if !case.measures.is_empty() {
        return builder.measures(case);
    }
    let population = match &case.population {
        Some(population) => builder.series(population)?,
        None => builder.anyone(&case.tables)?,
    };
    let mut variables = vec![];
    for (name, expression) in &case.variables {
        let node = builder.series(expression)?;
        builder.names.insert(name.clone(), Built::Series(node.clone()));
        variables.push((name.clone(), node));
    }
    let mut events = vec![];
    for (name, members) in &case.events {
        let members: Result<_> =
            members.iter().map(|(name, member)| Ok((name.clone(), builder.series(member)?))).collect();
        events.push((name.clone(), members?));
    }
    Ok(builder.document.dataset(population, variables, events))
}

/// The document that yields `outputs` for the rows of one table, whose columns are named without it.
pub(crate) fn document_of_rows(table: &Table, outputs: &[(String, Expression)]) -> Result<Json> {
    let given = [GivenTable { table: table.clone(), origin: Origin::Source }];
    let mut builder = Builder::new(&given);
    let population = builder.anyone(&given)?;
    builder.scopes.push((external(table), table.columns.clone()));
    let nodes: Result<Vec<_>> =
        outputs.iter().map(|(name, output)| Ok((name.clone(), builder.series(output)?))).collect();
    let (variables, events) =
        if table.one_row_per_patient { (nodes?, vec![]) } else { (vec![], vec![("rows".to_owned(), nodes?)]) };
    Ok(builder.document.dataset(population, variables, events))
}

fn external(table: &Table) -> Json {
    json!({ "external_ref": { "module": table.module, "name": table.name } })
}

impl Builder {
    fn new(tables: &[GivenTable]) -> Self {
        let mut document = Document::default();
        let mut names = HashMap::new();
        for GivenTable { table, origin } in tables {
            let node = match origin {
                Origin::Source => external(table),
                Origin::Inline => document.inline_table(table),
                Origin::File(path) => document.inline_file(table, reader(path), path),
            };
            names.insert(table.name.clone(), Built::Frame { node, columns: table.columns.clone() });
        }
        Builder { document, names, scopes: vec![] }
    }

    /// Whoever has a row in any of the tables.
    fn anyone(&mut self, tables: &[GivenTable]) -> Result<Json> {
        let mut anyone: Option<Json> = None;
        for given in tables {
            let exists = self.series(&Expression::Method(
                Box::new(Expression::Name(given.table.name.clone())),
                "exists_for_patient".to_owned(),
                vec![],
            ))?;
            anyone = Some(match anyone {
                Some(others) => self.document.binary("Or", &others, &exists),
                None => exists,
            });
        }
        anyone.ok_or_else(|| "a case without tables states its population".to_owned())
    }

    fn measures(mut self, case: &Case) -> Result<Json> {
        let mut measures = vec![];
        for measure in &case.measures {
            let groups: Result<Vec<_>> =
                measure.groups.iter().map(|(name, group)| Ok((name.clone(), self.series(group)?))).collect();
            let intervals: Vec<Json> = measure
                .intervals
                .iter()
                .map(|(start, end)| {
                    json!({ "tuple": [document::constant(start, "date"), document::constant(end, "date")] })
                })
                .collect();
            measures.push(json!({ "Measure": {
                "name": measure.name,
                "numerator": self.series(&measure.numerator)?,
                "denominator": self.series(&measure.denominator)?,
                "group_by": document::dict(groups?),
                "intervals": { "tuple": intervals },
            }}));
        }
        Ok(self.document.finish(json!({ "MeasureCollection": { "measures": measures } })))
    }

    fn series(&mut self, expression: &Expression) -> Result<Json> {
        match self.build(expression)? {
            Built::Series(node) | Built::Set(node) => Ok(node),
            other => Err(format!("a series is wanted, and {expression:?} is {other:?}")),
        }
    }

    fn build(&mut self, expression: &Expression) -> Result<Built> {
        match expression {
            Expression::Constant(cell) => Ok(Built::Series(document::value(cell, plain_type(cell)))),
            Expression::Set(members) => self.set(members),
            Expression::Name(name) => self.name(name),
            Expression::Attribute(source, name) => self.attribute(source, name),
            Expression::Method(source, name, arguments) => self.method(source, name, arguments),
            Expression::Call(name, arguments) => self.call(name, arguments),
            Expression::Unary(sign, operand) => {
                let operand = self.series(operand)?;
                Ok(Built::Series(self.document.unary(if *sign == "not" { "Not" } else { "Negate" }, &operand)))
            }
            Expression::Binary(sign, lhs, rhs) => self.binary(sign, lhs, rhs),
            Expression::Case(cases, default) => self.case(cases, default.as_deref()),
        }
    }

    fn name(&mut self, name: &str) -> Result<Built> {
        for (frame, columns) in self.scopes.iter().rev() {
            if columns.iter().any(|column| column.name == name) {
                return Ok(Built::Series(self.document.column(frame, name)));
            }
        }
        self.names.get(name).cloned().ok_or_else(|| format!("nothing is called `{name}`"))
    }

    fn set(&mut self, members: &[Expression]) -> Result<Built> {
        let mut constants = vec![];
        for member in members {
            let node = self.series(member)?;
            constants.push(node.get("Value").cloned().ok_or_else(|| format!("no constant: {member:?}"))?);
        }
        Ok(Built::Set(json!({ "Value": { "frozenset": constants } })))
    }

    fn attribute(&mut self, source: &Expression, name: &str) -> Result<Built> {
        if let (Expression::Binary("-", lhs, rhs), "days" | "months" | "years") = (source, name) {
            let (lhs, rhs) = (self.series(lhs)?, self.series(rhs)?);
            let function = match name {
                "days" => "DateDifferenceInDays",
                "months" => "DateDifferenceInMonths",
                _ => "DateDifferenceInYears",
            };
            return Ok(Built::Series(self.document.binary(function, &lhs, &rhs)));
        }
        if let (Expression::Name(interval), "start_date" | "end_date") = (source, name)
            && interval == "INTERVAL"
        {
            let fields = json!({ "name": format!("interval_{name}"), "type": { "type": "date" } });
            return Ok(Built::Series(self.document.node("Parameter", fields)));
        }
        match self.build(source)? {
            Built::Frame { node, .. } => Ok(Built::Series(self.document.column(&node, name))),
            Built::Series(node) => {
                let function = match name {
                    "year" => "YearFromDate",
                    "month" => "MonthFromDate",
                    "day" => "DayFromDate",
                    _ => return Err(format!("a series has no `{name}`")),
                };
                Ok(Built::Series(self.document.unary(function, &node)))
            }
            other => Err(format!("{other:?} has no `{name}`")),
        }
    }

    fn method(&mut self, source: &Expression, name: &str, arguments: &[Expression]) -> Result<Built> {
        match self.build(source)? {
            Built::Frame { node, columns } => self.frame_method(node, columns, name, arguments),
            Built::Series(node) => self.series_method(&node, name, arguments).map(Built::Series),
            other => Err(format!("{other:?} has no `{name}()`")),
        }
    }

    fn frame_method(
        &mut self,
        node: Json,
        columns: Vec<Column>,
        name: &str,
        arguments: &[Expression],
    ) -> Result<Built> {
        let series = match name {
            "exists_for_patient" => Some("Exists"),
            "count_for_patient" => Some("Count"),
            _ => None,
        };
        if let Some(aggregation) = series {
            return Ok(Built::Series(self.document.aggregate(aggregation, &node)));
        }
        let node = match name {
            "where" => {
                let condition = self.within(&node, &columns, &arguments[0])?;
                self.document.filter(&node, &condition)
            }
            "except_where" => {
                let condition = self.within(&node, &columns, &arguments[0])?;
                let is_not = self.document.unary("Not", &condition);
                let is_null = self.document.unary("IsNull", &condition);
                let kept = self.document.binary("Or", &is_not, &is_null);
                self.document.filter(&node, &kept)
            }
            "sort_by" => {
                // The first has the highest priority, so it is the outermost.
                let mut sorted = node.clone();
                for by in arguments.iter().rev() {
                    let by = self.within(&node, &columns, by)?;
                    sorted = self.document.sort(&sorted, &by);
                }
                sorted
            }
            "first_for_patient" => self.document.pick(&node, "first"),
            "last_for_patient" => self.document.pick(&node, "last"),
            _ => return Err(format!("a frame has no `{name}()`")),
        };
        Ok(Built::Frame { node, columns })
    }

    /// A series in whose expression the frame's columns may stand alone.
    fn within(&mut self, frame: &Json, columns: &[Column], expression: &Expression) -> Result<Json> {
        self.scopes.push((frame.clone(), columns.to_vec()));
        let series = self.series(expression);
        self.scopes.pop();
        series
    }

    fn series_method(&mut self, node: &Json, name: &str, arguments: &[Expression]) -> Result<Json> {
        let document = &mut self.document;
        Ok(match name {
            "is_null" => document.unary("IsNull", node),
            "is_not_null" => {
                let is_null = document.unary("IsNull", node);
                document.unary("Not", &is_null)
            }
            "is_in" => self.is_in(node, &arguments[0])?,
            "is_not_in" => {
                let is_in = self.is_in(node, &arguments[0])?;
                self.document.unary("Not", &is_in)
            }
            "contains" => {
                let part = self.series(&arguments[0])?;
                self.document.binary("StringContains", node, &part)
            }
            "count_episodes_for_patient" => {
                let Built::Duration("DateAddDays", days) = self.build(&arguments[0])? else {
                    return Err("episodes are counted by a gap in days(…)".to_owned());
                };
                let fields = json!({ "source": node, "maximum_gap_days": days["Value"] });
                self.document.node("AggregateByPatient.CountEpisodes", fields)
            }
            "as_int" => document.unary("CastToInt", node),
            "as_float" => document.unary("CastToFloat", node),
            "to_first_of_year" => document.unary("ToFirstOfYear", node),
            "to_first_of_month" => document.unary("ToFirstOfMonth", node),
            "count_distinct_for_patient" => document.aggregate("CountDistinct", node),
            "minimum_for_patient" => document.aggregate("Min", node),
            "maximum_for_patient" => document.aggregate("Max", node),
            "sum_for_patient" => document.aggregate("Sum", node),
            "mean_for_patient" => document.aggregate("Mean", node),
            _ => return Err(format!("a series has no `{name}()`")),
        })
    }

    fn is_in(&mut self, node: &Json, argument: &Expression) -> Result<Json> {
        let set = match self.build(argument)? {
            Built::Set(set) => set,
            Built::Series(series) => self.document.aggregate("CombineAsSet", &series),
            other => return Err(format!("a set or a series is wanted, not {other:?}")),
        };
        Ok(self.document.binary("In", node, &set))
    }

    fn call(&mut self, name: &str, arguments: &[Expression]) -> Result<Built> {
        let duration = match name {
            "days" => Some("DateAddDays"),
            "months" => Some("DateAddMonths"),
            "years" => Some("DateAddYears"),
            _ => None,
        };
        if let Some(function) = duration {
            return Ok(Built::Duration(function, self.series(&arguments[0])?));
        }
        match (name, arguments) {
            ("abs", [operand]) => {
                let operand = self.series(operand)?;
                Ok(Built::Series(self.document.unary("Absolute", &operand)))
            }
            ("minimum_of" | "maximum_of", sources) => {
                let sources: Result<Vec<Json>> = sources.iter().map(|source| self.series(source)).collect();
                let function = if name == "minimum_of" { "MinimumOf" } else { "MaximumOf" };
                Ok(Built::Series(self.document.function(function, json!({ "sources": { "tuple": sources? } }))))
            }
            (code_type, [Expression::Constant(code)]) if code_type.ends_with("Code") => {
                Ok(Built::Series(document::value(code, code_type)))
            }
            _ => Err(format!("there is no `{name}()` of {} arguments", arguments.len())),
        }
    }

    fn binary(&mut self, sign: &str, lhs: &Expression, rhs: &Expression) -> Result<Built> {
        let lhs = self.series(lhs)?;
        let rhs = match self.build(rhs)? {
            Built::Duration(function, amount) => {
                let amount = match sign {
                    "+" => amount,
                    "-" => self.document.unary("Negate", &amount),
                    _ => return Err(format!("`{sign}` of a date and a duration")),
                };
                return Ok(Built::Series(self.document.binary(function, &lhs, &amount)));
            }
            Built::Series(node) => node,
            other => return Err(format!("a series is wanted, not {other:?}")),
        };
        let function = match sign {
            "==" => "EQ",
            "!=" => "NE",
            "<" => "LT",
            "<=" => "LE",
            ">" => "GT",
            ">=" => "GE",
            "and" => "And",
            "or" => "Or",
            "+" => "Add",
            "-" => "Subtract",
            "*" => "Multiply",
            "/" => "TrueDivide",
            "//" => "FloorDivide",
            "**" => "Power",
            _ => return Err(format!("there is no `{sign}`")),
        };
        Ok(Built::Series(self.document.binary(function, &lhs, &rhs)))
    }

    fn case(&mut self, cases: &[(Expression, Expression)], default: Option<&Expression>) -> Result<Built> {
        let value = |builder: &mut Self, expression: &Expression| match expression {
            Expression::Constant(Cell::Null) => Ok(Json::Null),
            expression => builder.series(expression),
        };
        let mut built = vec![];
        for (condition, then) in cases {
            built.push((self.series(condition)?, value(self, then)?));
        }
        let default = default.map_or(Ok(Json::Null), |default| value(self, default))?;
        Ok(Built::Series(self.document.case(built, default)))
    }
}

/// The reader that a definition names for a file of that ending.
pub(crate) fn reader(path: &str) -> &'static str {
    if path.ends_with(".csv") {
        "CSVRowsReader"
    } else if path.ends_with(".csv.gz") {
        "CSVGZRowsReader"
    } else {
        "ArrowRowsReader"
    }
}

fn plain_type(cell: &Cell) -> &'static str {
    match cell {
        Cell::Bool(_) => "bool",
        Cell::Int(_) => "int",
        Cell::Float(_) => "float",
        Cell::Date(_) => "date",
        _ => "str",
    }
}
