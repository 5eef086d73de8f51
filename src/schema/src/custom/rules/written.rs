//! A rule as it stands in a schema.

use portcullis_api::Value;
use portcullis_api::field::Path;

use super::super::field_path::{Notation, field_at};
use super::super::json::{list, text};

/// A rule with its texts.
#[derive(Debug)]
pub(crate) struct Written {
    value: Value,
    /// The field that errors point to, if it is not the value itself.
    pub(super) place: Option<Path>,
}

impl Written {
    /// The rules of a schema.
    pub(in super::super) fn all(schema: &Value) -> Box<[Self]> {
        let one = |value: &Value| {
            let path = text(value, "fieldPath");
            let found = || field_at(schema, path, Notation::DotsAndBrackets).ok().map(|(place, _)| place);
            Self { value: value.clone(), place: if path.is_empty() { None } else { found() } }
        };
        list(schema, "x-kubernetes-validations").iter().map(one).collect()
    }

    pub(super) fn rule(&self) -> &str {
        text(&self.value, "rule")
    }

    pub(super) fn message(&self) -> &str {
        text(&self.value, "message")
    }

    pub(super) fn message_expression(&self) -> &str {
        text(&self.value, "messageExpression")
    }

    pub(super) fn reason(&self) -> Option<&str> {
        self.value.get("reason").and_then(Value::as_str)
    }

    pub(super) fn optional_old_self(&self) -> Option<bool> {
        self.value.get("optionalOldSelf").and_then(Value::as_bool)
    }

    /// What errors call the rule: its message, or itself.
    pub(super) fn name(&self) -> &str {
        if self.message().is_empty() { self.rule().trim() } else { self.message().trim() }
    }

    /// The rule as upstream shows it.
    pub(super) fn shown(&self) -> String {
        let quoted = |text: &str| {
            let text = Value::from(text).to_string();
            text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
        };
        let optional = |value: Option<String>| value.unwrap_or_else(|| "null".to_owned());
        format!(
            "{{\"Rule\":{},\"Message\":{},\"MessageExpression\":{},\"Reason\":{},\"FieldPath\":{},\"OptionalOldSelf\":{}}}",
            quoted(self.rule()),
            quoted(self.message()),
            quoted(self.message_expression()),
            optional(self.reason().map(quoted)),
            quoted(text(&self.value, "fieldPath")),
            optional(self.optional_old_self().map(|value| value.to_string())),
        )
    }
}
