//! The conversion webhook of a definition.
//!
//! ```text
//! objects that are of another version -> parts of bounded size -> ConversionReview -> objects of the wanted version
//!     each held to the object it was made from: kind, name, namespace and uid; of the metadata only labels and
//!     annotations are taken, all else stays what it was
//! ```
//!
//! Whatever is not plainly an answer is an error, and nothing of it is kept: the stored objects stay as they are.

mod review;

use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_api::{ApiError, Object, Reason, Result, Value};
use portcullis_outbound::{
    CallError, Cause, HookCaller, HookClient, InvalidReview, Limits, Reply, Request, ReviewVersion,
    converted_objects,
};

use super::metrics::{self, Failure};
use crate::kinds::check::texts;
use review::Place;

/// How long a webhook may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The largest answer.
const LARGEST: usize = 32 << 20;
/// As many bytes of objects are sent together, unless one alone is larger.
const PART: usize = 8 << 20;

/// The webhook.
pub(super) struct ConversionHook {
    client: HookClient,
    /// The first version of reviews that both know.
    version: Option<ReviewVersion>,
}

impl ConversionHook {
    /// Reads `spec.conversion`.
    pub(super) fn read(conversion: &Value, caller: &Arc<HookCaller>) -> Self {
        let webhook = conversion.get("webhook").unwrap_or(&Value::Null);
        let config = webhook.get("clientConfig").unwrap_or(&Value::Null);
        let limits = Limits { deadline: PATIENCE, largest: LARGEST };
        Self {
            client: HookClient::new(config, limits, caller),
            version: texts(webhook, "conversionReviewVersions").find_map(ReviewVersion::named),
        }
    }

    /// Brings objects of any version into one.
    ///
    /// # Errors
    /// 500 with what the webhook did wrong; then no object was changed.
    pub(super) async fn convert(&self, trees: &mut [Object], to: &str) -> Result<()> {
        let mut rest: Vec<&mut Object> = trees.iter_mut().filter(|tree| tree.api_version() != to).collect();
        let mut converted = Vec::with_capacity(rest.len());
        let mut sent = 0;
        while let Some(part) = rest.get(sent..).filter(|part| !part.is_empty()) {
            let sizes = part.iter().map(|tree| review::size(tree));
            let mut total = 0_usize;
            let count = sizes.take_while(|size| {
                total = total.saturating_add(*size);
                total <= PART
            });
            let part = part.get(..count.count().max(1)).unwrap_or(part);
            let part: Vec<&Object> = part.iter().map(|tree| &**tree).collect();
            converted.extend(self.convert_part(&part, to).await?);
            sent = converted.len();
        }
        for (tree, converted) in rest.iter_mut().zip(converted) {
            **tree = converted;
        }
        Ok(())
    }

    async fn convert_part(&self, part: &[&Object], to: &str) -> Result<Vec<Object>> {
        let begun = Instant::now();
        let outcome = self.ask(part, to).await;
        metrics::converted(begun.elapsed(), outcome.as_ref().err().map(|(failure, _)| *failure));
        outcome.map_err(|(_, why)| ApiError::new(Reason::Unknown, why))
    }

    async fn ask(&self, part: &[&Object], to: &str) -> std::result::Result<Vec<Object>, (Failure, String)> {
        let of = part.first().map_or_else(String::new, |tree| gvk(tree));
        let failed = |failure, why: String| (failure, format!("conversion webhook for {of} failed: {why}"));
        let version =
            self.version.ok_or((Failure::Call, "no supported conversion review versions".to_owned()))?;
        let client = self.client.get().map_err(|why| failed(Failure::Call, why.to_owned()))?;
        let uid = uuid::Uuid::new_v4().to_string();
        let request = Request::post(review::question(part, to, version, &uid));
        let request = request.query(format!("timeout={}s", PATIENCE.as_secs()));
        let reply = client.send(&request).await.and_then(Reply::success);
        let reply = reply.map_err(|error| failed(Failure::Call, words(&error)))?;
        let objects = converted_objects(&reply.body, version, &uid).map_err(|invalid| match invalid {
            InvalidReview::Unreadable(why) => {
                failed(Failure::Call, words(&reply.error(Cause::Malformed(why))))
            }
            InvalidReview::Response(why) => failed(Failure::Malformed, why),
        })?;
        if objects.len() != part.len() {
            let (got, wanted) = (objects.len(), part.len());
            let why = format!("conversion webhook for {of} returned {got} objects, expected {wanted}");
            return Err((Failure::Partial, why));
        }
        let pairs = part.iter().zip(objects).enumerate();
        let checked = pairs.map(|(index, (original, object))| {
            let invalid = |why| format!("conversion webhook for {of} returned invalid {why}");
            let place = if part.len() == 1 { Place::Alone } else { Place::Of(index) };
            review::check(original, object, to, place).map_err(|why| (Failure::Invalid, invalid(why)))
        });
        checked.collect()
    }
}

/// How upstream writes the kind of an object.
fn gvk(tree: &Object) -> String {
    let version = tree.api_version();
    let slash = if version.contains('/') { "" } else { "/" };
    format!("{slash}{version}, Kind={}", tree.kind())
}

/// What client-go says of a failed call.
fn words(error: &CallError) -> String {
    match error.cause() {
        Cause::Status { message, .. } => message.clone(),
        _ => error.to_string(),
    }
}
