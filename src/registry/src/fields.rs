//! The fields a field selector may name, extracted once when an object enters the cache.

use std::sync::Arc;

use portcullis_schema::Word;
use portcullis_storage::{Entry, Indexer, Parts, Trait, View};

/// The selectable fields of a stored resource, name and namespace aside.
#[derive(Clone)]
pub(crate) struct Selectable {
    fields: Arc<[Word]>,
    /// The places of those that objects are found by.
    finding: Box<[usize]>,
    custom: bool,
}

impl Selectable {
    /// The fields of a built-in resource.
    pub(crate) fn of(fields: &[Word]) -> Self {
        let finding =
            (0..).zip(fields).filter(|(_, field)| FINDING.contains(&&***field)).map(|(place, _)| place);
        Self { fields: fields.into(), finding: finding.collect(), custom: false }
    }

    /// The fields of a custom resource in all its versions: what is at the path, and nothing instead.
    pub(crate) fn custom(fields: &[Word]) -> Self {
        Self { fields: fields.into(), finding: Box::default(), custom: true }
    }

    /// What objects that have a value in a field are found by, if they are.
    pub(crate) fn trait_of<'v>(&self, field: &str, value: &'v str) -> Option<Trait<'v>> {
        let place = self.place(field)?;
        (!value.is_empty() && self.finding.contains(&place)).then_some(Trait::Field(place, value))
    }

    /// The value of a field of an entry; `None` for a field the resource does not have.
    pub(crate) fn value<'e>(&self, entry: &'e Entry, field: &str) -> Option<&'e str> {
        match field {
            "metadata.name" => Some(entry.name()),
            "metadata.namespace" => Some(entry.namespace()),
            _ => self.place(field).map(|place| entry.fields().get(place)),
        }
    }

    fn place(&self, field: &str) -> Option<usize> {
        let stored = if self.custom { field } else { stored_name(field) };
        self.fields.iter().position(|one| one == stored)
    }
}

/// The events.k8s.io group names some fields of the stored event otherwise.
fn stored_name(field: &str) -> &str {
    match field {
        "reportingController" => "reportingComponent",
        "regarding.apiVersion" => "involvedObject.apiVersion",
        "regarding.fieldPath" => "involvedObject.fieldPath",
        "regarding.kind" => "involvedObject.kind",
        "regarding.name" => "involvedObject.name",
        "regarding.namespace" => "involvedObject.namespace",
        "regarding.resourceVersion" => "involvedObject.resourceVersion",
        "regarding.uid" => "involvedObject.uid",
        other => other,
    }
}

/// Every kubelet asks for the pods of its node, and `kubectl describe` for the events of an object.
const FINDING: [&str; 2] = ["spec.nodeName", "involvedObject.uid"];

impl Indexer for Selectable {
    fn finding(&self) -> &[usize] {
        &self.finding
    }

    fn fields(&self, object: &mut Parts<'_, '_>, put: &mut dyn FnMut(&str)) {
        for field in &*self.fields {
            if self.custom {
                put(&object.at(field.split('.')).and_then(View::scalar).unwrap_or_default());
            } else if field.starts_with("metadata.") {
                put("");
            } else {
                extract(object, field, put);
            }
        }
    }
}

fn extract(object: &mut Parts<'_, '_>, field: &str, put: &mut dyn FnMut(&str)) {
    let mut text = |path: &str| object.at(path.split('.')).and_then(View::scalar);
    match field {
        "source" => {
            let component = text("source.component").filter(|c| !c.is_empty());
            put(&component.or_else(|| text("reportingComponent")).unwrap_or_default());
        }
        "status.podIPs" => {
            let ips = object.at(field.split('.')).into_iter().flat_map(View::elements);
            let ips: Vec<_> = ips.filter_map(|ip| ip.get("ip").and_then(View::scalar)).collect();
            put(&ips.join(","));
        }
        "spec.hostNetwork" | "spec.unschedulable" => put(text(field).as_deref().unwrap_or("false")),
        "status.replicas" => put(text(field).as_deref().unwrap_or("0")),
        "status.successful" => put(text("status.succeeded").as_deref().unwrap_or("0")),
        _ => put(&text(field).unwrap_or_default()),
    }
}
