use http_body_util::BodyExt;
use portcullis_api::{GroupVersion, Gvk};

use super::*;

async fn ask(path: &str, accept: &str, query: &str) -> (Response<()>, Bytes) {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, accept.parse().unwrap());
    let (parts, body) = OpenApi::default().answer(path, &headers, query).await.unwrap().into_parts();
    (Response::from_parts(parts, ()), body.collect().await.unwrap().to_bytes())
}

async fn document(path: &str) -> Value {
    let (response, bytes) = ask(path, "application/json", "").await;
    assert_eq!(response.status(), 200, "{path}");
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn every_place_of_the_index_has_a_document_without_dangling_references() {
    let index = document("/openapi/v3").await;
    let paths = index["paths"].as_object().unwrap();
    assert!(
        paths.contains_key("api/v1") && paths.contains_key("apis/apps/v1") && paths.contains_key("version")
    );
    for (place, entry) in paths {
        let url = entry["serverRelativeURL"].as_str().unwrap();
        assert!(url.starts_with(&format!("/openapi/v3/{place}?hash=")), "{url}");
        let document = document(&format!("/openapi/v3/{place}")).await;
        assert_references(&document, &document["components"]["schemas"], "#/components/schemas/");
    }
}

fn assert_references(value: &Value, schemas: &Value, prefix: &str) {
    match value {
        Value::Object(map) => {
            if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
                let name = reference.strip_prefix(prefix).unwrap();
                assert!(schemas[name].is_object(), "{reference}");
            }
            map.values().for_each(|value| assert_references(value, schemas, prefix));
        }
        Value::Array(list) => list.iter().for_each(|value| assert_references(value, schemas, prefix)),
        _ => {}
    }
}

#[tokio::test]
async fn kubectl_finds_what_it_looks_for() {
    let apps = document("/openapi/v3/apis/apps/v1").await;
    let deployment = &apps["components"]["schemas"]["io.k8s.api.apps.v1.Deployment"];
    assert_eq!(
        deployment["x-kubernetes-group-version-kind"],
        json!([{ "group": "apps", "kind": "Deployment", "version": "v1" }])
    );
    assert!(deployment["description"].as_str().unwrap().starts_with("Deployment enables"));
    let spec = &apps["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
    assert_eq!(spec["x-kubernetes-patch-merge-key"], "name");
    assert_eq!(spec["x-kubernetes-list-map-keys"], json!(["name"]));
    let patch = &apps["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "Deployment");
    assert_eq!(patch["x-kubernetes-action"], "patch");
    let names: Vec<&str> =
        patch["parameters"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["dryRun", "fieldManager", "fieldValidation", "force"]);
}

#[tokio::test]
async fn what_is_not_served_is_not_told_of() {
    let openapi = OpenApi::without("identity.portcullis.io");
    openapi.replace_custom(Vec::new());
    for path in ["/openapi/v2", "/openapi/v3"] {
        let body = openapi.answer(path, &HeaderMap::new(), "").await.unwrap().into_body();
        let bytes = body.collect().await.unwrap().to_bytes();
        assert!(!String::from_utf8_lossy(&bytes).contains("identity.portcullis.io"), "{path}");
    }
    let gone = openapi.answer("/openapi/v3/apis/identity.portcullis.io/v1", &HeaderMap::new(), "").await;
    assert_eq!(gone.unwrap().status(), 404);
    assert!(document("/openapi/v3").await["paths"]["apis/identity.portcullis.io/v1"].is_object());
}

#[tokio::test]
async fn custom_resources_are_not_offered_strategic_merge() {
    let mut row = rows().iter().find(|row| &*row.gvr.resource == "configmaps").unwrap().clone();
    row.gvr.gv = GroupVersion::new("ex.io", "v1");
    row.gvk = Gvk::new(row.gvr.gv.clone(), "Thing");
    let read: ReadVersion = Arc::new(|| Some(CustomVersion::default()));
    let openapi = OpenApi::default();
    openapi.replace_custom(vec![CustomDocument { row, tag: [0; 32], read }]);
    let body = openapi.answer("/openapi/v3/apis/ex.io/v1", &HeaderMap::new(), "").await.unwrap().into_body();
    let document: Value = serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
    let patch = &document["paths"]["/apis/ex.io/v1/namespaces/{namespace}/configmaps/{name}"]["patch"];
    let media: Vec<&String> = patch["requestBody"]["content"].as_object().unwrap().keys().collect();
    assert_eq!(media.len(), 4);
    assert!(media.iter().all(|media| !media.contains("strategic")), "{media:?}");
}

#[tokio::test]
async fn version_2_is_json_and_protobuf() {
    let v2 = document("/openapi/v2").await;
    assert_references(&v2, &v2["definitions"], "#/definitions/");
    let (response, bytes) = ask("/openapi/v2", V2_PROTO_ASKED, "").await;
    assert_eq!(response.headers()[CONTENT_TYPE], V2_PROTO);
    assert!(bytes.starts_with(b"\x0a\x032.0") && bytes.len() > 1 << 20, "{}", bytes.len());
    assert_eq!(ask("/openapi/v2", "application/xml", "").await.0.status(), 406);
}

#[tokio::test]
async fn lists_have_definitions_of_their_own() {
    let v2 = document("/openapi/v2").await;
    let list = &v2["definitions"]["io.k8s.api.core.v1.ServiceList"];
    assert_eq!(list["properties"]["items"]["description"], "List of services");
    assert_eq!(list["properties"]["items"]["items"]["$ref"], "#/definitions/io.k8s.api.core.v1.Service");
    assert_eq!(list["required"], json!(["items"]));
    let kind = json!([{ "group": "", "kind": "ServiceList", "version": "v1" }]);
    assert_eq!(list["x-kubernetes-group-version-kind"], kind);
    let answer = &v2["paths"]["/api/v1/services"]["get"]["responses"]["200"]["schema"];
    assert_eq!(answer["$ref"], "#/definitions/io.k8s.api.core.v1.ServiceList");
    let v3 = document("/openapi/v3/apis/autoscaling/v2").await;
    let list = &v3["components"]["schemas"]["io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerList"];
    let metadata = "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
    assert_eq!(list["properties"]["metadata"]["allOf"][0]["$ref"], metadata);
}

#[tokio::test]
async fn f067_a_wrong_hash_leads_to_the_right_one_and_nowhere_else() {
    let (response, _) = ask("/openapi/v3/api/v1", "*/*", "hash=0").await;
    assert_eq!(response.status(), 301);
    assert!(response.headers()[LOCATION].to_str().unwrap().starts_with("/openapi/v3/api/v1?hash="));
    for path in ["/openapi/v3//evil.example", "/openapi/v3/nope", "/openapi/v4", "/openapi/v3/apis/apps/v9"] {
        assert_eq!(ask(path, "*/*", "hash=0").await.0.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn enumerations_tell_their_values_in_words_too() {
    let core = document("/openapi/v3/api/v1").await;
    let schemas = &core["components"]["schemas"];
    let protocol = &schemas["io.k8s.api.core.v1.ContainerPort"]["properties"]["protocol"];
    assert_eq!(protocol["enum"], json!(["SCTP", "TCP", "UDP"]));
    let words = protocol["description"].as_str().unwrap();
    assert!(words.starts_with("Protocol for port."), "{words}");
    assert!(
        words.ends_with("\n\nPossible enum values:\n - `\"SCTP\"`\n - `\"TCP\"`\n - `\"UDP\"`"),
        "{words}"
    );
    let modes = &schemas["io.k8s.api.core.v1.PersistentVolumeSpec"]["properties"]["accessModes"];
    assert!(modes["items"]["enum"].is_array(), "{modes}");
    assert!(!modes["description"].as_str().unwrap().contains("Possible enum values"));
}
