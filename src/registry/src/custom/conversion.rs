//! How the versions of a definition become each other.

use std::sync::Arc;

use portcullis_api::{Object, Result, Value};
use portcullis_outbound::HookCaller;

use super::convert_hook::ConversionHook;
use crate::kinds::check::text;

/// `spec.conversion`.
pub(super) enum Conversion {
    /// Versions differ in their name only.
    None,
    /// Somebody else converts.
    Webhook(Box<ConversionHook>),
}

impl Conversion {
    /// Reads the conversion of a definition.
    pub(super) fn read(spec: &Value, caller: &Arc<HookCaller>) -> Self {
        let conversion = spec.get("conversion").unwrap_or(&Value::Null);
        match text(conversion, "strategy") {
            "Webhook" => Self::Webhook(Box::new(ConversionHook::read(conversion, caller))),
            _ => Self::None,
        }
    }

    /// Brings objects of any version into one; their `apiVersion` is set by the caller where nobody converts.
    ///
    /// # Errors
    /// What the webhook did wrong.
    pub(super) async fn convert(&self, trees: &mut [Object], to: &str) -> Result<()> {
        match self {
            Self::None => Ok(()),
            Self::Webhook(hook) => hook.convert(trees, to).await,
        }
    }

    /// Whether a webhook converts.
    pub(super) fn is_webhook(&self) -> bool {
        matches!(self, Self::Webhook(_))
    }
}
