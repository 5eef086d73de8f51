//! The client of a webhook that an object of the API names, made when it is called first.

use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::{Client, HookAddress, HookIdentities, Limits, ServiceRoutes};

/// As whom webhooks are called, and where services are.
pub struct HookCaller {
    /// As whom.
    pub identities: HookIdentities,
    /// Where services are.
    pub routes: Arc<dyn ServiceRoutes>,
}

/// A `clientConfig {url | service, caBundle}` and its client. What is wrong with the configuration is told at every
/// call.
pub struct HookClient {
    config: Value,
    limits: Limits,
    caller: Arc<HookCaller>,
    client: OnceLock<Result<Client, String>>,
}

impl HookClient {
    /// The client of a `clientConfig`.
    pub fn new(config: &Value, limits: Limits, caller: &Arc<HookCaller>) -> Self {
        Self { config: config.clone(), limits, caller: caller.clone(), client: OnceLock::new() }
    }

    /// Whether it is the client of the same configuration, so that its connections can be kept.
    pub fn is_of(&self, config: &Value) -> bool {
        self.config == *config
    }

    /// The client.
    ///
    /// # Errors
    /// Why there is none, in words free of secrets.
    pub fn get(&self) -> Result<&Client, &str> {
        self.client.get_or_init(|| self.make()).as_ref().map_err(String::as_str)
    }

    fn make(&self) -> Result<Client, String> {
        let authorities = authorities(&self.config)?;
        let address = address(&self.config)?;
        let endpoint = address.endpoint(&authorities, &self.caller.identities, &self.caller.routes);
        let client = endpoint.and_then(|endpoint| Client::new(endpoint, self.limits));
        client.map_err(|error| error.to_string())
    }
}

/// Where the webhook is.
fn address(config: &Value) -> Result<HookAddress, String> {
    if let Some(service) = config.get("service").filter(|service| service.is_object()) {
        let text = |field: &str| service.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let port = service.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
        let (namespace, name, path) = (text("namespace"), text("name"), text("path"));
        return Ok(HookAddress::Service { namespace, name, path, port });
    }
    match config.get("url").and_then(Value::as_str) {
        Some(url) if !url.is_empty() => Ok(HookAddress::Url(url.to_owned())),
        _ => Err("webhook configuration must have either service or URL".to_owned()),
    }
}

/// The bundle; blank counts as none.
fn authorities(config: &Value) -> Result<String, String> {
    let Some(bundle) = config.get("caBundle").and_then(Value::as_str) else { return Ok(String::new()) };
    let bytes = STANDARD.decode(bundle).map_err(|_| "the caBundle is not in base 64".to_owned())?;
    let text = String::from_utf8(bytes).map_err(|_| "the caBundle is no text".to_owned())?;
    Ok(if text.trim().is_empty() { String::new() } else { text })
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use serde_json::json;

    use super::*;

    struct Nowhere;

    #[async_trait]
    impl ServiceRoutes for Nowhere {
        async fn addresses(&self, _: &str, _: &str, _: u16) -> Result<Vec<std::net::SocketAddr>, String> {
            Err("nowhere".into())
        }
    }

    fn client(config: &Value) -> Result<(), String> {
        let caller = HookCaller { identities: HookIdentities::default(), routes: Arc::new(Nowhere) };
        let hook = HookClient::new(config, Limits::default(), &Arc::new(caller));
        hook.get().map(drop).map_err(str::to_owned)
    }

    #[test]
    fn a_configuration_that_cannot_be_used_says_why() {
        assert!(client(&json!({"url": "https://a.example/x"})).is_ok());
        assert!(client(&json!({"service": {"namespace": "n", "name": "s", "port": 443}})).is_ok());
        let blank = STANDARD.encode(" \n");
        assert!(client(&json!({"url": "https://a.example/x", "caBundle": blank})).is_ok());
        for (config, why) in [
            (json!({}), "webhook configuration must have either service or URL"),
            (json!({"url": "https://a", "caBundle": "%"}), "the caBundle is not in base 64"),
            (
                json!({"url": "https://a", "caBundle": STANDARD.encode("x")}),
                "unable to load root certificates: unable to parse bytes as PEM block",
            ),
        ] {
            assert_eq!(client(&config).unwrap_err(), why);
        }
        assert!(client(&json!({"url": "http://a.example/"})).is_err());
    }
}
