//! Who may act as whom: constrained impersonation (KEP-5284) first, then the legacy verb.
//!
//! A constrained mode asks twice: may the requestor do this request in this mode
//! (`impersonate-on:MODE:VERB` on the request itself), and may it be this user (`impersonate:MODE`).
//! The first mode that agrees wins; if none does, the first refusal is the answer.

use std::sync::Arc;

use portcullis_api::field::{Error, Path, go_quote};
use portcullis_api::{ApiError, Extra, UserInfo, names};

use super::wanted::{Wanted, values};
use crate::answers::Asking;
use crate::attributes::{Attributes, Resource};
use crate::chain::MASTERS;
use crate::forbidden::{forbidden, refused};

/// From this many on, one question for all is asked before one for each.
const MANY: usize = 4;
const NODE_PREFIX: &str = "system:node:";
const NODE_KEY: &str = "authentication.kubernetes.io/node-name";
const ANONYMOUS: &str = "system:anonymous";
const AUTHENTICATED: &str = "system:authenticated";
const UNAUTHENTICATED: &str = "system:unauthenticated";
const AUTHENTICATION: &str = "authentication.k8s.io";

/// Whom the requestor acts as from now on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Impersonated {
    pub(super) user: UserInfo,
    /// The verb that allowed it; empty for the legacy one.
    pub(super) constraint: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    AssociatedNode,
    ArbitraryNode,
    ServiceAccount,
    UserInfo,
    Legacy,
}

/// Checks every mode in turn.
pub(super) fn impersonate(
    asking: Asking<'_>,
    requestor: &UserInfo,
    wanted: &Wanted,
    request: &Attributes<'_>,
) -> Result<Impersonated, ApiError> {
    let mut first = None;
    for mode in
        [Mode::AssociatedNode, Mode::ArbitraryNode, Mode::ServiceAccount, Mode::UserInfo, Mode::Legacy]
    {
        if !mode.fits(requestor, wanted) {
            continue;
        }
        match mode.check(asking, requestor, wanted, request) {
            Ok(impersonated) => return Ok(impersonated),
            Err(refusal) => first = first.or(Some(refusal)),
        }
    }
    Err(first.unwrap_or_else(|| ApiError::internal("no impersonation mode was tried")))
}

impl Mode {
    fn verb(self) -> &'static str {
        match self {
            Self::AssociatedNode => "impersonate:associated-node",
            Self::ArbitraryNode => "impersonate:arbitrary-node",
            Self::ServiceAccount => "impersonate:serviceaccount",
            Self::UserInfo => "impersonate:user-info",
            Self::Legacy => "impersonate",
        }
    }

    fn fits(self, requestor: &UserInfo, wanted: &Wanted) -> bool {
        let (node, account) = (node_name(&wanted.name), account(&wanted.name));
        match self {
            Self::AssociatedNode => wanted.only_name() && node.is_some() && node == node_of(requestor),
            Self::ArbitraryNode => wanted.only_name() && node.is_some(),
            Self::ServiceAccount => wanted.only_name() && account.is_some(),
            Self::UserInfo => node.is_none() && account.is_none(),
            Self::Legacy => true,
        }
    }

    fn check(
        self,
        asking: Asking<'_>,
        requestor: &UserInfo,
        wanted: &Wanted,
        request: &Attributes<'_>,
    ) -> Result<Impersonated, ApiError> {
        let told = if self == Self::AssociatedNode { with_extra_keys(requestor) } else { requestor.clone() };
        let check = Check { asking, requestor: &told, mode: self };
        if let Some(mode) = self.verb().strip_prefix("impersonate:") {
            let verb = format!("impersonate-on:{mode}:{}", request.verb);
            check.ask(&request.with_verb(&verb))?;
        }
        let groups = check.name(wanted)?;
        check.uid(&wanted.uid)?;
        check.groups(&wanted.groups)?;
        check.extra(&wanted.extra)?;
        let constraint = if self == Self::Legacy { "" } else { self.verb() };
        Ok(Impersonated { user: with_groups(wanted, groups), constraint })
    }
}

/// The questions of one mode.
struct Check<'a> {
    asking: Asking<'a>,
    requestor: &'a UserInfo,
    mode: Mode,
}

impl Check<'_> {
    fn ask(&self, attributes: &Attributes<'_>) -> Result<(), ApiError> {
        let receipt = self.asking.decide(self.requestor, attributes);
        if receipt.is_allowed() { Ok(()) } else { Err(refused(self.requestor, attributes, &receipt)) }
    }

    fn ask_for(&self, what: Resource<'_>) -> Result<(), ApiError> {
        self.ask(&self.attributes(what))
    }

    fn attributes<'b>(&self, what: Resource<'b>) -> Attributes<'b> {
        Attributes::resource(self.mode.verb(), Resource { version: "v1", ..what })
    }

    fn refuse(&self, what: Resource<'_>, why: &str) -> ApiError {
        forbidden(self.requestor, &self.attributes(what), why)
    }

    fn constrained(&self) -> bool {
        self.mode != Mode::Legacy
    }

    /// Users and groups are in the core group for the legacy verb.
    fn group(&self) -> &'static str {
        if self.constrained() { AUTHENTICATION } else { "" }
    }

    /// Asks for the name; the groups that go with it where the request names none.
    fn name(&self, wanted: &Wanted) -> Result<Vec<Arc<str>>, ApiError> {
        let group = self.group();
        let mut groups: Vec<Arc<str>> = wanted.groups.iter().map(|g| g.as_str().into()).collect();
        if let Some((namespace, name)) = account(&wanted.name) {
            if groups.is_empty() {
                let own = format!("system:serviceaccounts:{namespace}");
                groups = vec!["system:serviceaccounts".into(), own.into()];
            }
            let what =
                Resource { group, resource: "serviceaccounts", namespace, name, ..Resource::default() };
            return self.ask_for(what).map(|()| groups);
        }
        if let Some(node) = node_name(&wanted.name).filter(|_| self.constrained()) {
            // The answer must be the same for all nodes: which one it is was checked already.
            let name = if self.mode == Mode::AssociatedNode { "*" } else { node };
            let what = Resource { group, resource: "nodes", name, ..Resource::default() };
            return self.ask_for(what).map(|()| vec!["system:nodes".into()]);
        }
        let what = Resource { group, resource: "users", name: &wanted.name, ..Resource::default() };
        self.ask_for(what).map(|()| groups)
    }

    fn uid(&self, uid: &str) -> Result<(), ApiError> {
        if uid.is_empty() {
            return Ok(());
        }
        self.ask_for(Resource { group: AUTHENTICATION, resource: "uids", name: uid, ..Resource::default() })
    }

    fn groups(&self, groups: &[String]) -> Result<(), ApiError> {
        let what = Resource { group: self.group(), resource: "groups", ..Resource::default() };
        if self.constrained() {
            if groups.iter().any(String::is_empty) {
                return Err(self.refuse(what, "impersonating the empty string group is not allowed"));
            }
            if groups.iter().any(|g| g == MASTERS) {
                let what = Resource { name: MASTERS, ..what };
                return Err(self.refuse(what, "impersonating the system:masters group is not allowed"));
            }
            if groups.len() >= MANY && self.ask_for(Resource { name: "*", ..what }).is_ok() {
                return Ok(());
            }
        }
        groups.iter().try_for_each(|name| self.ask_for(Resource { name, ..what }))
    }

    fn extra(&self, extra: &Extra) -> Result<(), ApiError> {
        let what = Resource { group: AUTHENTICATION, resource: "userextras", ..Resource::default() };
        if self.constrained() {
            if let Some(why) = extra_mistake(extra) {
                return Err(self.refuse(what, &why));
            }
            let all = Resource { subresource: "*", name: "*", ..what };
            if values(extra).count() >= MANY && self.ask_for(all).is_ok() {
                return Ok(());
            }
        }
        values(extra).try_for_each(|(key, name)| self.ask_for(Resource { subresource: key, name, ..what }))
    }
}

fn with_groups(wanted: &Wanted, mut groups: Vec<Arc<str>>) -> UserInfo {
    let has = |groups: &[Arc<str>], name: &str| groups.iter().any(|g| &**g == name);
    if wanted.name == ANONYMOUS {
        if !has(&groups, UNAUTHENTICATED) {
            groups.push(UNAUTHENTICATED.into());
        }
    } else if !has(&groups, UNAUTHENTICATED) && !has(&groups, AUTHENTICATED) {
        groups.push(AUTHENTICATED.into());
    }
    UserInfo { groups: groups.into(), ..wanted.as_user() }
}

fn extra_mistake(extra: &Extra) -> Option<String> {
    extra.iter().find_map(|(key, values)| {
        if key.is_empty() {
            return Some("impersonating the empty string key in extra is not allowed".to_owned());
        }
        if let Some(errors) = domain_prefixed_path_mistakes(key) {
            return Some(format!("impersonating an invalid key in extra is not allowed: {errors}"));
        }
        if *key != key.to_lowercase() {
            let key = go_quote(key);
            return Some(format!("impersonating a non-lowercase key in extra is not allowed: {key}"));
        }
        let empty = values.iter().any(String::is_empty);
        empty.then(|| "impersonating the empty string value in extra is not allowed".to_owned())
    })
}

/// What is wrong with a key such as `example.com/reason`.
fn domain_prefixed_path_mistakes(key: &str) -> Option<String> {
    const PATH: &str = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+";
    let path = Path::new("extra").child("key");
    let Some((host, rest)) = key.split_once('/').filter(|(host, rest)| !host.is_empty() && !rest.is_empty())
    else {
        let detail = "must be a domain-prefixed path (such as \"acme.io/foo\")";
        return Some(Error::invalid(&path, key, detail).to_string());
    };
    let mut errors: Vec<Error> =
        names::dns1123_subdomain(host).into_iter().map(|m| Error::invalid(&path, host, m)).collect();
    if !rest.bytes().all(|b| b.is_ascii_alphanumeric() || br"/-._~%!$&'()*+,;=:".contains(&b)) {
        let detail = format!("Invalid path (regex used for validation is '{PATH}')");
        errors.push(Error::invalid(&path, rest, detail));
    }
    (!errors.is_empty()).then(|| crate::decision::aggregate(errors.iter()))
}

/// The node whose user this is.
fn node_name(user: &str) -> Option<&str> {
    user.strip_prefix(NODE_PREFIX).filter(|name| names::dns1123_subdomain(name).is_empty())
}

/// The namespace and name of the service account whose user this is.
fn account(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix("system:serviceaccount:")?.split_once(':')?;
    let valid = names::dns1123_label(namespace).is_empty() && names::dns1123_subdomain(name).is_empty();
    valid.then_some((namespace, name))
}

/// The node that a service account's token is bound to.
fn node_of(requestor: &UserInfo) -> Option<&str> {
    account(&requestor.name)?;
    match requestor.extra.get(NODE_KEY)?.as_slice() {
        [node] => Some(node),
        _ => None,
    }
}

/// The requestor with the keys of its extra only: the values differ from pod to pod.
fn with_extra_keys(requestor: &UserInfo) -> UserInfo {
    let keys = requestor.extra.keys().cloned().collect();
    let extra = Extra::from([("authentication.kubernetes.io/associated-node-keys".to_owned(), keys)]);
    UserInfo { extra: Arc::new(extra), ..requestor.clone() }
}

#[cfg(test)]
mod tests;
