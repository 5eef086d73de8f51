//! The name a manager goes by.

use portcullis_api::field::{Error, ErrorList, Path};

/// The longest name in bytes.
const MAX_NAME: usize = 128;

/// The longest name of a subresource in an entry.
const MAX_SUBRESOURCE: usize = 256;

/// The manager of a request: its `fieldManager` parameter, else its user agent up to the first slash.
pub fn manager_name(field_manager: &str, user_agent: &str) -> String {
    if !field_manager.is_empty() {
        return field_manager.to_owned();
    }
    let prefix = user_agent.split('/').next().unwrap_or_default();
    let mut name = String::with_capacity(prefix.len().min(MAX_NAME));
    for c in prefix.chars().filter(|c| is_printable(*c)) {
        if name.len() + c.len_utf8() > MAX_NAME {
            break;
        }
        name.push(c);
    }
    name
}

/// What is wrong with a name.
pub fn validate_manager_name(name: &str, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    if name.len() > MAX_NAME {
        errors.push(Error::too_long(path, MAX_NAME));
    }
    for (at, c) in name.char_indices().filter(|(_, c)| !is_printable(*c)) {
        let shown = format!("U+{:04X}", c as u32);
        errors.push(Error::invalid(path, name, format!("invalid character {shown} (at position {at})")));
    }
    errors
}

/// What is wrong with the entries of `metadata.managedFields`.
pub fn validate_entries(list: &[portcullis_api::Value], path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    for (at, entry) in list.iter().enumerate() {
        let path = path.index(at);
        let text = |name: &str| entry.get(name).and_then(portcullis_api::Value::as_str).unwrap_or_default();
        let operation = text("operation");
        if !matches!(operation, "Apply" | "Update") {
            errors.push(Error::invalid(&path.child("operation"), operation, "must be `Apply` or `Update`"));
        }
        let fields_type = text("fieldsType");
        if !matches!(fields_type, "" | "FieldsV1") {
            errors.push(Error::invalid(&path.child("fieldsType"), fields_type, "must be `FieldsV1`"));
        }
        errors.extend(validate_manager_name(text("manager"), &path.child("manager")));
        if text("subresource").len() > MAX_SUBRESOURCE {
            errors.push(Error::too_long(&path.child("subresource"), MAX_SUBRESOURCE));
        }
    }
    errors
}

/// Letters, marks, numbers, punctuation, symbols and the plain space, as Go's `unicode.IsPrint`.
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return (' '..='~').contains(&c);
    }
    let invisible = matches!(
        c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{180e}'
    ) || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        || matches!(c, '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{e000}'..='\u{f8ff}')
        || matches!(c, '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}');
    !c.is_control() && !c.is_whitespace() && !invisible
}
