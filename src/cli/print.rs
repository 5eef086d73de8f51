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

fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
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
}
