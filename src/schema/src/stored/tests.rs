use serde_json::json;

use super::*;

fn read(key: &str, stored: &[u8]) -> Value {
    Value::Object(read_stored(key, stored).expect("it is in another form").expect("it is read").into_map())
}

fn definition(spec: Value) -> Value {
    let stored = json!({
        "kind": "CustomResourceDefinition", "apiVersion": "apiextensions.k8s.io/v1beta1",
        "metadata": { "name": "pandas.example.com" }, "spec": spec,
    });
    let key = format!("{DEFINITIONS}pandas.example.com");
    read(&key, stored.to_string().as_bytes())["spec"].clone()
}

#[test]
fn what_versions_of_a_definition_have_in_common_is_given_to_each() {
    let schema = json!({ "openAPIV3Schema": { "type": "object" } });
    let spec = definition(json!({
        "group": "example.com", "names": { "plural": "pandas", "kind": "Panda" }, "scope": "Namespaced",
        "version": "v1", "versions": [
            { "name": "v1", "served": true, "storage": true }, { "name": "v2", "served": true, "storage": false },
        ],
        "validation": schema, "subresources": { "status": {} }, "selectableFields": [{ "jsonPath": ".spec.a" }],
        "additionalPrinterColumns": [{ "name": "A", "type": "string", "JSONPath": ".spec.a" }],
        "preserveUnknownFields": false,
        "conversion": {
            "strategy": "Webhook", "conversionReviewVersions": ["v1"],
            "webhookClientConfig": { "url": "https://example.com/convert" },
        },
    }));
    for (at, name) in ["v1", "v2"].into_iter().enumerate() {
        let version = json!({
            "name": name, "served": true, "storage": at == 0, "schema": schema, "subresources": { "status": {} },
            "selectableFields": [{ "jsonPath": ".spec.a" }],
            "additionalPrinterColumns": [{ "name": "A", "type": "string", "jsonPath": ".spec.a" }],
        });
        assert_eq!(spec["versions"][at], version);
    }
    let webhook = json!({ "clientConfig": { "url": "https://example.com/convert" }, "conversionReviewVersions": ["v1"] });
    assert_eq!(spec["conversion"], json!({ "strategy": "Webhook", "webhook": webhook }));
    for gone in ["version", "validation", "subresources", "additionalPrinterColumns", "preserveUnknownFields"]
    {
        assert!(spec.get(gone).is_none(), "{gone}: {spec}");
    }
}

#[test]
fn a_definition_of_one_version_may_name_it_alone() {
    let spec = definition(json!({
        "group": "example.com", "names": { "plural": "pandas", "kind": "Panda" }, "scope": "Namespaced", "version": "v1",
    }));
    assert_eq!(spec["versions"], json!([{ "name": "v1", "served": true, "storage": true }]));
    assert_eq!(spec["preserveUnknownFields"], true, "as v1beta1 had it");
    assert_eq!(spec["conversion"], json!({ "strategy": "None" }));
}

#[test]
fn what_is_in_the_form_that_is_stored_here_is_left_alone() {
    let new = br#"{"kind":"CustomResourceDefinition","apiVersion":"apiextensions.k8s.io/v1"}"#;
    assert!(read_stored(&format!("{DEFINITIONS}a"), new).is_none());
    assert!(read_stored("/registry/configmaps/ns/a", br#"{"kind":"ConfigMap","apiVersion":"v1"}"#).is_none());
    assert!(read_stored("/registry/configmaps/ns/a", b"garbage").is_none());
}

/// An object of a kind in its envelope, under another version.
fn stored_as(version: &str, object: &Value) -> Vec<u8> {
    let (group, _) = object["apiVersion"].as_str().unwrap().split_once('/').unwrap_or_default();
    let kind = kind_named(group, "v1", object["kind"].as_str().unwrap()).unwrap();
    let map = object.as_object().unwrap().clone();
    let object = kind.decode_tree(Value::Object(map), FieldValidation::Strict).unwrap().object;
    let bytes = protobuf::encode(kind, object.map()).unwrap();
    let (new, old) = (format!("{group}/v1").into_bytes(), format!("{group}/{version}").into_bytes());
    // Lengths of the envelope's header and of the name in it, both below 128.
    let longer = u8::try_from(old.len() - new.len()).unwrap();
    let mut out =
        [protobuf::MAGIC, &[bytes[4], bytes[5] + longer, bytes[6], bytes[7] + longer], &old].concat();
    out.extend_from_slice(&bytes[8 + new.len()..]);
    out
}

#[test]
fn kinds_stored_in_an_older_version_are_those_that_are_served() {
    for (group, old, new, kinds) in SAME {
        for kind in kinds {
            let object =
                json!({ "apiVersion": format!("{group}/{new}"), "kind": kind, "metadata": { "name": "a" } });
            let found = read("/registry/x/a", &stored_as(old, &object));
            assert_eq!(found["apiVersion"], object["apiVersion"]);
            assert_eq!(
                (&found["kind"], &found["metadata"]["name"]),
                (&object["kind"], &object["metadata"]["name"])
            );
        }
    }
    let claim =
        json!({ "apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": { "name": "a" } });
    let unknown = read_stored("/registry/x/a", &stored_as("v1alpha3", &claim)).unwrap().unwrap_err();
    assert_eq!(unknown.message(), r#"no kind "ResourceClaim" in "resource.k8s.io/v1alpha3""#);
}

#[test]
fn defaults_that_were_not_stored_are_filled_in() {
    let claim = json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "a" } });
    let kind = kind_named("", "v1", "PersistentVolumeClaim").unwrap();
    let object = Object::new(claim.as_object().unwrap().clone());
    let found = read("/registry/persistentvolumeclaims/ns/a", &protobuf::encode(kind, object.map()).unwrap());
    assert_eq!(
        (&found["status"]["phase"], &found["spec"]["volumeMode"]),
        (&json!("Pending"), &json!("Filesystem"))
    );
}
