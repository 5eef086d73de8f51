//! Tokens become a tree: one function per rule of the grammar, operators by precedence.
//!
//! ```text
//! expression  = or [ "?" or ":" expression ]
//! or          = and { "||" and }
//! and         = relation { "&&" relation }
//! relation    = sum { ("<" | "<=" | ">=" | ">" | "==" | "!=" | "in") sum }
//! sum         = product { ("+" | "-") product }
//! product     = unary { ("*" | "/" | "%") unary }
//! unary       = member | "!" {"!"} member | "-" {"-"} member
//! member      = primary { "." ["?"] name | "." name "(" arguments ")" | "[" ["?"] expression "]" }
//! ```

use super::ast::{Entry, Expr, Field, Id, Item, Kind, Name, Struct};
use super::build::{Builder, Stop};
use super::token::{Lexeme, Token, tokens};
use super::{Complaint, RESERVED, diagnose, literal, macros};

/// The longest text that is read, in code points.
const LONGEST: usize = 100_000;
/// Expressions nest at most this deep in parentheses, brackets and arguments.
const DEEPEST: u16 = 250;

/// A tree and the bound of its ids.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) root: Expr,
    pub(crate) nodes: Id,
}

/// Reads an expression.
pub(crate) fn parse(text: &str) -> Result<Parsed, Vec<Complaint>> {
    let size = text.chars().count();
    if size > LONGEST {
        let message = format!("expression code point size exceeds limit: size: {size}, limit {LONGEST}");
        return Err(vec![Complaint::whole(message)]);
    }
    let (tokens, unread) = tokens(text);
    let mut parser = Parser { tokens: &tokens, next: 0, depth: 0, build: Builder::default() };
    let root = parser.whole();
    let mut complaints = unread;
    match root {
        Ok(root) => {
            complaints.append(&mut parser.build.complaints);
            if complaints.is_empty() {
                Ok(Parsed { root, nodes: parser.build.count() })
            } else {
                Err(complaints)
            }
        }
        Err(Stop::Limit(complaint)) => Err(vec![complaint]),
        Err(Stop::Syntax) => {
            complaints.extend(diagnose::diagnose(text, &tokens));
            Err(complaints)
        }
    }
}

struct Parser<'t> {
    tokens: &'t [Lexeme<'t>],
    next: usize,
    depth: u16,
    build: Builder,
}

type Parse<T = Expr> = Result<T, Stop>;

impl<'t> Parser<'t> {
    fn whole(&mut self) -> Parse {
        let root = self.expression()?;
        self.expect(Token::End)?;
        Ok(root)
    }

    fn peek(&self) -> Token {
        self.tokens.get(self.next).map_or(Token::End, |lexeme| lexeme.token)
    }

    /// The next token if it is of this kind.
    fn accept(&mut self, token: Token) -> Option<Lexeme<'t>> {
        let lexeme = self.tokens.get(self.next).filter(|lexeme| lexeme.token == token)?;
        self.next += 1;
        Some(*lexeme)
    }

    fn expect(&mut self, token: Token) -> Parse<Lexeme<'t>> {
        self.accept(token).ok_or(Stop::Syntax)
    }

    fn expression(&mut self) -> Parse {
        self.depth += 1;
        if self.depth > DEEPEST {
            let message = format!("expression recursion limit exceeded: {DEEPEST}");
            return Err(Stop::Limit(Complaint::whole(message)));
        }
        let condition = self.or_terms()?;
        let found = match self.accept(Token::Question) {
            None => Ok(condition),
            Some(operator) => {
                let then = self.or_terms()?;
                self.expect(Token::Colon)?;
                let otherwise = self.expression()?;
                self.build.call(operator.at, "_?_:_", vec![condition, then, otherwise])
            }
        };
        self.depth -= 1;
        found
    }

    // Each of the rules below goes on from an operand that is already read, so that parentheses within
    // parentheses take few steps of the stack.

    fn or_terms(&mut self) -> Parse {
        let first = self.unary()?;
        let first = self.and_terms(first)?;
        self.logical(first, Token::Or, "_||_", Self::and_terms)
    }

    fn and_terms(&mut self, first: Expr) -> Parse {
        let first = self.relation(first)?;
        self.logical(first, Token::And, "_&&_", Self::relation)
    }

    fn relation(&mut self, first: Expr) -> Parse {
        self.binary(first, 0)
    }

    /// Terms between `&&` or `||`, as a balanced tree.
    fn logical(
        &mut self,
        first: Expr,
        operator: Token,
        function: &str,
        term: fn(&mut Self, Expr) -> Parse,
    ) -> Parse {
        if self.peek() != operator {
            return Ok(first);
        }
        let mut terms = vec![first];
        let mut places = Vec::new();
        while let Some(found) = self.accept(operator) {
            places.push(found.at);
            let operand = self.unary()?;
            terms.push(term(self, operand)?);
        }
        self.balance(function, &mut terms, &places)
    }

    fn balance(&mut self, function: &str, terms: &mut Vec<Expr>, places: &[u32]) -> Parse {
        if places.is_empty() {
            return terms.pop().ok_or(Stop::Syntax);
        }
        let (before, rest) = places.split_at(places.len() / 2);
        let (at, after) = rest.split_first().ok_or(Stop::Syntax)?;
        let mut right = terms.split_off(before.len() + 1);
        let left = self.balance(function, terms, before)?;
        let right = self.balance(function, &mut right, after)?;
        self.build.call(*at, function, vec![left, right])
    }

    /// Operators that bind at least this tightly.
    fn binary(&mut self, first: Expr, tightness: u8) -> Parse {
        let mut left = first;
        while let Some((function, binds)) = self.peek().operator().filter(|(_, binds)| *binds >= tightness) {
            let at = self.tokens.get(self.next).map_or(0, |lexeme| lexeme.at);
            self.next += 1;
            let operand = self.unary()?;
            let right = self.binary(operand, binds + 1)?;
            left = self.build.call(at, function, vec![left, right])?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parse {
        let (token, function) = match self.peek() {
            Token::Not => (Token::Not, "!_"),
            Token::Minus => (Token::Minus, "-_"),
            _ => return self.member(None),
        };
        let first = self.expect(token)?;
        let mut count = 1_usize;
        while self.accept(token).is_some() {
            count += 1;
        }
        if token == Token::Minus && count == 1 && matches!(self.peek(), Token::Int | Token::Float) {
            return self.member(Some(first.at));
        }
        let operand = self.member(None)?;
        if count.is_multiple_of(2) { Ok(operand) } else { self.build.call(first.at, function, vec![operand]) }
    }

    /// A primary and what is selected from it; `sign` is the place of the minus that belongs to its number.
    fn member(&mut self, sign: Option<u32>) -> Parse {
        let mut found = self.primary(sign)?;
        loop {
            if let Some(dot) = self.accept(Token::Dot) {
                found = self.selection(dot, found)?;
            } else if let Some(bracket) = self.accept(Token::LeftBracket) {
                let optional = self.accept(Token::Question).is_some();
                let index = self.expression()?;
                self.expect(Token::RightBracket)?;
                let function = if optional { "_[?_]" } else { "_[_]" };
                found = self.build.call(bracket.at, function, vec![found, index])?;
            } else {
                return Ok(found);
            }
        }
    }

    fn selection(&mut self, dot: Lexeme<'t>, operand: Expr) -> Parse {
        if self.accept(Token::Question).is_some() {
            let (at, field) = self.field_name()?;
            let field = self.build.literal(at, super::ast::Literal::String(field))?;
            return self.build.call(dot.at, "_?._", vec![operand, field]);
        }
        let simple = self.peek() == Token::Identifier;
        let (_, name) = self.field_name()?;
        match self.accept(Token::LeftParen).filter(|_| simple) {
            Some(open) => {
                let args = self.arguments()?;
                macros::call(&mut self.build, open.at, &name, Some(operand), args)
            }
            None => self.build.select(dot.at, operand, name, false),
        }
    }

    fn field_name(&mut self) -> Parse<(u32, Name)> {
        if let Some(name) = self.accept(Token::Identifier) {
            return Ok((name.at, name.text.into()));
        }
        let name = self.expect(Token::EscapedIdentifier)?;
        self.build.complaints.push(Complaint::new(name.at, "unsupported syntax: '`'"));
        Ok((name.at, name.text.into()))
    }

    fn arguments(&mut self) -> Parse<Vec<Expr>> {
        let mut args = Vec::new();
        if self.accept(Token::RightParen).is_some() {
            return Ok(args);
        }
        loop {
            args.push(self.expression()?);
            if self.accept(Token::Comma).is_none() {
                self.expect(Token::RightParen)?;
                return Ok(args);
            }
        }
    }

    fn primary(&mut self, sign: Option<u32>) -> Parse {
        match self.peek() {
            Token::Dot | Token::Identifier => self.named(),
            Token::LeftParen => {
                self.expect(Token::LeftParen)?;
                let inner = self.expression()?;
                self.expect(Token::RightParen)?;
                Ok(inner)
            }
            Token::LeftBracket => self.list(),
            Token::LeftBrace => {
                let open = self.expect(Token::LeftBrace)?;
                let entries = self.separated(Token::RightBrace, Self::entry)?;
                self.build.node(open.at, Kind::Map(entries))
            }
            token => self.literal(token, sign),
        }
    }

    fn literal(&mut self, token: Token, sign: Option<u32>) -> Parse {
        let known = [Token::True, Token::False, Token::Null, Token::Int, Token::Uint, Token::Float];
        if !known.contains(&token) && !matches!(token, Token::String | Token::Bytes) {
            return Err(Stop::Syntax);
        }
        let lexeme = self.expect(token)?;
        let at = sign.unwrap_or(lexeme.at);
        match literal::value(token, lexeme.text, sign.is_some()) {
            Ok(value) => self.build.literal(at, value),
            Err(message) => self.build.complain(at, message),
        }
    }

    /// A variable, a call or a message.
    fn named(&mut self) -> Parse {
        let dot = self.accept(Token::Dot);
        let first = self.expect(Token::Identifier)?;
        if let Some(fields) = self.message(dot.is_some(), first)? {
            return Ok(fields);
        }
        let at = dot.map_or(first.at, |dot| dot.at);
        let open = self.accept(Token::LeftParen);
        if RESERVED.contains(&first.text) {
            if open.is_some() {
                self.arguments()?;
            }
            return self.build.complain(at, format!("reserved identifier: {}", first.text));
        }
        let name: Name = format!("{}{}", if dot.is_some() { "." } else { "" }, first.text).into();
        match open {
            None => self.build.ident(first.at, name),
            Some(open) => {
                let args = self.arguments()?;
                macros::call(&mut self.build, open.at, &name, None, args)
            }
        }
    }

    /// `a.b.C{..}`, if that is what follows the first name.
    fn message(&mut self, dotted: bool, first: Lexeme<'t>) -> Parse<Option<Expr>> {
        let mut name = format!("{}{}", if dotted { "." } else { "" }, first.text);
        let mut ahead = self.next;
        let token = |at: usize| self.tokens.get(at).map(|lexeme| (lexeme.token, lexeme.text));
        while let (Some((Token::Dot, _)), Some((Token::Identifier, text))) = (token(ahead), token(ahead + 1))
        {
            name = format!("{name}.{text}");
            ahead += 2;
        }
        if !matches!(token(ahead), Some((Token::LeftBrace, _))) {
            return Ok(None);
        }
        self.next = ahead;
        let open = self.expect(Token::LeftBrace)?;
        let fields = self.separated(Token::RightBrace, Self::field)?;
        self.build.node(open.at, Kind::Struct(Box::new(Struct { name: name.into(), fields }))).map(Some)
    }

    fn list(&mut self) -> Parse {
        let open = self.expect(Token::LeftBracket)?;
        let items = self.separated(Token::RightBracket, |parser| {
            let optional = parser.accept(Token::Question).is_some();
            Ok(Item { value: parser.expression()?, optional })
        })?;
        self.build.node(open.at, Kind::List(items))
    }

    /// What stands between commas up to the end; one comma may stand before it.
    fn separated<T>(&mut self, end: Token, read: impl Fn(&mut Self) -> Parse<T>) -> Parse<Vec<T>> {
        let mut found = Vec::new();
        loop {
            if self.accept(end).is_some() {
                return Ok(found);
            }
            if found.is_empty() && self.accept(Token::Comma).is_some() {
                self.expect(end)?;
                return Ok(found);
            }
            found.push(read(self)?);
            if self.accept(Token::Comma).is_none() {
                self.expect(end)?;
                return Ok(found);
            }
        }
    }

    fn entry(&mut self) -> Parse<Entry> {
        let optional = self.accept(Token::Question).is_some();
        let key = self.expression()?;
        self.expect(Token::Colon)?;
        Ok(Entry { key, value: self.expression()?, optional })
    }

    fn field(&mut self) -> Parse<Field> {
        let optional = self.accept(Token::Question).is_some();
        let (_, name) = self.field_name()?;
        let colon = self.expect(Token::Colon)?;
        Ok(Field { at: colon.at, name, value: self.expression()?, optional })
    }
}
