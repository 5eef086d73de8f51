//! What commands print on standard output.

use std::io::Write as _;

use super::Failure;

/// Prints a text as it is.
pub(crate) fn text(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::caused("the answer cannot be printed", &error))
}

/// Prints a value as JSON.
pub(crate) fn json(value: &serde_json::Value) -> Result<(), Failure> {
    let words = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::caused("the answer cannot be printed", &error))?;
    text(&format!("{words}\n"))
}

/// Prints rows with aligned columns; the first row is the head.
pub(crate) fn table(rows: &[Vec<String>]) -> Result<(), Failure> {
    text(&aligned(rows))
}

/// What others chose is shown with its control characters escaped: a cell says nothing to the terminal.
fn shown(cell: &str) -> String {
    let harmless = |c: char| {
        !c.is_control()
            && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if cell.chars().all(harmless) {
        return cell.to_owned();
    }
    let escaped = |c: char| if harmless(c) { c.to_string() } else { c.escape_default().to_string() };
    cell.chars().map(escaped).collect()
}

fn aligned(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| shown(cell)).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        out.push_str(cells.collect::<Vec<_>>().join("   ").trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_with_their_last_word() {
        let rows = [["NAME", "END"], ["a", "✓"], ["longer", ""]];
        let rows: Vec<Vec<String>> =
            rows.iter().map(|r| r.iter().map(ToString::to_string).collect()).collect();
        assert_eq!(aligned(&rows), "NAME     END\na        ✓\nlonger\n");
    }

    #[test]
    fn a088_a_cell_says_nothing_to_the_terminal() {
        let rows = vec![vec!["\u{1b}]0;x\u{7}".to_owned(), "a\nb\u{202e}".to_owned(), "é".to_owned()]];
        assert_eq!(aligned(&rows), "\\u{1b}]0;x\\u{7}   a\\nb\\u{202e}   é\n");
    }
}
