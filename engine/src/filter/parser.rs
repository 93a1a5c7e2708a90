//! Tokens into a filter, by descent: `or` of `and` of `not` of tests.
//!
//! The descent is as deep as the brackets and `not`s of the text, which are counted.

use std::borrow::Cow;
use std::mem;
use std::ops::Range;

use super::Filter;
use super::ast::{Order, Predicate};
use super::error::{FilterError, quote};
use super::lexer::{Lexer, word};
use super::scalar::{Literal, Scalar};
use super::token::{Keyword, Token, TokenKind};

/// The most bytes of a text.
pub(super) const MAX_BYTES: usize = 16 * 1024;
/// The most brackets and `not`s that are open at once.
pub(super) const MAX_DEPTH: usize = 64;

pub(super) fn parse(text: &str) -> Result<Filter, FilterError> {
    if text.len() > MAX_BYTES {
        return Err(FilterError::too_long(text, MAX_BYTES));
    }
    let mut lexer = Lexer::new(text);
    let token = lexer.token()?;
    let mut parser = Parser { text, lexer, token, depth: 0 };
    let filter = parser.either()?;
    match parser.token.kind {
        TokenKind::End => Ok(filter),
        TokenKind::Close => Err(parser.wrong("`and`, `or` or the end", "no bracket is open here")),
        _ => Err(parser.wrong("`and`, `or` or the end", JOIN)),
    }
}

const JOIN: &str = "two tests are joined by `and` or by `or`";

struct Parser<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    /// The next token, not consumed.
    token: Token<'a>,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn either(&mut self) -> Result<Filter, FilterError> {
        let mut filter = self.both()?;
        while self.eat(Keyword::Or)? {
            filter = filter.or(self.both()?);
        }
        Ok(filter)
    }

    fn both(&mut self) -> Result<Filter, FilterError> {
        let mut filter = self.single()?;
        while self.eat(Keyword::And)? {
            filter = filter.and(self.single()?);
        }
        Ok(filter)
    }

    fn single(&mut self) -> Result<Filter, FilterError> {
        let negated = matches!(self.token.kind, TokenKind::Keyword(Keyword::Not));
        if !negated && !matches!(self.token.kind, TokenKind::Open) {
            return self.test();
        }
        if self.depth == MAX_DEPTH {
            return Err(self.wrong("at most 64 open brackets and nots", "use fewer brackets here"));
        }
        self.depth += 1;
        self.advance()?;
        let filter = if negated { self.single()?.negate() } else { self.bracketed()? };
        self.depth -= 1;
        Ok(filter)
    }

    fn bracketed(&mut self) -> Result<Filter, FilterError> {
        let filter = self.either()?;
        if !matches!(self.token.kind, TokenKind::Close) {
            return Err(self.wrong("`and`, `or` or `)`", JOIN));
        }
        self.advance()?;
        Ok(filter)
    }

    fn test(&mut self) -> Result<Filter, FilterError> {
        let TokenKind::Name(name) = &mut self.token.kind else {
            return Err(self.no_field());
        };
        let field = mem::take(name).into_owned();
        self.advance()?;
        Ok(Filter::test(field, self.predicate()?))
    }

    fn predicate(&mut self) -> Result<Predicate, FilterError> {
        match self.token.kind {
            TokenKind::Equal => {
                self.advance()?;
                self.value().map(Predicate::Equal)
            }
            TokenKind::NotEqual => {
                self.advance()?;
                self.value().map(Predicate::NotEqual)
            }
            TokenKind::Order(order) => {
                self.advance()?;
                self.bound(order)
            }
            TokenKind::PrefixSign | TokenKind::Keyword(Keyword::Prefix) => {
                self.advance()?;
                self.prefix()
            }
            TokenKind::Keyword(Keyword::In) => {
                self.advance()?;
                self.list()
            }
            TokenKind::Keyword(Keyword::Exists) => {
                self.advance()?;
                Ok(Predicate::Exists)
            }
            TokenKind::Keyword(Keyword::Not) => {
                Err(self.no_predicate("not stands before the field: not field in (1, 2)"))
            }
            _ => Err(self.no_predicate("after a field: = != < <= > >= in prefix exists")),
        }
    }

    fn bound(&mut self, order: Order) -> Result<Predicate, FilterError> {
        let span = self.token.span.clone();
        let literal = self.value()?;
        if matches!(literal, Scalar::Number(_) | Scalar::Text(_)) {
            return Ok(Predicate::Ordered(order, literal));
        }
        let advice = "true, false and null have no order; compare them by = or !=";
        Err(FilterError::at(self.text, span, "a number or a text in quotes", advice))
    }

    fn prefix(&mut self) -> Result<Predicate, FilterError> {
        let span = self.token.span.clone();
        match self.value()? {
            Scalar::Text(text) => Ok(Predicate::Prefix(text)),
            _ => Err(FilterError::at(
                self.text,
                span,
                "a text in quotes",
                "only texts have a prefix: prefix \"abc\"",
            )),
        }
    }

    fn list(&mut self) -> Result<Predicate, FilterError> {
        if !matches!(self.token.kind, TokenKind::Open) {
            return Err(self.wrong("`(`", "a list goes in brackets: in (1, 2)"));
        }
        self.advance()?;
        let mut values = Vec::new();
        if !matches!(self.token.kind, TokenKind::Close) {
            values.push(self.value()?);
        }
        while matches!(self.token.kind, TokenKind::Comma) {
            self.advance()?;
            values.push(self.value()?);
        }
        if !matches!(self.token.kind, TokenKind::Close) {
            return Err(self.wrong("`,` or `)`", "the values of a list are divided by commas, and ) ends it"));
        }
        self.advance()?;
        Ok(Predicate::is_in(values))
    }

    fn value(&mut self) -> Result<Literal, FilterError> {
        let literal = match &mut self.token.kind {
            TokenKind::Text(text) => Scalar::Text(mem::take(text)),
            TokenKind::Number(number) => Scalar::Number(*number),
            TokenKind::Keyword(Keyword::True) => Scalar::Bool(true),
            TokenKind::Keyword(Keyword::False) => Scalar::Bool(false),
            TokenKind::Keyword(Keyword::Null) => Scalar::Null,
            _ => return Err(self.no_value()),
        };
        self.advance()?;
        Ok(literal)
    }

    fn no_value(&self) -> FilterError {
        let advice: Cow<'static, str> = match self.token.kind {
            TokenKind::Name(Cow::Borrowed(_)) | TokenKind::Keyword(_) => {
                let word = quote(word(self.text, self.token.span.start));
                format!("put text in quotes: \"{word}\"").into()
            }
            TokenKind::Name(Cow::Owned(_)) => "back-quotes are for fields; put text in double quotes".into(),
            TokenKind::Open => "one of several values is written field in (1, 2)".into(),
            _ => "write \"text\", a number, true, false or null".into(),
        };
        self.wrong("a value", advice)
    }

    fn no_field(&self) -> FilterError {
        let advice: Cow<'static, str> = match &self.token.kind {
            TokenKind::Text(text) => format!("a field goes in back-quotes or bare: `{}`", quote(text)).into(),
            TokenKind::Keyword(_) => {
                let word = self.text.get(self.token.span.clone()).unwrap_or_default();
                format!("a field of this name goes in back-quotes: `{word}`").into()
            }
            TokenKind::Number(_) => "the field comes first: size > 10".into(),
            _ => "write a test, such as framework = \"SwiftUI\"".into(),
        };
        self.wrong("a field", advice)
    }

    fn no_predicate(&self, advice: &'static str) -> FilterError {
        self.wrong("an operator", advice)
    }

    /// An error at the next token. What the token itself has to say is more to the point than the advice.
    fn wrong(&self, expected: &'static str, advice: impl Into<Cow<'static, str>>) -> FilterError {
        let advice = match self.token.kind {
            TokenKind::Foreign(own) => own.into(),
            _ => advice.into(),
        };
        let Range { start, end } = self.token.span;
        FilterError::at(self.text, start..end, expected, advice)
    }

    fn eat(&mut self, keyword: Keyword) -> Result<bool, FilterError> {
        let eaten = matches!(self.token.kind, TokenKind::Keyword(found) if found == keyword);
        if eaten {
            self.advance()?;
        }
        Ok(eaten)
    }

    /// Consumes the next token.
    fn advance(&mut self) -> Result<(), FilterError> {
        self.token = self.lexer.token()?;
        Ok(())
    }
}
