//! The `jwt` list of an AuthenticationConfiguration, and the same from the `--oidc-*` flags.
//!
//! Mistakes are told together, in upstream's words and order.

mod checks;

use std::collections::HashSet;

use portcullis_api::field::{Error, ErrorList, Path};
use serde::Deserialize;

use self::checks::check_url;
use super::expressions::{About, Expression, Rule};
use super::jwk::ALGORITHMS;
use crate::ConfigError;

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
    fn mapping(self) -> Result<Option<Mapping>, String> {
        if !self.expression.is_empty() {
            let expression = Expression::compile(&self.expression, About::Claims, false)?;
            return Ok(Some(Mapping::Expression(expression)));
        }
        let claim = Claim { claim: self.claim, prefix: self.prefix.unwrap_or_default() };
        Ok(Some(claim).filter(|claim| !claim.claim.is_empty()).map(Mapping::Claim))
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
