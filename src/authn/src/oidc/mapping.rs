//! From claims to a user, in upstream's words.

use std::sync::Arc;

use portcullis_api::{Extra, UserInfo, Value};

use super::config::{Claim, JwtIssuer, Mapping};
use super::expressions::{self, Expression};
use super::token::Claims;
use crate::{CREDENTIAL_ID, Rejection};

const MAX_GROUPS: usize = 1024;
const SYSTEM: &str = "system:";

/// The user that claims make, once they are believed.
pub(super) fn user(config: &JwtIssuer, claims: &Claims) -> Result<UserInfo, Rejection> {
    let all = expressions::Claims::of(&claims.all);
    let name = match &config.username {
        Mapping::Claim(claim) => name(claim, claims)?,
        Mapping::Expression(expression) => evaluated_name(expression, &all)?,
    };
    foreign(&name)?;
    let groups = match &config.groups {
        None => Vec::new(),
        Some(Mapping::Claim(claim)) => groups(claim, claims)?,
        Some(Mapping::Expression(expression)) => expression
            .of_claims_as_texts(&all)
            .map_err(|why| Rejection::new(format!("oidc: error evaluating group claim expression: {why}")))?,
    };
    groups.iter().try_for_each(|group| foreign(group))?;
    let uid = uid(config, claims, &all)?;
    let extra = Arc::new(extra(config, claims, &all)?);
    let user = UserInfo { uid: uid.as_str().into(), extra, ..UserInfo::new(&name, groups) };
    check_required(config, claims)?;
    check_rules(config, &all, &user)?;
    Ok(user)
}

fn evaluated_name(expression: &Expression, all: &expressions::Claims<'_>) -> Result<String, Rejection> {
    let failed =
        |why: &str| Rejection::new(format!("oidc: error evaluating username claim expression: {why}"));
    let name = expression.of_claims_as_text(all).map_err(|why| failed(&why))?;
    let name = name.ok_or_else(|| failed("username claim expression must return a string"))?;
    match name.is_empty() {
        true => Err(Rejection::new("oidc: empty username via CEL expression is not allowed")),
        false => Ok(name),
    }
}

fn uid(config: &JwtIssuer, claims: &Claims, all: &expressions::Claims<'_>) -> Result<String, Rejection> {
    match &config.uid {
        None => Ok(String::new()),
        Some(Mapping::Claim(Claim { claim, .. })) => text(claims, claim)
            .map_err(|why| Rejection::new(format!("oidc: parse uid claim {claim:?}: {why}"))),
        Some(Mapping::Expression(expression)) => {
            let failed =
                |why: &str| Rejection::new(format!("oidc: error evaluating uid claim expression: {why}"));
            let uid = expression.of_claims_as_text(all).map_err(|why| failed(&why))?;
            uid.ok_or_else(|| failed("uid claim expression must return a string"))
        }
    }
}

fn extra(config: &JwtIssuer, claims: &Claims, all: &expressions::Claims<'_>) -> Result<Extra, Rejection> {
    let id = claims.jti.as_ref().filter(|jti| !jti.is_empty()).map(|jti| vec![format!("JTI={jti}")]);
    let mut extra: Extra = id.into_iter().map(|id| (CREDENTIAL_ID.to_owned(), id)).collect();
    for (key, expression) in &config.extra {
        let values = expression.of_claims_as_texts(all).map_err(|why| {
            Rejection::new(format!(
                "oidc: error evaluating extra claim expression: {}: {why}",
                expression.text()
            ))
        })?;
        if !values.is_empty() {
            extra.insert(key.clone(), values);
        }
    }
    Ok(extra)
}

fn check_rules(config: &JwtIssuer, all: &expressions::Claims<'_>, user: &UserInfo) -> Result<(), Rejection> {
    for rule in &config.claim_rules {
        rule.check_claims(all).map_err(|why| {
            Rejection::new(format!("oidc: error evaluating claim validation expression: {why}"))
        })?;
    }
    if config.user_rules.is_empty() {
        return Ok(());
    }
    let user = expressions::user_value(user);
    for rule in &config.user_rules {
        rule.check_user(&user).map_err(|why| {
            Rejection::new(format!("oidc: error evaluating user info validation rule: {why}"))
        })?;
    }
    Ok(())
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
    Ok(format!("{prefix}{name}"))
}

fn groups(groups: &Claim, claims: &Claims) -> Result<Vec<String>, Rejection> {
    let Claim { claim, prefix } = groups;
    let Some(value) = claims.all.get(claim) else { return Ok(Vec::new()) };
    let wrong =
        || Rejection::new(format!("oidc: parse groups claim {claim:?}: it is no text and no list of texts"));
    let named = |one: &Value| one.as_str().map(|group| format!("{prefix}{group}")).ok_or_else(wrong);
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(many) if many.len() <= MAX_GROUPS => many.iter().map(named).collect(),
        one => Ok(vec![named(one)?]),
    }
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
        if claims.all.get(claim).is_none() {
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
