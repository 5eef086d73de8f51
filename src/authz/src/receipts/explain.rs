//! A decision in full: who asked for what, what each authorizer says, what is missing.

use portcullis_api::{UserInfo, Value};
use serde_json::json;

use super::Record;
use crate::answers::Answers;
use crate::attributes::{Attributes, Subject};
use crate::authorities::{Authorities, tell};
use crate::decision::{Decision, Grounds, Reason, Receipt};

impl Authorities {
    /// Explains a recent decision, for those who may read about everybody's; `None` if it is not kept.
    pub async fn explain(&self, id: &str) -> Option<Value> {
        let record = self.chain.receipts().find(id)?;
        let Record { at, user, info, receipt, audit_id, generation } = &*record;
        let mut told = self.explain_now(user, &Attributes::from(&**info)).await;
        tell(&mut told, "id", receipt.id().to_string());
        tell(&mut told, "auditID", &**audit_id);
        tell(&mut told, "policiesChangedSince", *generation != self.chain.generation(user));
        tell(&mut told, "time", at.to_string());
        tell(&mut told, "path", &*info.path);
        tell(&mut told, "then", outcome(receipt));
        Some(told)
    }

    /// Explains what would be decided now. Webhooks that this depends on are asked; of others is told what they
    /// would be asked.
    pub async fn explain_now(&self, user: &UserInfo, asked: &Attributes<'_>) -> Value {
        let answers = Answers::default();
        let receipt = self.chain.settle_with(user, asked, &answers).await;
        let steps = self.chain.walk(user, asked, &answers);
        let chain: Vec<Value> = steps
            .into_iter()
            .map(|(name, said, webhook)| {
                let mut told = said.as_ref().map_or_else(|| json!({"decision": "not asked"}), grounds);
                tell(&mut told, "authorizer", &*name);
                if let Some(webhook) = webhook {
                    tell(&mut told, "webhook", webhook.describe(user, asked));
                }
                told
            })
            .collect();
        let mut told = json!({
            "user": {"name": &*user.name, "groups": user.groups.iter().map(|g| &**g).collect::<Vec<_>>()},
            "asked": subject(asked),
            "now": outcome(&receipt),
            "chain": chain,
        });
        if !receipt.is_allowed() && !receipt.decision().is_denied() {
            tell(&mut told, "missing", self.rbac.nearest(user, asked));
        }
        told
    }
}

fn outcome(receipt: &Receipt) -> Value {
    let mut told = grounds(receipt.decision());
    tell(&mut told, "by", receipt.authorizer());
    told
}

fn grounds(decision: &Decision) -> Value {
    let word = match decision {
        Decision::Allow(_) => "allow",
        Decision::Deny(_) => "deny",
        Decision::NoOpinion(_) => "no opinion",
    };
    let Grounds { reasons, errors } = decision.grounds();
    let reasons: Vec<Value> = reasons.iter().map(reason).collect();
    let errors: Vec<&str> = errors.iter().map(|error| &**error).collect();
    json!({"decision": word, "reasons": reasons, "errors": errors})
}

fn reason(reason: &Reason) -> Value {
    match reason {
        Reason::Masters => json!({"text": "the user is in system:masters, which nothing binds"}),
        Reason::Node => json!({"text": "a node may do this, or needs it for what runs on it"}),
        Reason::Rule(rule, why) => {
            let mut told = json!({
                "file": &*rule.origin.file,
                "line": rule.origin.line,
                "column": rule.origin.column,
                "effect": rule.effect.as_str(),
                "priority": rule.priority,
            });
            let texts = [("rule", rule.name.as_deref()), ("text", rule.reason.as_deref()), ("unclear", *why)];
            for (field, text) in texts {
                if let Some(text) = text {
                    tell(&mut told, field, text);
                }
            }
            told
        }
        Reason::Granted(grant) => {
            let (namespace, binding) = grant.binding();
            let (role_kind, role) = grant.role();
            let kind = if namespace.is_empty() { "ClusterRoleBinding" } else { "RoleBinding" };
            json!({
                "binding": {"kind": kind, "namespace": namespace, "name": binding},
                "role": {"kind": role_kind, "name": role},
                "text": grant.to_string(),
            })
        }
        Reason::Unresolved(_) | Reason::Said(_) => json!({"text": reason.to_string()}),
    }
}

fn subject(asked: &Attributes<'_>) -> Value {
    match &asked.subject {
        Subject::Path(path) => json!({"verb": asked.verb, "path": path}),
        Subject::Resource(resource) => json!({
            "verb": asked.verb,
            "group": resource.group,
            "resource": resource.resource,
            "subresource": resource.subresource,
            "namespace": resource.namespace,
            "name": resource.name,
            "labelSelector": resource.label_selector,
            "fieldSelector": resource.field_selector,
        }),
    }
}
