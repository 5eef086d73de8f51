//! Bodies: depth, encodings, types, fields.

use serde_json::json;

use crate::world::{config_map, world};

const PATH: &str = "/api/v1/namespaces/a/configmaps";
const JSON: (&str, &str) = ("Content-Type", "application/json");

#[test]
fn f003_j022_depth_ends_before_the_stack_does() {
    let world = world();
    for depth in [9_999, 10_001, 1_000_000] {
        let array = "[".repeat(depth);
        let object = r#"{"a":"#.repeat(depth.min(500_000));
        for body in [array, object] {
            let whole =
                format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"deep"}},"x":{body}"#);
            world.nsadm.send("POST", PATH, &[JSON], whole.as_bytes()).is(&[400, 413], depth);
            for (kind, content) in [
                ("merge", "application/merge-patch+json"),
                ("strategic", "application/strategic-merge-patch+json"),
                ("json", "application/json-patch+json"),
                ("apply", "application/apply-patch+yaml"),
            ] {
                let path = format!("{PATH}/deep?fieldManager=m");
                world
                    .nsadm
                    .send("PATCH", &path, &[("Content-Type", content)], body.as_bytes())
                    .is(&[400, 404, 413, 415, 422], kind);
            }
            let yaml = [("Content-Type", "application/yaml")];
            world.nsadm.send("POST", PATH, &yaml, body.as_bytes()).is(&[400, 413], "yaml");
            world
                .nsadm
                .send("DELETE", &format!("{PATH}/deep"), &[JSON], body.as_bytes())
                .is(&[400, 404, 413], "delete");
        }
    }
}

#[test]
fn a009_a034_a071_yaml_is_cheap_or_refused() {
    let world = world();
    let mut bomb = String::from("a: &a [x,x,x,x,x,x,x,x,x]\n");
    for (new, old) in
        ["b", "c", "d", "e", "f", "g", "h", "i"].iter().zip(["a", "b", "c", "d", "e", "f", "g", "h"])
    {
        bomb.push_str(&format!("{new}: &{new} [{}]\n", vec![format!("*{old}"); 9].join(",")));
    }
    let texts = [
        bomb,
        "[".repeat(1 << 20),
        "{".repeat(1 << 20),
        "- ".repeat(1 << 20),
        "? ".repeat(1 << 20),
        "!a ".repeat(500_000),
        "&a *a".into(),
        "\u{feff}--- !<".into(),
        "a: |1000000000\n x".into(),
        "%YAML 9.9\n---\n".into(),
        "\"\\x".into(),
        "--- --- ---".into(),
        ": : :".into(),
        "<<: *x".into(),
        "a:\n\t- b".into(),
        "0: [a\n".into(),
    ];
    for text in texts {
        world
            .nsadm
            .send("POST", PATH, &[("Content-Type", "application/yaml")], text.as_bytes())
            .is(&[400, 413, 422], text.chars().take(20).collect::<String>());
    }
}

#[test]
fn a070_f020_binary_bodies_never_break_anything() {
    let world = world();
    let mut seed = 7_u64;
    for round in 0..200 {
        let mut body = b"k8s\0".to_vec();
        for _ in 0..(round % 60) {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            body.push(u8::try_from(seed >> 56).unwrap());
        }
        let protobuf = [("Content-Type", "application/vnd.kubernetes.protobuf")];
        world.nsadm.send("POST", "/api/v1/namespaces/a/pods", &protobuf, &body).is(&[400, 403, 422], round);
    }
    for body in [&[0x5f, 0xff][..], &[0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], &[0xa0]] {
        world.nsadm.send("POST", PATH, &[("Content-Type", "application/cbor")], body).is(&[400, 415], "cbor");
    }
}

#[test]
fn f013_f014_unknown_fields_are_told_or_refused_and_never_kept() {
    let world = world();
    for field in ["Spec", "hostnetwork", "HOSTPID", "extra"] {
        let mut object = crate::world::pod("f014");
        object["spec"][field] = json!(true);
        world
            .admin
            .post("/api/v1/namespaces/a/pods?fieldValidation=Strict&dryRun=All", &object)
            .is(&[400], field);
        let answer = world.admin.post("/api/v1/namespaces/a/pods?dryRun=All", &object).is(&[201], field);
        assert!(answer.header("warning").is_some_and(|text| text.contains(field)), "{field}");
        let made = answer.tree();
        assert!(
            made["spec"].get(field).is_none()
                && made["spec"].get("hostNetwork").is_none()
                && made["spec"].get("hostPID").is_none()
        );
        let quiet = world
            .admin
            .post("/api/v1/namespaces/a/pods?fieldValidation=Ignore&dryRun=All", &object)
            .is(&[201], field);
        assert_eq!(quiet.header("warning"), None);
    }
    let twice = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"f014"},"data":{"a":"1"},"data":{"a":"2"}}"#;
    world
        .admin
        .send("POST", &format!("{PATH}?fieldValidation=Strict"), &[JSON], twice.as_bytes())
        .is(&[400], "twice");
}

#[test]
fn f015_private_keys_of_decoders_are_keys() {
    let world = world();
    for (n, key) in ["$serde_json::private::Number", "$serde_json::private::RawValue"].iter().enumerate() {
        let name = format!("f015-{n}");
        let mut object = config_map(&name);
        object["data"] = json!({"k": "v"});
        object["metadata"]["annotations"] = json!({*key: "1"});
        world.admin.post(PATH, &object).is(&[422], "no annotation has such a name");
        let body = format!(
            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}"}},"data":{{"{key}":"1"}}}}"#
        );
        world.admin.send("POST", PATH, &[JSON], body.as_bytes()).is(&[400, 422], "no data key either");
        let body = format!(
            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}"}},"data":{{"x":{{"{key}":"1"}}}}}}"#
        );
        world.admin.send("POST", PATH, &[JSON], body.as_bytes()).is(&[400, 422], "no value");
    }
}

#[test]
fn f016_j031_numbers_and_nulls_mean_what_they_say() {
    let world = world();
    for number in [
        "1e400",
        "9223372036854775808",
        "18446744073709551616",
        "0x10",
        "NaN",
        "Infinity",
        "-1e999",
        "2147483648",
        "1.5",
    ] {
        let body = format!(
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"f016"}},"spec":{{"containers":[{{"name":"c","image":"i"}}],"priority":{number}}}}}"#
        );
        world
            .admin
            .send("POST", "/api/v1/namespaces/a/pods?dryRun=All", &[JSON], body.as_bytes())
            .is(&[400, 403, 422], number);
    }
    let mut object = crate::world::pod("j031");
    object["spec"]["containers"][0]["securityContext"] = json!({"privileged": null});
    let made = world.admin.post("/api/v1/namespaces/a/pods?dryRun=All", &object).is(&[201], "null").tree();
    assert!(made["spec"]["containers"][0]["securityContext"].get("privileged").is_none());
    object["spec"]["containers"][0]["securityContext"] = json!({"privileged": "true"});
    world.admin.post("/api/v1/namespaces/a/pods?dryRun=All", &object).is(&[400], "text is no truth");
}

#[test]
fn f018_what_is_not_text_is_not_kept() {
    let world = world();
    for bad in [&b"\xff"[..], b"\\ud800", b"\xc0\xae", b"\xed\xa0\x80"] {
        let body = [
            br#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"f018"},"data":{"k":""#.as_slice(),
            bad,
            br#""}}"#,
        ]
        .concat();
        let answer = world
            .admin
            .send("POST", &format!("{PATH}?dryRun=All"), &[JSON], &body)
            .is(&[201, 400, 422], format!("{bad:?}"));
        assert!(std::str::from_utf8(&answer.body).is_ok());
    }
    let mut object = config_map("f018");
    for name in ["a\0b", "a\u{e9}", "A", "a_b", "a/b", "..", ""] {
        object["metadata"]["name"] = json!(name);
        world.admin.post(PATH, &object).is(&[400, 422], format!("{name:?}"));
    }
}

#[test]
fn f049_types_are_never_guessed() {
    let world = world();
    let body = config_map("f049").to_string();
    for content in [
        "text/plain",
        "application/json-patch+json",
        "multipart/form-data",
        "application/x-www-form-urlencoded",
        "text/html",
        "image/png",
        "a",
    ] {
        world.admin.send("POST", PATH, &[("Content-Type", content)], body.as_bytes()).is(&[415], content);
    }
    world.admin.post(PATH, &config_map("f049")).is(&[201, 409], "made");
    for content in ["application/json", "text/plain", "application/yaml", "application/unknown-patch+json"] {
        world
            .admin
            .send("PATCH", &format!("{PATH}/f049"), &[("Content-Type", content)], b"{}")
            .is(&[415], content);
    }
}

#[test]
fn f050_the_body_is_of_the_kind_of_the_path() {
    let world = world();
    for (version, kind) in [
        ("v1", "Secret"),
        ("v1", "List"),
        ("v1", "DeleteOptions"),
        ("v2", "ConfigMap"),
        ("v1", "configmap"),
        ("apps/v1", "ConfigMap"),
        ("v1", "ConfigMapList"),
        ("meta.k8s.io/v1", "Status"),
    ] {
        let body = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "f050"}});
        world.admin.post(PATH, &body).is(&[400], format!("{version} {kind}"));
    }
    world.admin.get(&format!("{PATH}/f050")).is(&[404], "nothing was made");
}

#[test]
fn f043_times_that_are_none() {
    let world = world();
    for time in [
        "10000-01-01T00:00:00Z",
        "2020-01-01T00:00:60Z",
        "Mon, 02 Jan 2006 15:04:05 GMT",
        "2020-01-01T00:00:00+99:99",
        "x",
        "2020-13-01T00:00:00Z",
    ] {
        let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "f043"}, "spec": {"renewTime": time}});
        world
            .admin
            .post("/apis/coordination.k8s.io/v1/namespaces/a/leases?dryRun=All", &lease)
            .is(&[400, 422], time);
        let mut object = config_map("f043");
        object["metadata"]["creationTimestamp"] = json!(time);
        world.admin.post(&format!("{PATH}?dryRun=All"), &object).is(&[400, 422], time);
    }
}

#[test]
fn a035_patches_do_not_multiply() {
    let world = world();
    let mut object = config_map("a035");
    object["data"] = json!({"k": "x".repeat(1000)});
    world.admin.post(PATH, &object).is(&[201], "made");
    let copies: Vec<_> =
        (0..30).map(|n| json!({"op": "copy", "from": "/data", "path": format!("/data/k{n}")})).collect();
    let many: Vec<_> =
        (0..10_001).map(|n| json!({"op": "add", "path": "/data/k", "value": n.to_string()})).collect();
    for patch in [json!(copies), json!(many)] {
        world.nsadm.patch("json", &format!("{PATH}/a035"), &patch).is(&[400, 413, 422], "patch");
    }
}
