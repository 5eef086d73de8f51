//! Spans of time in two or three significant figures.

const SECOND: i128 = 1_000_000_000;
const DAY: i64 = 24;
const YEAR: i64 = 365 * DAY;

/// A span of nanoseconds as people read it: `45s`, `5m30s`, `3h10m`, `2d4h`, `1y20d`.
pub fn human(nanoseconds: i128) -> String {
    let seconds = i64::try_from(nanoseconds / SECOND).unwrap_or(i64::MAX);
    match seconds {
        // A second of disagreement between clocks is no news.
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => pair(seconds, 60, "m", "s"),
        600..10_800 => format!("{}m", seconds / 60),
        10_800..28_800 => pair(seconds / 60, 60, "h", "m"),
        _ => hours(seconds / 3600),
    }
}

fn hours(hours: i64) -> String {
    if hours < 48 {
        format!("{hours}h")
    } else if hours < 8 * DAY {
        pair(hours, DAY, "d", "h")
    } else if hours < 2 * YEAR {
        format!("{}d", hours / DAY)
    } else if hours < 8 * YEAR {
        pair(hours / DAY, 365, "y", "d")
    } else {
        format!("{}y", hours / YEAR)
    }
}

/// A count in two units, the smaller one left out when there is none of it.
fn pair(count: i64, per: i64, big: &str, small: &str) -> String {
    match count % per {
        0 => format!("{}{big}", count / per),
        rest => format!("{}{big}{rest}{small}", count / per),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_keep_two_or_three_figures() {
        let cases = [
            (-2, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (121, "2m1s"),
            (599, "9m59s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (10_860, "3h1m"),
            (28_800, "8h"),
            (47 * 3600, "47h"),
            (48 * 3600, "2d"),
            (49 * 3600, "2d1h"),
            (8 * 86400, "8d"),
            (729 * 86400, "729d"),
            (730 * 86400, "2y"),
            (731 * 86400, "2y1d"),
            (8 * 365 * 86400, "8y"),
        ];
        for (seconds, words) in cases {
            assert_eq!(human(seconds * SECOND), words);
        }
        assert_eq!(human(-SECOND / 2), "0s");
    }
}
