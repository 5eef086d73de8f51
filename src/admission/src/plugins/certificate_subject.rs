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
