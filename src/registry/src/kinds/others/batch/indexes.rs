//! Sets of indexes as text: `0,3-5,7`.

/// One run of indexes, both ends included.
type Run = (i64, i64);

/// How many indexes a text names; they must be below `completions` and in order.
pub(super) fn count(text: &str, completions: i64) -> Result<i64, String> {
    let mut last: Option<i64> = None;
    let mut total = 0;
    for part in text.split(',').filter(|_| !text.is_empty()) {
        let (from, to) = run(part, completions)?;
        if let Some(last) = last.filter(|last| *last >= from) {
            return Err(format!("non-increasing order, previous: {last}, current: {from}"));
        }
        total += to - from + 1;
        last = Some(to);
    }
    Ok(total)
}

/// The first index two texts share; runs that cannot be read are passed over.
pub(super) fn overlap(one: &str, other: &str, completions: i64) -> Option<i64> {
    let runs =
        |text: &str| -> Vec<Run> { text.split(',').filter_map(|part| run(part, completions).ok()).collect() };
    let (one, other) = (runs(one), runs(other));
    let (mut a, mut b) = (one.iter().peekable(), other.iter().peekable());
    while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
        if x.0 <= y.1 && y.0 <= x.1 {
            return Some(x.0.max(y.0));
        }
        if x.0 <= y.0 {
            a.next();
        } else {
            b.next();
        }
    }
    None
}

fn run(part: &str, completions: i64) -> Result<Run, String> {
    let ends: Vec<&str> = part.split('-').collect();
    match ends.as_slice() {
        [from] => {
            let from = index(from, completions)?;
            Ok((from, from))
        }
        [from, to] => {
            let (from, to) = (index(from, completions)?, index(to, completions)?);
            if from >= to {
                return Err(format!("non-increasing order, previous: {from}, current: {to}"));
            }
            Ok((from, to))
        }
        _ => Err(format!(
            "the fragment \"{part}\" violates the requirement that an index interval can have at most two parts \
             separated by '-'"
        )),
    }
}

fn index(text: &str, completions: i64) -> Result<i64, String> {
    let index =
        text.parse::<i64>().map_err(|_| format!("cannot convert string to integer for index: \"{text}\""))?;
    if index >= completions { Err(format!("too large index: \"{text}\"")) } else { Ok(index) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_counted() {
        assert_eq!(count("", 5), Ok(0));
        assert_eq!(count("0,2-4", 5), Ok(4));
        assert_eq!(count("2-4,3", 5), Err("non-increasing order, previous: 4, current: 3".to_owned()));
        assert_eq!(count("5", 5), Err("too large index: \"5\"".to_owned()));
        assert_eq!(count("x", 5), Err("cannot convert string to integer for index: \"x\"".to_owned()));
        assert!(count("1-2-3", 5).is_err());
    }

    #[test]
    fn shared_indexes_are_found() {
        assert_eq!(overlap("0-2,5", "3,5-6", 9), Some(5));
        assert_eq!(overlap("0-2", "3-4", 9), None);
    }
}
