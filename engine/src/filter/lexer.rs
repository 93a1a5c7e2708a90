//! Text into tokens, one at a time.

use std::borrow::Cow;

use super::error::{FilterError, quote};
use super::number::Number;
use super::token::{Keyword, Token, TokenKind, is_name_part, is_name_start, sign};

pub(super) struct Lexer<'a> {
    text: &'a str,
    /// The byte where the next token or the white space before it starts.
    at: usize,
}

const NUMBERS: &str = "numbers are written 12, -0.5 or 1e3";

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Lexer<'a> {
        Lexer { text, at: 0 }
    }

    /// The next token; at the end of the text, `End` any number of times.
    pub(super) fn token(&mut self) -> Result<Token<'a>, FilterError> {
        while self.peek().is_some_and(char::is_whitespace) {
            self.bump();
        }
        let start = self.at;
        let Some(first) = self.peek() else {
            // White space at the end would move the caret away from where something is missing.
            let end = self.text.trim_end().len();
            return Ok(Token { kind: TokenKind::End, span: end..end });
        };
        let kind = match first {
            '"' | '\'' => TokenKind::Text(self.string(first)?),
            '`' => TokenKind::Name(Cow::Owned(self.quoted_name()?)),
            '-' | '0'..='9' => TokenKind::Number(self.number()?),
            c if is_name_start(c) => {
                let word = self.take_while(is_name_part);
                Keyword::of(word).map_or(TokenKind::Name(Cow::Borrowed(word)), TokenKind::Keyword)
            }
            _ => self.sign(first),
        };
        Ok(Token { kind, span: start..self.at })
    }

    fn sign(&mut self, first: char) -> TokenKind<'a> {
        let (length, kind) = sign(first, self.rest().chars().nth(1));
        for _ in 0..length {
            self.bump();
        }
        kind
    }

    /// A name in back-quotes, where only the back-quote itself needs an escape: it is doubled.
    fn quoted_name(&mut self) -> Result<String, FilterError> {
        let start = self.at;
        self.bump();
        let mut name = String::new();
        while let Some(c) = self.bump() {
            if c == '`' && !self.eat('`') {
                return Ok(name);
            }
            name.push(c);
        }
        Err(FilterError::unclosed(self.text, start, "a back-quote after the name"))
    }

    fn string(&mut self, delimiter: char) -> Result<String, FilterError> {
        let start = self.at;
        self.bump();
        let mut string = String::new();
        loop {
            let at = self.at;
            match self.bump() {
                Some('\\') => {
                    let Some(c) = self.escape() else {
                        let advice = "a backslash itself is written \\\\";
                        return Err(FilterError::at(self.text, at..self.at, "an escape of JSON", advice));
                    };
                    string.push(c);
                }
                Some(c) if c == delimiter => return Ok(string),
                Some(c) => string.push(c),
                None => {
                    let expected = if delimiter == '"' { "a closing \"" } else { "a closing '" };
                    return Err(FilterError::unclosed(self.text, start, expected));
                }
            }
        }
    }

    /// The character that an escape stands for, once its backslash is read.
    fn escape(&mut self) -> Option<char> {
        Some(match self.bump()? {
            c @ ('"' | '\'' | '\\' | '/') => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let unit = self.code_unit()?;
                // Characters beyond U+FFFF are a pair of escapes.
                let paired = (0xd800..0xdc00).contains(&unit) && self.eat('\\') && self.eat('u');
                let second = if paired { Some(self.code_unit()?) } else { None };
                char::decode_utf16([unit].into_iter().chain(second)).next()?.ok()?
            }
            _ => return None,
        })
    }

    fn code_unit(&mut self) -> Option<u16> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek()?.to_digit(16)?;
            self.bump();
            unit = unit * 16 + u16::try_from(digit).ok()?;
        }
        Some(unit)
    }

    fn number(&mut self) -> Result<Number, FilterError> {
        let start = self.at;
        self.eat('-');
        if self.eat('0') {
            if self.peek().is_some_and(|c| c.is_ascii_digit()) {
                let advice = "leave out the leading zeros, or put text in quotes";
                return Err(self.wrong_here("a number without leading zeros", advice.to_owned()));
            }
        } else {
            self.digits()?;
        }
        if self.eat('.') {
            self.digits()?;
        }
        if self.eat('e') || self.eat('E') {
            let _ = self.eat('-') || self.eat('+');
            self.digits()?;
        }
        let digits = self.text.get(start..self.at).unwrap_or_default();
        if self.peek().is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '+' | ':' | '/'))
        {
            let word = word(self.text, start);
            let advice = format!("if it is text, put it in quotes: \"{}\"", quote(word));
            return Err(self.wrong_here("the end of the number", advice));
        }
        // Cannot fail: the digits follow the grammar.
        Number::from_digits(digits).ok_or_else(|| self.wrong_here("a number", NUMBERS.to_owned()))
    }

    /// One or more digits.
    fn digits(&mut self) -> Result<(), FilterError> {
        if self.take_while(|c| c.is_ascii_digit()).is_empty() {
            return Err(self.wrong_here("a digit", NUMBERS.to_owned()));
        }
        Ok(())
    }

    /// An error about the next character, shown with what follows it up to a space.
    fn wrong_here(&self, expected: &'static str, advice: String) -> FilterError {
        let length = word(self.text, self.at).len().max(self.peek().map_or(0, char::len_utf8));
        FilterError::at(self.text, self.at..self.at + length, expected, advice)
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn eat(&mut self, wanted: char) -> bool {
        let eaten = self.peek() == Some(wanted);
        if eaten {
            self.bump();
        }
        eaten
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| !accept(c)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }
}

/// What a person would take for one word at `start`: up to white space, a bracket, a comma or a quote.
pub(super) fn word(text: &str, start: usize) -> &str {
    let rest = text.get(start..).unwrap_or_default();
    let ends = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | ',' | '"' | '\'' | '`');
    rest.split(ends).next().unwrap_or_default()
}
