//! What a certificate says about its holder.

use std::net::IpAddr;

use jiff::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry::Oid;
use x509_parser::x509::AttributeTypeAndValue;

/// The longest name (user or group) taken from a certificate.
pub const MAX_NAME_BYTES: usize = 1024;
/// The most groups taken from a certificate.
pub const MAX_GROUPS: usize = 256;
/// Upstream's attribute for a user's UID, 1.3.6.1.4.1.57683.2.
const UID: &[u64] = &[1, 3, 6, 1, 4, 1, 57683, 2];

/// The facts of one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The common name; empty where there is none.
    pub common_name: String,
    /// Each organization as it is written.
    pub organizations: Vec<String>,
    /// The user's UID, if the subject names one.
    pub uid: Option<String>,
    /// The serial number in hexadecimal digits.
    pub serial: String,
    /// The first second of its validity.
    pub not_before: Timestamp,
    /// The last second of its validity.
    pub not_after: Timestamp,
    /// The SHA-256 of the whole certificate in hexadecimal digits.
    pub fingerprint: String,
    /// DNS names it is valid for.
    pub dns_names: Vec<String>,
    /// Addresses it is valid for.
    pub addresses: Vec<IpAddr>,
    /// URIs it is valid for.
    pub uris: Vec<String>,
    /// Whether it may authenticate clients.
    pub client_auth: bool,
    /// Whether it is an authority's.
    pub authority: bool,
}

impl Leaf {
    /// Reads a certificate in DER form. The error is for the log.
    ///
    /// Names are taken only from string types whose bytes are the text (UTF-8 and ASCII kinds), whole
    /// and unchanged: a name that needs conversion, has control characters (a NUL above all) or is
    /// given twice could read one way here and another way elsewhere, so it is refused.
    pub fn parse(der: &[u8]) -> Result<Self, String> {
        let (rest, certificate) = x509_parser::parse_x509_certificate(der).map_err(|e| e.to_string())?;
        if !rest.is_empty() {
            return Err("trailing bytes".into());
        }
        let subject = certificate.subject();
        let organizations: Vec<String> = subject
            .iter_organization()
            .take(MAX_GROUPS + 1)
            .map(|value| text(value, "organization"))
            .filter(|value| value.as_ref().map_or(true, |group| !group.is_empty()))
            .collect::<Result<_, _>>()?;
        if organizations.len() > MAX_GROUPS {
            return Err(format!("more than {MAX_GROUPS} organizations"));
        }
        let mut leaf = Self {
            common_name: at_most_one(subject.iter_common_name(), "common name")?.unwrap_or_default(),
            organizations,
            uid: uid(&certificate)?,
            serial: hex::encode(certificate.raw_serial()),
            not_before: time(certificate.validity().not_before.timestamp())?,
            not_after: time(certificate.validity().not_after.timestamp())?,
            fingerprint: fingerprint(der),
            dns_names: Vec::new(),
            addresses: Vec::new(),
            uris: Vec::new(),
            client_auth: client_auth(&certificate)?,
            authority: certificate.is_ca(),
        };
        leaf.take_alternative_names(&certificate)?;
        Ok(leaf)
    }

    fn take_alternative_names(&mut self, certificate: &X509Certificate<'_>) -> Result<(), String> {
        let extension = certificate.subject_alternative_name().map_err(|e| e.to_string())?;
        let names = extension.iter().flat_map(|e| &e.value.general_names);
        for name in names {
            match name {
                GeneralName::DNSName(name) => self.dns_names.push((*name).to_owned()),
                GeneralName::URI(uri) => self.uris.push((*uri).to_owned()),
                GeneralName::IPAddress(bytes) => self.addresses.extend(address(bytes)),
                _ => {}
            }
        }
        Ok(())
    }
}

fn uid(certificate: &X509Certificate<'_>) -> Result<Option<String>, String> {
    let oid = Oid::from(UID).map_err(|e| format!("{e:?}"))?;
    match at_most_one(certificate.subject().iter_by_oid(&oid), "UID")? {
        Some(uid) if uid.is_empty() => Err("an empty UID".into()),
        uid => Ok(uid),
    }
}

fn at_most_one<'a, 'b: 'a>(
    mut values: impl Iterator<Item = &'a AttributeTypeAndValue<'b>>,
    what: &str,
) -> Result<Option<String>, String> {
    let first = values.next().map(|value| text(value, what)).transpose()?;
    if values.next().is_some() {
        return Err(format!("more than one {what}"));
    }
    Ok(first)
}

fn text(value: &AttributeTypeAndValue<'_>, what: &str) -> Result<String, String> {
    let text = value.as_str().map_err(|_| format!("{what} in a string type that is refused"))?;
    if text.len() > MAX_NAME_BYTES {
        return Err(format!("{what} longer than {MAX_NAME_BYTES} bytes"));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("{what} with control characters"));
    }
    Ok(text.to_owned())
}

fn client_auth(certificate: &X509Certificate<'_>) -> Result<bool, String> {
    let usage = certificate.extended_key_usage().map_err(|e| e.to_string())?;
    Ok(usage.is_none_or(|usage| usage.value.client_auth || usage.value.any))
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

fn time(seconds: i64) -> Result<Timestamp, String> {
    Timestamp::from_second(seconds).map_err(|e| e.to_string())
}

pub(crate) fn fingerprint(der: &[u8]) -> String {
    hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der))
}

#[cfg(test)]
mod tests;
