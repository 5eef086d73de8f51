//! The end of a namespace: its content is deleted, then the namespace lets itself go.
//!
//! ```text
//! terminating -> contents: pods first, then all the rest   -> some remain: conditions say which; later again
//!                                                          -> none remain: finalize
//! ```

mod conditions;
mod contents;
mod resources;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt as _};
use portcullis_client::{Next, Queue};

use crate::Error;
use crate::informers::Informers;
use contents::Emptied;

const AT_A_TIME: usize = 10;
/// Creations that were admitted before the namespace was terminating are stored by then.
const GRACE: Duration = Duration::from_millis(100);
/// The finalizer that is ours to remove.
const FINALIZER: &str = "kubernetes";
const TERMINATING: &str = "Terminating";
/// How often a write that met another is tried again before the key fails.
const WRITES: usize = 10;

pub(crate) async fn run(informers: Arc<Informers>, client: Client) {
    let queue = Queue::new();
    informers.namespaces.feed_after(&queue, GRACE, |change| {
        let namespace = change.object();
        namespace.metadata.deletion_timestamp.is_some().then(|| namespace.name_any())
    });
    queue.work(AT_A_TIME, |name| terminate(&client, name)).await;
}

async fn terminate(client: &Client, name: String) -> Result<Next, Error> {
    let api = Api::<Namespace>::all(client.clone());
    match step(client, &api, &name).await {
        // Somebody else finished the work.
        Err(error) if error.is_not_found() => Ok(Next::Settled),
        other => other,
    }
}

async fn step(client: &Client, api: &Api<Namespace>, name: &str) -> Result<Next, Error> {
    let namespace = api.get(name).await?;
    if namespace.metadata.deletion_timestamp.is_none() {
        return Ok(Next::Settled);
    }
    let namespace = write(api, namespace, marked_terminating, "status").await?;
    if finalizers(&namespace).is_empty() {
        return Ok(Next::Settled);
    }
    let emptied = contents::delete_all(client, &namespace).await;
    let namespace = record(api, namespace, &emptied).await;
    if let Some(why) = emptied.failure() {
        return Err(Error::Content { namespace: name.to_owned(), why });
    }
    if let Some(estimate) = emptied.estimate() {
        return Ok(Next::After(Duration::from_secs(estimate / 2 + 1)));
    }
    write(api, namespace, without_our_finalizer, "finalize").await?;
    Ok(Next::Settled)
}

/// Shows what was found in the conditions. Where that fails the work goes on without.
async fn record(api: &Api<Namespace>, namespace: Namespace, emptied: &Emptied) -> Namespace {
    let mut shown = namespace.clone();
    if !conditions::update(shown.status.get_or_insert_default(), emptied) {
        return namespace;
    }
    match api.replace_status(&namespace.name_any(), &PostParams::default(), &shown).await {
        Ok(stored) => stored,
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(
                error,
                namespace = namespace.name_any(),
                "The namespace's conditions were not stored"
            );
            namespace
        }
    }
}

/// Writes what an edit makes of a namespace, on its newest state if it changed meanwhile.
async fn write(
    api: &Api<Namespace>,
    mut namespace: Namespace,
    edit: impl Fn(&Namespace) -> Option<Namespace>,
    subresource: &str,
) -> Result<Namespace, Error> {
    let name = namespace.name_any();
    let mut left = WRITES;
    loop {
        let Some(edited) = edit(&namespace) else { return Ok(namespace) };
        let outcome = api.replace_subresource(subresource, &name, &PostParams::default(), &edited).await;
        match outcome.map_err(Error::from) {
            Err(error) if error.is_conflict() && left > 0 => left -= 1,
            outcome => return outcome,
        }
        let newest = api.get(&name).await?;
        if newest.uid() != namespace.uid() {
            return Err(Error::Replaced(name));
        }
        namespace = newest;
    }
}

fn marked_terminating(namespace: &Namespace) -> Option<Namespace> {
    let phase = namespace.status.as_ref().and_then(|status| status.phase.as_deref());
    (phase != Some(TERMINATING)).then(|| {
        let mut edited = namespace.clone();
        edited.status.get_or_insert_default().phase = Some(TERMINATING.to_owned());
        edited
    })
}

fn without_our_finalizer(namespace: &Namespace) -> Option<Namespace> {
    let mut edited = namespace.clone();
    let finalizers = edited.spec.get_or_insert_default().finalizers.get_or_insert_default();
    finalizers.retain(|finalizer| finalizer != FINALIZER);
    finalizers.sort();
    Some(edited)
}

fn finalizers(namespace: &Namespace) -> &[String] {
    namespace.spec.as_ref().and_then(|spec| spec.finalizers.as_deref()).unwrap_or_default()
}
