//! Expressions of the spec files: tokens to a tree. Loosest first: `or`, `and`, `not`, comparison, `+ -`, `* / //`,
//! unary `-`, `**`, then `.name` and `.method(…)`.

use crate::cells::Cell;

use super::lexer::Token;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expression {
    Constant(Cell),
    Set(Vec<Expression>),
    Name(String),
    /// `source.name`
    Attribute(Box<Expression>, String),
    /// `source.name(arguments)`
    Method(Box<Expression>, String, Vec<Expression>),
    /// `name(arguments)`
    Call(String, Vec<Expression>),
    Unary(&'static str, Box<Expression>),
    Binary(&'static str, Box<Expression>, Box<Expression>),
    /// Conditions with values, and `otherwise`
    Case(Vec<(Expression, Expression)>, Option<Box<Expression>>),
}

pub(crate) struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
}

type Parsed = Result<Expression, String>;

pub(crate) fn parse(text: &str) -> Parsed {
    let tokens = super::lexer::tokens(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0 };
    let expression = parser.either().map_err(|error| format!("{error}, in `{text}`"))?;
    match parser.peek() {
        None => Ok(expression),
        Some(token) => Err(format!("{token:?} after the end of `{text}`")),
    }
}

/// Looser operators first; those of one line are of one rank.
const RANKS: [&[&str]; 3] = [&["==", "!=", "<=", ">=", "<", ">"], &["+", "-"], &["*", "//", "/"]];

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Result<Token, String> {
        self.at += 1;
        self.tokens.get(self.at - 1).cloned().ok_or_else(|| "it ends too soon".to_owned())
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(found)) if *found == sign);
        self.at += usize::from(found);
        found
    }

    fn expect_sign(&mut self, sign: &str) -> Result<(), String> {
        if self.take_sign(sign) { Ok(()) } else { Err(format!("`{sign}` is missing before {:?}", self.peek())) }
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Name(found)) if found == word);
        self.at += usize::from(found);
        found
    }

    fn either(&mut self) -> Parsed {
        let mut lhs = self.both()?;
        while self.take_word("or") {
            lhs = Expression::Binary("or", Box::new(lhs), Box::new(self.both()?));
        }
        Ok(lhs)
    }

    fn both(&mut self) -> Parsed {
        let mut lhs = self.negation()?;
        while self.take_word("and") {
            lhs = Expression::Binary("and", Box::new(lhs), Box::new(self.negation()?));
        }
        Ok(lhs)
    }

    fn negation(&mut self) -> Parsed {
        if self.take_word("not") {
            return Ok(Expression::Unary("not", Box::new(self.negation()?)));
        }
        self.rank(0)
    }

    fn rank(&mut self, rank: usize) -> Parsed {
        let Some(operators) = RANKS.get(rank) else {
            return self.minus();
        };
        let mut lhs = self.rank(rank + 1)?;
        while let Some(operator) = operators.iter().find(|operator| self.take_sign(operator)) {
            lhs = Expression::Binary(operator, Box::new(lhs), Box::new(self.rank(rank + 1)?));
        }
        Ok(lhs)
    }

    fn minus(&mut self) -> Parsed {
        if !self.take_sign("-") {
            return self.power();
        }
        // A minus before a number belongs to the number.
        Ok(match self.minus()? {
            Expression::Constant(Cell::Int(value)) => Expression::Constant(Cell::Int(-value)),
            Expression::Constant(Cell::Float(value)) => Expression::Constant(Cell::Float(-value)),
            operand => Expression::Unary("-", Box::new(operand)),
        })
    }

    fn power(&mut self) -> Parsed {
        let base = self.postfix()?;
        if self.take_sign("**") {
            return Ok(Expression::Binary("**", Box::new(base), Box::new(self.minus()?)));
        }
        Ok(base)
    }

    fn postfix(&mut self) -> Parsed {
        let mut source = self.primary()?;
        while self.take_sign(".") {
            let Token::Name(name) = self.next()? else {
                return Err("a name is missing after `.`".to_owned());
            };
            source = if self.take_sign("(") {
                Expression::Method(Box::new(source), name, self.list(")")?)
            } else {
                Expression::Attribute(Box::new(source), name)
            };
        }
        Ok(source)
    }

    fn list(&mut self, end: &str) -> Result<Vec<Expression>, String> {
        let mut items = vec![];
        while !self.take_sign(end) {
            items.push(self.either()?);
            if !self.take_sign(",") {
                self.expect_sign(end)?;
                break;
            }
        }
        Ok(items)
    }

    fn primary(&mut self) -> Parsed {
        match self.next()? {
            Token::Constant(cell) => Ok(Expression::Constant(cell)),
            Token::Sign("(") => {
                let inner = self.either()?;
                self.expect_sign(")")?;
                Ok(inner)
            }
            Token::Sign("{") => Ok(Expression::Set(self.list("}")?)),
            Token::Name(name) if name == "case" => self.case(),
            Token::Name(name) if self.take_sign("(") => Ok(Expression::Call(name, self.list(")")?)),
            Token::Name(name) => Ok(Expression::Name(name)),
            other => Err(format!("no value begins with {other:?}")),
        }
    }

    /// `case(when a then 1, when b then NULL, otherwise 2)`
    fn case(&mut self) -> Parsed {
        self.expect_sign("(")?;
        let (mut cases, mut default) = (vec![], None);
        while !self.take_sign(")") {
            if self.take_word("otherwise") {
                default = Some(Box::new(self.either()?));
            } else if self.take_word("when") {
                let condition = self.either()?;
                if !self.take_word("then") {
                    return Err("`then` is missing".to_owned());
                }
                cases.push((condition, self.either()?));
            } else {
                return Err(format!("`when` or `otherwise` is missing before {:?}", self.peek()));
            }
            if !self.take_sign(",") {
                self.expect_sign(")")?;
                break;
            }
        }
        Ok(Expression::Case(cases, default))
    }
}
