//! Makes a certificate from a profile.

use std::fmt;
use std::net::IpAddr;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use time::OffsetDateTime;
use zeroize::{Zeroize, Zeroizing};

use crate::profile::{Profile, Usage};
use crate::{Error, Leaf, MAX_NAME_BYTES, Result};

/// Clocks of peers may be this much behind ours.
const BACKDATE: SignedDuration = SignedDuration::from_mins(5);
/// X.520's upper bound of a common name, which upstream's own certificates keep.
const MAX_COMMON_NAME: usize = 64;
const ORGANIZATION: &[u64] = &[2, 5, 4, 10];

/// Where the server is reached: what the words in braces of a profile stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sites {
    /// The first address of the service range, which the `kubernetes` service has.
    pub service_address: Option<IpAddr>,
    /// Addresses the server is bound to or reached at.
    pub addresses: Vec<IpAddr>,
    /// Host names the server is reached at.
    pub hostnames: Vec<String>,
    /// The domain of cluster DNS.
    pub cluster_domain: String,
}

impl Default for Sites {
    fn default() -> Self {
        let service_address = Some(IpAddr::from([10, 96, 0, 1]));
        let cluster_domain = "cluster.local".to_owned();
        Self { service_address, addresses: Vec::new(), hostnames: Vec::new(), cluster_domain }
    }
}

/// What one certificate has that its profile does not say.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Stands for `{name}` in the profile.
    pub name: String,
    /// Groups instead of the profile's. A certificate of ours carries at most two.
    pub organizations: Option<Vec<String>>,
    /// Further DNS names and IP addresses.
    pub names: Vec<String>,
    /// A lifetime shorter or longer than the profile's; the authority's end limits it.
    pub lifetime: Option<SignedDuration>,
}

/// A private key in PEM form. It is wiped when dropped and never printed.
pub struct KeyPem(Zeroizing<String>);

impl KeyPem {
    pub(crate) fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// The text, for writing it where it belongs.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeyPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPem(***)")
    }
}

/// A certificate with its key.
#[derive(Debug)]
pub struct Issued {
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key.
    pub key: KeyPem,
    /// What the certificate says.
    pub leaf: Leaf,
}

/// An authority's certificate and key, ready to sign.
pub(crate) struct Authority {
    pub(crate) certificate_pem: String,
    pub(crate) leaf: Leaf,
    key: SecretPair,
}

/// rcgen's key pair, whose own copy of the key is wiped when it is dropped.
struct SecretPair(KeyPair);

impl Drop for SecretPair {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Authority {
    pub(crate) fn load(name: &str, certificate_pem: String, key_pem: &str) -> Result<Self> {
        let refused = |why: String| Error::malformed(format!("authority {name}"), why);
        let key =
            SecretPair(KeyPair::from_pem(key_pem).map_err(|_| refused("has an unreadable key".into()))?);
        let leaf = leaf_of(&certificate_pem)?;
        if !leaf.authority {
            return Err(refused("is no certificate authority".into()));
        }
        let der = certificate(&certificate_pem)?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&der).map_err(|e| refused(e.to_string()))?;
        let spki = rcgen::PublicKeyData::subject_public_key_info(&key.0);
        if parsed.public_key().raw != spki {
            return Err(refused("has a key that is not its certificate's".into()));
        }
        Ok(Self { certificate_pem, leaf, key })
    }
}

/// Issues a certificate; without an authority it signs itself.
pub(crate) fn issue(
    profile: &Profile,
    overrides: &Overrides,
    sites: &Sites,
    authority: Option<&Authority>,
    now: Timestamp,
) -> Result<Issued> {
    let refused = |e: rcgen::Error| Error::issue(&profile.name, e.to_string());
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(profile, overrides)?;
    params.subject_alt_names = alternative_names(profile, overrides, sites)?;
    params.serial_number = Some(serial()?);
    params.use_authority_key_identifier_extension = authority.is_some();
    set_validity(&mut params, profile, overrides, authority, now)?;
    set_usages(&mut params, profile);
    let key = SecretPair(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(refused)?);
    let made = match authority {
        None => params.self_signed(&key.0),
        Some(authority) => {
            let signer = Issuer::from_ca_cert_pem(&authority.certificate_pem, &authority.key.0);
            signer.and_then(|signer| params.signed_by(&key.0, &signer))
        }
    };
    let certificate_pem = made.map_err(refused)?.pem();
    let leaf = leaf_of(&certificate_pem)?;
    Ok(Issued { certificate_pem, key: KeyPem::new(Zeroizing::new(key.0.serialize_pem())), leaf })
}

/// The DER form of the first certificate of a PEM text.
pub(crate) fn certificate(pem: &str) -> Result<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|e| Error::malformed("certificate", e.to_string()))
}

pub(crate) fn leaf_of(pem: &str) -> Result<Leaf> {
    Leaf::parse(&certificate(pem)?).map_err(|why| Error::malformed("certificate", why))
}

/// The names a profile's certificate has with these overrides and sites.
pub(crate) fn names(profile: &Profile, overrides: &Overrides, sites: &Sites) -> Vec<String> {
    let mut names = Vec::new();
    let mut add = |name: String| {
        if !names.contains(&name) {
            names.push(name);
        }
    };
    for name in &profile.names {
        match name.as_str() {
            "{service-address}" => sites.service_address.iter().for_each(|a| add(a.to_string())),
            "{addresses}" => sites.addresses.iter().for_each(|a| add(a.to_string())),
            "{hostnames}" => sites.hostnames.iter().for_each(|n| add(n.clone())),
            other => {
                add(other
                    .replace("{name}", &overrides.name)
                    .replace("{cluster-domain}", &sites.cluster_domain));
            }
        }
    }
    overrides.names.iter().for_each(|name| add(name.clone()));
    names
}

fn subject(profile: &Profile, overrides: &Overrides) -> Result<DistinguishedName> {
    let refused = |why: &str| Error::issue(&profile.name, why);
    let common_name = common_name(profile, overrides)?;
    let groups = overrides.organizations.as_ref().unwrap_or(&profile.subject.organizations);
    let mut name = DistinguishedName::new();
    let kinds = [DnType::OrganizationName, DnType::CustomDnType(ORGANIZATION.to_vec())];
    if groups.len() > kinds.len() {
        return Err(refused("a certificate carries at most two groups; bind the user by name instead"));
    }
    for (kind, group) in kinds.into_iter().zip(groups) {
        if group.is_empty() || group.len() > MAX_NAME_BYTES || group.chars().any(char::is_control) {
            return Err(refused("a group is empty, too long or has control characters"));
        }
        name.push(kind, group.as_str());
    }
    name.push(DnType::CommonName, common_name);
    Ok(name)
}

/// The common name a certificate of a profile has: the user it makes its holder.
pub(crate) fn common_name(profile: &Profile, overrides: &Overrides) -> Result<String> {
    let refused = |why: &str| Err(Error::issue(&profile.name, why));
    let template = &profile.subject.common_name;
    if template.contains("{name}") && overrides.name.is_empty() {
        return refused("a name is required");
    }
    let name = template.replace("{name}", &overrides.name);
    // Node names reach 253 characters: the bound of X.520 holds for people and components only.
    let bound = if template.starts_with("system:node:") { MAX_NAME_BYTES } else { MAX_COMMON_NAME };
    if name.len() > bound {
        return refused("the common name is too long");
    }
    if name.chars().any(char::is_control) {
        return refused("the common name has control characters");
    }
    Ok(name)
}

fn alternative_names(profile: &Profile, overrides: &Overrides, sites: &Sites) -> Result<Vec<SanType>> {
    let dns = |name: String| match name.as_str().try_into() {
        Ok(text) => Ok(SanType::DnsName(text)),
        Err(_) => Err(Error::issue(&profile.name, format!("{name:?} is no DNS name"))),
    };
    let one = |name: String| name.parse().map(SanType::IpAddress).or_else(|_| dns(name));
    names(profile, overrides, sites).into_iter().map(one).collect()
}

fn set_validity(
    params: &mut CertificateParams,
    profile: &Profile,
    overrides: &Overrides,
    authority: Option<&Authority>,
    now: Timestamp,
) -> Result<()> {
    let days = SignedDuration::from_hours(24 * i64::from(profile.lifetime_days));
    let end = now.saturating_add(overrides.lifetime.unwrap_or(days)).unwrap_or(Timestamp::MAX);
    let end = authority.map_or(end, |a| end.min(a.leaf.not_after));
    if end <= now {
        return Err(Error::issue(&profile.name, "it, or its authority, would have expired already"));
    }
    params.not_before = offset(now.saturating_sub(BACKDATE).unwrap_or(now))?;
    params.not_after = offset(end)?;
    Ok(())
}

fn offset(time: Timestamp) -> Result<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(time.as_second())
        .map_err(|e| Error::malformed("certificate validity", e.to_string()))
}

fn set_usages(params: &mut CertificateParams, profile: &Profile) {
    if profile.is_authority() {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    for usage in &profile.usages {
        match usage {
            Usage::CertificateSigning => params.key_usages.push(KeyUsagePurpose::KeyCertSign),
            Usage::RevocationSigning => params.key_usages.push(KeyUsagePurpose::CrlSign),
            Usage::DigitalSignature => params.key_usages.push(KeyUsagePurpose::DigitalSignature),
            Usage::KeyEncipherment => params.key_usages.push(KeyUsagePurpose::KeyEncipherment),
            Usage::ServerAuth => params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth),
            Usage::ClientAuth => params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth),
        }
    }
}

/// 128 random bits.
fn serial() -> Result<SerialNumber> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Error::Crypto("draw a serial number"))?;
    Ok(SerialNumber::from_slice(&bytes))
}
