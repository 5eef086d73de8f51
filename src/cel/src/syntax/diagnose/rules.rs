//! The rules of the grammar, each with what may follow those it is made of.

use super::{DEEPEST, Mistake, Reader, Set, Step};
use crate::syntax::token::Token;
use crate::syntax::{Complaint, RESERVED};

const LITERAL: Set = Set::of(&[
    Token::Minus,
    Token::True,
    Token::False,
    Token::Null,
    Token::Float,
    Token::Int,
    Token::Uint,
    Token::String,
    Token::Bytes,
]);
/// What a primary starts with, and with it a member.
const PRIMARY: Set = LITERAL.or(Set::of(&[
    Token::LeftBracket,
    Token::LeftBrace,
    Token::LeftParen,
    Token::Dot,
    Token::Identifier,
]));
/// What a unary starts with, and with it an expression.
const EXPRESSION: Set = PRIMARY.or(Set::of(&[Token::Not]));
const OPTIONAL: Set = EXPRESSION.or(Set::of(&[Token::Question]));
const NAME: Set = Set::of(&[Token::Identifier, Token::EscapedIdentifier]);
const FIELD: Set = NAME.or(Set::of(&[Token::Question]));
const RELATION: Set = Set::of(&[
    Token::Less,
    Token::LessEquals,
    Token::GreaterEquals,
    Token::Greater,
    Token::Equals,
    Token::NotEquals,
    Token::In,
]);
const SUM: Set = Set::of(&[Token::Plus, Token::Minus]);
const PRODUCT: Set = Set::of(&[Token::Star, Token::Slash, Token::Percent]);
const SELECTION: Set = Set::of(&[Token::Dot, Token::LeftBracket]);
const COMMA: Set = Set::of(&[Token::Comma]);

const fn one(token: Token) -> Set {
    Set::of(&[token])
}

impl Reader<'_> {
    pub(super) fn start(&mut self) -> Step {
        self.rule(Set::EMPTY, |reader| {
            reader.expression(one(Token::End))?;
            reader.expect(Token::End, Set::RULE_END)
        })
    }

    fn expression(&mut self, follow: Set) -> Step {
        self.depth += 1;
        if self.depth > DEEPEST {
            let message = format!("expression recursion limit exceeded: {DEEPEST}");
            self.complaints.push(Complaint::whole(message));
            return Err(Mistake::Over);
        }
        let outcome = self.rule(follow, |reader| {
            reader.logical(one(Token::Question).or_end(), Token::Or)?;
            if reader.look(0) == Token::Question {
                reader.understood();
                reader.logical(one(Token::Colon), Token::Or)?;
                reader.expect(Token::Colon, EXPRESSION)?;
                reader.expression(Set::RULE_END)?;
            }
            Ok(())
        });
        self.depth -= 1;
        outcome
    }

    fn logical(&mut self, follow: Set, operator: Token) -> Step {
        self.rule(follow, |reader| {
            let inner = one(operator).or_end();
            loop {
                match operator {
                    Token::Or => reader.logical(inner, Token::And)?,
                    _ => reader.relation(inner, RELATION)?,
                }
                if reader.look(0) != operator {
                    return Ok(());
                }
                reader.understood();
            }
        })
    }

    /// Operands between operators of a kind; those of `allowed` bind at this level.
    fn relation(&mut self, follow: Set, allowed: Set) -> Step {
        self.rule(follow, |reader| {
            reader.sum(RELATION.or_end(), SUM.or(PRODUCT))?;
            while allowed.has(reader.look(0)) {
                reader.understood();
                reader.relation(RELATION.or_end(), Set::EMPTY)?;
            }
            Ok(())
        })
    }

    fn sum(&mut self, follow: Set, allowed: Set) -> Step {
        let operators = SUM.or(PRODUCT).or_end();
        self.rule(follow, |reader| {
            reader.unary(operators)?;
            while allowed.has(reader.look(0)) {
                let tighter = if PRODUCT.has(reader.look(0)) { Set::EMPTY } else { PRODUCT };
                reader.understood();
                reader.sum(operators, tighter)?;
            }
            Ok(())
        })
    }

    fn unary(&mut self, follow: Set) -> Step {
        self.rule(follow, |reader| {
            reader.one_of(EXPRESSION)?;
            match reader.look(0) {
                Token::Not => reader.signs(Token::Not),
                Token::Minus if !matches!(reader.look(1), Token::Int | Token::Float) => {
                    if !PRIMARY.has(reader.look(1)) {
                        return Err(reader.no_way(1));
                    }
                    reader.signs(Token::Minus)
                }
                token if PRIMARY.has(token) => reader.member(Set::RULE_END),
                _ => Err(reader.no_way(0)),
            }
        })
    }

    fn signs(&mut self, sign: Token) -> Step {
        while self.look(0) == sign {
            self.understood();
            self.again(PRIMARY.or(one(sign)));
        }
        self.member(Set::RULE_END)
    }

    fn no_way(&self, ahead: usize) -> Mistake {
        Mistake::NoWay {
            from: self.at,
            to: self.at.saturating_add(ahead).min(self.tokens.len().saturating_sub(1)),
        }
    }

    fn member(&mut self, follow: Set) -> Step {
        self.rule(follow, |reader| {
            reader.primary(SELECTION.or_end())?;
            loop {
                match (reader.look(0), reader.look(1), reader.look(2)) {
                    (Token::Dot, Token::Identifier, Token::LeftParen) => {
                        reader.understood();
                        reader.understood();
                        reader.arguments()?;
                    }
                    (Token::Dot, Token::Question | Token::Identifier | Token::EscapedIdentifier, _) => {
                        reader.select()?;
                    }
                    (Token::Dot, ..) => return Err(reader.no_way(1)),
                    (Token::LeftBracket, ..) => {
                        reader.understood();
                        reader.one_of(OPTIONAL)?;
                        if reader.look(0) == Token::Question {
                            reader.understood();
                        }
                        reader.expression(one(Token::RightBracket))?;
                        reader.expect(Token::RightBracket, SELECTION.or_end())?;
                    }
                    _ => return Ok(()),
                }
            }
        })
    }

    fn select(&mut self) -> Step {
        self.understood();
        if self.look(0) == Token::Question {
            self.understood();
        }
        let before = self.at;
        self.name(SELECTION.or_end())?;
        if self.at == before
            && let Some(lexeme) = self.lexeme(0)
        {
            self.complaints.push(Complaint::new(lexeme.at, "unsupported ident kind"));
        }
        Ok(())
    }

    fn name(&mut self, follow: Set) -> Step {
        self.rule(follow, |reader| {
            reader.one_of(NAME)?;
            if !NAME.has(reader.look(0)) {
                return Err(reader.no_way(0));
            }
            reader.understood();
            Ok(())
        })
    }

    /// Arguments from their opening parenthesis on.
    fn arguments(&mut self) -> Step {
        self.understood();
        self.one_of(EXPRESSION.or(one(Token::RightParen)))?;
        if EXPRESSION.has(self.look(0)) {
            self.rule(one(Token::RightParen), |reader| {
                loop {
                    reader.expression(COMMA.or_end())?;
                    if reader.look(0) != Token::Comma {
                        return Ok(());
                    }
                    reader.understood();
                }
            })?;
        }
        self.expect(Token::RightParen, SELECTION.or_end())
    }

    fn primary(&mut self, follow: Set) -> Step {
        self.rule(follow, |reader| {
            reader.one_of(PRIMARY)?;
            match reader.look(0) {
                Token::LeftParen => {
                    reader.understood();
                    reader.expression(one(Token::RightParen))?;
                    reader.expect(Token::RightParen, Set::RULE_END)
                }
                Token::LeftBracket => reader.collection(Token::RightBracket, OPTIONAL, Self::item),
                Token::LeftBrace => reader.collection(Token::RightBrace, OPTIONAL, Self::entry),
                Token::Dot if reader.look(1) != Token::Identifier => Err(reader.no_way(1)),
                Token::Dot | Token::Identifier => reader.named(),
                Token::Minus if !matches!(reader.look(1), Token::Int | Token::Float) => Err(reader.no_way(1)),
                Token::Minus => {
                    reader.understood();
                    reader.understood();
                    Ok(())
                }
                token if LITERAL.has(token) => {
                    reader.understood();
                    Ok(())
                }
                _ => Err(reader.no_way(0)),
            }
        })
    }

    fn named(&mut self) -> Step {
        let first = usize::from(self.look(0) == Token::Dot);
        let mut ahead = first + 1;
        while self.look(ahead) == Token::Dot && self.look(ahead + 1) == Token::Identifier {
            ahead += 2;
        }
        let message = self.look(ahead) == Token::LeftBrace;
        if let Some(lexeme) = self.lexeme(first).filter(|lexeme| !message && RESERVED.contains(&lexeme.text))
        {
            let reserved = format!("reserved identifier: {}", lexeme.text);
            self.complaints
                .push(Complaint::new(self.lexeme(0).map_or(lexeme.at, |lexeme| lexeme.at), reserved));
        }
        for _ in 0..if message { ahead } else { first + 1 } {
            self.understood();
        }
        match self.look(0) {
            Token::LeftBrace if message => self.collection(Token::RightBrace, FIELD, Self::field),
            Token::LeftParen => self.arguments(),
            _ => Ok(()),
        }
    }

    /// What stands between brackets, from the opening one on.
    fn collection(&mut self, end: Token, first: Set, part: fn(&mut Self) -> Step) -> Step {
        self.understood();
        let close = COMMA.or(one(end));
        self.one_of(first.or(close))?;
        if first.has(self.look(0)) {
            self.rule(close, |reader| {
                loop {
                    part(reader)?;
                    if reader.look(0) != Token::Comma || !first.has(reader.look(1)) {
                        return Ok(());
                    }
                    reader.understood();
                }
            })?;
        }
        self.one_of(close)?;
        if self.look(0) == Token::Comma {
            self.understood();
        }
        self.expect(end, Set::RULE_END)
    }

    fn optional(&mut self, follow: Set) -> Step {
        self.rule(follow, |reader| {
            reader.one_of(OPTIONAL)?;
            if reader.look(0) == Token::Question {
                reader.understood();
            }
            reader.expression(Set::RULE_END)
        })
    }

    fn item(&mut self) -> Step {
        self.optional(COMMA.or_end())
    }

    fn entry(&mut self) -> Step {
        self.optional(one(Token::Colon))?;
        self.expect(Token::Colon, EXPRESSION)?;
        self.expression(COMMA.or_end())
    }

    fn field(&mut self) -> Step {
        self.rule(one(Token::Colon), |reader| {
            reader.one_of(FIELD)?;
            if reader.look(0) == Token::Question {
                reader.understood();
            }
            reader.name(Set::RULE_END)
        })?;
        self.expect(Token::Colon, EXPRESSION)?;
        self.expression(COMMA.or_end())
    }
}
