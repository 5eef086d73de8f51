//! Claims of ports whose services are gone: another implementation of the API deletes a service without them.

use std::collections::HashSet;

use portcullis_api::Result;
use portcullis_storage::Range;

use super::ports::{self, CLAIMS, SERVICES};
use crate::Registry;
use crate::door::storage_error;

impl Registry {
    /// Gives up the claims of ports that no service has; returns how many those were.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn release_strays(&self) -> Result<usize> {
        let claims = self.store().range(Range::prefix(CLAIMS)).await.map_err(storage_error)?;
        if claims.kvs.is_empty() {
            return Ok(0);
        }
        // At the same revision: a claim and its service are written together.
        let services = Range::prefix(SERVICES).at(claims.revision);
        let services = self.store().range(services).await.map_err(storage_error)?;
        let held: HashSet<u16> = services.kvs.iter().flat_map(|kv| ports::stored_ports(&kv.value)).collect();
        let mut released = 0;
        for kv in claims.kvs {
            let port = kv.key.strip_prefix(CLAIMS).and_then(|port| port.parse().ok());
            if port.is_none_or(|port| !held.contains(&port)) && self.forget(kv.key, kv.mod_revision).await? {
                released += 1;
            }
        }
        Ok(released)
    }
}
