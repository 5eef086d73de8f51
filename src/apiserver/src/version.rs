//! `/version`: which API this is. Clients choose features by it, so it names the API we equal.

use std::sync::LazyLock;

use bytes::Bytes;
use http::Response;
use portcullis_api::Body;
use serde_json::json;

use crate::respond;

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
    let version = json!({
        "major": "1",
        "minor": "36",
        "emulationMajor": "1",
        "emulationMinor": "36",
        "minCompatibilityMajor": "1",
        "minCompatibilityMinor": "35",
        "gitVersion": "v1.36.2",
        "gitCommit": "peer",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "go1.26.6",
        "compiler": "gc",
        "platform": "linux/amd64",
    });
    serde_json::to_vec_pretty(&version).unwrap_or_default().into()
});

pub(crate) fn document() -> Response<Body> {
    respond::json(DOCUMENT.clone())
}
