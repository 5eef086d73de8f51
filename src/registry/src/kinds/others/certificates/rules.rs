//! What a certificate signing request may say, and who may change what of it.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_api::field::{Error, ErrorList};
use portcullis_api::{Object, Value};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::super::names::signer_name;
use super::super::tree::{part, path};
use crate::kinds::check::{At, items, opt_int, text, texts};
use crate::kinds::meta;

const LEGACY_SIGNER: &str = "kubernetes.io/legacy-unknown";
const SHORTEST_SECONDS: i64 = 600;

const USAGES: [&str; 23] = [
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

/// What the writer of an endpoint may set.
#[derive(Clone, Copy, Default)]
struct Allowed {
    decision: bool,
    certificate: bool,
}

/// A new request.
pub(super) fn create(new: &Object, errors: &mut ErrorList) {
    request(new, None, errors);
}

/// A change of metadata.
pub(super) fn update(new: &Object, old: &Object, errors: &mut ErrorList) {
    change(new, old, Allowed::default(), errors);
}

/// A change of the status.
pub(super) fn status(new: &Object, old: &Object, errors: &mut ErrorList) {
    change(new, old, Allowed { certificate: true, ..Allowed::default() }, errors);
}

/// A decision.
pub(super) fn approval(new: &Object, old: &Object, errors: &mut ErrorList) {
    change(new, old, Allowed { decision: true, ..Allowed::default() }, errors);
}

fn request(new: &Object, old: Option<&Object>, errors: &mut ErrorList) {
    let spec = part(new, "spec");
    let at = At::root("spec");
    if let Err(why) = readable_request(text(spec, "request")) {
        at.child("request").invalid(errors, spec.get("request").filter(|sent| *sent != ""), why);
    }
    usages(spec, old, at.child("usages"), errors);
    let signer = text(spec, "signerName");
    let had_legacy = old.is_some_and(|old| old.str_at(&["spec", "signerName"]) == LEGACY_SIGNER);
    if signer == LEGACY_SIGNER && !had_legacy {
        at.child("signerName").invalid(
            errors,
            signer,
            "the legacy signerName is not allowed via this API version",
        );
    } else {
        signer_name(signer, at.child("signerName"), errors);
    }
    if let Some(seconds) = opt_int(spec, "expirationSeconds").filter(|seconds| *seconds < SHORTEST_SECONDS) {
        let words = "may not specify a duration less than 600 seconds (10 minutes)";
        at.child("expirationSeconds").invalid(errors, seconds, words);
    }
    conditions(new, old, errors);
    certificate(new, old, errors);
}

fn usages(spec: &Value, old: Option<&Object>, at: At<'_>, errors: &mut ErrorList) {
    let list: Vec<&str> = texts(spec, "usages").collect();
    if list.is_empty() {
        at.required(errors, "");
    }
    let before: Vec<&str> = old.map(|old| texts(part(old, "spec"), "usages").collect()).unwrap_or_default();
    if before.iter().all(|usage| USAGES.contains(usage)) {
        for (i, usage) in list.iter().enumerate().filter(|(_, usage)| !USAGES.contains(usage)) {
            at.index(i).not_supported(errors, *usage, &USAGES);
        }
    }
    if repeated(&before).is_empty() {
        for i in repeated(&list) {
            at.index(i).duplicate(errors, list.get(i).copied().unwrap_or_default());
        }
    }
}

/// The places of entries that stood before.
fn repeated(list: &[&str]) -> Vec<usize> {
    let stood_before = |(i, entry): &(usize, &&str)| list.iter().take(*i).any(|other| other == *entry);
    list.iter().enumerate().filter(stood_before).map(|(i, _)| i).collect()
}

fn types(request: &Object) -> Vec<&str> {
    items(part(request, "status"), "conditions").iter().map(|condition| text(condition, "type")).collect()
}

fn conditions(new: &Object, old: Option<&Object>, errors: &mut ErrorList) {
    let at = At::root("status");
    let at = at.child("conditions");
    let before = old.map(types).unwrap_or_default();
    let had_both = before.contains(&"Approved") && before.contains(&"Denied");
    let (had_empty, had_twice) = (before.contains(&""), !repeated(&before).is_empty());
    let all = types(new);
    let twice = repeated(&all);
    for (i, condition) in items(part(new, "status"), "conditions").iter().enumerate() {
        let (here, kind) = (at.index(i), text(condition, "type"));
        if kind.is_empty() && !had_empty {
            here.child("type").required(errors, "");
        }
        let only_true = matches!(kind, "Approved" | "Denied" | "Failed");
        let allowed: &[&str] = if only_true { &["True"] } else { &["False", "True", "Unknown"] };
        crate::kinds::check::one_of_required(
            text(condition, "status"),
            allowed,
            here.child("status"),
            errors,
        );
        let opposite = match kind {
            "Approved" => "Denied",
            "Denied" => "Approved",
            _ => "-",
        };
        if !had_both && all.iter().take(i).any(|other| *other == opposite) {
            at.invalid(errors, kind, "Approved and Denied conditions are mutually exclusive");
        }
        if !had_twice && twice.contains(&i) {
            here.child("type").duplicate(errors, kind);
        }
    }
}

fn certificate(new: &Object, old: Option<&Object>, errors: &mut ErrorList) {
    let certificate = new.str_at(&["status", "certificate"]);
    let before = old.map(|old| old.str_at(&["status", "certificate"])).unwrap_or_default();
    if certificate.is_empty() || certificate == before {
        return;
    }
    if let Err(why) = readable_certificate(certificate) {
        let at = path(&["status", "certificate"]);
        errors.push(Error::invalid(&at, "<certificate data>", why));
    }
}

fn change(new: &Object, old: &Object, allowed: Allowed, errors: &mut ErrorList) {
    meta::object_meta(new, false, meta::path_segment, errors);
    request(new, Some(old), errors);
    let of = |request: &'_ Object, kind: &str| -> Vec<Value> {
        let all = items(part(request, "status"), "conditions").iter();
        all.filter(|condition| text(condition, "type") == kind).cloned().collect()
    };
    let conditions = path(&["status", "conditions"]);
    let mut forbid = |words: String| errors.push(Error::forbidden(&conditions, words));
    for kind in ["Approved", "Denied", "Failed"] {
        if of(new, kind).len() < of(old, kind).len() {
            forbid(format!("updates may not remove a condition of type \"{kind}\""));
        }
    }
    for kind in ["Approved", "Denied"].into_iter().filter(|_| !allowed.decision) {
        let (new, old) = (of(new, kind), of(old, kind));
        if new.len() > old.len() {
            forbid(format!("updates may not add a condition of type \"{kind}\""));
        } else if new.len() == old.len() && new != old {
            forbid(format!("updates may not modify a condition of type \"{kind}\""));
        }
    }
    certificate_change(new, old, allowed, errors);
    meta::object_meta_update(new, old, errors);
}

fn certificate_change(new: &Object, old: &Object, allowed: Allowed, errors: &mut ErrorList) {
    let field = ["status", "certificate"];
    let (new, old) = (new.str_at(&field), old.str_at(&field));
    let at = path(&field);
    if new == old {
        return;
    }
    if !allowed.certificate {
        errors.push(Error::forbidden(&at, "updates may not set certificate content"));
    } else if !old.is_empty() {
        errors.push(Error::forbidden(&at, "updates may not modify existing certificate content"));
    }
}

/// Reads a request and the proof that its maker holds the key.
fn readable_request(encoded: &str) -> Result<(), &'static str> {
    let bytes = STANDARD.decode(encoded).unwrap_or_default();
    let block = pem_blocks(&bytes).next().filter(|block| block.label == "CERTIFICATE REQUEST");
    let block = block.ok_or("PEM block type must be CERTIFICATE REQUEST")?;
    let (_, request) = X509CertificationRequest::from_der(&block.contents)
        .map_err(|_| "asn1: structure error: malformed certificate request")?;
    request.verify_signature().map_err(|_| "x509: signature verification failed")
}

/// Reads the certificates of a status: nothing but certificates, at least one.
fn readable_certificate(encoded: &str) -> Result<(), Cow<'static, str>> {
    let bytes = STANDARD.decode(encoded).unwrap_or_default();
    let mut count = 0;
    for block in pem_blocks(&bytes) {
        if block.label != "CERTIFICATE" {
            return Err(format!("only CERTIFICATE PEM blocks are allowed, found \"{}\"", block.label).into());
        }
        if X509Certificate::from_der(&block.contents).is_err() {
            return Err("x509: malformed certificate".into());
        }
        count += 1;
    }
    if count == 0 { Err("must contain at least one CERTIFICATE PEM block".into()) } else { Ok(()) }
}

/// The blocks up to the first that cannot be read.
fn pem_blocks(bytes: &[u8]) -> impl Iterator<Item = Pem> {
    Pem::iter_from_buffer(bytes).map_while(Result::ok)
}
