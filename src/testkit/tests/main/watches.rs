//! What streams send beside objects.

use portcullis_testkit::ControlPlane;
use serde_json::{Value, json};

use crate::world::{create, lines};

const INITIAL: &str = "watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=1";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bookmark_in_a_table_is_a_row() {
    let plane = ControlPlane::start().await.unwrap();
    let maps = "/api/v1/namespaces/default/configmaps";
    let stream = |name: &str| format!("{maps}?{INITIAL}&fieldSelector=metadata.name={name}");
    let row = |bookmark: &Value| {
        let version = bookmark["object"]["metadata"]["resourceVersion"].clone();
        json!([{
            "cells": ["", 0, "<unknown>"],
            "object": {
                "kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": { "resourceVersion": version, "annotations": { "k8s.io/initial-events-end": "true" } },
            },
        }])
    };
    let seen = lines(&plane, &stream("none"), TABLE).await;
    assert_eq!((seen.len(), &seen[0]["type"]), (1, &json!("BOOKMARK")), "{seen:?}");
    assert_eq!(seen[0]["object"]["rows"], row(&seen[0]));
    assert!(seen[0]["object"]["columnDefinitions"].is_array(), "the first event has them: {seen:?}");

    create(&plane, maps, json!({ "metadata": { "name": "one" } })).await.ok();
    let seen = lines(&plane, &stream("one"), TABLE).await;
    assert_eq!((&seen[0]["type"], &seen[1]["type"]), (&json!("ADDED"), &json!("BOOKMARK")), "{seen:?}");
    assert_eq!(seen[1]["object"]["rows"], row(&seen[1]));
    assert!(seen[1]["object"]["columnDefinitions"].is_null());
    plane.shutdown().await.unwrap();
}
