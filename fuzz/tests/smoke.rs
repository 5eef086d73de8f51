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

    /// Inputs that get somewhere, with some bytes replaced, dropped or doubled.
    #[test]
    fn the_corpus_with_mistakes(
        which in any::<prop::sample::Index>(),
        mistakes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..5),
    ) {
        let all: Vec<_> = TARGETS.iter().flat_map(|(name, body)| corpus(name).into_iter().map(move |input| (body, input))).collect();
        let (body, mut input) = which.get(&all).clone();
        for (at, byte, how) in mistakes {
            if input.is_empty() {
                break;
            }
            let at = at.index(input.len());
            match how {
                0 => input[at] = byte,
                1 => input[at] = input[usize::from(byte) % input.len()],
                2 => drop(input.remove(at)),
                _ => input.insert(at, input[at]),
            }
        }
        body(&input);
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

/// The inputs that are kept for a target, in the order of their names.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let Ok(files) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = files.flatten().map(|file| file.path()).collect();
    paths.sort();
    paths.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn the_corpus() {
    for (name, body) in TARGETS {
        corpus(name).iter().for_each(|input| body(input));
    }
}
