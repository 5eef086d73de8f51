//! Collections that a server hands out page by page.

use portcullis_api::Value;

use super::Failure;

/// Objects fetched at a time.
const PAGE: usize = 500;

/// All items of the collection at a path, which `get` fetches a page of.
pub(super) async fn items(
    path: &str,
    mut get: impl AsyncFnMut(String) -> Result<Value, Failure>,
) -> Result<Vec<Value>, Failure> {
    let (mut all, mut next) = (Vec::new(), String::new());
    loop {
        let more = if next.is_empty() { String::new() } else { format!("&continue={next}") };
        let mut page = get(format!("{path}?limit={PAGE}{more}")).await?;
        if let Some(Value::Array(some)) = page.get_mut("items").map(Value::take) {
            all.extend(some);
        }
        next = page.pointer("/metadata/continue").and_then(Value::as_str).unwrap_or_default().to_owned();
        if next.is_empty() {
            return Ok(all);
        }
    }
}
