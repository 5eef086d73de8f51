use proptest::prelude::*;

use super::translate;

#[track_caller]
fn refused(pattern: &str, expected: &str) {
    let words = translate(pattern).map_err(|error| error.to_string());
    assert_eq!(words, Err(format!("error parsing regexp: {expected}")), "{pattern}");
}

#[track_caller]
fn becomes(pattern: &str, expected: &str) {
    assert_eq!(translate(pattern).as_deref(), Ok(expected), "{pattern}");
}

#[test]
fn what_differs_is_translated() {
    becomes("^a+$", "^a+$");
    becomes(r"\d\w", "[0-9][0-9A-Za-z_]");
    becomes(r"[\d-]", r"[[0-9]\x{2d}]");
    becomes("[[a&&b]", r"[\x{5b}a\x{26}\x{26}b]");
    becomes("[]a]", r"[\x{5d}a]");
    becomes(r"\Qa.b\E+", r"a\x{2e}b+");
    becomes("a{,2}", r"a\x{7b}\x{2c}2\x{7d}");
    becomes("a{2,3}?", "a{2,3}?");
    becomes("(?P<x>a)(?<x>b)", "(?P<x>a)(b)");
    becomes("(?i-s:a)(?)b", "(?i-s:a)b");
    becomes(r"\pL\P{^Greek}\p{Lu}", r"\p{L}\p{Greek}\p{Lu}");
    becomes(r"\x41\x{42}\103\.", r"ABC\x{2e}");
    becomes("[[:alpha:]_]", "[[:alpha:]_]");
    becomes(r"\bx", r"(?-u:\b)x");
}

#[test]
fn mistakes_have_gos_words() {
    refused("[a", "missing closing ]: `[a`");
    refused("(a", "missing closing ): `(a`");
    refused("a)", "unexpected ): `a)`");
    refused("*a", "missing argument to repetition operator: `*`");
    refused("a|+?", "missing argument to repetition operator: `+?`");
    refused("a**", "invalid nested repetition operator: `**`");
    refused("a{1001}", "invalid repeat count: `{1001}`");
    refused("(a{100}){100}", "invalid repeat count: `{100}`");
    refused("a{3,2}", "invalid repeat count: `{3,2}`");
    refused("[z-a]", "invalid character class range: `z-a`");
    refused(r"\y", r"invalid escape sequence: `\y`");
    refused(r"\1", r"invalid escape sequence: `\1`");
    refused("\\", "trailing backslash at end of expression: ``");
    refused("(?=a)", "invalid or unsupported Perl syntax: `(?=`");
    refused("(?P<a-b>c)", "invalid named capture: `(?P<a-b>`");
    refused("[[:nope:]]", "invalid character class range: `[:nope:]`");
}

proptest! {
    #[test]
    fn any_text_is_read(text in r"[a-c\[\](){}|*+?\\^$.:0-9,pPQExdsi<>=!-]{0,40}") {
        let _ = translate(&text);
    }
}
