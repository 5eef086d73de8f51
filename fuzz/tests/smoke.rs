//! A short run of every target on stable Rust: random bytes, texts that look like bodies, and the corpus.

use std::path::Path;

use portcullis_fuzz::TARGETS;
use proptest::prelude::*;

proptest! {
    #[test]
    fn random_bytes(input in prop::collection::vec(any::<u8>(), 0..512)) {
        TARGETS.iter().for_each(|(_, body)| body(&input));
    }

    #[test]
    fn texts_made_of_punctuation(
        head in any::<[u8; 2]>(),
        parts in prop::collection::vec(prop::sample::select(PARTS), 0..64),
    ) {
        let input = [&head[..], parts.concat().as_bytes()].concat();
        TARGETS.iter().for_each(|(_, body)| body(&input));
    }
}

const PARTS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "'",
    "\\",
    "\\u",
    "d800",
    "- ",
    "\n",
    "  ",
    "&a ",
    "*a",
    "<<",
    "? ",
    "| ",
    "> ",
    "!!str ",
    "#",
    "%",
    "1",
    "-",
    ".",
    "e9",
    "true",
    "null",
    "\"metadata\":",
    "\"spec\":",
    "metadata:",
    "name: ",
    "\"name\":\"x\"",
    "x",
    "\u{feff}",
    "\u{85}",
    "é",
    "---",
    "\t",
    "0x",
    "100m",
    "2020-01-01T00:00:00Z",
    "/",
    "=",
    "~1",
    "\0",
];

#[test]
fn the_corpus() {
    for (name, body) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let Ok(files) = std::fs::read_dir(folder) else { continue };
        for file in files.flatten() {
            body(&std::fs::read(file.path()).unwrap());
        }
    }
}
