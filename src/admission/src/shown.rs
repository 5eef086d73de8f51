//! The objects of a write as a webhook or policy is shown them.

use std::borrow::Cow;

use portcullis_api::{Object, Result};

use crate::attributes::Attributes;
use crate::target::Target;

/// The new and the stored object as one target shows them.
pub struct Shown<'a> {
    /// The new object; none when it is deleted.
    pub object: Option<Cow<'a, Object>>,
    /// The stored object; none when it is new.
    pub old: Option<Cow<'a, Object>>,
}

impl<'a> Shown<'a> {
    /// Shows both objects. What is shown as it was asked for is not copied.
    ///
    /// # Errors
    /// When an object cannot be converted.
    pub async fn of(write: &Attributes<'a>, object: Option<&'a Object>, target: &Target) -> Result<Self> {
        let shown_as_asked = target.kind == *write.kind;
        if shown_as_asked {
            return Ok(Self { object: object.map(Cow::Borrowed), old: write.old.map(Cow::Borrowed) });
        }
        Ok(Self {
            object: convert(write, object, target).await?,
            old: convert(write, write.old, target).await?,
        })
    }
}

async fn convert<'a>(
    write: &Attributes<'a>,
    object: Option<&'a Object>,
    target: &Target,
) -> Result<Option<Cow<'a, Object>>> {
    match object {
        None => Ok(None),
        Some(object) => {
            let converted = write.kinds.convert(object.clone(), &write.target(), target).await?;
            Ok(Some(Cow::Owned(converted)))
        }
    }
}
