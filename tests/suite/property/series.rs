//! Random series.

use serde_json::{Value as Json, json};

use crate::cells::Cell;
use crate::document;

use super::frames::{COMPARABLE, DEPTH_MAX, Generator};
use super::records::{COLUMNS, cell};

/// Types that a series may have.
const TYPES: [&str; 7] = ["int", "bool", "date", "float", "str", "SNOMEDCTCode", "ICD10MultiCodeString"];

/// A series, and whether it has many rows per patient.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) node: Json,
    pub(crate) many: bool,
}

/// A many-rows frame whose rows the series may have; else it has one row per patient.
type Scope<'s> = Option<&'s Json>;

impl Generator<'_, '_> {
    /// A series with one row per patient.
    pub(crate) fn one(&mut self, type_name: &str, depth: usize) -> Json {
        self.series(type_name, None, depth).node
    }

    /// A series with the rows of `frame`.
    pub(crate) fn many(&mut self, type_name: &str, frame: &Json, depth: usize) -> Json {
        let series = self.series(type_name, Some(frame), depth);
        if series.many {
            return series.node;
        }
        self.column_of(frame, &COLUMNS, type_name).expect("every type has a column")
    }

    pub(crate) fn any_type(&mut self) -> &'static str {
        self.choices.of(&TYPES)
    }

    /// A series of that type, of the rows of the scope or with one row per patient.
    pub(crate) fn series(&mut self, type_name: &str, scope: Scope<'_>, depth: usize) -> Series {
        if depth >= DEPTH_MAX || self.choices.one_in(4) {
            return self.leaf(type_name, scope, depth);
        }
        match self.choices.below(12) {
            0 => self.leaf(type_name, scope, depth),
            1 => self.case(type_name, scope, depth),
            2 => self.extreme_of(type_name, scope, depth),
            3 | 4 => self.aggregate(type_name, scope, depth),
            _ => match type_name {
                "bool" => self.truth(scope, depth),
                "int" => self.int(scope, depth),
                "float" => self.float(scope, depth),
                "date" => self.date(scope, depth),
                _ => self.leaf(type_name, scope, depth),
            },
        }
    }

    fn constant(&mut self, type_name: &str) -> Json {
        document::value(&cell(self.choices, type_name, true), type_name)
    }

    /// A column or a constant.
    fn leaf(&mut self, type_name: &str, scope: Scope<'_>, depth: usize) -> Series {
        if self.choices.one_in(6) {
            if type_name == "date" && self.parameters {
                let name = self.choices.of(&["interval_start_date", "interval_end_date"]);
                let fields = json!({ "name": name, "type": { "type": "date" } });
                return Series { node: self.document.node("Parameter", fields), many: false };
            }
            // A constant string of many codes would be a `str`.
            if type_name != "ICD10MultiCodeString" {
                return Series { node: self.constant(type_name), many: false };
            }
        }
        if let Some(frame) = scope
            && !self.choices.one_in(4)
        {
            let node = self.column_of(frame, &COLUMNS, type_name).expect("every type has a column");
            return Series { node, many: true };
        }
        let (frame, columns) = self.patient_frame(depth + 1);
        match self.column_of(&frame, columns, type_name) {
            Some(node) => Series { node, many: false },
            None => Series { node: self.document.column(&Self::table("p0"), "m1"), many: false },
        }
    }

    fn unary(&mut self, function: &str, source: &Series) -> Series {
        Series { node: self.document.unary(function, &source.node), many: source.many }
    }

    fn binary(&mut self, function: &str, types: (&str, &str), scope: Scope<'_>, depth: usize) -> Series {
        let lhs = self.series(types.0, scope, depth + 1);
        let rhs = self.series(types.1, scope, depth + 1);
        Series { node: self.document.binary(function, &lhs.node, &rhs.node), many: lhs.many || rhs.many }
    }

    fn truth(&mut self, scope: Scope<'_>, depth: usize) -> Series {
        match self.choices.below(9) {
            0 => {
                let frame = self.frame(depth + 1);
                Series { node: self.document.aggregate("Exists", &frame), many: false }
            }
            1 => {
                let source = self.series("bool", scope, depth + 1);
                self.unary("Not", &source)
            }
            2 => {
                let type_name = self.any_type();
                let source = self.series(type_name, scope, depth + 1);
                self.unary("IsNull", &source)
            }
            3 => {
                let function = self.choices.of(&["And", "Or"]);
                self.binary(function, ("bool", "bool"), scope, depth)
            }
            4 => {
                let lhs = self.choices.of(&["str", "ICD10MultiCodeString"]);
                self.binary("StringContains", (lhs, "str"), scope, depth)
            }
            5 | 6 => self.membership(scope, depth),
            7 => {
                let function = self.choices.of(&["EQ", "NE"]);
                let type_name = self.choices.of(&TYPES[..6]);
                self.binary(function, (type_name, type_name), scope, depth)
            }
            _ => {
                let function = self.choices.of(&["LT", "LE", "GT", "GE"]);
                let type_name = self.choices.of(&COMPARABLE);
                self.binary(function, (type_name, type_name), scope, depth)
            }
        }
    }

    fn membership(&mut self, scope: Scope<'_>, depth: usize) -> Series {
        let type_name = self.choices.of(&TYPES[..6]);
        let lhs = self.series(type_name, scope, depth + 1);
        let rhs = if self.choices.one_in(2) {
            let frame = self.event_frame(depth + 1);
            let source = self.many(type_name, &frame.node, depth + 1);
            self.document.aggregate("CombineAsSet", &source)
        } else {
            let mut members: Vec<Cell> = vec![];
            for _ in 0..self.choices.below(4) {
                let member = cell(self.choices, type_name, true);
                if !members.iter().any(|known| known.order(&member).is_eq()) {
                    members.push(member);
                }
            }
            document::set(&members, type_name)
        };
        Series { node: self.document.binary("In", &lhs.node, &rhs), many: lhs.many }
    }

    fn int(&mut self, scope: Scope<'_>, depth: usize) -> Series {
        match self.choices.below(7) {
            0 => {
                let frame = self.frame(depth + 1);
                Series { node: self.document.aggregate("Count", &frame), many: false }
            }
            1 => {
                let function = self.choices.of(&["Negate", "Absolute"]);
                let source = self.series("int", scope, depth + 1);
                self.unary(function, &source)
            }
            2 => {
                let type_name = self.choices.of(&["bool", "float", "int"]);
                let source = self.series(type_name, scope, depth + 1);
                self.unary("CastToInt", &source)
            }
            3 => {
                let function = self.choices.of(&["YearFromDate", "MonthFromDate", "DayFromDate"]);
                let source = self.series("date", scope, depth + 1);
                self.unary(function, &source)
            }
            4 => {
                let function =
                    self.choices.of(&["DateDifferenceInDays", "DateDifferenceInMonths", "DateDifferenceInYears"]);
                self.binary(function, ("date", "date"), scope, depth)
            }
            5 => {
                let type_name = self.choices.of(&["int", "float"]);
                self.binary("FloorDivide", (type_name, type_name), scope, depth)
            }
            _ => {
                let function = self.choices.of(&["Add", "Subtract", "Multiply"]);
                self.binary(function, ("int", "int"), scope, depth)
            }
        }
    }

    fn float(&mut self, scope: Scope<'_>, depth: usize) -> Series {
        match self.choices.below(5) {
            0 => {
                let function = self.choices.of(&["Negate", "Absolute"]);
                let source = self.series("float", scope, depth + 1);
                self.unary(function, &source)
            }
            1 => {
                let type_name = self.choices.of(&["int", "float"]);
                let source = self.series(type_name, scope, depth + 1);
                self.unary("CastToFloat", &source)
            }
            2 => {
                let function = self.choices.of(&["TrueDivide", "Power"]);
                let type_name = self.choices.of(&["int", "float"]);
                self.binary(function, (type_name, type_name), scope, depth)
            }
            _ => {
                let function = self.choices.of(&["Add", "Subtract", "Multiply"]);
                self.binary(function, ("float", "float"), scope, depth)
            }
        }
    }

    fn date(&mut self, scope: Scope<'_>, depth: usize) -> Series {
        if self.choices.one_in(3) {
            let function = self.choices.of(&["ToFirstOfYear", "ToFirstOfMonth"]);
            let source = self.series("date", scope, depth + 1);
            return self.unary(function, &source);
        }
        let function = self.choices.of(&["DateAddDays", "DateAddMonths", "DateAddYears"]);
        // Mostly small numbers, so that dates stay in the calendar.
        if self.choices.one_in(4) {
            return self.binary(function, ("date", "int"), scope, depth);
        }
        let lhs = self.series("date", scope, depth + 1);
        let rhs = match self.choices.one_in(2) {
            true => {
                let number = Cell::Int(self.choices.of(&[1, -1, 12, 31, -30, 365, 0]));
                Series { node: document::value(&number, "int"), many: false }
            }
            false => self.leaf("int", scope, depth + 1),
        };
        Series { node: self.document.binary(function, &lhs.node, &rhs.node), many: lhs.many || rhs.many }
    }

    fn case(&mut self, type_name: &str, scope: Scope<'_>, depth: usize) -> Series {
        // One value at least is not NULL, so that there is a type.
        let mut values = vec![Some(self.series(type_name, scope, depth + 1))];
        for _ in 0..self.choices.below(3) {
            values.push(self.or_null(4, type_name, scope, depth));
        }
        let default = self.or_null(3, type_name, scope, depth);
        let mut many = default.as_ref().is_some_and(|default| default.many);
        let mut cases: Vec<(Json, Json)> = vec![];
        let node = |value: Option<Series>| value.map_or(Json::Null, |value| value.node);
        for value in values {
            let condition = self.series("bool", scope, depth + 1);
            // A condition that stands twice in a document is one key.
            if cases.iter().all(|(known, _)| *known != condition.node) {
                many |= condition.many || value.as_ref().is_some_and(|value| value.many);
                cases.push((condition.node, node(value)));
            }
        }
        Series { node: self.document.case(cases, node(default)), many }
    }

    fn or_null(&mut self, chances: usize, type_name: &str, scope: Scope<'_>, depth: usize) -> Option<Series> {
        if self.choices.one_in(chances) { None } else { Some(self.series(type_name, scope, depth + 1)) }
    }

    fn extreme_of(&mut self, type_name: &str, scope: Scope<'_>, depth: usize) -> Series {
        if !COMPARABLE.contains(&type_name) {
            return self.leaf(type_name, scope, depth);
        }
        let sources: Vec<Series> =
            (0..1 + self.choices.below(3)).map(|_| self.series(type_name, scope, depth + 1)).collect();
        let function = self.choices.of(&["MinimumOf", "MaximumOf"]);
        let nodes: Vec<&Json> = sources.iter().map(|source| &source.node).collect();
        let node = self.document.function(function, json!({ "sources": { "tuple": nodes } }));
        Series { node, many: sources.iter().any(|source| source.many) }
    }

    /// An aggregate of that type, which has one row per patient.
    fn aggregate(&mut self, type_name: &str, scope: Scope<'_>, depth: usize) -> Series {
        let frame = self.event_frame(depth + 1).node;
        let (function, source_type) = match (type_name, self.choices.below(5)) {
            ("int", 0) => ("Sum", "int"),
            ("int", 1) => ("CountDistinct", self.any_type()),
            ("int", 2) => {
                let source = self.many("date", &frame, depth + 1);
                let fields = json!({ "source": source, "maximum_gap_days": self.choices.of(&[0, 1, 30, 365]) });
                return Series { node: self.document.node("AggregateByPatient.CountEpisodes", fields), many: false };
            }
            ("float", 0) => ("Sum", "float"),
            ("float", 1) => ("Mean", "float"),
            ("float", 2) => ("Mean", "int"),
            (comparable, choice) if COMPARABLE.contains(&comparable) => (["Min", "Max"][choice % 2], comparable),
            _ => return self.leaf(type_name, scope, depth),
        };
        let source = self.many(source_type, &frame, depth + 1);
        Series { node: self.document.aggregate(function, &source), many: false }
    }
}
