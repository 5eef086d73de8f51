//! The hooks of one kind, in the order in which they are asked.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use portcullis_api::{Object, Value};
use portcullis_outbound::HookCaller;

use super::hook::Hook;

/// Hooks by their configuration's name, and all of them in a row.
pub(super) struct Set {
    caller: Arc<HookCaller>,
    idle: AtomicBool,
    all: ArcSwap<Vec<Arc<Hook>>>,
    by_configuration: Mutex<BTreeMap<String, Vec<Arc<Hook>>>>,
}

impl Set {
    pub(super) fn new(caller: Arc<HookCaller>) -> Self {
        Self {
            caller,
            idle: AtomicBool::new(true),
            all: ArcSwap::default(),
            by_configuration: Mutex::default(),
        }
    }

    /// Whether there is no hook.
    pub(super) fn is_idle(&self) -> bool {
        self.idle.load(Ordering::Acquire)
    }

    /// All hooks as of now.
    pub(super) fn load(&self) -> Arc<Vec<Arc<Hook>>> {
        self.all.load_full()
    }

    /// Takes a configuration in. A hook that is called in the same way as before keeps its connections.
    pub(super) fn upsert(&self, configuration: &Object) {
        let mut all = self.by_configuration.lock();
        let before = all.get(configuration.name()).cloned().unwrap_or_default();
        let hooks = read(configuration, &before, &self.caller);
        all.insert(configuration.name().to_owned(), hooks);
        self.publish(&all);
    }

    /// Forgets a configuration.
    pub(super) fn remove(&self, name: &str) {
        let mut all = self.by_configuration.lock();
        all.remove(name);
        self.publish(&all);
    }

    fn publish(&self, all: &BTreeMap<String, Vec<Arc<Hook>>>) {
        let row: Vec<Arc<Hook>> = all.values().flatten().cloned().collect();
        let idle = row.is_empty();
        self.all.store(Arc::new(row));
        self.idle.store(idle, Ordering::Release);
    }
}

/// The hooks of a configuration. Several may have one name; their place among those tells them apart.
fn read(configuration: &Object, before: &[Arc<Hook>], caller: &Arc<HookCaller>) -> Vec<Arc<Hook>> {
    let list = configuration.get("webhooks").and_then(Value::as_array);
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut hooks = Vec::new();
    for hook in list.into_iter().flatten() {
        let name = hook.get("name").and_then(Value::as_str).unwrap_or_default();
        let count = seen.entry(name).or_default();
        let id = format!("{}/{name}/{count}", configuration.name());
        *count = count.saturating_add(1);
        let known = before.iter().find(|known| known.id == id);
        hooks.push(Arc::new(Hook::read(configuration.name(), id, hook, known.map(AsRef::as_ref), caller)));
    }
    hooks
}
