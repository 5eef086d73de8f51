//! Strategic merge patches of any kind: what comes out is no larger than what went in, and normal form holds.

use portcullis_api::Object;
use portcullis_schema::patch::{Patch, PatchType};
use portcullis_schema::{FieldValidation, kinds};
use serde_json::Value;

/// The first byte chooses the kind; then come the object and the patch, each in a line of its own.
pub fn strategic(input: &[u8]) {
    let Some((which, rest)) = input.split_first() else { return };
    let Some(kind) = kinds().nth(usize::from(*which) % kinds().count()) else { return };
    let mut lines = rest.splitn(2, |byte| *byte == b'\n');
    let (object, patch) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let Ok(decoded) = kind.decode(object, FieldValidation::Ignore) else { return };
    let Ok(parsed) = Patch::parse(PatchType::Strategic, patch, FieldValidation::Warn) else { return };
    let current = decoded.object;

    if let Ok(tree) = parsed.apply(&kind.into(), &current) {
        let size = |object: &Object| Value::from(object.clone()).to_string().len();
        // A number may be written longer than it was sent, `1e18` for one.
        let bound = size(&current) + 8 * patch.len() + 64;
        assert!(size(&tree) <= bound, "{} bytes of at most {bound}", size(&tree));
    }
    let Ok(patched) = parsed.run(&kind.into(), &current) else { return };
    let mut again = patched.object.clone();
    assert_eq!(
        kind.normalize(&mut again, FieldValidation::Strict),
        Ok(Vec::new()),
        "a normal tree has no problems"
    );
    assert_eq!(again, patched.object, "normal form is stable");
}
