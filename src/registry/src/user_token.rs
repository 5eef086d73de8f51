//! User tokens: who may issue one, what the answer to the create shows, and when each was last used.

use jiff::{SignedDuration, Timestamp};
use portcullis_api::{ApiError, Object, Reason, Result, Value, Verb, time};
use portcullis_authn::{IDENTITY_GROUP, TOKEN_EXTRA};
use portcullis_authz::attributes::Resource;
use portcullis_authz::{Attributes, forbidden};

use crate::Registry;
use crate::call::Call;
use crate::kinds;
use crate::kinds::others::LAST_USE;
use crate::verbs::update::{self, Change};

const RESOURCE: &str = "usertokens";

/// Whether the call is about user tokens.
pub(crate) fn is_about(call: &Call<'_>) -> bool {
    call.resource.is(IDENTITY_GROUP, RESOURCE)
}

/// Who issues a token for somebody acts as that somebody: it takes the right to impersonate the user
/// and each group. Only for oneself, with no more than one's own groups, and not by means of a token,
/// it takes nothing more.
///
/// # Errors
/// 403 for the first right that is missing.
pub(crate) fn check(call: &Call<'_>, new: &Object) -> Result<()> {
    if !is_about(call) || call.info.verb != Verb::Create {
        return Ok(());
    }
    let groups = || {
        let list = new.at(&["spec", "groups"]).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str)
    };
    let name = new.str_at(&["spec", "user"]);
    let own = *call.user.name == *name && groups().all(|group| call.user.in_group(group));
    if own && !call.user.extra.contains_key(TOKEN_EXTRA) && new.str_at(&["spec", "uid"]).is_empty() {
        return Ok(());
    }
    may_impersonate(call, "users", name)?;
    let uid = new.str_at(&["spec", "uid"]);
    if !uid.is_empty() {
        may_impersonate(call, "uids", uid)?;
    }
    groups().try_for_each(|group| may_impersonate(call, "groups", group))
}

fn may_impersonate(call: &Call<'_>, resource: &str, name: &str) -> Result<()> {
    let group = if resource == "uids" { "authentication.k8s.io" } else { "" };
    let asked = Resource { group, resource, name, ..Resource::default() };
    let attributes = Attributes::resource("impersonate", asked);
    if call.asking().allows(call.user, &attributes) {
        return Ok(());
    }
    Err(forbidden(call.user, &attributes, "issuing a token for somebody takes the right to impersonate them"))
}

/// Makes the token of a new object and writes down what is kept of it. The token itself is returned.
pub(crate) fn mint(call: &Call<'_>, new: &mut Object) -> Result<String> {
    if call.info.verb != Verb::Create {
        let why = "a user token is created with POST: only that answer shows it";
        return Err(ApiError::new(Reason::MethodNotAllowed, why));
    }
    let Some(tokens) = &call.registry.user_tokens else { return Err(ApiError::no_such_path()) };
    let minted = tokens.mint().map_err(|error| ApiError::internal(error.to_string()))?;
    let seconds = new.at(&["spec", "expirationSeconds"]).and_then(Value::as_i64).unwrap_or_default();
    let end = Timestamp::now().saturating_add(SignedDuration::from_secs(seconds)).unwrap_or_default();
    new.set_at(&["status", "digest"], minted.digest.into());
    new.set_at(&["status", "expirationTimestamp"], time::seconds(end).into());
    new.set_at(&["status", "issuedBy"], (*call.user.name).into());
    Ok(minted.token)
}

impl Registry {
    /// Writes down when tokens were last used; whoever calls this does so now and then.
    pub async fn record_token_uses(&self) -> Result<()> {
        let Some(tokens) = &self.user_tokens else { return Ok(()) };
        for (name, used) in tokens.take_uses() {
            match self.record_use(&name, used).await {
                // It was revoked in between.
                Err(error) if error.reason() == Reason::NotFound => {}
                other => other?,
            }
        }
        Ok(())
    }

    async fn record_use(&self, name: &str, used: Timestamp) -> Result<()> {
        self.as_server(IDENTITY_GROUP, RESOURCE, "when a token was last used", async |call, options| {
            let produce = |call: &mut Call<'_>, live: Option<&Object>| {
                let live = live.ok_or_else(|| ApiError::not_found(&call.resource.gr, name))?;
                let mut new = live.clone();
                new.set_at(&["status", "lastUsedTimestamp"], time::seconds(used).into());
                Ok(new)
            };
            let strategy = kinds::strategy(IDENTITY_GROUP, RESOURCE, LAST_USE)
                .ok_or_else(|| ApiError::internal("user tokens have no rules"))?;
            let change =
                Change { name, strategy, options, may_create: false, expect_uid: "", produce: &produce };
            update::run(call, &change).await.map(drop)
        })
        .await
    }
}
