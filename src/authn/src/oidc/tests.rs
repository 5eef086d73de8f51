use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_api::UserInfo;
use portcullis_pki::{Algorithm, SigningKey};
use serde_json::{Value, json};

use super::config::OidcFlags;
use super::*;
use crate::AuthenticationConfiguration;
use crate::testing::server::Server;

const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// A provider with one key.
struct World {
    server: Server,
    key: SigningKey,
    tokens: OidcTokens,
}

impl World {
    async fn new(rest: &str) -> Self {
        Self::with_key(SigningKey::generate(Algorithm::Es256).unwrap(), rest).await
    }

    async fn with_key(key: SigningKey, rest: &str) -> Self {
        let server = Server::start().await;
        let document = json!({"issuer": server.url, "jwks_uri": format!("{}/keys", server.url)});
        server.answer(WELL_KNOWN, 200, document);
        publish(&server, &[&key]);
        let config = config(&server, rest);
        let issuers = AuthenticationConfiguration::parse(&config, &[]).unwrap().jwt;
        Self { tokens: OidcTokens::new(issuers).unwrap(), server, key }
    }

    fn claims(&self, change: impl FnOnce(&mut Value)) -> Value {
        let now = Timestamp::now().as_second();
        let mut claims = json!({
            "iss": self.server.url, "sub": "jane", "aud": "us", "exp": now + 600, "iat": now, "jti": "j",
            "groups": ["dev", "ops"], "email": "jane@example.org", "hd": "example.org",
        });
        change(&mut claims);
        claims
    }

    fn sign(&self, change: impl FnOnce(&mut Value)) -> String {
        sign(&self.key, &self.claims(change).to_string())
    }

    async fn ask(&self, token: &str) -> Result<UserInfo, String> {
        match self.tokens.authenticate(token, &[], Timestamp::now()).await {
            Attempt::Verified(identity) => Ok(identity.user),
            Attempt::Rejected(why) => Err(why.to_string()),
            Attempt::NotMine => Err("not mine".to_owned()),
        }
    }
}

fn publish(server: &Server, keys: &[&SigningKey]) {
    let keys: Vec<Value> = keys.iter().map(|key| serde_json::from_str(key.public().jwk()).unwrap()).collect();
    server.answer("/keys", 200, json!({ "keys": keys }));
}

fn config(server: &Server, rest: &str) -> String {
    let pem = server.authorities.replace('\n', "\n        ");
    let url = &server.url;
    let rest = if rest.is_empty() {
        "  claimMappings: {username: {claim: sub, prefix: 'idp:'}, groups: {claim: groups, prefix: 'idp:'}}"
    } else {
        rest
    };
    format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt:\n- issuer:\n    url: {url}\n    \
         audiences: [us]\n    certificateAuthority: |\n        {pem}\n{rest}\n"
    )
}

fn sign(key: &SigningKey, claims: &str) -> String {
    let header = json!({"alg": key.public().algorithm().as_str(), "kid": key.public().kid()});
    signed(key, &header.to_string(), claims)
}

fn signed(key: &SigningKey, header: &str, claims: &str) -> String {
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = key.sign(text.as_bytes()).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn claims_make_a_user() {
    let world = World::new("").await;
    for _ in 0..2 {
        let user = world.ask(&world.sign(|_| {})).await.unwrap();
        assert_eq!(&*user.name, "idp:jane");
        let groups: Vec<_> = user.groups.iter().map(|g| &**g).collect();
        assert_eq!(groups, ["idp:dev", "idp:ops", "system:authenticated"]);
        assert_eq!(user.extra[crate::CREDENTIAL_ID], ["JTI=j"]);
    }
    assert_eq!(world.server.heard("/keys").len(), 1, "keys are kept");
}

#[tokio::test]
async fn an_rsa_key_signs_too() {
    let world = World::with_key(SigningKey::generate(Algorithm::Rs256).unwrap(), "").await;
    assert!(world.ask(&world.sign(|_| {})).await.is_ok());
}

#[tokio::test]
async fn what_does_not_hold_is_refused() {
    let world = World::new("").await;
    let now = Timestamp::now().as_second();
    type Change = Box<dyn FnOnce(&mut Value)>;
    let cases: Vec<(&str, Change)> = vec![
        ("token is expired", Box::new(move |c| c["exp"] = json!(now - 1))),
        ("the exp claim is no time", Box::new(|c| c["exp"] = json!("tomorrow"))),
        ("there is no exp claim", Box::new(|c| drop(c.as_object_mut().unwrap().remove("exp")))),
        ("there is no sub claim", Box::new(|c| drop(c.as_object_mut().unwrap().remove("sub")))),
        ("there is no aud claim", Box::new(|c| drop(c.as_object_mut().unwrap().remove("aud")))),
        ("expected audience in [\"us\"] got [\"them\"]", Box::new(|c| c["aud"] = json!(["them"]))),
        ("the aud claim is neither", Box::new(|c| c["aud"] = json!(7))),
        ("before the nbf", Box::new(move |c| c["nbf"] = json!(now + 1000))),
        ("issued in the future", Box::new(move |c| c["iat"] = json!(now + 1000))),
        ("the jti claim is no text", Box::new(|c| c["jti"] = json!(7))),
        ("parse groups claim \"groups\"", Box::new(|c| c["groups"] = json!([7]))),
        ("not mine", Box::new(|c| c["iss"] = json!("https://other"))),
    ];
    for (why, change) in cases {
        let said = world.ask(&world.sign(change)).await.unwrap_err();
        assert!(said.contains(why), "{said} is not {why}");
    }
}

#[tokio::test]
async fn d077_an_algorithm_belongs_to_its_key() {
    let world = World::new("").await;
    let claims = world.claims(|_| {}).to_string();
    let kid = world.key.public().kid().to_owned();
    for alg in ["none", "None", "HS256", "RS256", "ES384", ""] {
        let header = json!({"alg": alg, "kid": kid}).to_string();
        assert!(world.ask(&signed(&world.key, &header, &claims)).await.is_err(), "{alg}");
    }
    let unsigned =
        format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode(&claims));
    assert!(world.ask(&unsigned).await.is_err());
    let header = json!({"alg": "ES256", "kid": kid, "crit": ["exp"]}).to_string();
    assert!(world.ask(&signed(&world.key, &header, &claims)).await.unwrap_err().contains("extensions"));
    let stranger = SigningKey::generate(Algorithm::Es256).unwrap();
    let header = json!({"alg": "ES256", "kid": kid, "jwk": serde_json::from_str::<Value>(stranger.public().jwk()).unwrap()});
    assert!(world.ask(&signed(&stranger, &header.to_string(), &claims)).await.is_err());
}

#[tokio::test]
async fn a_member_that_is_there_twice_is_refused() {
    let world = World::new("").await;
    let claims = world.claims(|_| {}).to_string();
    let twice = claims.replacen('{', "{\"sub\":\"root\",", 1);
    assert!(world.ask(&sign(&world.key, &twice)).await.is_err());
    let deep = claims.replacen('{', "{\"groups\":{\"a\":1,\"a\":2},", 1);
    assert!(world.ask(&sign(&world.key, &deep)).await.is_err());
}

#[tokio::test]
async fn keys_roll_over() {
    let world = World::new("").await;
    assert!(world.ask(&world.sign(|_| {})).await.is_ok());
    let next = SigningKey::generate(Algorithm::Es256).unwrap();
    publish(&world.server, &[&next]);
    let token = sign(&next, &world.claims(|_| {}).to_string());
    // A fetch was just made: the unknown key does not bring about another.
    assert!(world.ask(&token).await.is_err());
    assert_eq!(world.server.heard("/keys").len(), 1);
    let issuers = world.tokens.0.load_full();
    issuers[0].provider.forget_last_fetch().await;
    assert!(world.ask(&token).await.is_ok());
    assert!(world.ask(&world.sign(|_| {})).await.is_err(), "the old key is gone");
}

#[tokio::test]
async fn a_provider_that_is_another_is_not_believed() {
    let world = World::new("").await;
    let document = json!({"issuer": "https://other", "jwks_uri": format!("{}/keys", world.server.url)});
    world.server.answer(WELL_KNOWN, 200, document);
    let said = world.ask(&world.sign(|_| {})).await.unwrap_err();
    assert_eq!(said, "oidc: verify token: oidc: authenticator not initialized");
}

#[tokio::test]
async fn d049_emails_must_be_verified_and_required_claims_there() {
    let world = World::new(
        "  claimMappings: {username: {claim: email, prefix: ''}}\n  claimValidationRules:\n  - {claim: hd, requiredValue: example.org}",
    )
    .await;
    let user = world.ask(&world.sign(|c| c["email_verified"] = json!(true))).await.unwrap();
    assert_eq!(&*user.name, "jane@example.org");
    let said = world.ask(&world.sign(|c| c["email_verified"] = json!(false))).await.unwrap_err();
    assert_eq!(said, "oidc: email not verified");
    assert!(world.ask(&world.sign(|c| c["email_verified"] = json!("true"))).await.is_err());
    let said = world.ask(&world.sign(|c| c["hd"] = json!("evil.org"))).await.unwrap_err();
    assert_eq!(said, "oidc: required claim hd value does not match. Got = evil.org, want = example.org");
    let said = world.ask(&world.sign(|c| drop(c.as_object_mut().unwrap().remove("hd")))).await.unwrap_err();
    assert_eq!(said, "oidc: required claim hd not present in ID token");
}

#[tokio::test]
async fn d013_nobody_else_names_users_of_the_system() {
    let world = World::new(
        "  claimMappings: {username: {claim: sub, prefix: ''}, groups: {claim: groups, prefix: ''}}",
    )
    .await;
    assert!(world.ask(&world.sign(|_| {})).await.is_ok());
    for name in ["system:admin", "system:node:n1", "system:serviceaccount:kube-system:x"] {
        assert!(world.ask(&world.sign(|c| c["sub"] = json!(name))).await.is_err(), "{name}");
        assert!(world.ask(&world.sign(|c| c["groups"] = json!(["dev", name]))).await.is_err(), "{name}");
    }
    assert!(world.ask(&world.sign(|c| c["groups"] = json!("system:masters"))).await.is_err());
}

#[tokio::test]
async fn d051_claims_that_are_elsewhere_are_not_fetched() {
    let world = World::new("").await;
    let source = json!({"a": {"endpoint": format!("{}/claims", world.server.url)}});
    let token = world.sign(|c| {
        c.as_object_mut().unwrap().remove("groups");
        c["_claim_names"] = json!({"groups": "a"});
        c["_claim_sources"] = source;
    });
    let user = world.ask(&token).await.unwrap();
    assert_eq!(user.groups.len(), 1);
    assert!(world.server.heard("/claims").is_empty());
}

#[tokio::test]
async fn d078_issuers_come_and_go() {
    let world = World::new("").await;
    let token = world.sign(|_| {});
    assert!(world.ask(&token).await.is_ok());
    world.tokens.replace(Vec::new()).unwrap();
    assert_eq!(world.ask(&token).await.unwrap_err(), "not mine");
    let again = AuthenticationConfiguration::parse(&config(&world.server, ""), &[]).unwrap().jwt;
    world.tokens.replace(again.clone()).unwrap();
    assert!(world.ask(&token).await.is_ok());
    let fetched = world.server.heard("/keys").len();
    world.tokens.replace(again).unwrap();
    assert!(world.ask(&token).await.is_ok());
    assert_eq!(world.server.heard("/keys").len(), fetched, "an issuer that stays keeps its keys");
}

#[test]
fn mistakes_are_told_in_upstreams_words() {
    let said = |jwt: &str| {
        let text =
            format!("apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt:\n{jwt}");
        AuthenticationConfiguration::parse(&text, &["https://own".to_owned()]).unwrap_err().to_string()
    };
    let fine = "claimMappings: {username: {claim: sub, prefix: ''}}";
    for (jwt, words) in [
        (format!("- {{issuer: {{audiences: [a]}}, {fine}}}"), "jwt[0].issuer.url: Required value"),
        (
            format!("- {{issuer: {{url: 'http://u@x?q#f', audiences: [a]}}, {fine}}}"),
            "[jwt[0].issuer.url: Invalid value: \"http://u@x?q#f\": URL scheme must be https, jwt[0].issuer.url: Invalid value: \"http://u@x?q#f\": URL must not contain a username or password, jwt[0].issuer.url: Invalid value: \"http://u@x?q#f\": URL must not contain a query, jwt[0].issuer.url: Invalid value: \"http://u@x?q#f\": URL must not contain a fragment]",
        ),
        (
            format!("- {{issuer: {{url: 'https://own', audiences: [a]}}, {fine}}}"),
            "jwt[0].issuer.url: Invalid value: \"https://own\": URL must not overlap with disallowed issuers: [https://own]",
        ),
        (
            format!("- {{issuer: {{url: 'https://x'}}, {fine}}}"),
            "jwt[0].issuer.audiences: Required value: at least one jwt[0].issuer.audiences is required",
        ),
        (
            format!("- {{issuer: {{url: 'https://x', audiences: [a, b]}}, {fine}}}"),
            "jwt[0].issuer.audienceMatchPolicy: Invalid value: \"\": audienceMatchPolicy must be MatchAny for multiple audiences",
        ),
        (
            "- {issuer: {url: 'https://x', audiences: [a]}}".to_owned(),
            "jwt[0].claimMappings.username: Required value: claim or expression is required",
        ),
        (
            "- {issuer: {url: 'https://x', audiences: [a]}, claimMappings: {username: {claim: sub}}}"
                .to_owned(),
            "jwt[0].claimMappings.username.prefix: Required value: prefix is required when claim is set. It can be set to an empty string to disable prefixing",
        ),
    ] {
        assert_eq!(said(&jwt), format!("AuthenticationConfiguration: {words}"), "{jwt}");
    }
}

#[test]
fn flags_make_an_issuer() {
    let flags = |change: fn(&mut OidcFlags)| {
        let mut flags =
            OidcFlags { issuer_url: "https://x".into(), client_id: "us".into(), ..OidcFlags::default() };
        change(&mut flags);
        JwtIssuer::of_flags(flags, &[])
    };
    let prefix = |change| match flags(change).unwrap().username {
        config::Mapping::Claim(claim) => claim.prefix,
        other => panic!("{other:?}"),
    };
    assert_eq!(prefix(|_| {}), "https://x#");
    assert_eq!(prefix(|f| f.username_prefix = Some("-".into())), "");
    assert_eq!(prefix(|f| f.username_claim = Some("email".into())), "");
    assert!(flags(|f| f.client_id.clear()).is_err());
    assert!(flags(|f| f.signing_algs = Some(vec!["HS256".into()])).is_err());
    assert!(flags(|f| f.issuer_url = "http://x".into()).is_err());
}

#[tokio::test]
async fn expressions_map_and_judge() {
    let world = World::new(
        "  claimMappings:\n    username: {expression: '\"idp:\" + claims.sub'}\n    groups: {expression: 'claims.groups.map(g, \"idp:\" + g)'}\n    \
         uid: {expression: claims.sub}\n    extra: [{key: example.org/domain, valueExpression: claims.hd}]\n  \
         claimValidationRules:\n  - {expression: 'claims.hd == \"example.org\"', message: wrong domain}\n  \
         userValidationRules:\n  - {expression: '!user.username.startsWith(\"idp:root\")', message: not root}",
    )
    .await;
    let user = world.ask(&world.sign(|_| {})).await.unwrap();
    assert_eq!((&*user.name, &*user.uid), ("idp:jane", "jane"));
    assert!(user.in_group("idp:dev") && user.in_group("idp:ops"));
    assert_eq!(user.extra["example.org/domain"], ["example.org"]);
    let said = world.ask(&world.sign(|c| c["hd"] = json!("evil.org"))).await.unwrap_err();
    assert_eq!(
        said,
        "oidc: error evaluating claim validation expression: validation expression 'claims.hd == \"example.org\"' failed: wrong domain"
    );
    assert!(world.ask(&world.sign(|c| c["sub"] = json!("root"))).await.unwrap_err().contains("not root"));
    assert!(world.ask(&world.sign(|c| c["groups"] = json!([7]))).await.is_err());
    assert!(world.ask(&world.sign(|c| drop(c.as_object_mut().unwrap().remove("hd")))).await.is_err());
}

#[test]
fn expressions_that_cannot_be_are_told() {
    let said = |mappings: &str| {
        let text = format!(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt:\n- issuer: {{url: 'https://x', audiences: [a]}}\n  {mappings}"
        );
        AuthenticationConfiguration::parse(&text, &[]).unwrap_err().to_string()
    };
    assert!(
        said("claimMappings: {username: {expression: 'claims.('}}")
            .contains("compilation failed: ERROR: <input>:1")
    );
    assert!(
        said("claimMappings: {username: {expression: claims.email}}")
            .contains("claims.email_verified must be used")
    );
    let rule =
        "claimMappings: {username: {claim: sub, prefix: ''}}\n  claimValidationRules: [{expression: '1'}]";
    assert!(
        said(rule)
            .contains("claimValidationRules[0].expression: Invalid value: \"1\": must evaluate to bool")
    );
    let extra = "claimMappings: {username: {claim: sub, prefix: ''}, extra: [{key: a.k8s.io/x, valueExpression: claims.a}]}";
    assert!(said(extra).contains("are reserved for Kubernetes use"));
}
