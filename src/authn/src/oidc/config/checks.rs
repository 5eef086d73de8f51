//! What is wrong with an entry of the `jwt` list, in upstream's words and order.

use std::collections::HashSet;

use portcullis_api::field::{Error, ErrorList, Path};
use portcullis_api::names;

use super::super::expressions::{About, Expression};
use super::{ExtraFile, IssuerFile, JwtFile, MappingFile, MappingsFile};
use crate::TOKEN_EXTRA;

impl JwtFile {
    pub(super) fn check(&self, disallowed: &[String], at: &Path, errors: &mut ErrorList) {
        self.issuer.check(disallowed, &at.child("issuer"), errors);
        self.check_claim_rules(&at.child("claimValidationRules"), errors);
        self.check_mappings(&at.child("claimMappings"), errors);
        let at = at.child("userValidationRules");
        let mut seen = HashSet::new();
        for (i, rule) in self.user_validation_rules.iter().enumerate() {
            let at = at.index(i).child("expression");
            match rule.expression.as_str() {
                "" => errors.push(Error::required(&at, "")),
                again if !seen.insert(again) => errors.push(Error::duplicate(&at, again)),
                expression => compiles(expression, About::User, true, &at, errors),
            }
        }
    }

    fn check_claim_rules(&self, at: &Path, errors: &mut ErrorList) {
        let (mut seen, mut expressions) = (HashSet::new(), HashSet::new());
        for (i, rule) in self.claim_validation_rules.iter().enumerate() {
            let at = at.index(i);
            match (rule.claim.as_str(), rule.expression.as_str()) {
                ("", "") => errors.push(Error::required(&at, "claim or expression is required")),
                ("", expression) => {
                    if !rule.required_value.is_empty() {
                        let why = "may not be specified when expression is set";
                        errors.push(Error::invalid(
                            &at.child("requiredValue"),
                            rule.required_value.as_str(),
                            why,
                        ));
                    }
                    let at = at.child("expression");
                    match expressions.insert(expression) {
                        true => compiles(expression, About::Claims, true, &at, errors),
                        false => errors.push(Error::duplicate(&at, expression)),
                    }
                }
                (claim, "") => {
                    if !rule.message.is_empty() {
                        let why = "may not be specified when claim is set";
                        errors.push(Error::invalid(&at.child("message"), rule.message.as_str(), why));
                    }
                    if !seen.insert(claim) {
                        errors.push(Error::duplicate(&at.child("claim"), claim));
                    }
                }
                (claim, _) => {
                    errors.push(Error::invalid(&at, claim, "claim and expression can't both be set"))
                }
            }
        }
    }

    fn check_mappings(&self, at: &Path, errors: &mut ErrorList) {
        let MappingsFile { username, groups, uid, extra } = &self.claim_mappings;
        username.check(true, &at.child("username"), errors);
        groups.check(false, &at.child("groups"), errors);
        let here = at.child("uid");
        match (uid.claim.is_empty(), uid.expression.as_str()) {
            (_, "") => {}
            (false, _) => errors.push(Error::invalid(&here, "", "claim and expression can't both be set")),
            (true, expression) => {
                compiles(expression, About::Claims, false, &here.child("expression"), errors);
            }
        }
        let mut seen = HashSet::new();
        for (i, one) in extra.iter().enumerate() {
            one.check(&mut seen, &at.child("extra").index(i), errors);
        }
        if uses(&username.expression, "email") && !self.uses_email_verified() {
            let why = "claims.email_verified must be used in claimMappings.username.expression or \
                       claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when \
                       claims.email is used in claimMappings.username.expression";
            let at = at.child("username").child("expression");
            errors.push(Error::invalid(&at, username.expression.as_str(), why));
        }
    }

    fn uses_email_verified(&self) -> bool {
        let rules = self.claim_validation_rules.iter().map(|rule| &rule.expression);
        let extra = self.claim_mappings.extra.iter().map(|one| &one.value_expression);
        let mut all = rules.chain(extra).chain([&self.claim_mappings.username.expression]);
        all.any(|expression| uses(expression, "email_verified"))
    }
}

impl MappingFile {
    fn check(&self, required: bool, at: &Path, errors: &mut ErrorList) {
        match (self.claim.as_str(), self.expression.as_str()) {
            ("", "") if required => errors.push(Error::required(at, "claim or expression is required")),
            ("", "") => {}
            ("", expression) => {
                if let Some(prefix) = &self.prefix {
                    let why = "may not be specified when expression is set";
                    errors.push(Error::invalid(&at.child("prefix"), prefix.as_str(), why));
                }
                compiles(expression, About::Claims, false, &at.child("expression"), errors);
            }
            (_, "") if self.prefix.is_none() => {
                let why = "prefix is required when claim is set. It can be set to an empty string to disable prefixing";
                errors.push(Error::required(&at.child("prefix"), why));
            }
            (_, "") => {}
            _ => errors.push(Error::invalid(at, "", "claim and expression can't both be set")),
        }
    }
}

impl ExtraFile {
    fn check<'f>(&'f self, seen: &mut HashSet<&'f str>, at: &Path, errors: &mut ErrorList) {
        let path = at.child("key");
        let key = self.key.as_str();
        let host = key.split_once('/').filter(|(host, rest)| !host.is_empty() && !rest.is_empty());
        match host {
            None if key.is_empty() => errors.push(Error::required(&path, "")),
            None => {
                let why = "must be a domain-prefixed path (such as \"acme.io/foo\")";
                errors.push(Error::invalid(&path, key, why));
            }
            Some((host, _)) => {
                let wrong = names::dns1123_subdomain(host);
                errors.extend(wrong.into_iter().map(|why| Error::invalid(&path, host, why)));
                let reserved = ["kubernetes.io", "k8s.io"];
                if reserved.iter().any(|own| host == *own || host.ends_with(&format!(".{own}"))) {
                    let why = "k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use";
                    errors.push(Error::invalid(&path, key, why));
                }
            }
        }
        if key != key.to_lowercase() {
            errors.push(Error::invalid(&path, key, "must be lowercase"));
        }
        if key == TOKEN_EXTRA {
            errors.push(Error::invalid(&path, key, "is for user tokens only"));
        }
        if !seen.insert(key) {
            errors.push(Error::duplicate(&path, key));
            return;
        }
        let path = at.child("valueExpression");
        match self.value_expression.as_str() {
            "" => errors.push(Error::required(&path, "")),
            expression => compiles(expression, About::Claims, false, &path, errors),
        }
    }
}

fn compiles(expression: &str, about: About, is_rule: bool, at: &Path, errors: &mut ErrorList) {
    if let Err(why) = Expression::compile(expression, about, is_rule) {
        errors.push(Error::invalid(at, expression, why));
    }
}

/// Whether an expression speaks of a claim, as `claims.NAME` or `claims.?NAME`.
fn uses(expression: &str, claim: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    ["claims.", "claims.?"].iter().any(|before| {
        let place = format!("{before}{claim}");
        expression
            .match_indices(&place)
            .any(|(at, _)| !expression.get(at + place.len()..).unwrap_or_default().starts_with(is_word))
    })
}

impl IssuerFile {
    fn check(&self, disallowed: &[String], at: &Path, errors: &mut ErrorList) {
        match self.url.as_str() {
            "" => errors.push(Error::required(&at.child("url"), "")),
            url => check_url(url, disallowed, &at.child("url"), errors),
        }
        if !self.discovery_url.is_empty() {
            let path = at.child("discoveryURL");
            let bare = |url: &str| url.trim_end_matches('/').to_owned();
            if !self.url.is_empty() && bare(&self.url) == bare(&self.discovery_url) {
                let why = "discoveryURL must be different from URL";
                errors.push(Error::invalid(&path, self.discovery_url.as_str(), why));
            }
            check_url(&self.discovery_url, &[], &path, errors);
        }
        self.check_audiences(at, errors);
        let pem = &self.certificate_authority;
        if !pem.is_empty() && !pem.contains("-----BEGIN CERTIFICATE-----") {
            let why = "data does not contain any valid RSA or ECDSA certificates";
            errors.push(Error::invalid(&at.child("certificateAuthority"), "<omitted>", why));
        }
        if !matches!(self.egress_selector_type.as_str(), "" | "controlplane" | "cluster") {
            let why = "egress selector must be either controlplane or cluster";
            errors.push(Error::invalid(
                &at.child("egressSelectorType"),
                self.egress_selector_type.as_str(),
                why,
            ));
        }
    }

    fn check_audiences(&self, at: &Path, errors: &mut ErrorList) {
        let path = at.child("audiences");
        if self.audiences.is_empty() {
            errors.push(Error::required(&path, format!("at least one {path} is required")));
            return;
        }
        let mut seen = HashSet::new();
        for (i, audience) in self.audiences.iter().enumerate() {
            if audience.is_empty() {
                errors.push(Error::required(&path.index(i), ""));
            }
            if !seen.insert(audience) {
                errors.push(Error::duplicate(&path.index(i), audience.as_str()));
            }
        }
        let policy = self.audience_match_policy.as_str();
        let here = at.child("audienceMatchPolicy");
        if self.audiences.len() > 1 && policy != "MatchAny" {
            let why = "audienceMatchPolicy must be MatchAny for multiple audiences";
            errors.push(Error::invalid(&here, policy, why));
        }
        if self.audiences.len() == 1 && !matches!(policy, "" | "MatchAny") {
            let why = "audienceMatchPolicy must be empty or MatchAny for single audience";
            errors.push(Error::invalid(&here, policy, why));
        }
    }
}

pub(super) fn check_url(url: &str, disallowed: &[String], at: &Path, errors: &mut ErrorList) {
    let mut refuse = |why: String| errors.push(Error::invalid(at, url, why));
    if disallowed.iter().any(|one| one == url) {
        let mut sorted: Vec<&str> = disallowed.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        refuse(format!("URL must not overlap with disallowed issuers: [{}]", sorted.join(" ")));
    }
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    if scheme != "https" {
        refuse("URL scheme must be https".to_owned());
    }
    if rest.split('/').next().unwrap_or_default().contains('@') {
        refuse("URL must not contain a username or password".to_owned());
    }
    if !query.is_empty() {
        refuse("URL must not contain a query".to_owned());
    }
    if !fragment.is_empty() {
        refuse("URL must not contain a fragment".to_owned());
    }
}
