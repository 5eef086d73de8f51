//! A unified diff with three lines of context, by the longest matching blocks.
//!
//! The blocks are chosen as Python's difflib chooses them (upstream uses a port of it), popular lines
//! of long texts left out. Texts beyond [`MAX_LINES`] are told as one replaced block, so that nobody can
//! make the server compute for long.

use std::collections::HashMap;

const CONTEXT: usize = 3;
const MAX_LINES: usize = 4000;
/// From this many lines on, lines that are frequent do not anchor a match.
const POPULAR_FROM: usize = 200;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Equal,
    Changed,
}

/// Lines `a.0..a.1` of the old text became lines `b.0..b.1` of the new.
#[derive(Clone, Copy)]
struct Step {
    deed: Deed,
    a: (usize, usize),
    b: (usize, usize),
}

/// The diff of two texts, given as lines with their line breaks.
pub(super) fn unified(old: &[String], new: &[String]) -> String {
    let mut out = String::new();
    for group in groups(&steps(old, new)) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let old_range = range(first.a.0, last.a.1);
        let new_range = range(first.b.0, last.b.1);
        out.push_str(&format!("@@ -{old_range} +{new_range} @@\n"));
        for step in &group {
            let (a, b) = (old.get(step.a.0..step.a.1), new.get(step.b.0..step.b.1));
            if step.deed == Deed::Equal {
                mark(' ', a, &mut out);
            } else {
                mark('-', a, &mut out);
                mark('+', b, &mut out);
            }
        }
    }
    out
}

fn mark(sign: char, lines: Option<&[String]>, out: &mut String) {
    for line in lines.into_iter().flatten() {
        out.push(sign);
        out.push_str(line);
    }
}

fn range(start: usize, end: usize) -> String {
    match end - start {
        1 => (start + 1).to_string(),
        0 => format!("{start},0"),
        length => format!("{},{length}", start + 1),
    }
}

/// Changes with the equal lines around them, far apart ones separated.
fn groups(steps: &[Step]) -> Vec<Vec<Step>> {
    let mut steps = steps.to_vec();
    if let Some(first) = steps.first_mut().filter(|step| step.deed == Deed::Equal) {
        first.a.0 = first.a.0.max(first.a.1.saturating_sub(CONTEXT));
        first.b.0 = first.b.0.max(first.b.1.saturating_sub(CONTEXT));
    }
    if let Some(last) = steps.last_mut().filter(|step| step.deed == Deed::Equal) {
        last.a.1 = last.a.1.min(last.a.0 + CONTEXT);
        last.b.1 = last.b.1.min(last.b.0 + CONTEXT);
    }
    let mut groups = Vec::new();
    let mut group = Vec::new();
    for step in steps {
        if step.deed == Deed::Equal && step.a.1 - step.a.0 > 2 * CONTEXT {
            let end = (step.a.0 + CONTEXT, step.b.0 + CONTEXT);
            group.push(Step { deed: Deed::Equal, a: (step.a.0, end.0), b: (step.b.0, end.1) });
            groups.push(std::mem::take(&mut group));
            let start = (step.a.1 - CONTEXT, step.b.1 - CONTEXT);
            group.push(Step { deed: Deed::Equal, a: (start.0, step.a.1), b: (start.1, step.b.1) });
        } else {
            group.push(step);
        }
    }
    groups.push(group);
    groups.retain(|group| group.iter().any(|step| step.deed == Deed::Changed));
    groups
}

fn steps(old: &[String], new: &[String]) -> Vec<Step> {
    let mut steps = Vec::new();
    let (mut i, mut j) = (0, 0);
    let end = (old.len(), new.len(), 0);
    for (a, b, size) in blocks(old, new).into_iter().chain([end]) {
        if i < a || j < b {
            steps.push(Step { deed: Deed::Changed, a: (i, a), b: (j, b) });
        }
        if size > 0 {
            steps.push(Step { deed: Deed::Equal, a: (a, a + size), b: (b, b + size) });
        }
        (i, j) = (a + size, b + size);
    }
    steps
}

/// The matching blocks in order, adjacent ones joined.
fn blocks(old: &[String], new: &[String]) -> Vec<(usize, usize, usize)> {
    if old.len() + new.len() > MAX_LINES {
        return Vec::new();
    }
    let places = places(new);
    let mut todo = vec![(0, old.len(), 0, new.len())];
    let mut found = Vec::new();
    while let Some((a_low, a_high, b_low, b_high)) = todo.pop() {
        let (a, b, size) = longest((old, new), &places, (a_low, a_high), (b_low, b_high));
        if size == 0 {
            continue;
        }
        found.push((a, b, size));
        if a_low < a && b_low < b {
            todo.push((a_low, a, b_low, b));
        }
        if a + size < a_high && b + size < b_high {
            todo.push((a + size, a_high, b + size, b_high));
        }
    }
    found.sort_unstable();
    let mut joined: Vec<(usize, usize, usize)> = Vec::new();
    for (a, b, size) in found {
        match joined.last_mut() {
            Some(last) if last.0 + last.2 == a && last.1 + last.2 == b => last.2 += size,
            _ => joined.push((a, b, size)),
        }
    }
    joined
}

fn places(new: &[String]) -> HashMap<&str, Vec<usize>> {
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (j, line) in new.iter().enumerate() {
        places.entry(line).or_default().push(j);
    }
    if new.len() >= POPULAR_FROM {
        let most = new.len() / 100 + 1;
        places.retain(|_, lines| lines.len() <= most);
    }
    places
}

/// The longest block that both ranges share, the earliest of equals, grown over popular lines.
fn longest(
    (old, new): (&[String], &[String]),
    places: &HashMap<&str, Vec<usize>>,
    a: (usize, usize),
    b: (usize, usize),
) -> (usize, usize, usize) {
    let mut best = (a.0, b.0, 0);
    let mut lengths: HashMap<usize, usize> = HashMap::new();
    for (i, line) in old.iter().enumerate().take(a.1).skip(a.0) {
        let mut next = HashMap::new();
        for &j in places.get(line.as_str()).into_iter().flatten().filter(|j| (b.0..b.1).contains(*j)) {
            let before = if j == 0 { 0 } else { lengths.get(&(j - 1)).copied().unwrap_or(0) };
            let length = before + 1;
            next.insert(j, length);
            if length > best.2 {
                best = (i + 1 - length, j + 1 - length, length);
            }
        }
        lengths = next;
    }
    let same = |i: usize, j: usize| old.get(i).is_some() && old.get(i) == new.get(j);
    while best.0 > a.0 && best.1 > b.0 && same(best.0 - 1, best.1 - 1) {
        best = (best.0 - 1, best.1 - 1, best.2 + 1);
    }
    while best.0 + best.2 < a.1 && best.1 + best.2 < b.1 && same(best.0 + best.2, best.1 + best.2) {
        best.2 += 1;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.chars().map(|c| format!("{c}\n")).collect()
    }

    #[test]
    fn far_changes_are_told_apart() {
        let told = unified(&lines("xabcdefghijky"), &lines("Xabcdefghijk"));
        assert_eq!(told, "@@ -1,4 +1,4 @@\n-x\n+X\n a\n b\n c\n@@ -10,4 +10,3 @@\n i\n j\n k\n-y\n");
    }

    #[test]
    fn equal_texts_have_no_difference() {
        assert_eq!(unified(&lines("abc"), &lines("abc")), "");
    }
}
