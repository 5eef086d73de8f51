//! Named formats of text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_api::names::{
    dns1035_label, dns1123_label, dns1123_subdomain, label_value, mask_trailing_dash, qualified_name,
};

use super::{Native, time, url};
use crate::error::Fault;
use crate::meter::{MAKE, Meter};
use crate::value::{Opaque, Val};

/// A format of text by its name.
#[derive(Debug)]
pub struct NamedFormat {
    /// The name in expressions.
    key: &'static str,
    /// The name as upstream shows it.
    pub(crate) name: &'static str,
    /// What upstream takes for the length of a pattern of it.
    pub(crate) pattern_size: u64,
    check: fn(&str) -> Vec<String>,
}

const FORMATS: [NamedFormat; 13] = [
    format("dns1123Label", "DNS1123Label", 30, dns1123_label),
    format("dns1123Subdomain", "DNS1123Subdomain", 60, dns1123_subdomain),
    format("dns1035Label", "DNS1035Label", 30, dns1035_label),
    format("qualifiedName", "QualifiedName", 60, qualified_name),
    format("dns1123LabelPrefix", "DNS1123LabelPrefix", 30, |text| dns1123_label(&mask_trailing_dash(text))),
    format("dns1123SubdomainPrefix", "DNS1123SubdomainPrefix", 60, |text| {
        dns1123_subdomain(&mask_trailing_dash(text))
    }),
    format("dns1035LabelPrefix", "DNS1035LabelPrefix", 30, |text| dns1035_label(&mask_trailing_dash(text))),
    format("labelValue", "LabelValue", 40, label_value),
    format("uri", "URI", 1_103, |text| url::Url::parse_request(text).err().into_iter().collect()),
    format("uuid", "uuid", 69, |text| unless(is_uuid(text), "does not match the UUID format")),
    format("byte", "byte", 84, |text| {
        unless(!text.is_empty() && STANDARD.decode(text).is_ok(), "invalid base64")
    }),
    format("date", "date", 71, |text| unless(time::date(text).is_some(), "invalid date")),
    format("datetime", "datetime", 71, |text| {
        unless(time::lenient_timestamp(text).is_some(), "invalid datetime")
    }),
];

const fn format(
    key: &'static str,
    name: &'static str,
    pattern_size: u64,
    check: fn(&str) -> Vec<String>,
) -> NamedFormat {
    NamedFormat { key, name, pattern_size, check }
}

fn unless(fine: bool, message: &str) -> Vec<String> {
    if fine { Vec::new() } else { vec![message.to_owned()] }
}

static TABLE: [NamedFormat; 13] = FORMATS;

fn named(key: &str) -> Option<&'static NamedFormat> {
    TABLE.iter().find(|format| format.key == key)
}

pub(super) fn find(name: &str) -> Option<Native> {
    Some(match name {
        "format.named" => |args, _| match args {
            [Val::String(name)] => Ok(match named(name.as_str()) {
                Some(format) => Val::some(Val::Opaque(Opaque::Format(format))),
                None => Val::Optional(None),
            }),
            _ => Err(Fault::Arguments),
        },
        "validate" => validate,
        _ => return None,
    })
}

/// The format that a function without arguments stands for.
pub(crate) fn constant<'v>(function: &str) -> Option<Val<'v>> {
    let format = named(function.strip_prefix("format.")?)?;
    Some(Val::Opaque(Opaque::Format(format)))
}

fn validate<'v>(args: &[Val<'v>], meter: &mut Meter) -> Result<Val<'v>, Fault> {
    let [Val::Opaque(Opaque::Format(format)), Val::String(text)] = args else { return Err(Fault::Arguments) };
    meter.work_of(text.as_str().len(), MAKE)?;
    let errors = (format.check)(text.as_str());
    if errors.is_empty() {
        return Ok(Val::Optional(None));
    }
    Ok(Val::some(Val::list(errors.into_iter().map(Val::text).collect())))
}

/// 32 hexadecimal digits in five groups; each dash between them may be left out.
fn is_uuid(text: &str) -> bool {
    let mut rest = text;
    for (index, length) in [8, 4, 4, 4, 12].into_iter().enumerate() {
        if index > 0 {
            rest = rest.strip_prefix('-').unwrap_or(rest);
        }
        match rest.split_at_checked(length) {
            Some((group, after)) if group.chars().all(|char| char.is_ascii_hexdigit()) => rest = after,
            _ => return false,
        }
    }
    rest.is_empty()
}
