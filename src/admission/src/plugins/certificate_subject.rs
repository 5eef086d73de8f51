//! `CertificateSubjectRestriction`: nobody becomes a master by a certificate for clients.

use portcullis_api::{Object, Result};

use super::{forbidden, request_subject};
use crate::attributes::{Attributes, Operation};
use crate::chain::Plugin;

const SIGNER: &str = "kubernetes.io/kube-apiserver-client";
const MASTERS: &str = "system:masters";

pub(super) struct CertificateSubjectRestriction;

impl Plugin for CertificateSubjectRestriction {
    fn name(&self) -> &'static str {
        "CertificateSubjectRestriction"
    }

    fn handles(&self, write: &Attributes<'_>) -> bool {
        write.operation == Operation::Create && write.is("certificates.k8s.io", "certificatesigningrequests")
    }

    fn validate(&self, write: &Attributes<'_>, request: Option<&Object>) -> Result<()> {
        let Some(request) = request.filter(|request| request.str_at(&["spec", "signerName"]) == SIGNER)
        else {
            return Ok(());
        };
        let refuse = |why: &str| Err(forbidden(write, request.name(), why));
        match request_subject(request) {
            Err(why) => refuse(&format!("failed to parse CSR: {why}")),
            Ok(subject) if subject.organizations.iter().any(|group| group.trim() == MASTERS) => {
                refuse(&format!("use of {SIGNER} signer with {MASTERS} group is not allowed"))
            }
            Ok(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use super::*;
    use crate::fake::{Cluster, Judged, Write};

    /// One DER element with a short length.
    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let body = parts.concat();
        let length = u8::try_from(body.len()).unwrap();
        let mut out = if length < 128 { vec![tag, length] } else { vec![tag, 0x81, length] };
        out.extend(body);
        out
    }

    /// An RDN with one organization in a string type.
    fn organization(tag: u8, name: &[u8]) -> Vec<u8> {
        let value = der(tag, &[name]);
        der(0x31, &[&der(0x30, &[&der(0x06, &[&[0x55, 0x04, 0x0a]]), &value])])
    }

    /// A request that nobody signed, for organizations.
    fn request(organizations: &[Vec<u8>]) -> String {
        let parts: Vec<&[u8]> = organizations.iter().map(Vec::as_slice).collect();
        let algorithm = der(0x30, &[&der(0x06, &[&[0x2b, 0x65, 0x70]])]);
        let key = der(0x30, &[&algorithm, &der(0x03, &[&[0], &[7; 32]])]);
        let info = der(0x30, &[&der(0x02, &[&[0]]), &der(0x30, &parts), &key, &der(0xa0, &[])]);
        let whole = der(0x30, &[&info, &algorithm, &der(0x03, &[&[0], &[0; 64]])]);
        let encoded = STANDARD.encode(whole);
        let lines: Vec<&str> =
            encoded.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let label = "CERTIFICATE REQUEST";
        STANDARD.encode(format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n")))
    }

    fn ask(signer: &str, request: &str) -> Judged {
        let write = Write::of(Operation::Create, "certificatesigningrequests", "CertificateSigningRequest");
        let object =
            json!({ "metadata": { "name": "me" }, "spec": { "signerName": signer, "request": request } });
        Write { group: "certificates.k8s.io", namespace: "", ..write }.judge(
            CertificateSubjectRestriction,
            &Cluster::default(),
            object,
        )
    }

    #[test]
    fn e010_nobody_becomes_a_master_by_certificate() {
        const UTF8: u8 = 0x0c;
        const BMP: u8 = 0x1e;
        ask(SIGNER, &request(&[organization(UTF8, b"developers")])).admitted();
        let masters = organization(UTF8, b"system:masters");
        let refusal = "certificatesigningrequests.certificates.k8s.io \"me\" is forbidden: use of \
                       kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed";
        assert_eq!(ask(SIGNER, &request(std::slice::from_ref(&masters))).refused(), refusal);
        assert_eq!(
            ask(SIGNER, &request(&[organization(UTF8, b"developers"), masters.clone()])).refused(),
            refusal
        );
        assert_eq!(ask(SIGNER, &request(&[organization(UTF8, b" system:masters")])).refused(), refusal);
        let wide: Vec<u8> = b"system:masters".iter().flat_map(|byte| [0, *byte]).collect();
        assert!(
            ask(SIGNER, &request(&[organization(BMP, &wide)]))
                .refused()
                .contains("string type that is refused")
        );
        ask("example.com/other", &request(&[masters])).admitted();
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let garbage = STANDARD.encode("garbage");
        for text in ["", "%%%", garbage.as_str()] {
            assert!(ask(SIGNER, text).refused().contains("failed to parse CSR: "));
        }
        assert!(ask(SIGNER, &garbage).refused().ends_with("PEM block type must be CERTIFICATE REQUEST"));
    }
}
