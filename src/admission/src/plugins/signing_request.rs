//! Who a certificate signing request wants to be.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_api::Object;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::AttributeTypeAndValue;

const LABEL: &str = "CERTIFICATE REQUEST";

/// The parts of a subject that become a user.
pub(super) struct Subject {
    /// The last common name, as Go reads it; empty when there is none.
    pub(super) common_name: String,
    /// Every organization, of whatever RDN.
    pub(super) organizations: Vec<String>,
}

/// Reads the subject out of `spec.request`.
///
/// # Errors
/// Why the request cannot be read; a subject in a string type we do not read is refused, so that
/// nobody reads another name in it than we did.
pub(super) fn request_subject(request: &Object) -> Result<Subject, String> {
    let text = request.str_at(&["spec", "request"]);
    let bytes = STANDARD.decode(text).map_err(|error| error.to_string())?;
    let wrong = || format!("PEM block type must be {LABEL}");
    let block = Pem::iter_from_buffer(&bytes).next().and_then(std::result::Result::ok);
    let block = block.filter(|block| block.label == LABEL).ok_or_else(wrong)?;
    let (rest, parsed) =
        X509CertificationRequest::from_der(&block.contents).map_err(|error| error.to_string())?;
    if !rest.is_empty() {
        return Err("x509: trailing data".to_owned());
    }
    let subject = &parsed.certification_request_info.subject;
    Ok(Subject {
        common_name: strings(subject.iter_common_name())?.pop().unwrap_or_default(),
        organizations: strings(subject.iter_organization())?,
    })
}

fn strings<'a, 'b: 'a>(
    values: impl Iterator<Item = &'a AttributeTypeAndValue<'b>>,
) -> Result<Vec<String>, String> {
    let text = |value: &AttributeTypeAndValue<'_>| value.as_str().map(str::to_owned);
    values
        .map(text)
        .collect::<Result<_, _>>()
        .map_err(|_| "subject in a string type that is refused".to_owned())
}
