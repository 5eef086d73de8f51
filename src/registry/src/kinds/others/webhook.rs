//! How a webhook is reached: by URL, or through a service.

use http::Uri;
use portcullis_api::field::ErrorList;
use portcullis_api::{Value, names};

use crate::kinds::check::{At, int, text};

const FORM: &str = "; desired format: https://host[/path]";

/// The rules for a webhook's URL.
pub(super) fn url(url: &str, at: At<'_>, errors: &mut ErrorList) {
    let (without_fragment, fragment) = url.split_once('#').unwrap_or((url, ""));
    let Some((scheme, rest)) = without_fragment.split_once("://") else {
        at.invalid(errors, scheme_of(url), format!("'https' is the only allowed URL scheme{FORM}"));
        at.invalid(errors, "", format!("host must be specified{FORM}"));
        return;
    };
    if without_fragment.parse::<Uri>().is_err() && !rest.is_empty() && !rest.starts_with('/') {
        at.required(errors, &format!("url must be a valid URL: parse \"{url}\": invalid URL{FORM}"));
        return;
    }
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = place.split('/').next().unwrap_or_default();
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    if scheme != "https" {
        at.invalid(errors, scheme, format!("'https' is the only allowed URL scheme{FORM}"));
    }
    if host.is_empty() {
        at.invalid(errors, host, format!("host must be specified{FORM}"));
    }
    if authority.contains('@') {
        at.invalid(errors, user, "user information is not permitted in the URL");
    }
    if !fragment.is_empty() {
        at.invalid(errors, fragment, "fragments are not permitted in the URL");
    }
    if !query.is_empty() {
        at.invalid(errors, query, "query parameters are not permitted in the URL");
    }
}

fn scheme_of(url: &str) -> &str {
    url.split_once(':').map_or("", |(scheme, _)| scheme)
}

/// The rules for a webhook's service. `fields` names the two that must be there, in the order they are told.
pub(super) fn service(service: &Value, fields: [(&str, &str); 2], at: &At<'_>, errors: &mut ErrorList) {
    for (field, shown) in fields {
        if text(service, field).is_empty() {
            at.child(shown).required(errors, "");
        }
    }
    let port = int(service, "port");
    let messages = names::port_number(port);
    if !messages.is_empty() {
        at.child("port").invalid(errors, port, format!("port is not valid: {}", messages.join(", ")));
    }
    if let Some(path) = service.get("path").and_then(Value::as_str) {
        self::path(path, at.child("path"), errors);
    }
}

fn path(path: &str, at: At<'_>, errors: &mut ErrorList) {
    if path.is_empty() || path == "/" {
        return;
    }
    if path == "//" {
        at.invalid(errors, path, "segment[0] may not be empty");
        return;
    }
    if !path.starts_with('/') {
        at.invalid(errors, path, "must start with a '/'");
    }
    let mut rest = path.chars();
    rest.next();
    let steps = rest.as_str();
    for (i, step) in steps.strip_suffix('/').unwrap_or(steps).split('/').enumerate() {
        if step.is_empty() {
            at.invalid(errors, path, format!("segment[{i}] may not be empty"));
            continue;
        }
        for message in names::dns1123_subdomain(step) {
            at.invalid(errors, path, format!("segment[{i}]: {message}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(link: &str) -> Vec<String> {
        let mut errors = ErrorList::new();
        url(link, At::root("url"), &mut errors);
        errors.iter().map(|error| error.detail.clone()).collect()
    }

    #[test]
    fn urls_name_a_host_and_no_more() {
        assert_eq!(told("https://a.b/c"), [""; 0]);
        assert_eq!(
            told("http://a"),
            ["'https' is the only allowed URL scheme; desired format: https://host[/path]"]
        );
        assert_eq!(told("https://"), ["host must be specified; desired format: https://host[/path]"]);
        assert_eq!(told("https://u@h?x#y").len(), 3);
    }
}
