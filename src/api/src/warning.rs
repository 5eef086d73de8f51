//! Warnings to the client, as headers.

use http::HeaderValue;

/// The longest text that is sent.
const MAX_TEXT: usize = 4096;

/// `299 - "text"` as RFC 7234 writes it. What a header cannot carry is left out.
pub fn header(text: &str) -> Option<HeaderValue> {
    let mut out = String::with_capacity(text.len().min(MAX_TEXT) + 9);
    out.push_str("299 - \"");
    for c in text.chars().filter(|c| !c.is_control()) {
        if out.len() >= MAX_TEXT {
            break;
        }
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    HeaderValue::from_str(&out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_cannot_break_out_of_its_header() {
        let value = header("a \"b\" \\ c\r\nX-Evil: 1").unwrap();
        assert_eq!(value.to_str().unwrap(), r#"299 - "a \"b\" \\ cX-Evil: 1""#);
        assert!(header(&"x".repeat(100_000)).unwrap().len() <= MAX_TEXT + 2);
    }
}
