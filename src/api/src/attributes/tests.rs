use http::{Method, Uri};
use proptest::prelude::*;

use super::*;

fn get(path: &str) -> RequestInfo {
    ask("GET", path)
}

#[track_caller]
fn ask(method: &str, path: &str) -> RequestInfo {
    let uri: Uri = path.parse().unwrap();
    parse(&Method::from_bytes(method.as_bytes()).unwrap(), &uri).unwrap()
}

#[track_caller]
fn target(info: &RequestInfo) -> &ResourceTarget {
    info.resource().unwrap()
}

/// `verb group/version namespace resource/subresource name rest`, `-` for what is absent.
fn line(info: &RequestInfo) -> String {
    let Some(t) = info.resource() else { return format!("{} {}", info.verb, info.path) };
    let or = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let resource = if t.subresource.is_empty() {
        t.resource.to_string()
    } else {
        format!("{}/{}", t.resource, t.subresource)
    };
    let gv = if t.group.is_empty() { t.version.to_string() } else { format!("{}/{}", t.group, t.version) };
    format!("{} {gv} {} {resource} {} {}", info.verb, or(&t.namespace), or(&t.name), or(&t.rest))
}

#[test]
fn paths_mean_what_upstream_says_they_mean() {
    let table = [
        ("GET", "/api/v1/namespaces", "list v1 - namespaces - -"),
        ("GET", "/api/v1/namespaces/a", "get v1 a namespaces a -"),
        ("PUT", "/api/v1/namespaces/a/finalize", "update v1 a namespaces/finalize a -"),
        ("GET", "/api/v1/namespaces/a/pods", "list v1 a pods - -"),
        ("GET", "/api/v1/namespaces/a/pods/", "list v1 a pods - -"),
        ("GET", "/api/v1/namespaces/a/pods/p", "get v1 a pods p -"),
        ("HEAD", "/api/v1/namespaces/a/pods/p", "get v1 a pods p -"),
        ("GET", "/api/v1/namespaces/a/pods/p/log", "get v1 a pods/log p -"),
        ("POST", "/api/v1/namespaces/a/pods/p/proxy/x/y/", "create v1 a pods/proxy p x/y/"),
        ("GET", "/api/v1/pods", "list v1 - pods - -"),
        ("GET", "/api/v1/pods?watch=1", "watch v1 - pods - -"),
        ("GET", "/api/v1/pods?watch", "watch v1 - pods - -"),
        ("GET", "/api/v1/pods?watch=False", "list v1 - pods - -"),
        ("GET", "/api/v1/pods?watch=false&watch=true", "list v1 - pods - -"),
        ("GET", "/api/v1/namespaces/a/pods/p?watch=1", "get v1 a pods p -"),
        ("GET", "/api/v1/watch/namespaces/a/pods/p", "watch v1 a pods p -"),
        ("GET", "/api/v1/watch/pods", "watch v1 - pods - -"),
        ("DELETE", "/api/v1/namespaces/a/pods", "deletecollection v1 a pods - -"),
        ("DELETE", "/apis/apps/v1/namespaces/a/deployments/d", "delete apps/v1 a deployments d -"),
        ("PATCH", "/apis/apps/v1/namespaces/a/deployments/d/scale", "patch apps/v1 a deployments/scale d -"),
        (
            "GET",
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode",
            "get rbac.authorization.k8s.io/v1 - clusterroles system:node -",
        ),
        ("GET", "/api", "get /api"),
        ("GET", "/api/v1", "get /api/v1"),
        ("GET", "/apis/apps/v1/", "get /apis/apps/v1/"),
        ("HEAD", "/livez", "head /livez"),
        ("POST", "/nope", "post /nope"),
        ("GET", "/api/v1/proxy/pods/p", "get /api/v1/proxy/pods/p"),
        ("GET", "/api/v1/watch", "get /api/v1/watch"),
        ("GET", "/", "get /"),
    ];
    for (method, path, want) in table {
        assert_eq!(line(&ask(method, path)), want, "{method} {path}");
    }
}

#[test]
fn a_field_selector_may_pin_the_name() {
    let table = [
        ("metadata.name%3Dx", "x"),
        ("metadata.name==x,spec.nodeName=n", "x"),
        ("spec.nodeName!=n,metadata.name=x", "x"),
        ("metadata.name!=x", ""),
        ("metadata.name=..", ""),
        ("metadata.name=a%2Fb", ""),
        ("metadata.name=a\\,b", ""),
        ("metadata.name", ""),
        ("metadata.name=x&limit=many", ""),
    ];
    for (selector, want) in table {
        let info = get(&format!("/api/v1/namespaces/a/pods?fieldSelector={selector}"));
        assert_eq!(&*target(&info).name, want, "{selector}");
    }
    let info = ask("DELETE", "/api/v1/namespaces/a/pods?fieldSelector=metadata.name=x&labelSelector=a%3Db");
    assert_eq!((info.verb, &*target(&info).name), (Verb::DeleteCollection, ""));
    assert_eq!(&*target(&info).label_selector, "a=b");
    assert_eq!(&*target(&info).field_selector, "metadata.name=x");
}

#[track_caller]
fn refused(path: &str) {
    // What `http` itself cannot read as a request target never comes this far.
    if let Ok(uri) = path.parse::<Uri>() {
        let error = parse(&Method::GET, &uri).map(|info| line(&info)).unwrap_err();
        assert_eq!(error.code(), 400, "{path}");
    }
}

#[test]
fn a005_dot_segments_in_any_spelling_are_refused() {
    for namespace in ["..", ".", "%2e%2e", "%2E%2e", ".%2e", "..%2f", "%2e", "..%5c", "%252e%252e"] {
        refused(&format!("/apis/g/v1/namespaces/{namespace}/things?limit=500"));
        refused(&format!("/apis/g/v1/namespaces/{namespace}/things?watch=1"));
    }
}

#[test]
fn a033_traversal_to_storage_is_refused() {
    for path in ["/apis/../../registry/x", "/apis/g/../../registry", "/apis/a%2Fb/v1/things", "/..", "/."] {
        refused(path);
    }
}

#[test]
fn a080_long_paths_are_refused_at_once() {
    refused(&"/a/..".repeat(10_000));
    refused(&format!("/{}", "a/../".repeat(13_000)));
}

#[test]
fn b015_paths_that_leave_their_group_are_refused() {
    refused("/apis/echo/v1/../../../c");
}

#[test]
fn odd_encodings_are_refused_not_normalised() {
    for path in [
        "//api/v1/pods",
        "/api//v1/pods",
        "/api/v1/pods//",
        "/api/v1/namespaces//pods",
        "/api/v1/po%64s",
        "/api/v1/pods%00",
        "/api/v1/pods%0a",
        "/api/v1/pods%7f",
        "/api/v1/pods%c2%85",
        "/api/v1/pods%5cx",
        "/api/v1/pods%",
        "/api/v1/pods%2",
        "/api/v1/pods%zz",
        "/api/v1/pods%ff",
        "/api/v1/pods%c0%af",
        "/api/v1/pods/%25",
        "/api/v1/pods\\x",
        "*",
    ] {
        refused(path);
    }
}

#[test]
fn methods_nobody_serves_are_refused() {
    for method in ["TRACE", "CONNECT", "BREW", "get"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        for path in ["/api/v1/pods", "/livez"] {
            assert_eq!(parse(&method, &path.parse().unwrap()).unwrap_err().code(), 405);
        }
    }
}

proptest! {
    #[test]
    fn no_accepted_path_has_a_second_reading(path in "/[ -~]{0,60}", query in "[ -~]{0,40}") {
        let Ok(uri) = format!("{path}?{query}").parse::<Uri>() else { return Ok(()) };
        let Ok(info) = parse(&Method::GET, &uri) else { return Ok(()) };
        prop_assert!(info.path.starts_with('/'));
        for segment in info.path.trim_matches('/').split('/').filter(|_| info.path.len() > 1) {
            prop_assert!(!matches!(segment, "" | "." | ".."));
        }
        prop_assert!(!info.path.chars().any(|c| c.is_control() || c == '\\' || c == '%'));
        if let Some(t) = info.resource() {
            for part in [&t.group, &t.version, &t.namespace, &t.resource, &t.subresource, &t.name] {
                prop_assert!(!part.contains('/'));
            }
            prop_assert!(!t.resource.is_empty() && !t.version.is_empty());
        }
    }

    #[test]
    fn names_survive_escaping(name in "[a-z0-9:.-]{1,40}") {
        prop_assume!(name != "." && name != "..");
        let info = get(&format!("/api/v1/namespaces/a/pods/{}", name.replace(':', "%3A")));
        prop_assert_eq!(&*target(&info).name, name.as_str());
    }
}
