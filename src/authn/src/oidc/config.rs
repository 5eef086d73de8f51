//! The `jwt` list of an AuthenticationConfiguration, and the same from the `--oidc-*` flags.
//!
//! Mistakes are told together, in upstream's words and order.

use std::collections::HashSet;

use portcullis_api::field::{Error, ErrorList, Path};
use portcullis_api::names;
use serde::Deserialize;

use super::expressions::{About, Expression, Rule};
use super::jwk::ALGORITHMS;
use crate::{ConfigError, TOKEN_EXTRA};

const MAX_ISSUERS: usize = 64;

/// One issuer whose tokens are believed, and what its claims mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtIssuer {
    pub(crate) url: String,
    pub(crate) discovery_url: Option<String>,
    pub(crate) authority_pem: Option<String>,
    pub(crate) audiences: Vec<String>,
    pub(crate) algorithms: Vec<String>,
    pub(crate) required_claims: Vec<(String, String)>,
    pub(crate) username: Mapping,
    pub(crate) groups: Option<Mapping>,
    pub(crate) uid: Option<Mapping>,
    pub(crate) extra: Vec<(String, Expression)>,
    pub(crate) claim_rules: Vec<Rule>,
    pub(crate) user_rules: Vec<Rule>,
}

/// Where a part of the user comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mapping {
    /// From a claim.
    Claim(Claim),
    /// From an expression over all claims.
    Expression(Expression),
}

/// A claim and what is put before its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) claim: String,
    pub(crate) prefix: String,
}

/// What the `--oidc-*` flags say.
#[derive(Clone, Debug, Default)]
pub struct OidcFlags {
    /// `--oidc-issuer-url`
    pub issuer_url: String,
    /// `--oidc-client-id`
    pub client_id: String,
    /// The text of `--oidc-ca-file`.
    pub authority_pem: Option<String>,
    /// `--oidc-username-claim`; `sub` if none is given.
    pub username_claim: Option<String>,
    /// `--oidc-username-prefix`
    pub username_prefix: Option<String>,
    /// `--oidc-groups-claim`
    pub groups_claim: Option<String>,
    /// `--oidc-groups-prefix`
    pub groups_prefix: Option<String>,
    /// `--oidc-signing-algs`; RS256 if none is given.
    pub signing_algs: Option<Vec<String>>,
    /// `--oidc-required-claim`, each `key=value`.
    pub required_claims: Vec<String>,
}

impl JwtIssuer {
    /// The issuer that flags name; `disallowed` are the server's own issuers.
    pub fn of_flags(flags: OidcFlags, disallowed: &[String]) -> Result<Self, ConfigError> {
        if flags.issuer_url.is_empty() || flags.client_id.is_empty() {
            let why =
                "oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set";
            return Err(ConfigError::Oidc(why.to_owned()));
        }
        let algorithms = flags.signing_algs.unwrap_or_else(|| vec!["RS256".to_owned()]);
        if let Some(unknown) = algorithms.iter().find(|one| !ALGORITHMS.contains(&one.as_str())) {
            return Err(ConfigError::Oidc(format!("oidc: unsupported signing alg: {unknown:?}")));
        }
        let claim = flags.username_claim.unwrap_or_else(|| "sub".to_owned());
        let prefix = match flags.username_prefix {
            // A dash says: no prefix at all.
            Some(given) if given == "-" => String::new(),
            Some(given) if !given.is_empty() => given,
            // Names that nobody else could have need none.
            _ if claim == "email" => String::new(),
            _ => format!("{}#", flags.issuer_url),
        };
        let required = flags.required_claims.iter().map(|text| {
            let pair = text.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
            pair.ok_or_else(|| {
                ConfigError::Oidc(format!("--oidc-required-claim {text:?}: expected key=value"))
            })
        });
        let groups_prefix = flags.groups_prefix.unwrap_or_default();
        let issuer = Self {
            discovery_url: None,
            authority_pem: flags.authority_pem,
            audiences: vec![flags.client_id],
            algorithms,
            required_claims: required.collect::<Result<_, _>>()?,
            username: Mapping::Claim(Claim { claim, prefix }),
            groups: flags.groups_claim.map(|claim| Mapping::Claim(Claim { claim, prefix: groups_prefix })),
            uid: None,
            extra: Vec::new(),
            claim_rules: Vec::new(),
            user_rules: Vec::new(),
            url: flags.issuer_url,
        };
        let mut errors = ErrorList::new();
        check_url(&issuer.url, disallowed, &Path::new("issuer").child("url"), &mut errors);
        aggregate(errors)?;
        Ok(issuer)
    }
}

/// One entry of the list, as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct JwtFile {
    issuer: IssuerFile,
    #[serde(default)]
    claim_validation_rules: Vec<ClaimRuleFile>,
    #[serde(default)]
    claim_mappings: MappingsFile,
    #[serde(default)]
    user_validation_rules: Vec<UserRuleFile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct IssuerFile {
    #[serde(default)]
    url: String,
    #[serde(rename = "discoveryURL", default)]
    discovery_url: String,
    #[serde(default)]
    certificate_authority: String,
    #[serde(default)]
    audiences: Vec<String>,
    #[serde(default)]
    audience_match_policy: String,
    #[serde(default)]
    egress_selector_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClaimRuleFile {
    #[serde(default)]
    claim: String,
    #[serde(default)]
    required_value: String,
    #[serde(default)]
    expression: String,
    #[serde(default)]
    message: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MappingsFile {
    #[serde(default)]
    username: MappingFile,
    #[serde(default)]
    groups: MappingFile,
    #[serde(default)]
    uid: MappingFile,
    #[serde(default)]
    extra: Vec<ExtraFile>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct MappingFile {
    #[serde(default)]
    claim: String,
    prefix: Option<String>,
    #[serde(default)]
    expression: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ExtraFile {
    #[serde(default)]
    key: String,
    #[serde(default)]
    value_expression: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserRuleFile {
    #[serde(default)]
    expression: String,
    #[serde(default)]
    message: String,
}

/// Checks the whole list; `disallowed` are the server's own issuers.
pub(crate) fn issuers(files: Vec<JwtFile>, disallowed: &[String]) -> Result<Vec<JwtIssuer>, ConfigError> {
    let root = Path::new("jwt");
    let mut errors = ErrorList::new();
    if files.len() > MAX_ISSUERS {
        errors.push(Error::too_many(&root, files.len(), MAX_ISSUERS));
        aggregate(errors)?;
        return Ok(Vec::new());
    }
    let (mut urls, mut discoveries) = (HashSet::new(), HashSet::new());
    for (i, file) in files.iter().enumerate() {
        let at = root.index(i);
        file.check(disallowed, &at, &mut errors);
        let issuer = &file.issuer;
        if !urls.insert(issuer.url.as_str()) {
            errors.push(Error::duplicate(&at.child("issuer").child("url"), issuer.url.as_str()));
        }
        if !issuer.discovery_url.is_empty() && !discoveries.insert(issuer.discovery_url.as_str()) {
            let path = at.child("issuer").child("discoveryURL");
            errors.push(Error::duplicate(&path, issuer.discovery_url.as_str()));
        }
    }
    aggregate(errors)?;
    files.into_iter().map(|file| file.issuer().map_err(ConfigError::Authentication)).collect()
}

impl JwtFile {
    fn check(&self, disallowed: &[String], at: &Path, errors: &mut ErrorList) {
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

    /// The checked entry; the error is none that the check would not have told.
    fn issuer(self) -> Result<JwtIssuer, String> {
        let given = |text: String| Some(text).filter(|text| !text.is_empty());
        let MappingsFile { username, groups, uid, extra } = self.claim_mappings;
        let compile = |text: &str, about| Expression::compile(text, about, true);
        let rule = |text: &str, message: String, about| {
            compile(text, about).map(|expression| Rule { expression, message })
        };
        let (claim_rules, required): (Vec<_>, Vec<_>) =
            self.claim_validation_rules.into_iter().partition(|rule| rule.claim.is_empty());
        let claim_rules =
            claim_rules.into_iter().map(|one| rule(&one.expression, one.message, About::Claims));
        let user_rules =
            self.user_validation_rules.into_iter().map(|one| rule(&one.expression, one.message, About::User));
        let extra = extra.into_iter().map(|one| {
            let expression = Expression::compile(&one.value_expression, About::Claims, false)?;
            Ok((one.key, expression))
        });
        Ok(JwtIssuer {
            url: self.issuer.url,
            discovery_url: given(self.issuer.discovery_url),
            authority_pem: given(self.issuer.certificate_authority),
            audiences: self.issuer.audiences,
            algorithms: ALGORITHMS.iter().map(|name| (*name).to_owned()).collect(),
            required_claims: required.into_iter().map(|rule| (rule.claim, rule.required_value)).collect(),
            username: username.mapping()?.ok_or("username is not mapped")?,
            groups: groups.mapping()?,
            uid: uid.mapping()?,
            extra: extra.collect::<Result<_, String>>()?,
            claim_rules: claim_rules.collect::<Result<_, _>>()?,
            user_rules: user_rules.collect::<Result<_, _>>()?,
        })
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

    fn mapping(self) -> Result<Option<Mapping>, String> {
        if !self.expression.is_empty() {
            let expression = Expression::compile(&self.expression, About::Claims, false)?;
            return Ok(Some(Mapping::Expression(expression)));
        }
        let claim = Claim { claim: self.claim, prefix: self.prefix.unwrap_or_default() };
        Ok(Some(claim).filter(|claim| !claim.claim.is_empty()).map(Mapping::Claim))
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

fn check_url(url: &str, disallowed: &[String], at: &Path, errors: &mut ErrorList) {
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

/// All mistakes as Go's error aggregate prints them.
fn aggregate(errors: ErrorList) -> Result<(), ConfigError> {
    let told: Vec<String> = errors.iter().map(|error| format!("{}: {}", error.path, error.body())).collect();
    match told.as_slice() {
        [] => Ok(()),
        [one] => Err(ConfigError::Authentication(one.clone())),
        many => Err(ConfigError::Authentication(format!("[{}]", many.join(", ")))),
    }
}
