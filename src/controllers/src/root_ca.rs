//! The root authority's certificate in every active namespace, put right whenever somebody changes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt as _};
use portcullis_client::{Key, Next, Queue};

use crate::Error;
use crate::error::created;
use crate::informers::Informers;
use crate::service_account::is_active;

/// The config map's name.
pub(crate) const ROOT_CA: &str = "kube-root-ca.crt";
const AT_A_TIME: usize = 5;
const DESCRIPTION: &str = "kubernetes.io/description";
// The same text as upstream's: tools compare it.
const DESCRIPTION_TEXT: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal \
    endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across \
    distributions of Kubernetes clusters.";

pub(crate) async fn run(informers: Arc<Informers>, client: Client, pem: Arc<str>) {
    let queue = Queue::new();
    informers.namespaces.synced().await;
    informers.root_cas.synced().await;
    informers
        .namespaces
        .feed(&queue, |change| is_active(change.object()).then(|| change.object().name_any()));
    informers.root_cas.feed(&queue, |change| change.object().namespace());
    queue.work(AT_A_TIME, |namespace| ensure(&informers, &client, &pem, namespace)).await;
}

async fn ensure(informers: &Informers, client: &Client, pem: &str, namespace: String) -> Result<Next, Error> {
    if !informers.namespaces.get(&Key::cluster(&namespace)).is_some_and(|found| is_active(&found)) {
        return Ok(Next::Settled);
    }
    let api = Api::<ConfigMap>::namespaced(client.clone(), &namespace);
    match informers.root_cas.get(&Key::namespaced(&namespace, ROOT_CA)) {
        None => {
            let fresh = put_right(ConfigMap::default(), pem);
            created(api.create(&PostParams::default(), &fresh).await)?;
        }
        Some(found) if is_right(&found, pem) => {}
        Some(found) => {
            let outcome =
                api.replace(ROOT_CA, &PostParams::default(), &put_right((*found).clone(), pem)).await;
            settle(outcome)?;
        }
    }
    Ok(Next::Settled)
}

/// A config map that changed or went meanwhile is told of by its watch.
fn settle(outcome: Result<ConfigMap, kube::Error>) -> Result<(), Error> {
    match outcome.map_err(Error::from) {
        Err(error) if !error.is_conflict() && !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

fn is_right(found: &ConfigMap, pem: &str) -> bool {
    let described = found.annotations().get(DESCRIPTION).is_some_and(|text| !text.is_empty());
    described && found.data.as_ref() == Some(&data(pem))
}

fn put_right(mut object: ConfigMap, pem: &str) -> ConfigMap {
    object.metadata.name = Some(ROOT_CA.to_owned());
    object.annotations_mut().insert(DESCRIPTION.to_owned(), DESCRIPTION_TEXT.to_owned());
    object.data = Some(data(pem));
    object
}

fn data(pem: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("ca.crt".to_owned(), pem.to_owned())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_data_is_wrong_and_another_description_is_not() {
        let mut object = put_right(ConfigMap::default(), "pem");
        assert!(is_right(&object, "pem"));
        assert!(!is_right(&object, "another"));
        object.annotations_mut().insert(DESCRIPTION.to_owned(), "ours".to_owned());
        assert!(is_right(&object, "pem"));
        object.annotations_mut().remove(DESCRIPTION);
        assert!(!is_right(&object, "pem"));
        object = put_right(object, "pem");
        object.data.get_or_insert_default().insert("more".to_owned(), "x".to_owned());
        assert!(!is_right(&object, "pem"));
    }
}
