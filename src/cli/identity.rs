//! The lease by which this server says that it is there, as upstream's servers say it to each other.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use portcullis_api::Value;
use serde_json::json;

/// How long the server counts as being there without another word, in seconds.
const LASTS: u32 = 3600;
const COMPONENT: &str = "kube-apiserver";

/// Which server this is.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    host: String,
    /// Another one with every start.
    holder: String,
}

impl Identity {
    /// The server of this host.
    pub(crate) fn new() -> Self {
        let named = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = if named.trim().is_empty() { "localhost" } else { named.trim() }.to_owned();
        let holder = format!("{}_{}", name(&host), uuid::Uuid::new_v4());
        Self { host, holder }
    }

    /// The lease, renewed at this moment.
    pub(crate) fn lease(&self, now: Timestamp) -> Value {
        json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {
                "name": name(&self.host), "namespace": "kube-system",
                "labels": { "apiserver.kubernetes.io/identity": COMPONENT, "kubernetes.io/hostname": self.host },
            },
            "spec": {
                "holderIdentity": self.holder, "leaseDurationSeconds": LASTS,
                "renewTime": now.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string(),
            },
        })
    }
}

/// `apiserver-` and a hash of the host's name and of what runs there; upstream's recipe.
fn name(host: &str) -> String {
    let mut told = Vec::new();
    for part in [host, COMPONENT] {
        // A host's name is at most 64 bytes long.
        told.extend_from_slice(&u16::try_from(part.len()).unwrap_or(u16::MAX).to_be_bytes());
        told.extend_from_slice(part.as_bytes());
    }
    let hash = digest(&SHA256, &told);
    let mut name = String::from("apiserver-");
    write!(name, "{}", base32(hash.as_ref().get(..16).unwrap_or_default())).ok();
    name
}

/// RFC 4648 in lower case and without padding.
fn base32(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let (mut text, mut held, mut bits) = (String::new(), 0_u32, 0_u32);
    let letter = |five: u32| LETTERS.get((five & 31) as usize).map_or('a', |letter| char::from(*letter));
    for byte in bytes {
        held = (held << 8 | u32::from(*byte)) & 0xffff;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(letter(held >> bits));
        }
    }
    if bits > 0 {
        text.push(letter(held << (5 - bits)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_is_as_the_rfc_has_it() {
        for (bytes, text) in [
            ("", ""),
            ("f", "my"),
            ("fo", "mzxq"),
            ("foo", "mzxw6"),
            ("foob", "mzxw6yq"),
            ("foobar", "mzxw6ytboi"),
        ] {
            assert_eq!(base32(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn a_lease_names_the_host_and_its_holder() {
        let identity = Identity { host: "vm".to_owned(), holder: "apiserver-x_y".to_owned() };
        let lease = identity.lease("2026-01-02T03:04:05.678Z".parse().unwrap());
        // As an upstream server on a host of this name calls itself.
        assert_eq!(lease["metadata"]["name"], "apiserver-wlv32tlttr4jl3gtroqexyxapa");
        assert_eq!(lease["metadata"]["labels"]["kubernetes.io/hostname"], "vm");
        assert_eq!(lease["spec"]["renewTime"], "2026-01-02T03:04:05.678000Z");
        assert_ne!(Identity::new().holder, Identity::new().holder);
    }
}
