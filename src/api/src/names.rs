//! What names, labels, keys and ports may look like.
//!
//! Every rule returns the messages upstream returns, in its order; an empty list means valid and
//! costs no allocation. The length messages differ ("characters" or "bytes") because upstream's do.

const LABEL_FMT: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN_FMT: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const SUBDOMAIN_WORDS: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
const KEY_FMT: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const KEY_WORDS: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const EMPTY: &str = "must be non-empty";

/// Longest DNS label.
pub const DNS_LABEL_MAX: usize = 63;
/// Longest DNS subdomain.
pub const DNS_SUBDOMAIN_MAX: usize = 253;

/// A rule for a text: the messages it gets.
pub type Rule = fn(&str) -> Vec<String>;

/// Upstream's `must be between lo and hi, inclusive`.
pub fn inclusive_range_error(low: i64, high: i64) -> String {
    format!("must be between {low} and {high}, inclusive")
}

/// Upstream's message for a pattern that does not match.
pub fn regex_error(words: &str, pattern: &str, examples: &[&str]) -> String {
    if examples.is_empty() {
        return format!("{words} (regex used for validation is '{pattern}')");
    }
    let quoted: Vec<String> = examples.iter().map(|e| format!("'{e}', ")).collect();
    format!("{words} (e.g. {}regex used for validation is '{pattern}')", quoted.join(" or "))
}

/// Hides the dash that ends a name prefix, so that the prefix can be checked as a name.
pub fn mask_trailing_dash(prefix: &str) -> String {
    match prefix.strip_suffix('-') {
        Some(head) if !head.is_empty() => {
            let mut masked = head.to_owned();
            masked.pop();
            masked.push('a');
            masked
        }
        _ => prefix.to_owned(),
    }
}

/// A lower-case RFC 1123 label.
pub fn dns1123_label(value: &str) -> Vec<String> {
    dns1123_label_in(value, "characters")
}

/// A lower-case RFC 1123 label, whose length message speaks of bytes (declarative validation).
pub fn short_name(value: &str) -> Vec<String> {
    dns1123_label_in(value, "bytes")
}

/// A lower-case RFC 1123 subdomain.
pub fn dns1123_subdomain(value: &str) -> Vec<String> {
    dns1123_subdomain_in(value, "characters")
}

/// A lower-case RFC 1123 subdomain, whose length message speaks of bytes (declarative validation).
pub fn long_name(value: &str) -> Vec<String> {
    dns1123_subdomain_in(value, "bytes")
}

/// A subdomain whose labels may hold underscores and start with one.
pub fn dns1123_subdomain_with_underscore(value: &str) -> Vec<String> {
    const FMT: &str = r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*";
    const WORDS: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character";
    let mut messages = too_long(value, DNS_SUBDOMAIN_MAX, "characters");
    let part = |p: &str| {
        framed(p.strip_prefix('_').unwrap_or(p), is_lower_alnum, |b| {
            is_lower_alnum(b) || b == b'-' || b == b'_'
        })
    };
    if !value.split('.').all(part) {
        messages.push(regex_error(WORDS, FMT, &["example.com"]));
    }
    messages
}

/// A DNS-1035 label: starts with a letter.
pub fn dns1035_label(value: &str) -> Vec<String> {
    const FMT: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
    const WORDS: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";
    let mut messages = too_long(value, DNS_LABEL_MAX, "characters");
    if !(is_label(value) && value.bytes().next().is_some_and(|b| b.is_ascii_lowercase())) {
        messages.push(regex_error(WORDS, FMT, &["my-name", "abc-123"]));
    }
    messages
}

/// `*.` before a DNS-1123 subdomain.
pub fn wildcard_dns1123_subdomain(value: &str) -> Vec<String> {
    const WORDS: &str = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character";
    let mut messages = too_long(value, DNS_SUBDOMAIN_MAX, "characters");
    if !value.strip_prefix("*.").is_some_and(is_subdomain) {
        messages.push(regex_error(WORDS, &format!(r"\*\.{SUBDOMAIN_FMT}"), &["*.example.com"]));
    }
    messages
}

/// A label or annotation key: a name, optionally after a DNS prefix and a slash.
pub fn qualified_name(value: &str) -> Vec<String> {
    let mut messages = Vec::new();
    let mut parts = value.splitn(3, '/');
    let (first, second, third) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    if third.is_some() {
        let words = regex_error(KEY_WORDS, KEY_FMT, &["MyName", "my.name", "123-abc"]);
        return vec![format!(
            "a valid label key {words} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        )];
    }
    let name = second.unwrap_or(first);
    if second.is_some() {
        if first.is_empty() {
            messages.push(format!("prefix part {EMPTY}"));
        } else {
            messages.extend(long_name(first).into_iter().map(|m| format!("prefix part {m}")));
        }
    }
    if name.is_empty() {
        messages.push(format!("name part {EMPTY}"));
    } else if name.len() > 63 {
        messages.push("name part must be no more than 63 bytes".to_owned());
    }
    if !is_key_name(name) {
        messages.push(format!(
            "name part {}",
            regex_error(KEY_WORDS, KEY_FMT, &["MyName", "my.name", "123-abc"])
        ));
    }
    messages
}

/// A label value.
pub fn label_value(value: &str) -> Vec<String> {
    const FMT: &str = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?";
    const WORDS: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
    let mut messages = too_long(value, 63, "bytes");
    if !value.is_empty() && !is_key_name(value) {
        messages.push(regex_error(WORDS, FMT, &["MyValue", "my_value", "12345"]));
    }
    messages
}

/// A port number.
pub fn port_number(port: i64) -> Vec<String> {
    in_range(port, 1, 65535)
}

/// A number within bounds.
pub fn in_range(value: i64, low: i64, high: i64) -> Vec<String> {
    if (low..=high).contains(&value) { Vec::new() } else { vec![inclusive_range_error(low, high)] }
}

/// A user or group id.
pub fn user_or_group_id(id: i64) -> Vec<String> {
    in_range(id, 0, i64::from(i32::MAX))
}

/// An IANA service name, used for ports.
pub fn port_name(value: &str) -> Vec<String> {
    let mut messages = too_long(value, 15, "characters");
    if value.is_empty() || !value.bytes().all(|b| is_lower_alnum(b) || b == b'-') {
        messages.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned());
    }
    if !value.bytes().any(|b| b.is_ascii_lowercase()) {
        messages.push("must contain at least one letter (a-z)".to_owned());
    }
    if value.contains("--") {
        messages.push("must not contain consecutive hyphens".to_owned());
    }
    if value.starts_with('-') || value.ends_with('-') {
        messages.push("must not begin or end with a hyphen".to_owned());
    }
    messages
}

/// A C identifier.
pub fn c_identifier(value: &str) -> Vec<String> {
    const WORDS: &str = "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'";
    let starts = value.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if starts && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Vec::new();
    }
    vec![regex_error(WORDS, "[A-Za-z_][A-Za-z0-9_]*", &["my_name", "MY_NAME", "MyName"])]
}

/// `12%`
pub fn percent(value: &str) -> Vec<String> {
    const WORDS: &str = "a valid percent string must be a numeric string followed by an ending '%'";
    let number = value.strip_suffix('%').unwrap_or_default();
    if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) {
        return Vec::new();
    }
    vec![regex_error(WORDS, "[0-9]+%", &["1%", "93%"])]
}

/// A name of an HTTP header.
pub fn http_header_name(value: &str) -> Vec<String> {
    const WORDS: &str = "a valid HTTP header must consist of alphanumeric characters or '-'";
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Vec::new();
    }
    vec![regex_error(WORDS, "[-A-Za-z0-9]+", &["X-Header-Name"])]
}

/// A conventional name of an environment variable.
pub fn env_var_name(value: &str) -> Vec<String> {
    const FMT: &str = "[-._a-zA-Z][-._a-zA-Z0-9]*";
    const WORDS: &str = "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit";
    let mut messages = Vec::new();
    let digit_first = value.bytes().next().is_none_or(|b| b.is_ascii_digit());
    if digit_first || !value.bytes().all(is_key_byte) {
        messages.push(regex_error(WORDS, FMT, &["my.env-name", "MY_ENV.NAME", "MyEnvName1"]));
    }
    messages.extend(change_dir(value));
    messages
}

/// Any printable ASCII but `=`: what pods accept as names of environment variables.
pub fn relaxed_env_var_name(value: &str) -> Vec<String> {
    if value.is_empty() {
        return vec![format!("environment variable name {EMPTY}")];
    }
    if value.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'=') {
        return Vec::new();
    }
    vec![
        "a valid environment variable name must consist only of printable ASCII characters other than '='"
            .to_owned(),
    ]
}

/// A key of a config map or secret.
pub fn config_map_key(value: &str) -> Vec<String> {
    const WORDS: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
    let mut messages = too_long(value, DNS_SUBDOMAIN_MAX, "characters");
    if value.is_empty() || !value.bytes().all(is_key_byte) {
        messages.push(regex_error(WORDS, "[-._a-zA-Z0-9]+", &["key.name", "KEY_NAME", "key-name"]));
    }
    messages.extend(change_dir(value));
    messages
}

/// A name that can be one segment of a URL path.
pub fn path_segment_name(value: &str) -> Vec<String> {
    match value {
        "." | ".." => vec![format!("may not be '{value}'")],
        _ => path_segment_prefix(value),
    }
}

/// The start of a name that can be one segment of a URL path.
pub fn path_segment_prefix(value: &str) -> Vec<String> {
    let illegal = ['/', '%'].into_iter().filter(|c| value.contains(*c));
    illegal.map(|c| format!("may not contain '{c}'")).collect()
}

/// Whether a text is one lower-case DNS label (length aside).
pub fn is_label(value: &str) -> bool {
    framed(value, is_lower_alnum, |b| is_lower_alnum(b) || b == b'-')
}

/// Whether a text is dotted lower-case DNS labels (length aside).
pub fn is_subdomain(value: &str) -> bool {
    value.split('.').all(is_label)
}

fn dns1123_label_in(value: &str, unit: &str) -> Vec<String> {
    const WORDS: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
    let mut messages = too_long(value, DNS_LABEL_MAX, unit);
    if !is_label(value) {
        if is_subdomain(value) {
            messages.push("must not contain dots".to_owned());
        } else {
            messages.push(regex_error(WORDS, LABEL_FMT, &["my-name", "123-abc"]));
        }
    }
    messages
}

fn dns1123_subdomain_in(value: &str, unit: &str) -> Vec<String> {
    let mut messages = too_long(value, DNS_SUBDOMAIN_MAX, unit);
    if !is_subdomain(value) {
        messages.push(regex_error(SUBDOMAIN_WORDS, SUBDOMAIN_FMT, &["example.com"]));
    }
    messages
}

fn too_long(value: &str, max: usize, unit: &str) -> Vec<String> {
    if value.len() > max { vec![format!("must be no more than {max} {unit}")] } else { Vec::new() }
}

fn change_dir(value: &str) -> Option<String> {
    match value {
        "." => Some("must not be '.'".to_owned()),
        ".." => Some("must not be '..'".to_owned()),
        _ if value.starts_with("..") => Some("must not start with '..'".to_owned()),
        _ => None,
    }
}

fn is_key_name(name: &str) -> bool {
    framed(name, |b| b.is_ascii_alphanumeric(), is_key_byte)
}

fn is_key_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')
}

fn is_lower_alnum(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

/// Not empty, first and last byte of one class, all between of another.
fn framed(value: &str, edge: impl Fn(u8) -> bool, inner: impl Fn(u8) -> bool) -> bool {
    let bytes = value.as_bytes();
    let edges = bytes.first().is_some_and(|b| edge(*b)) && bytes.last().is_some_and(|b| edge(*b));
    edges && bytes.iter().all(|b| inner(*b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_names_get_no_message() {
        assert!(dns1123_label("a-1").is_empty());
        assert!(dns1123_subdomain("a.b-c.1").is_empty());
        assert!(dns1035_label("a1").is_empty());
        assert!(qualified_name("example.com/My_Name.x").is_empty());
        assert!(label_value("").is_empty());
        assert!(port_name("http-2").is_empty());
        assert!(config_map_key("a.b_C-1").is_empty());
        assert!(relaxed_env_var_name("a b").is_empty());
        assert!(wildcard_dns1123_subdomain("*.example.com").is_empty());
    }

    #[test]
    fn messages_are_upstreams() {
        assert_eq!(dns1123_label("a.b"), ["must not contain dots"]);
        assert_eq!(
            dns1123_subdomain("A"),
            [format!(
                "{SUBDOMAIN_WORDS} (e.g. 'example.com', regex used for validation is '{SUBDOMAIN_FMT}')"
            )]
        );
        assert_eq!(
            dns1035_label("1a"),
            [
                "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
            ]
        );
        assert_eq!(qualified_name("/a"), ["prefix part must be non-empty"]);
        assert_eq!(qualified_name("a/b/c").len(), 1);
        assert_eq!(qualified_name("").len(), 2);
        assert_eq!(config_map_key("..a"), ["must not start with '..'"]);
        assert_eq!(port_number(0), ["must be between 1 and 65535, inclusive"]);
    }

    #[test]
    fn a_prefix_may_end_with_a_dash() {
        assert_eq!(mask_trailing_dash("web-"), "wea");
        assert_eq!(mask_trailing_dash("-"), "-");
        assert!(dns1123_subdomain(&mask_trailing_dash("web-")).is_empty());
    }

    proptest::proptest! {
        #[test]
        fn f042_nasty_names_never_panic(text in ".{0,80}") {
            let rules: [Rule; 14] = [
                dns1123_label, dns1123_subdomain, dns1123_subdomain_with_underscore, dns1035_label,
                wildcard_dns1123_subdomain, qualified_name, label_value, port_name, c_identifier, percent,
                http_header_name, env_var_name, relaxed_env_var_name, config_map_key,
            ];
            let messages: usize = rules.iter().map(|rule| rule(&text).len()).sum();
            proptest::prop_assert!(messages < 60);
            let _ = (mask_trailing_dash(&text), path_segment_name(&text));
        }
    }
}
