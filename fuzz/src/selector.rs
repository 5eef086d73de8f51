//! Label and field selectors: what is read prints to the same selector, and matching any labels ends.

use portcullis_api::selector::{FieldSelector, LabelSelector};

/// The whole input is a selector of either kind.
pub fn selector(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(labels) = LabelSelector::parse(text) {
        labels.matches(|key| (key.len() % 2 == 0).then_some("1"));
        let again = LabelSelector::parse(&labels.to_string());
        assert_eq!(again.as_ref(), Ok(&labels), "a printed selector is the same selector");
    }
    if let Ok(fields) = FieldSelector::parse(text) {
        fields.matches(|field| (field.len() % 2 == 0).then_some("1"));
        let again = FieldSelector::parse(&fields.to_string()).map(|again| again.terms().len());
        assert_eq!(again, Ok(fields.terms().len()), "a printed selector has the same terms");
    }
}
