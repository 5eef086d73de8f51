//! Email addresses as Go reads them: `a@b`, `Name <a@b>`, quoted names, comments, groups of one.

use std::net::IpAddr;

/// `email`
pub(super) fn check(text: &str) -> bool {
    let mut rest = Rest(text);
    rest.single().is_some()
}

/// What is left to read.
#[derive(Clone, Copy)]
struct Rest<'t>(&'t str);

impl<'t> Rest<'t> {
    fn single(&mut self) -> Option<()> {
        let found = self.address(true)?;
        self.comments()?;
        (self.0.is_empty() && found == 1).then_some(())
    }

    /// Reads one address or group and tells how many addresses it holds.
    fn address(&mut self, group: bool) -> Option<usize> {
        self.blanks();
        if self.0.is_empty() {
            return None;
        }
        let start = *self;
        if self.spec().is_some() {
            self.blanks();
            if self.take('(') {
                self.comment()?;
            }
            return Some(1);
        }
        *self = start;
        if !self.0.starts_with('<') {
            self.phrase()?;
        }
        self.blanks();
        if group && self.take(':') {
            return self.group();
        }
        self.take('<').then_some(())?;
        self.spec()?;
        self.take('>').then_some(1)
    }

    fn group(&mut self) -> Option<usize> {
        self.blanks();
        if self.take(';') {
            self.comments()?;
            return Some(0);
        }
        let mut count = 0;
        loop {
            self.blanks();
            count += self.address(false)?;
            self.comments()?;
            if self.take(';') {
                self.comments()?;
                return Some(count);
            }
            self.take(',').then_some(())?;
        }
    }

    /// `local@domain`
    fn spec(&mut self) -> Option<()> {
        self.blanks();
        if self.0.starts_with('"') {
            self.quoted().filter(|text| !text.is_empty())?;
        } else {
            strict(self.atom()?)?;
        }
        self.take('@').then_some(())?;
        self.blanks();
        if self.take('[') {
            let (literal, rest) = self.0.split_once(']')?;
            literal.parse::<IpAddr>().ok()?;
            self.0 = rest;
            return Some(());
        }
        strict(self.atom()?)
    }

    /// One word or more.
    fn phrase(&mut self) -> Option<()> {
        let mut words = 0;
        loop {
            if words > 0 {
                self.comments()?;
            }
            self.blanks();
            if self.0.is_empty() {
                break;
            }
            let word = if self.0.starts_with('"') { self.quoted() } else { self.atom() };
            if word.is_none() {
                break;
            }
            words += 1;
        }
        // Upstream takes nothing at all for a phrase where the text ends.
        (words > 0 || self.0.is_empty()).then_some(())
    }

    fn quoted(&mut self) -> Option<&'t str> {
        let inner = self.0.strip_prefix('"')?;
        let mut escaped = false;
        for (place, c) in inner.char_indices() {
            let blank = matches!(c, ' ' | '\t');
            match c {
                _ if escaped => {
                    (is_visible(c) || blank).then_some(())?;
                    escaped = false;
                }
                '"' => {
                    let (text, rest) = inner.split_at_checked(place)?;
                    self.0 = rest.get(1..)?;
                    return Some(text);
                }
                '\\' => escaped = true,
                c => (is_visible(c) || blank).then_some(())?,
            }
        }
        None
    }

    fn atom(&mut self) -> Option<&'t str> {
        let end = self.0.find(|c| !is_atom(c)).unwrap_or(self.0.len());
        let (atom, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        (!atom.is_empty()).then_some(atom)
    }

    fn blanks(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    fn comments(&mut self) -> Option<()> {
        self.blanks();
        while self.take('(') {
            self.comment()?;
            self.blanks();
        }
        Some(())
    }

    /// Reads on to the end of a comment, in which others may lie.
    fn comment(&mut self) -> Option<()> {
        let mut depth = 1_usize;
        let mut chars = self.0.chars();
        while depth > 0 {
            match chars.next()? {
                '\\' => {
                    chars.next();
                }
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
        }
        self.0 = chars.as_str();
        Some(())
    }

    fn take(&mut self, c: char) -> bool {
        let rest = self.0.strip_prefix(c);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }
}

/// Dots stand between other characters.
fn strict(atom: &str) -> Option<()> {
    atom.split('.').all(|part| !part.is_empty()).then_some(())
}

fn is_visible(c: char) -> bool {
    ('!'..='~').contains(&c) || !c.is_ascii()
}

fn is_atom(c: char) -> bool {
    is_visible(c) && !"()<>[]:;@\\,\"".contains(c)
}
