//! How the versions of a definition become each other.

use portcullis_api::{ApiError, Object, Result, Value};

use crate::kinds::check::text;

/// `spec.conversion`.
pub(super) enum Conversion {
    /// Versions differ in their name only.
    None,
    /// Somebody else converts.
    Webhook,
}

impl Conversion {
    /// Reads the conversion of a definition.
    pub(super) fn read(spec: &Value) -> Self {
        match spec.get("conversion").map_or("", |conversion| text(conversion, "strategy")) {
            "Webhook" => Self::Webhook,
            _ => Self::None,
        }
    }

    /// Brings objects of any version into one; their `apiVersion` is set by the caller.
    ///
    /// # Errors
    /// What the webhook did wrong.
    #[expect(clippy::unused_async, reason = "a webhook is waited for")]
    pub(super) async fn convert(&self, trees: &mut [Object], to: &str) -> Result<()> {
        let from = trees.iter().find(|tree| tree.api_version() != to);
        match (self, from) {
            (Self::None, _) | (_, None) => Ok(()),
            (Self::Webhook, Some(tree)) => {
                let (version, kind) = (tree.api_version(), tree.kind());
                let why = format!(
                    "conversion webhook for {version}, Kind={kind} failed: webhooks are not called yet"
                );
                Err(ApiError::internal_said(&why))
            }
        }
    }

    /// Whether a webhook converts.
    pub(super) fn is_webhook(&self) -> bool {
        matches!(self, Self::Webhook)
    }
}
