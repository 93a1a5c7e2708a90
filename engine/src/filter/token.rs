//! The words and signs of the language, and the signs of others that people write by habit.
//!
//! A foreign sign is a token as well and carries advice: the parser knows what should have stood there, the token only
//! what its author may have meant.

use std::borrow::Cow;
use std::ops::Range;

use super::ast::Order;
use super::number::Number;

#[derive(Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: TokenKind<'a>,
    /// Where it stands in the text, in bytes; empty for the end.
    pub(super) span: Range<usize>,
}

#[derive(Debug)]
pub(super) enum TokenKind<'a> {
    Name(Cow<'a, str>),
    Keyword(Keyword),
    Text(String),
    Number(Number),
    Equal,
    NotEqual,
    Order(Order),
    PrefixSign,
    Open,
    Close,
    Comma,
    /// No part of the language; what to write instead.
    Foreign(&'static str),
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    And,
    Or,
    Not,
    In,
    Exists,
    Prefix,
    True,
    False,
    Null,
}

impl Keyword {
    const WORDS: [(&'static str, Keyword); 9] = [
        ("and", Keyword::And),
        ("or", Keyword::Or),
        ("not", Keyword::Not),
        ("in", Keyword::In),
        ("exists", Keyword::Exists),
        ("prefix", Keyword::Prefix),
        ("true", Keyword::True),
        ("false", Keyword::False),
        ("null", Keyword::Null),
    ];

    /// The keyword that a word is, in any case.
    pub(super) fn of(word: &str) -> Option<Keyword> {
        Self::WORDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, keyword)| *keyword)
    }
}

pub(super) fn is_name_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

pub(super) fn is_name_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

/// The sign that starts with `first`, and how many characters it has.
pub(super) fn sign(first: char, second: Option<char>) -> (usize, TokenKind<'static>) {
    use TokenKind::Foreign;

    match (first, second) {
        ('!', Some('=')) => (2, TokenKind::NotEqual),
        ('<', Some('=')) => (2, TokenKind::Order(Order::LessOrEqual)),
        ('>', Some('=')) => (2, TokenKind::Order(Order::GreaterOrEqual)),
        ('^', Some('=')) => (2, TokenKind::PrefixSign),
        ('=', Some('=')) => (2, Foreign("equality is written =")),
        ('=', Some('>')) => (2, Foreign("write >=")),
        ('=', Some('<')) => (2, Foreign("write <=")),
        ('=' | '~', Some('~' | '=')) => (2, Foreign("there are no patterns; write prefix \"abc\"")),
        ('<', Some('>')) => (2, Foreign("write !=")),
        ('&', Some('&')) => (2, Foreign("write and")),
        ('|', Some('|')) => (2, Foreign("write or")),
        ('=', _) => (1, TokenKind::Equal),
        ('<', _) => (1, TokenKind::Order(Order::Less)),
        ('>', _) => (1, TokenKind::Order(Order::Greater)),
        ('(', _) => (1, TokenKind::Open),
        (')', _) => (1, TokenKind::Close),
        (',', _) => (1, TokenKind::Comma),
        ('&', _) => (1, Foreign("write and")),
        ('|', _) => (1, Foreign("write or")),
        ('!', _) => (1, Foreign("write not before a test, != between field and value")),
        ('^', _) => (1, Foreign("write ^= or prefix")),
        ('~', _) => (1, Foreign("there are no patterns; write prefix \"abc\"")),
        ('[' | ']', _) => (1, Foreign("a list is written in round brackets: in (1, 2)")),
        ('+', _) => (1, Foreign("a number has no + before it")),
        ('.', Some('0'..='9')) => (1, Foreign("a number starts with a digit: 0.5")),
        ('“' | '”' | '„' | '‘' | '’', _) => {
            (1, Foreign("write straight quotes: \"text\" or 'text'"))
        }
        _ => (1, Foreign("names with other characters go in back-quotes, texts in double quotes")),
    }
}
