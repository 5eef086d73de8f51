//! What of the API a pod or volume names, read from the stored bytes: only the few fields that matter.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::graph::{Kind, Need, Pod, Volume};

type Id = Box<str>;

/// A pod as the graph knows it; `None` while it has no node.
pub(super) fn pod(body: &[u8]) -> Option<Pod> {
    let pod: StoredPod = serde_json::from_slice(body).ok()?;
    if pod.spec.node_name.is_empty() {
        return None;
    }
    let mut needs = Vec::new();
    // A node makes mirror pods up itself: what they name must open nothing.
    if pod.metadata.annotations.mirror.is_none() {
        pod.add_needs(&mut needs);
        needs.retain(|need| !need.name.is_empty());
        needs.sort_unstable();
        needs.dedup();
    }
    Some(Pod { node: (*pod.spec.node_name).into(), needs: needs.into() })
}

/// A volume as the graph knows it; `None` while it is not claimed.
pub(super) fn volume(body: &[u8]) -> Option<Volume> {
    let mut spec = serde_json::from_slice::<StoredVolume>(body).ok()?.spec;
    let claim = spec.claim_ref.take()?;
    let mut secrets = spec.secrets(&claim.namespace);
    secrets.retain(|(_, name)| !name.is_empty());
    secrets.sort_unstable();
    secrets.dedup();
    Some(Volume { claim: (claim.namespace, claim.name), secrets: secrets.into() })
}

/// The node that a volume attachment or resource slice is of; `None` for one of no single node.
pub(super) fn node_of(body: &[u8]) -> Option<Box<str>> {
    let stored: OfNode = serde_json::from_slice(body).ok()?;
    Some(stored.spec.node_name).filter(|name| !name.is_empty())
}

impl StoredPod {
    fn add_needs(&self, needs: &mut Vec<Need>) {
        let mut need = |kind, name: &str| needs.push(Need { kind, name: name.into() });
        need(Kind::ServiceAccount, &self.spec.service_account_name);
        for secret in &self.spec.image_pull_secrets {
            need(Kind::Secret, &secret.name);
        }
        for container in self.spec.all_containers() {
            container.visit(&mut need);
        }
        for volume in &self.spec.volumes {
            volume.visit(&self.metadata.name, &mut need);
        }
        for claim in &self.spec.resource_claims {
            if let Some(name) = self.status.claim(claim) {
                need(Kind::ResourceClaim, name);
            }
        }
        if let Some(extended) = &self.status.extended_resource_claim_status {
            need(Kind::ResourceClaim, &extended.resource_claim_name);
        }
    }
}

impl PodSpec {
    fn all_containers(&self) -> impl Iterator<Item = &Container> {
        self.init_containers.iter().chain(&self.containers).chain(&self.ephemeral_containers)
    }
}

impl PodStatus {
    /// The claim that stands for an entry of the spec: named there, or made from a template.
    fn claim<'a>(&'a self, entry: &'a ClaimEntry) -> Option<&'a str> {
        if !entry.resource_claim_name.is_empty() {
            return Some(&entry.resource_claim_name);
        }
        let made = self.resource_claim_statuses.iter().find(|status| status.name == entry.name)?;
        Some(&made.resource_claim_name)
    }
}

impl Container {
    fn visit(&self, need: &mut impl FnMut(Kind, &str)) {
        for source in &self.env_from {
            need(Kind::Secret, &source.secret_ref.name);
            need(Kind::ConfigMap, &source.config_map_ref.name);
        }
        for variable in &self.env {
            need(Kind::Secret, &variable.value_from.secret_key_ref.name);
            need(Kind::ConfigMap, &variable.value_from.config_map_key_ref.name);
        }
    }
}

impl AnyVolume {
    /// What a volume of a pod names.
    fn visit(&self, pod: &str, need: &mut impl FnMut(Kind, &str)) {
        for (_, secret) in self.secrets("") {
            need(Kind::Secret, &secret);
        }
        need(Kind::Secret, &self.secret.secret_name);
        need(Kind::ConfigMap, &self.config_map.name);
        for source in &self.projected.sources {
            need(Kind::Secret, &source.secret.name);
            need(Kind::ConfigMap, &source.config_map.name);
        }
        need(Kind::Claim, &self.persistent_volume_claim.claim_name);
        if self.ephemeral.is_some() {
            need(Kind::Claim, &format!("{pod}-{}", self.name));
        }
    }

    /// The secrets a kubelet needs to mount it, by namespace and name. Older volumes name none: it is
    /// the claim's then.
    fn secrets(&self, claim_namespace: &str) -> Vec<(Id, Id)> {
        let near = |secret: &Named| (named_or(&secret.namespace, claim_namespace), secret.name.clone());
        let exact = |secret: &Named| (secret.namespace.clone(), secret.name.clone());
        let azure = &self.azure_file;
        let mut all = vec![(named_or(&azure.secret_namespace, claim_namespace), azure.secret_name.clone())];
        let older = [&self.cephfs, &self.flex_volume, &self.rbd, &self.scale_io, &self.iscsi];
        all.extend(older.map(|source| near(&source.secret_ref)));
        all.extend([&self.cinder, &self.storageos].map(|source| exact(&source.secret_ref)));
        let csi = &self.csi;
        let of_nodes =
            [&csi.node_publish_secret_ref, &csi.node_stage_secret_ref, &csi.node_expand_secret_ref];
        all.extend(of_nodes.map(exact));
        all
    }
}

fn named_or(namespace: &str, otherwise: &str) -> Id {
    if namespace.is_empty() { otherwise.into() } else { namespace.into() }
}

#[derive(Deserialize)]
struct OfNode {
    spec: OfNodeSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfNodeSpec {
    #[serde(default)]
    node_name: Id,
}

#[derive(Deserialize)]
struct StoredVolume {
    spec: AnyVolume,
}

#[derive(Deserialize)]
struct StoredPod {
    metadata: Metadata,
    spec: PodSpec,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    name: Id,
    #[serde(default)]
    annotations: Annotations,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Annotations {
    #[serde(rename = "kubernetes.io/config.mirror")]
    mirror: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodSpec {
    #[serde(default)]
    node_name: Id,
    #[serde(default)]
    service_account_name: Id,
    #[serde(default)]
    image_pull_secrets: Vec<Named>,
    #[serde(default)]
    init_containers: Vec<Container>,
    #[serde(default)]
    containers: Vec<Container>,
    #[serde(default)]
    ephemeral_containers: Vec<Container>,
    #[serde(default)]
    volumes: Vec<AnyVolume>,
    #[serde(default)]
    resource_claims: Vec<ClaimEntry>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct PodStatus {
    resource_claim_statuses: Vec<ClaimEntry>,
    extended_resource_claim_status: Option<ClaimEntry>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ClaimEntry {
    name: Id,
    resource_claim_name: Id,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Named {
    name: Id,
    namespace: Id,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Container {
    env_from: Vec<EnvironmentSource>,
    env: Vec<Variable>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct EnvironmentSource {
    secret_ref: Named,
    config_map_ref: Named,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Variable {
    value_from: VariableSource,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct VariableSource {
    secret_key_ref: Named,
    config_map_key_ref: Named,
}

/// A volume of a pod, or the spec of a persistent one: their sources have the same names.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct AnyVolume {
    name: Id,
    claim_ref: Option<Named>,
    secret: FileSource,
    config_map: Named,
    projected: Projected,
    persistent_volume_claim: ClaimSource,
    ephemeral: Option<IgnoredAny>,
    azure_file: FileSource,
    cephfs: SecretSource,
    cinder: SecretSource,
    flex_volume: SecretSource,
    rbd: SecretSource,
    #[serde(rename = "scaleIO")]
    scale_io: SecretSource,
    iscsi: SecretSource,
    storageos: SecretSource,
    csi: Csi,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct FileSource {
    secret_name: Id,
    secret_namespace: Id,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Projected {
    sources: Vec<ProjectedSource>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ProjectedSource {
    secret: Named,
    config_map: Named,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ClaimSource {
    claim_name: Id,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct SecretSource {
    secret_ref: Named,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Csi {
    node_publish_secret_ref: Named,
    node_stage_secret_ref: Named,
    node_expand_secret_ref: Named,
}
