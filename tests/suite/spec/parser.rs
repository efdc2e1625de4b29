//! A spec file to its cases. A line that begins a block stands at the margin; what belongs to it is indented.

use peristyle_outputs::DisclosureControl;

use crate::cells::Cell;
use crate::tables::{Column, Table};

use super::case::{Case, Each, Expected, GivenTable, Measure, Origin, Outcome};
use super::expression::{self, Expression};
use super::lexer::{Token, cell, split_cells, split_outside_quotes, tokens};

/// The module that tables of spec files live in.
pub(crate) const MODULE: &str = "peristyle.spec";

type Result<T> = std::result::Result<T, String>;

struct Block<'a> {
    line: usize,
    head: &'a str,
    body: Vec<&'a str>,
}

impl Block<'_> {
    /// An expression may go on in indented lines.
    fn with_body(&self, head: &str) -> String {
        [head].iter().chain(&self.body).copied().collect::<Vec<_>>().join(" ")
    }
}

fn blocks(text: &str) -> Result<Vec<Block<'_>>> {
    let mut blocks: Vec<Block<'_>> = vec![];
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        if !line.starts_with(' ') {
            blocks.push(Block { line: index + 1, head: line.trim_end(), body: vec![] });
        } else if let Some(block) = blocks.last_mut() {
            block.body.push(line.trim());
        } else {
            return Err(format!("line {}: indented below nothing", index + 1));
        }
    }
    Ok(blocks)
}

pub(crate) fn cases(text: &str) -> Result<Vec<Case>> {
    let mut cases: Vec<Case> = vec![];
    let mut given: Vec<GivenTable> = vec![];
    let mut in_given = true;
    for block in blocks(text)? {
        let (keyword, rest) = block.head.split_once(' ').unwrap_or((block.head, ""));
        match keyword {
            "given" => (in_given, given) = (true, vec![]),
            "case" => {
                in_given = false;
                cases.push(new_case(rest, block.line, &given));
            }
            "patients" | "events" | "inline" if in_given => given.push(given_table(keyword, rest, &block)?),
            _ => {
                let case = cases.last_mut().filter(|_| !in_given);
                let case = case.ok_or_else(|| format!("line {}: `{}` outside a case", block.line, block.head))?;
                clause(case, keyword, rest, &block).map_err(|error| format!("line {}: {error}", block.line))?;
            }
        }
    }
    Ok(cases)
}

fn new_case(title: &str, line: usize, given: &[GivenTable]) -> Case {
    Case {
        title: title.to_owned(),
        line,
        tables: given.to_vec(),
        lets: vec![],
        population: None,
        variables: vec![],
        events: vec![],
        measures: vec![],
        disclosure_control: DisclosureControl::Off,
        outcome: Outcome::Tables(vec![]),
    }
}

fn clause(case: &mut Case, keyword: &str, rest: &str, block: &Block<'_>) -> Result<()> {
    match keyword {
        "patients" | "events" | "inline" => {
            let table = given_table(keyword, rest, block)?;
            case.tables.retain(|known| known.table.name != table.table.name);
            case.tables.push(table);
        }
        "let" => case.lets.push(assignment(&block.with_body(rest))?),
        "event_table" => {
            let members: Result<Vec<_>> = block.body.iter().map(|line| assignment(line)).collect();
            case.events.push((rest.to_owned(), members?));
        }
        "measure" => case.measures.push(measure(rest, &block.body)?),
        "disclosure_control" => {
            case.disclosure_control = match rest {
                "by sums" => DisclosureControl::BySums,
                "by people" => DisclosureControl::ByPeople,
                other => return Err(format!("disclosure control is `by sums` or `by people`, not `{other}`")),
            }
        }
        "each" => case.outcome = Outcome::Each(each(&block.body)?),
        "expect" => match rest.strip_prefix("error:") {
            Some(text) => case.outcome = Outcome::Error(text.trim().to_owned()),
            None => {
                let name = match rest {
                    "" if case.measures.is_empty() => "dataset",
                    "" => "measures",
                    name => name,
                };
                let expected = expected(name, &block.body)?;
                match &mut case.outcome {
                    Outcome::Tables(tables) => tables.push(expected),
                    _ => return Err("a case has one kind of outcome".to_owned()),
                }
            }
        },
        _ => match assignment(&block.with_body(block.head))? {
            (name, population) if name == "population" => case.population = Some(population),
            variable => case.variables.push(variable),
        },
    }
    Ok(())
}

/// `name = expression`
fn assignment(line: &str) -> Result<(String, Expression)> {
    let (name, text) = line.split_once('=').ok_or_else(|| format!("`{line}` is no `name = expression`"))?;
    let name = name.trim();
    if name.is_empty() || name.contains(|c: char| !c.is_alphanumeric() && c != '_') {
        return Err(format!("`{name}` is no name"));
    }
    Ok((name.to_owned(), expression::parse(text)?))
}

fn given_table(keyword: &str, rest: &str, block: &Block<'_>) -> Result<GivenTable> {
    let mut words = rest.split_whitespace();
    let name = words.next().ok_or("a table has a name")?;
    let origin = match (keyword, words.next()) {
        ("inline", Some(path)) => Origin::File(path.to_owned()),
        ("inline", None) => Origin::Inline,
        _ => Origin::Source,
    };
    let mut lines = block.body.iter();
    let header = split_cells(lines.next().ok_or_else(|| format!("line {}: a table has columns", block.line))?);
    let columns: Result<Vec<Column>> = header[1..].iter().map(|text| column(text)).collect();
    let columns = columns?;
    if header[0] != "patient" {
        return Err(format!("line {}: a table's first column is `patient`", block.line));
    }
    let mut rows = vec![];
    for line in lines {
        let cells = split_cells(line);
        let patient = cells[0].parse().map_err(|_| format!("line {}: `{}` is no patient", block.line, cells[0]))?;
        rows.push((patient, input_cells(&cells[1..], &columns, line)?));
    }
    let table = Table {
        module: MODULE.to_owned(),
        name: name.to_owned(),
        one_row_per_patient: keyword != "events",
        columns,
        rows,
    };
    Ok(GivenTable { table, origin })
}

/// `name:type`, or `name:str(one, of, these)`
fn column(text: &str) -> Result<Column> {
    let (name, type_name) = text.split_once(':').ok_or_else(|| format!("`{text}` is no `name:type`"))?;
    let Some((type_name, categories)) = type_name.split_once('(') else {
        return Ok(Column::new(name.trim(), type_name.trim()));
    };
    let categories = categories.trim_end_matches(')').split(',').map(|category| category.trim().to_owned()).collect();
    Ok(Column { categories: Some(categories), ..Column::new(name.trim(), type_name.trim()) })
}

fn input_cells(cells: &[String], columns: &[Column], line: &str) -> Result<Vec<Cell>> {
    if cells.len() != columns.len() {
        return Err(format!("{} columns and {} cells: `{line}`", columns.len(), cells.len()));
    }
    cells.iter().zip(columns).map(|(text, column)| cell(text, &column.type_name)).collect()
}

fn expected(name: &str, body: &[&str]) -> Result<Expected> {
    let mut lines = body.iter();
    let header = lines.next().ok_or("an expected table has columns")?;
    let columns: Vec<String> = split_cells(header)
        .into_iter()
        .map(|column| if column == "patient" { "patient_id".to_owned() } else { column })
        .collect();
    let rows: Vec<Vec<String>> = lines.map(|line| split_cells(line)).collect();
    match rows.iter().find(|row| row.len() != columns.len()) {
        Some(row) => Err(format!("{} columns and {} cells: {row:?}", columns.len(), row.len())),
        None => Ok(Expected { name: name.to_owned(), columns, rows }),
    }
}

/// `a:int | b:int => a + b | total = a - b`, then rows.
fn each(body: &[&str]) -> Result<Each> {
    let halves = |line: &str| match split_outside_quotes(line, "=>").as_slice() {
        [inputs, outputs] => Ok((split_cells(inputs), split_cells(outputs))),
        _ => Err(format!("`=>` between inputs and outputs is missing: `{line}`")),
    };
    let mut lines = body.iter();
    let (inputs, outputs) = halves(lines.next().ok_or("`each` has columns")?)?;
    let columns: Result<Vec<Column>> = inputs.iter().map(|text| column(text)).collect();
    let columns = columns?;
    let outputs: Result<Vec<_>> = outputs
        .iter()
        .enumerate()
        .map(|(index, text)| match tokens(text)?.as_slice() {
            [Token::Name(_), Token::Sign("="), ..] => assignment(text),
            _ => Ok((format!("v{}", index + 1), expression::parse(text)?)),
        })
        .collect();
    let outputs = outputs?;
    let (mut rows, mut expected) = (vec![], vec![]);
    for (index, line) in lines.enumerate() {
        let (inputs, cells) = halves(line)?;
        rows.push((index as i64 + 1, input_cells(&inputs, &columns, line)?));
        if cells.len() != outputs.len() {
            return Err(format!("{} expressions and {} values: `{line}`", outputs.len(), cells.len()));
        }
        expected.push(cells);
    }
    let inputs = Table { module: MODULE.to_owned(), name: "t".to_owned(), one_row_per_patient: true, columns, rows };
    Ok(Each { inputs, outputs, expected })
}

fn measure(name: &str, body: &[&str]) -> Result<Measure> {
    let (mut numerator, mut denominator, mut groups, mut intervals) = (None, None, vec![], vec![]);
    for line in body {
        let (key, text) = line.split_once('=').ok_or_else(|| format!("`{line}` is no `key = value`"))?;
        match key.trim() {
            "numerator" => numerator = Some(expression::parse(text)?),
            "denominator" => denominator = Some(expression::parse(text)?),
            "intervals" => intervals = text.split(',').map(interval).collect::<Result<_>>()?,
            key => match key.strip_prefix("group ") {
                Some(group) => groups.push((group.trim().to_owned(), expression::parse(text)?)),
                None => return Err(format!("a measure has no `{key}`")),
            },
        }
    }
    Ok(Measure {
        name: name.to_owned(),
        numerator: numerator.ok_or("a measure has a numerator")?,
        denominator: denominator.ok_or("a measure has a denominator")?,
        groups,
        intervals,
    })
}

/// `2020-01-01..2020-01-31`
fn interval(text: &str) -> Result<(Cell, Cell)> {
    let (start, end) = text.trim().split_once("..").ok_or_else(|| format!("`{text}` is no `date..date`"))?;
    Ok((cell(start, "date")?, cell(end, "date")?))
}
