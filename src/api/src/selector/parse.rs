//! The text form of label selectors: tokens, then one pass over them without recursion.

use super::label::{Operator, Requirement};
use super::words;
use crate::field::Path;

const BINARY: &str = "in, notin, =, ==, !=, gt, lt";

/// Reads all requirements, in the order they are written.
pub(super) fn requirements(text: &str) -> Result<Vec<Requirement>, String> {
    let mut tokens = Tokens { rest: text };
    let mut found = Vec::new();
    loop {
        match tokens.peek() {
            Token::Word(_) | Token::Symbol("!") => {
                let requirement = requirement(&mut tokens);
                found.push(requirement.map_err(|e| format!("unable to parse requirement: {e}"))?);
                super::check_count(found.len())?;
            }
            Token::End => return Ok(found),
            other => return Err(expected(other, "!, identifier, or 'end of string'")),
        }
        match tokens.next() {
            Token::End => return Ok(found),
            Token::Symbol(",") => match tokens.peek() {
                Token::Word(_) | Token::Symbol("!") => {}
                other => return Err(expected(other, "identifier after ','")),
            },
            other => return Err(expected(other, "',' or 'end of string'")),
        }
    }
}

fn requirement(tokens: &mut Tokens<'_>) -> Result<Requirement, String> {
    let absent = tokens.peek() == Token::Symbol("!");
    if absent {
        tokens.next();
    }
    let key = match tokens.next() {
        Token::Word(key) => key,
        other => return Err(expected(other, "identifier")),
    };
    if let Some(error) = words::key_error(&Path::root(), key) {
        return Err(error.to_string());
    }
    if absent {
        return Requirement::new(key, Operator::DoesNotExist, Vec::new());
    }
    if matches!(tokens.peek(), Token::End | Token::Symbol(",")) {
        return Requirement::new(key, Operator::Exists, Vec::new());
    }
    let operator = operator(tokens)?;
    let values = match operator {
        Operator::In | Operator::NotIn => set(tokens)?,
        _ => vec![exact(tokens)?],
    };
    Requirement::new(key, operator, values)
}

fn operator(tokens: &mut Tokens<'_>) -> Result<Operator, String> {
    match tokens.next() {
        Token::Word("in") => Ok(Operator::In),
        Token::Word("notin") => Ok(Operator::NotIn),
        Token::Symbol("=") => Ok(Operator::Equals),
        Token::Symbol("==") => Ok(Operator::DoubleEquals),
        Token::Symbol("!=") => Ok(Operator::NotEquals),
        Token::Symbol(">") => Ok(Operator::GreaterThan),
        Token::Symbol("<") => Ok(Operator::LessThan),
        other => Err(expected(other, BINARY)),
    }
}

/// `(a,b)`; an empty place between commas is the empty value, as is `()`.
fn set(tokens: &mut Tokens<'_>) -> Result<Vec<Box<str>>, String> {
    match tokens.next() {
        Token::Symbol("(") => {}
        other => return Err(format!("found '{}' expected: '('", other.literal())),
    }
    match tokens.peek() {
        Token::Word(_) | Token::Symbol(",") => members(tokens),
        Token::Symbol(")") => {
            tokens.next();
            Ok(vec![Box::from("")])
        }
        other => Err(expected(other, "',', ')' or identifier")),
    }
}

fn members(tokens: &mut Tokens<'_>) -> Result<Vec<Box<str>>, String> {
    let mut values: Vec<Box<str>> = Vec::new();
    loop {
        match tokens.next() {
            Token::Word(word) => {
                values.push(word.into());
                match tokens.peek() {
                    Token::Symbol("," | ")") => {}
                    other => return Err(expected(other, "',' or ')'")),
                }
            }
            Token::Symbol(",") => {
                if values.is_empty() || matches!(tokens.peek(), Token::Symbol("," | ")")) {
                    values.push("".into());
                }
            }
            Token::Symbol(")") if !values.is_empty() => {
                values.sort();
                values.dedup();
                return Ok(values);
            }
            other => return Err(expected(other, "',', or identifier")),
        }
    }
}

fn exact(tokens: &mut Tokens<'_>) -> Result<Box<str>, String> {
    if matches!(tokens.peek(), Token::End | Token::Symbol(",")) {
        return Ok("".into());
    }
    match tokens.next() {
        Token::Word(word) => Ok(word.into()),
        other => Err(expected(other, "identifier")),
    }
}

fn expected(found: Token<'_>, what: &str) -> String {
    format!("found '{}', expected: {what}", found.literal())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    End,
    Symbol(&'a str),
    Word(&'a str),
}

impl<'a> Token<'a> {
    fn literal(self) -> &'a str {
        match self {
            Self::End => "",
            Self::Symbol(text) | Self::Word(text) => text,
        }
    }
}

struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    fn peek(&self) -> Token<'a> {
        Tokens { rest: self.rest }.next()
    }

    fn next(&mut self) -> Token<'a> {
        let text = self.rest.trim_start_matches(is_space);
        let end = match text.bytes().next() {
            None => {
                self.rest = "";
                return Token::End;
            }
            Some(b'=' | b'!') if text.starts_with("==") || text.starts_with("!=") => 2,
            Some(first) if is_symbol(first.into()) => 1,
            Some(_) => {
                let end = text.find(|c| is_space(c) || is_symbol(c)).unwrap_or(text.len());
                let (word, rest) = text.split_at(end);
                self.rest = rest;
                return Token::Word(word);
            }
        };
        let (symbol, rest) = text.split_at(end);
        self.rest = rest;
        Token::Symbol(symbol)
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_symbol(c: char) -> bool {
    matches!(c, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}
