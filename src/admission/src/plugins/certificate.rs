//! `CertificateApproval` and `CertificateSigning`: who approves or signs a request must be allowed to
//! do so for its signer.

use portcullis_api::{GroupResource, Object, Result};

use super::forbidden;
use crate::attributes::{Attributes, Operation};
use crate::chain::Plugin;

pub(super) struct CertificateApproval;

impl Plugin for CertificateApproval {
    fn name(&self) -> &'static str {
        "CertificateApproval"
    }

    fn handles(&self, write: &Attributes<'_>) -> bool {
        is_update(write, "approval")
    }

    fn validate(&self, write: &Attributes<'_>, _: Option<&Object>) -> Result<()> {
        let old = write.old.map_or("", signer);
        if may(write, "approve", old) {
            return Ok(());
        }
        let why = format!("user not permitted to approve requests with signerName \"{old}\"");
        Err(forbidden(write, "", &why))
    }
}

pub(super) struct CertificateSigning;

impl Plugin for CertificateSigning {
    fn name(&self) -> &'static str {
        "CertificateSigning"
    }

    fn handles(&self, write: &Attributes<'_>) -> bool {
        is_update(write, "status")
    }

    fn validate(&self, write: &Attributes<'_>, request: Option<&Object>) -> Result<()> {
        let status = |object: &Object, field: &str| object.at(&["status", field]).cloned();
        let (Some(new), Some(old)) = (request, write.old) else { return Ok(()) };
        let same = ["certificate", "conditions"].iter().all(|field| status(new, field) == status(old, field));
        if same || may(write, "sign", signer(old)) {
            return Ok(());
        }
        let why = format!("user not permitted to sign requests with signerName \"{}\"", signer(old));
        Err(forbidden(write, "", &why))
    }
}

fn is_update(write: &Attributes<'_>, subresource: &str) -> bool {
    write.operation == Operation::Update
        && write.subresource == subresource
        && write.is_any_of("certificates.k8s.io", "certificatesigningrequests")
}

fn signer(request: &Object) -> &str {
    request.str_at(&["spec", "signerName"])
}

/// Asks for the signer itself, then for all signers of its domain.
fn may(write: &Attributes<'_>, verb: &str, signer: &str) -> bool {
    let signers = GroupResource::new("certificates.k8s.io", "signers");
    let allows = |name: &str| write.reader.allows(write.user, verb, &signers, "", "", name);
    let domain = signer.split('/').next().unwrap_or_default();
    allows(signer) || allows(&format!("{domain}/*"))
}
