use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::*;

fn headers(accept: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, accept.parse().unwrap());
    headers
}

const V2: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

async fn ask(document: Document<'_>, accept: &str) -> (Response<()>, Value) {
    let discovery = Discovery::built_in("192.0.2.1:6443");
    let (parts, body) = discovery.answer(document, &headers(accept)).unwrap().unwrap().into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (Response::from_parts(parts, ()), serde_json::from_slice(&bytes).unwrap_or_default())
}

#[tokio::test]
async fn groups_stand_in_upstreams_order() {
    let (_, list) = ask(Document::Groups, "*/*").await;
    let names: Vec<&str> =
        list["groups"].as_array().unwrap().iter().map(|g| g["name"].as_str().unwrap()).collect();
    assert_eq!(names.first(), Some(&"apiregistration.k8s.io"));
    assert_eq!(names.last(), Some(&"flowcontrol.apiserver.k8s.io"));
    assert_eq!(names.len(), 20);
    let (_, group) = ask(Document::Group("autoscaling"), "*/*").await;
    assert_eq!(group["kind"], "APIGroup");
    assert_eq!(group["preferredVersion"]["groupVersion"], "autoscaling/v2");
    assert_eq!(group["versions"][1]["groupVersion"], "autoscaling/v1");
}

#[tokio::test]
async fn a_version_lists_its_resources_and_their_subresources() {
    let (_, list) = ask(Document::Version("", "v1"), V2).await;
    assert_eq!(list.get("apiVersion"), None);
    assert_eq!((&list["kind"], &list["groupVersion"]), (&json!("APIResourceList"), &json!("v1")));
    let find = |name: &str| {
        list["resources"].as_array().unwrap().iter().find(|r| r["name"] == name).unwrap().clone()
    };
    assert_eq!(
        find("pods/eviction"),
        json!({"group": "policy", "version": "v1", "kind": "Eviction", "name": "pods/eviction",
            "namespaced": true, "singularName": "", "verbs": ["create"]})
    );
    assert_eq!(find("bindings").get("storageVersionHash"), None);
    assert_eq!(find("pods")["storageVersionHash"], "xPOwRZ+Yhw8=");
    assert_eq!(find("pods")["shortNames"], json!(["po"]));
    let (_, apps) = ask(Document::Version("apps", "v1"), "application/json").await;
    assert_eq!(apps["apiVersion"], "v1");
}

#[tokio::test]
async fn aggregated_discovery_is_tagged() {
    let (response, list) = ask(Document::Core, V2).await;
    assert_eq!(response.headers()[CONTENT_TYPE], AGGREGATED);
    assert_eq!(list["items"][0]["metadata"], json!({}));
    let discovery = Discovery::built_in("192.0.2.1:6443");
    let mut again = headers(V2);
    again.insert(IF_NONE_MATCH, response.headers()[ETAG].clone());
    let fresh = discovery.answer(Document::Core, &again).unwrap().unwrap();
    assert_eq!(fresh.status(), 304);
    again.insert(IF_NONE_MATCH, HeaderValue::from_static("\"0\""));
    assert_eq!(discovery.answer(Document::Core, &again).unwrap().unwrap().status(), 200);
}

#[test]
fn what_is_not_served_is_refused_or_absent() {
    let discovery = Discovery::built_in("192.0.2.1:6443");
    assert!(discovery.answer(Document::Group("nope.io"), &HeaderMap::new()).is_none());
    assert!(discovery.answer(Document::Version("", "v2"), &HeaderMap::new()).is_none());
    let refused = discovery.answer(Document::Groups, &headers("application/xml")).unwrap();
    assert_eq!(refused.unwrap_err().code(), 406);
    let beta = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
    assert_eq!(discovery.answer(Document::Groups, &headers(beta)).unwrap().unwrap_err().code(), 406);
    assert!(discovery.knows("") && discovery.knows("apps") && !discovery.knows("nope.io"));
}
