//! A watch that is resumed for as long as a run lasts, folded into what must be there in the end.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams};
use kube::runtime::watcher::{Config, Error, Event, watcher};
use kube::{Client, ResourceExt as _};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, sleep};

/// Long enough for a busy machine.
const CATCH_UP: Duration = Duration::from_secs(30);

type Versions = BTreeMap<String, String>;

/// Follows all config maps of a namespace: the resource version of each.
pub(super) struct Follower {
    api: Api<ConfigMap>,
    seen: Arc<Mutex<Versions>>,
    task: JoinHandle<Option<Error>>,
}

impl Follower {
    pub(super) fn begin(client: Client, namespace: &str) -> Self {
        let api: Api<ConfigMap> = Api::namespaced(client, namespace);
        let seen = Arc::new(Mutex::new(Versions::new()));
        // A short watch, so that many are resumed.
        let mut events = watcher(api.clone(), Config::default().timeout(20)).boxed();
        let fold = seen.clone();
        let task = tokio::spawn(async move {
            loop {
                match events.try_next().await {
                    Ok(Some(event)) => apply(&mut *fold.lock().await, event),
                    Ok(None) => return None,
                    Err(error) => return Some(error),
                }
            }
        });
        Self { api, seen, task }
    }

    /// What is wrong with what was seen, if anything, once nobody writes any more.
    pub(super) async fn end(self) -> Option<String> {
        let deadline = Instant::now() + CATCH_UP;
        loop {
            if self.task.is_finished() {
                return Some(format!("the watch failed: {:?}", self.task.await));
            }
            let listed = self.api.list(&ListParams::default()).await;
            let listed = listed.map(|list| list.items.iter().map(version).collect::<Versions>());
            match listed {
                Err(error) => return Some(format!("list: {error}")),
                Ok(listed) if listed == *self.seen.lock().await => break,
                Ok(_) if Instant::now() > deadline => {
                    return Some("the watch is not what is listed".to_owned());
                }
                Ok(_) => sleep(Duration::from_millis(100)).await,
            }
        }
        self.task.abort();
        None
    }
}

fn apply(seen: &mut Versions, event: Event<ConfigMap>) {
    match event {
        Event::Init => seen.clear(),
        Event::InitDone => {}
        Event::InitApply(object) | Event::Apply(object) => {
            let (name, version) = version(&object);
            seen.insert(name, version);
        }
        Event::Delete(object) => {
            seen.remove(&object.name_any());
        }
    }
}

fn version(object: &ConfigMap) -> (String, String) {
    (object.name_any(), object.resource_version().unwrap_or_default())
}
