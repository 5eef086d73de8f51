//! Which servers there are, as upstream's keep it: a record for each below `/registry/masterleases/`, which ends
//! unless its server renews it. The `kubernetes` endpoints are made of them.

use std::net::IpAddr;
use std::time::Duration;

use portcullis_api::{Object, Result};
use portcullis_storage::{KeyValue, Range};
use serde_json::{Value, json};

use crate::Registry;
use crate::door::storage_error;

const RECORDS: &str = "/registry/masterleases/";
/// How long a server that is not heard of is one, as upstream's.
const LASTS: Duration = Duration::from_secs(15);

impl Registry {
    /// Says that this server is there; returns the addresses of all, in order.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn announce(&self, address: IpAddr) -> Result<Vec<IpAddr>> {
        let key = format!("{RECORDS}{address}");
        let before = self.store().get(&key, None).await.map_err(storage_error)?;
        let times = before.as_ref().and_then(generation).unwrap_or_default().saturating_add(1);
        let record = json!({
            "kind": "Endpoints", "apiVersion": "v1",
            "metadata": { "generation": times },
            "subsets": [{ "addresses": [{ "ip": address.to_string() }] }],
        });
        self.record(key.into(), record.to_string().into(), Some(LASTS)).await?;
        self.servers().await
    }

    /// Says that this server is there no more; returns the addresses of those that are left.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn withdraw(&self, address: IpAddr) -> Result<Vec<IpAddr>> {
        let key = format!("{RECORDS}{address}");
        if let Some(record) = self.store().get(&key, None).await.map_err(storage_error)? {
            self.forget(record.key, record.mod_revision).await?;
        }
        self.servers().await
    }

    async fn servers(&self) -> Result<Vec<IpAddr>> {
        let records = self.store().range(Range::prefix(RECORDS)).await.map_err(storage_error)?;
        let mut addresses: Vec<IpAddr> = records.kvs.iter().filter_map(address).collect();
        // As text, which is upstream's order.
        addresses.sort_by_cached_key(ToString::to_string);
        addresses.dedup();
        Ok(addresses)
    }
}

fn object(record: &KeyValue) -> Option<Object> {
    serde_json::from_slice(&record.value).ok().map(Object::new)
}

fn generation(record: &KeyValue) -> Option<i64> {
    object(record)?.at(&["metadata", "generation"])?.as_i64()
}

fn address(record: &KeyValue) -> Option<IpAddr> {
    let object = object(record)?;
    let subset = object.at(&["subsets"]).and_then(Value::as_array)?.first()?;
    subset.pointer("/addresses/0/ip")?.as_str()?.parse().ok()
}
