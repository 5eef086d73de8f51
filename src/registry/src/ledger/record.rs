//! What a record says of a credential. Never the credential: only the id that audit events know it by.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use portcullis_api::{Map, Object, Value, time};
use portcullis_authn::{BoundObject, Leaf, MintedToken, ServiceAccount};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use x509_parser::pem::Pem;

/// Earlier credentials of the same series that a record names; of others it only says how many.
const NAMED: usize = 15;
/// How long a certificate is kept in mind whose end cannot be read.
const UNREADABLE: SignedDuration = SignedDuration::from_hours(366 * 24);
/// Clocks may be apart: a token is good for a little longer than it says.
const LEEWAY: SignedDuration = SignedDuration::from_mins(1);

/// A record, ready to be stored.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) object: Object,
    /// Who asked for the credential; empty for the server itself.
    pub(crate) issued_by: String,
    /// When the credential ends by itself.
    pub(crate) ends: Timestamp,
    /// Whether the credential follows earlier ones of the same record.
    pub(crate) series: bool,
}

/// A new service account token.
pub(crate) struct NewToken<'a> {
    pub(crate) minted: &'a MintedToken,
    pub(crate) account: ServiceAccount<'a>,
    pub(crate) audiences: &'a [String],
    pub(crate) bound: Option<&'a BoundObject>,
    pub(crate) issued_by: &'a str,
}

impl Record {
    /// Of a service account token. Those of a pod that outlive their own lifetime (they only warn, for a year)
    /// are one series: a pod asks for one every hour, and a record of each would never stop to pile up.
    pub(crate) fn of_token(token: &NewToken<'_>) -> Self {
        let NewToken { minted, account, audiences, bound, issued_by } = token;
        let series = minted.good_until > minted.expires_at;
        let name = match bound {
            Some(BoundObject::Pod { uid, .. }) if series => series_name(token, uid),
            _ => minted.credential_id.to_lowercase().replace('=', "-"),
        };
        let mut spec = Spec::new("ServiceAccountToken", &minted.credential_id, issued_by);
        spec.text("user", &format!("system:serviceaccount:{}:{}", account.namespace, account.name));
        spec.set("audiences", audiences.to_vec());
        spec.reference("serviceAccount", ["", account.namespace, account.name, account.uid]);
        spec.reference("boundTo", bound_to(account.namespace, *bound));
        spec.time("issuedTimestamp", minted.issued_at);
        spec.time("expirationTimestamp", minted.good_until);
        let ends = minted.good_until.saturating_add(LEEWAY).unwrap_or(minted.good_until);
        Self { object: spec.object(&name), issued_by: (*issued_by).to_owned(), ends, series }
    }

    /// Of a certificate that a signing request was given; `None` if it has none that has not ended.
    pub(crate) fn of_request(request: &Object) -> Option<Self> {
        let issued_by = request.str_at(&["spec", "username"]);
        let pem = STANDARD.decode(request.str_at(&["status", "certificate"])).ok()?;
        let first = Pem::iter_from_buffer(&pem).next()?.ok()?;
        let fingerprint = hex::encode(Sha256::digest(&first.contents));
        let leaf = Leaf::parse(&first.contents).ok();
        let mut spec = Spec::new("Certificate", &format!("X509SHA256={fingerprint}"), issued_by);
        spec.text("signerName", request.str_at(&["spec", "signerName"]));
        if let Some(usages) = request.at(&["spec", "usages"]) {
            spec.set("usages", usages.clone());
        }
        spec.reference("origin", ["CertificateSigningRequest", "", request.name(), request.uid()]);
        spec.text("fingerprint", &fingerprint);
        let ends = match &leaf {
            Some(leaf) => spec.leaf(leaf),
            None => Timestamp::now().saturating_add(UNREADABLE).ok()?,
        };
        let object = spec.object(&format!("x509-{fingerprint}"));
        Some(Self { object, issued_by: issued_by.to_owned(), ends, series: false })
    }

    /// Of a certificate of the installation itself.
    pub(crate) fn of_own(leaf: &Leaf, profile: &str) -> Self {
        let mut spec = Spec::new("Certificate", &format!("X509SHA256={}", leaf.fingerprint), "");
        spec.text("fingerprint", &leaf.fingerprint);
        spec.reference("origin", ["Installation", "", profile, ""]);
        let ends = spec.leaf(leaf);
        let object = spec.object(&format!("x509-{}", leaf.fingerprint));
        Self { object, issued_by: String::new(), ends, series: false }
    }

    /// Of a user token, whose own object says the rest.
    pub(crate) fn of_user_token(token: &Object) -> Option<Self> {
        let issued_by = token.str_at(&["status", "issuedBy"]);
        let ends = time::parse(token.str_at(&["status", "expirationTimestamp"]))?;
        let mut spec = Spec::new("UserToken", &format!("UserToken={}", token.uid()), issued_by);
        spec.text("user", token.str_at(&["spec", "user"]));
        if let Some(groups) = token.at(&["spec", "groups"]) {
            spec.set("groups", groups.clone());
        }
        spec.reference("origin", ["UserToken", "", token.name(), token.uid()]);
        spec.time("issuedTimestamp", Timestamp::now());
        spec.time("expirationTimestamp", ends);
        let object = spec.object(&user_token_name(token.uid()));
        Some(Self { object, issued_by: issued_by.to_owned(), ends, series: false })
    }

    /// The record's name.
    pub(crate) fn name(&self) -> &str {
        self.object.name()
    }

    /// How long the record is to be kept from now on; `None` if the credential has ended.
    pub(crate) fn lasts(&self, now: Timestamp) -> Option<std::time::Duration> {
        let left = std::time::Duration::try_from(self.ends.duration_since(now)).ok()?;
        (!left.is_zero()).then_some(left)
    }

    /// The record of a series with this credential as its newest.
    #[must_use]
    pub(crate) fn after(mut self, live: &Object, now: Timestamp) -> Self {
        let ended = |credential: &Value| {
            let end = credential.get("expirationTimestamp").and_then(Value::as_str).and_then(time::parse);
            end.is_none_or(|end| end <= now)
        };
        let mut earlier = vec![short(live)];
        let list = live.at(&["spec", "earlier"]).and_then(Value::as_array);
        earlier.extend(list.into_iter().flatten().cloned());
        earlier.retain(|credential| !ended(credential));
        let unnamed = live.at(&["spec", "earlierUnnamed"]).and_then(Value::as_i64).unwrap_or_default();
        let dropped = i64::try_from(earlier.len().saturating_sub(NAMED)).unwrap_or(i64::MAX);
        earlier.truncate(NAMED);
        self.object.set_at(&["spec", "earlier"], earlier.into());
        if unnamed + dropped > 0 {
            self.object.set_at(&["spec", "earlierUnnamed"], unnamed.saturating_add(dropped).into());
        }
        for field in ["uid", "creationTimestamp"] {
            self.object.set_meta_str(field, live.meta_str(field));
        }
        self
    }
}

/// The name of a user token's record.
pub(crate) fn user_token_name(uid: &str) -> String {
    format!("usertoken-{uid}")
}

/// What a later record says of this one's credential.
fn short(live: &Object) -> Value {
    let fields = ["credentialID", "issuedTimestamp", "expirationTimestamp"];
    let told = fields
        .iter()
        .filter_map(|field| live.at(&["spec", field]).map(|value| ((*field).to_owned(), value.clone())));
    Value::Object(told.collect())
}

/// Tokens of the same pod, account, audiences and requester are one series.
fn series_name(token: &NewToken<'_>, pod: &str) -> String {
    let mut hash = Sha256::new();
    let audiences = token.audiences.iter().map(String::as_str);
    for part in [token.account.uid, token.issued_by].into_iter().chain(audiences) {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    format!("pod-{pod}-{}", hex::encode(hash.finalize().get(..8).unwrap_or_default()))
}

fn bound_to<'a>(namespace: &'a str, bound: Option<&'a BoundObject>) -> [&'a str; 4] {
    match bound {
        None => ["", "", "", ""],
        Some(BoundObject::Pod { name, uid, .. }) => ["Pod", namespace, name, uid],
        Some(BoundObject::Secret { name, uid }) => ["Secret", namespace, name, uid],
        Some(BoundObject::Node { name, uid }) => ["Node", "", name, uid],
    }
}

/// A record's `spec` while it is written. What is empty is left out, as in any stored object.
struct Spec(Map<String, Value>);

impl Spec {
    fn new(kind: &str, id: &str, issued_by: &str) -> Self {
        let mut spec = Self(Map::new());
        spec.text("type", kind);
        spec.text("credentialID", id);
        spec.text("issuedBy", issued_by);
        spec
    }

    fn text(&mut self, field: &str, text: &str) {
        if !text.is_empty() {
            self.0.insert(field.to_owned(), text.into());
        }
    }

    fn set(&mut self, field: &str, value: impl Into<Value>) {
        let value = value.into();
        if !value.as_array().is_some_and(Vec::is_empty) && !value.is_null() {
            self.0.insert(field.to_owned(), value);
        }
    }

    fn time(&mut self, field: &str, time: Timestamp) {
        self.0.insert(field.to_owned(), time::seconds(time).into());
    }

    fn reference(&mut self, field: &str, parts: [&str; 4]) {
        let named = ["kind", "namespace", "name", "uid"].into_iter().zip(parts);
        let told: Map<String, Value> =
            named.filter(|(_, part)| !part.is_empty()).map(|(k, v)| (k.to_owned(), v.into())).collect();
        if !told.is_empty() {
            self.0.insert(field.to_owned(), told.into());
        }
    }

    /// What a certificate says of itself; returns when it ends.
    fn leaf(&mut self, leaf: &Leaf) -> Timestamp {
        self.text("user", &leaf.common_name);
        self.set("groups", leaf.organizations.clone());
        self.text("serialNumber", &leaf.serial);
        let addresses = leaf.addresses.iter().map(ToString::to_string);
        let names: Vec<String> = leaf.dns_names.iter().chain(&leaf.uris).cloned().chain(addresses).collect();
        self.set("subjectAltNames", names);
        self.time("issuedTimestamp", leaf.not_before);
        self.time("expirationTimestamp", leaf.not_after);
        leaf.not_after
    }

    fn object(self, name: &str) -> Object {
        let metadata = json!({
            "name": name, "uid": uuid::Uuid::new_v4().to_string(), "creationTimestamp": time::now_rfc3339(),
        });
        let mut object = Object::default();
        object.map_mut().insert("metadata".into(), metadata);
        object.map_mut().insert("spec".into(), self.0.into());
        object
    }
}
