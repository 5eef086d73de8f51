//! What Go's expressions allow, and how Go says that one is wrong.

use regex::Error;

/// Syntax that only one of the two knows; what Go refuses is refused in its words.
pub(super) fn refusal(pattern: &str) -> Option<String> {
    for unknown in ["(?=", "(?!", "(?<=", "(?<!", "(?x"] {
        if pattern.contains(unknown) {
            return Some(syntax("invalid or unsupported Perl syntax", unknown));
        }
    }
    None
}

/// The message of a failed compilation.
pub(super) fn translate(pattern: &str, error: &Error) -> String {
    let text = error.to_string();
    let has = |part: &str| text.contains(part);
    match error {
        Error::CompiledTooBig(_) => "error parsing regexp: expression too large".to_owned(),
        _ if has("unclosed group") => syntax("missing closing )", pattern),
        _ if has("unopened group") => syntax("unexpected )", pattern),
        _ if has("unclosed character class") => {
            let rest = pattern.find('[').and_then(|at| pattern.get(at..)).unwrap_or(pattern);
            syntax("missing closing ]", rest)
        }
        _ if has("repetition operator missing expression") => {
            let at = pattern.find(['*', '+', '?']).and_then(|at| pattern.get(at..=at)).unwrap_or("*");
            syntax("missing argument to repetition operator", at)
        }
        _ if has("incomplete escape sequence") => syntax("trailing backslash at end of expression", ""),
        _ if has("unrecognized escape sequence") || has("not supported") => {
            syntax("invalid escape sequence", escape(pattern))
        }
        _ if has("invalid character class range") => syntax("invalid character class range", range(pattern)),
        _ if has("repetition") => syntax("invalid repeat count", count(pattern)),
        _ => syntax("invalid or unsupported Perl syntax", pattern),
    }
}

fn syntax(what: &str, part: &str) -> String {
    format!("error parsing regexp: {what}: `{part}`")
}

/// The first escape that Go does not know.
fn escape(pattern: &str) -> &str {
    let known = "abfnrtvdDsSwWpPxQECAzBb01234567";
    let mut at = 0;
    while let Some(start) = pattern.get(at..).and_then(|rest| rest.find('\\')).map(|found| found + at) {
        let Some(next) = pattern.get(start + 1..).and_then(|rest| rest.chars().next()) else { break };
        let end = start + 1 + next.len_utf8();
        if next.is_alphanumeric() && !known.contains(next) {
            return pattern.get(start..end).unwrap_or(pattern);
        }
        at = end;
    }
    pattern
}

fn range(pattern: &str) -> &str {
    let places = pattern.match_indices('-').filter_map(|(at, _)| pattern.get(at.checked_sub(1)?..at + 2));
    let backward = |part: &&str| part.chars().next() > part.chars().last();
    places.into_iter().find(backward).unwrap_or(pattern)
}

fn count(pattern: &str) -> &str {
    let start = pattern.find('{').unwrap_or_default();
    let end =
        pattern.get(start..).and_then(|rest| rest.find('}')).map_or(pattern.len(), |end| start + end + 1);
    pattern.get(start..end).unwrap_or(pattern)
}
