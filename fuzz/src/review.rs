//! What webhooks for admission and conversion answer.

use portcullis_outbound::{AdmissionAnswer, ReviewVersion, converted_objects};
use portcullis_schema::patch::JsonPatch;

/// The whole input is an answer to both kinds of question, and the head of one is put before it.
pub fn review(input: &[u8]) {
    const ADMISSION: &[u8] = br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u","#;
    const CONVERSION: &[u8] =
        br#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"ConversionReview","response":{"uid":"u","#;
    for version in [ReviewVersion::V1, ReviewVersion::V1Beta1] {
        for body in [input, &[ADMISSION, input].concat(), &[CONVERSION, input].concat()] {
            for mutates in [true, false] {
                let Ok(answer) = AdmissionAnswer::read(body, version, "u", mutates) else { continue };
                assert!(mutates || answer.patch.is_empty(), "who may not change anything has no patch");
                let _ = (answer.check_patch_type(), JsonPatch::read(&answer.patch));
            }
            let _ = converted_objects(body, version, "u");
        }
    }
}
