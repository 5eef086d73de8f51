//! From claims to a user, in upstream's words.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_api::{UserInfo, Value};

use super::config::{Claim, JwtIssuer};
use super::token::Claims;
use crate::{CREDENTIAL_ID, Rejection};

const MAX_GROUPS: usize = 1024;
const SYSTEM: &str = "system:";

/// The user that claims make, once they are believed.
pub(super) fn user(config: &JwtIssuer, claims: &Claims) -> Result<UserInfo, Rejection> {
    let name = name(&config.username, claims)?;
    let groups = groups(config.groups.as_ref(), claims)?;
    let uid = match &config.uid_claim {
        Some(claim) => text(claims, claim)
            .map_err(|why| Rejection::new(format!("oidc: parse uid claim {claim:?}: {why}")))?,
        None => String::new(),
    };
    check_required(config, claims)?;
    let id = claims.jti.as_ref().filter(|jti| !jti.is_empty()).map(|jti| vec![format!("JTI={jti}")]);
    let extra: BTreeMap<_, _> = id.into_iter().map(|id| (CREDENTIAL_ID.to_owned(), id)).collect();
    Ok(UserInfo { uid: uid.as_str().into(), extra: Arc::new(extra), ..UserInfo::new(&name, groups) })
}

fn name(username: &Claim, claims: &Claims) -> Result<String, Rejection> {
    let Claim { claim, prefix } = username;
    let name = text(claims, claim)
        .map_err(|why| Rejection::new(format!("oidc: parse username claims {claim:?}: {why}")))?;
    if claim == "email" {
        match claims.all.get("email_verified") {
            None | Some(Value::Bool(true)) => {}
            Some(Value::Bool(false)) => return Err(Rejection::new("oidc: email not verified")),
            Some(_) => return Err(Rejection::new("oidc: parse 'email_verified' claim: it is no boolean")),
        }
    }
    // Upstream lets a nameless user through, who would be nobody a policy can speak of.
    if name.is_empty() {
        return Err(Rejection::new(format!("oidc: parse username claims {claim:?}: the claim is empty")));
    }
    let name = format!("{prefix}{name}");
    foreign(&name)?;
    Ok(name)
}

fn groups(groups: Option<&Claim>, claims: &Claims) -> Result<Vec<String>, Rejection> {
    let Some(Claim { claim, prefix }) = groups else { return Ok(Vec::new()) };
    let Some(value) = claims.all.get(claim) else { return Ok(Vec::new()) };
    let wrong =
        || Rejection::new(format!("oidc: parse groups claim {claim:?}: it is no text and no list of texts"));
    let named = |one: &Value| one.as_str().map(|group| format!("{prefix}{group}")).ok_or_else(wrong);
    let groups: Vec<String> = match value {
        Value::Null => Vec::new(),
        Value::Array(many) if many.len() <= MAX_GROUPS => many.iter().map(named).collect::<Result<_, _>>()?,
        one => vec![named(one)?],
    };
    groups.iter().try_for_each(|group| foreign(group))?;
    Ok(groups)
}

/// The names of the system are the server's own to give, whatever prefix is configured.
fn foreign(name: &str) -> Result<(), Rejection> {
    if name.starts_with(SYSTEM) {
        return Err(Rejection::new("oidc: the token names a user or group of the system"));
    }
    Ok(())
}

fn check_required(config: &JwtIssuer, claims: &Claims) -> Result<(), Rejection> {
    for (claim, wanted) in &config.required_claims {
        if !claims.all.contains_key(claim) {
            return Err(Rejection::new(format!("oidc: required claim {claim} not present in ID token")));
        }
        let given =
            text(claims, claim).map_err(|why| Rejection::new(format!("oidc: parse claim {claim}: {why}")))?;
        if given != *wanted {
            let why =
                format!("oidc: required claim {claim} value does not match. Got = {given}, want = {wanted}");
            return Err(Rejection::new(why));
        }
    }
    Ok(())
}

fn text(claims: &Claims, name: &str) -> Result<String, &'static str> {
    match claims.all.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err("it is no text"),
        None => Err("claim not present"),
    }
}
