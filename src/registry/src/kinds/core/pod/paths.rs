//! Warnings for volumes whose files would lie over one another.

use portcullis_api::Value;
use portcullis_api::field::go_quote;

use super::super::super::check::{items, text};

/// A path within a volume, and where it comes from if that is not plain.
struct File {
    path: String,
    source: String,
}

impl File {
    fn shown(&self) -> String {
        let path = go_quote(&self.path);
        if self.source.is_empty() { path } else { format!("{path} ({})", self.source) }
    }

    /// Whether one is the other, or a folder above it.
    fn meets(&self, other: &Self) -> bool {
        let (one, two) = (format!("{}/", self.path), format!("{}/", other.path));
        !self.path.is_empty() && !other.path.is_empty() && (one.starts_with(&two) || two.starts_with(&one))
    }
}

/// The warnings for the volumes of a pod.
pub(super) fn overlaps(volumes: &[Value], found: &mut Vec<String>) {
    for volume in volumes {
        let name = go_quote(text(volume, "name"));
        for (field, named_by, what) in [
            ("configMap", "name", "ConfigMap "),
            ("secret", "secretName", "Secret "),
            ("downwardAPI", "", "DownwardAPI"),
        ] {
            let Some(source) = volume.get(field) else { continue };
            let named = if named_by.is_empty() { String::new() } else { go_quote(text(source, named_by)) };
            let mut files = Vec::new();
            add(files_of(source, ""), &mut files, &format!("volume {name} ({what}{named})"), found);
        }
        let Some(projected) = volume.get("projected") else { continue };
        let mut files = Vec::new();
        for source in items(projected, "sources") {
            if source.as_object().is_none_or(serde_json::Map::is_empty) {
                found.push(format!("volume {name} (Projected) has no sources provided"));
                continue;
            }
            add(projected_files(source), &mut files, &format!("volume {name} (Projected)"), found);
        }
    }
}

fn add(new: Vec<File>, files: &mut Vec<File>, volume: &str, found: &mut Vec<String>) {
    for mut file in new {
        file.path.truncate(file.path.trim_end_matches('/').len());
        for other in files.iter().filter(|other| other.meets(&file)) {
            found.push(format!("{volume}: overlapping paths: {} with {}", file.shown(), other.shown()));
        }
        files.push(file);
    }
}

fn files_of(source: &Value, shown: &str) -> Vec<File> {
    let file = |item| File { path: text(item, "path").to_owned(), source: shown.to_owned() };
    items(source, "items").iter().map(file).collect()
}

fn projected_files(source: &Value) -> Vec<File> {
    for (field, what) in [("configMap", "ConfigMap"), ("secret", "Secret")] {
        if let Some(source) = source.get(field) {
            return files_of(source, &format!("{what} {}", go_quote(text(source, "name"))));
        }
    }
    if let Some(source) = source.get("downwardAPI") {
        return files_of(source, "DownwardAPI");
    }
    let token = source.get("serviceAccountToken");
    let file =
        |token| File { path: text(token, "path").to_owned(), source: "ServiceAccountToken".to_owned() };
    token.map(file).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn files_over_files_and_empty_sources_are_told() {
        let item = |key: &str, path: &str| json!({ "key": key, "path": path });
        let volumes = json!([
            { "name": "v", "secret": { "secretName": "s", "items": [item("a", "x"), item("b", "x")] } },
            { "name": "w", "projected": { "sources": [
                { "secret": { "name": "s", "items": [item("a", "x/")] } },
                {},
                { "configMap": { "name": "c", "items": [item("a", "x/y"), item("b", "xy")] } },
            ] } },
        ]);
        let mut found = Vec::new();
        overlaps(volumes.as_array().unwrap(), &mut found);
        assert_eq!(
            found,
            [
                "volume \"v\" (Secret \"s\"): overlapping paths: \"x\" with \"x\"",
                "volume \"w\" (Projected) has no sources provided",
                "volume \"w\" (Projected): overlapping paths: \"x/y\" (ConfigMap \"c\") with \"x\" (Secret \"s\")",
            ]
        );
    }
}
