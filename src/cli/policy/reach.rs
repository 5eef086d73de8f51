//! Which running server is asked, and what of it is studied.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use http::StatusCode;
use portcullis_api::Value;
use portcullis_authz::study::Studied;
use portcullis_outbound::{Client, Limits, Request, kubeconfig_endpoint};

use super::Live;
use crate::cli::ask::Asker;
use crate::cli::place::Place;
use crate::cli::{Failure, paging, serve};

/// A page of the largest objects there are.
const LIMITS: Limits = Limits { deadline: Duration::from_secs(30), largest: 256 << 20 };
/// What of a server says who may do what.
const LISTS: [(&str, &str, &str); 6] = [
    ("/api/v1/namespaces", "v1", "Namespace"),
    (
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
    ),
    ("/apis/rbac.authorization.k8s.io/v1/roles", RBAC, "Role"),
    ("/apis/rbac.authorization.k8s.io/v1/clusterroles", RBAC, "ClusterRole"),
    ("/apis/rbac.authorization.k8s.io/v1/rolebindings", RBAC, "RoleBinding"),
    ("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", RBAC, "ClusterRoleBinding"),
];
const RBAC: &str = "rbac.authorization.k8s.io/v1";

/// A server: that of a data directory, or that of a kubeconfig.
#[derive(Args, Debug)]
pub(super) struct Reach {
    #[command(flatten)]
    place: Place,
    /// Ask the server of this kubeconfig, as its user, instead of that of the data directory.
    #[arg(long, value_name = "FILE", conflicts_with = "data_dir")]
    kubeconfig: Option<PathBuf>,
}

/// A server that answers.
enum Server {
    Own(Asker),
    Other { client: Client, root: String },
}

impl Reach {
    /// The answer to a GET.
    pub(super) fn ask(&self, path: &str) -> Result<Value, Failure> {
        serve::runtime()?.block_on(async { self.connect().await?.get(path).await })
    }

    async fn connect(&self) -> Result<Server, Failure> {
        let Some(path) = &self.kubeconfig else {
            return Ok(Server::Own(Asker::connect(&self.place.dir()?).await?));
        };
        let unusable = |error: portcullis_outbound::ConfigError| {
            Failure::caused(format!("the kubeconfig {} cannot be used", path.display()), &error)
        };
        let endpoint = kubeconfig_endpoint(path).map_err(unusable)?;
        let root = endpoint.url().to_string().trim_end_matches('/').to_owned();
        Ok(Server::Other { client: Client::new(endpoint, LIMITS).map_err(unusable)?, root })
    }

    /// Everything there that says who may do what.
    async fn fetch(&self) -> Result<Fetched, Failure> {
        let mut server = self.connect().await?;
        let mut lists = Vec::new();
        for (path, version, kind) in LISTS {
            lists.push(server.list(path, version, kind).await?);
        }
        let sources = server.get("/portcullis/policy/sources").await?;
        Ok(Fetched { lists, sources })
    }
}

/// What a server said at one time.
struct Fetched {
    lists: Vec<Value>,
    sources: Value,
}

impl Fetched {
    fn with(&self, files: Studied) -> Result<Studied, Failure> {
        let server = Studied::of_server(self.lists.clone(), &self.sources)
            .map_err(|error| Failure::caused("the server's policies cannot be read", &error))?;
        Ok(files.over(server))
    }
}

impl Server {
    async fn get(&mut self, path: &str) -> Result<Value, Failure> {
        let (status, body) = match self {
            Self::Own(asker) => asker.get(path).await?,
            Self::Other { client, root } => {
                let url = format!("{root}{path}")
                    .parse()
                    .map_err(|_| Failure::new(format!("{root}{path} is no address")))?;
                let reply = client
                    .send(&Request::get().at(url))
                    .await
                    .map_err(|error| Failure::caused(format!("GET {path} was not answered"), &error))?;
                (reply.status, reply.body)
            }
        };
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status == StatusCode::OK {
            return Ok(answer);
        }
        let why = answer.get("message").and_then(Value::as_str).unwrap_or("the server gives no reason");
        Err(Failure::because(format!("the server answers {} to GET {path}", status.as_u16()), why))
    }

    /// All objects of a kind, page by page, each saying what it is.
    async fn list(&mut self, path: &str, version: &str, kind: &str) -> Result<Value, Failure> {
        let items = paging::items(path, async |page: String| self.get(&page).await).await?;
        Ok(serde_json::json!({ "apiVersion": version, "kind": format!("{kind}List"), "items": items }))
    }
}

/// What is studied: files as they are, with what every cluster starts with, or as applied to a running server.
pub(super) fn studied(paths: &[PathBuf], live: &Live) -> Result<Studied, Failure> {
    if !live.live {
        return super::offline::read(paths);
    }
    serve::runtime()?.block_on(live.reach.fetch())?.with(files(paths)?)
}

/// A running server as it is, and as it would be with files applied.
pub(super) fn before_and_after(paths: &[PathBuf], live: &Live) -> Result<(Studied, Studied), Failure> {
    let fetched = serve::runtime()?.block_on(live.reach.fetch())?;
    Ok((fetched.with(Studied::default())?, fetched.with(files(paths)?)?))
}

fn files(paths: &[PathBuf]) -> Result<Studied, Failure> {
    Studied::read(paths).map_err(|error| Failure::caused("the policies cannot be read", &error))
}
