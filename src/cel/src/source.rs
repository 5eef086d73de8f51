//! The text of an expression, and where in it something is.
//!
//! Positions count code points, as users do; a message shows the line with a mark under the place.

use std::fmt;
use std::sync::Arc;

/// Lines longer than this are not shown under a message.
const LONGEST_SNIPPET: usize = 16_384;
/// Messages beyond this many are only counted.
const MOST_ISSUES: usize = 100;

/// A place in the source: the line from 1, the column from 0, both in code points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: i64,
    /// Column, from 0.
    pub column: i64,
}

impl Position {
    /// The place of what concerns the expression as a whole.
    pub(crate) const NOWHERE: Self = Self { line: -1, column: -1 };
}

/// One complaint about an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Where it is.
    pub at: Position,
    /// What is wrong, without the place.
    pub message: String,
}

/// The text with its line starts.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    text: Arc<str>,
    /// Code point offsets at which lines begin.
    lines: Vec<u32>,
}

impl Source {
    pub(crate) fn new(text: &str) -> Self {
        let mut lines = vec![0];
        for (at, char) in (0_u32..).zip(text.chars()) {
            if char == '\n' {
                lines.push(at.saturating_add(1));
            }
        }
        Self { text: text.into(), lines }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The place of a code point offset.
    pub(crate) fn position(&self, offset: u32) -> Position {
        if self.text.is_empty() {
            return Position { line: 1, column: -1 };
        }
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
        Position {
            line: i64::try_from(line).unwrap_or(i64::MAX),
            column: i64::from(offset.saturating_sub(start)),
        }
    }

    fn snippet(&self, line: i64) -> Option<&str> {
        let index = usize::try_from(line).ok()?.checked_sub(1)?;
        self.text.split('\n').nth(index)
    }
}

/// Why an expression does not compile: every complaint with its place, as upstream prints them.
#[derive(Clone, Debug)]
pub struct CompileError {
    source: Source,
    issues: Vec<Issue>,
}

impl CompileError {
    pub(crate) fn new(source: Source, mut issues: Vec<Issue>) -> Self {
        issues.sort_by_key(|issue| issue.at);
        Self { source, issues }
    }

    /// The complaints in the order of their places.
    #[must_use]
    pub fn issues(&self) -> &[Issue] {
        &self.issues
    }
}

impl std::error::Error for CompileError {}

impl fmt::Display for CompileError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, issue) in self.issues.iter().take(MOST_ISSUES).enumerate() {
            if index > 0 {
                out.write_str("\n")?;
            }
            write!(out, "ERROR: <input>:{}:{}: {}", issue.at.line, issue.at.column + 1, issue.message)?;
            if issue.at.column >= 0 {
                mark(out, &self.source, issue.at)?;
            }
        }
        match self.issues.len().checked_sub(MOST_ISSUES) {
            Some(more) if more > 0 => write!(out, "\n{more} more errors were truncated"),
            _ => Ok(()),
        }
    }
}

/// Shows the line and, below it, the place; what is wide takes wide marks.
fn mark(out: &mut fmt::Formatter<'_>, source: &Source, at: Position) -> fmt::Result {
    let Some(line) = source.snippet(at.line).filter(|line| line.len() <= LONGEST_SNIPPET) else {
        return Ok(());
    };
    let line = line.replace('\t', " ");
    write!(out, "\n | {line}\n | ")?;
    let column = usize::try_from(at.column).unwrap_or_default();
    for char in line.chars().take(column) {
        out.write_str(if char.len_utf8() > 1 { "\u{ff0e}" } else { "." })?;
    }
    let wide = line.chars().nth(column).is_some_and(|char| char.len_utf8() > 1);
    out.write_str(if wide { "\u{ff3e}" } else { "^" })
}
