//! What definitions and fields mean, unpacked from the build's collection while a document is made.

use std::collections::HashMap;
use std::io::Read as _;

use flate2::read::DeflateDecoder;

static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptions.tsv.deflate"));

/// Descriptions by definition and field; the definition's own has an empty field.
pub(super) struct Words {
    by_place: HashMap<(String, String), String>,
}

impl Words {
    /// Unpacks the collection. It is part of the program, so that there is nothing to be done about a
    /// broken one but to describe less.
    pub(super) fn unpack() -> Self {
        let mut text = String::new();
        DeflateDecoder::new(PACKED).read_to_string(&mut text).ok();
        let mut by_place = HashMap::new();
        let mut definition = String::new();
        for line in text.lines() {
            let Some((name, words)) = line.split_once('\t') else { continue };
            if words.is_empty() && !name.starts_with('@') {
                continue;
            }
            let words = words.replace("\\n", "\n").replace("\\t", "\t").replace("\\\\", "\\");
            match name.strip_prefix('@') {
                Some(next) => {
                    next.clone_into(&mut definition);
                    by_place.insert((definition.clone(), String::new()), words);
                }
                None => {
                    by_place.insert((definition.clone(), name.to_owned()), words);
                }
            }
        }
        Self { by_place }
    }

    /// The words for a field, or for the definition itself; empty where there are none.
    pub(super) fn of(&self, definition: &str, field: &str) -> &str {
        // A list's items are described by the kind; its definition has no words of its own.
        self.by_place.get(&(definition.to_owned(), field.to_owned())).map(String::as_str).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_words() {
        let words = Words::unpack();
        assert!(
            words
                .of("io.k8s.api.apps.v1.Deployment", "")
                .starts_with("Deployment enables declarative updates")
        );
        assert!(words.of("io.k8s.api.core.v1.PodSpec", "hostNetwork").contains("host"));
        assert_eq!(words.of("io.k8s.api.core.v1.PodSpec", "nope"), "");
    }
}
