//! Tokens a node asks for: each bound to a pod that runs on it, for audiences that pod needs.

use portcullis_api::field::go_quote;
use portcullis_api::{GroupResource, Object, Result, Value};

use super::NodeWrite;
use crate::attributes::Operation;
use crate::plugins::core;
use portcullis_api::tree::{at, has, items, text};

/// Volume sources of the tree that a CSI driver has taken over.
const MIGRATED: &[(&str, &str)] = &[
    ("awsElasticBlockStore", "ebs.csi.aws.com"),
    ("azureDisk", "disk.csi.azure.com"),
    ("azureFile", "file.csi.azure.com"),
    ("cinder", "cinder.csi.openstack.org"),
    ("gcePersistentDisk", "pd.csi.storage.gke.io"),
    ("portworxVolume", "pxd.portworx.com"),
    ("vsphereVolume", "csi.vsphere.vmware.com"),
];

impl NodeWrite<'_> {
    pub(super) fn judge_token(&self) -> Result<()> {
        let Some(request) = self.object.filter(|_| self.operation() == Operation::Create) else {
            return Ok(());
        };
        let bound = request.at(&["spec", "boundObjectRef"]).unwrap_or(&Value::Null);
        let (version, kind) = (text(bound, "apiVersion"), text(bound, "kind"));
        let (name, uid) = (text(bound, "name"), text(bound, "uid"));
        if (version, kind) != ("v1", "Pod") || name.is_empty() {
            return Err(self.refuse("node requested token not bound to a pod"));
        }
        if uid.is_empty() {
            return Err(self.refuse("node requested token with a pod binding without a uid"));
        }
        let pod = self.stored_pod(name)?;
        if uid != pod.uid() {
            return Err(self.refuse(&format!(
                "the UID in the bound object reference ({uid}) does not match the UID in record. The object might have \
                 been deleted and then recreated"
            )));
        }
        if !self.runs(&pod) {
            return Err(self.refuse("node requested token bound to a pod scheduled on a different node"));
        }
        self.judge_audience(request, &pod).map_err(|why| self.refuse(&why))
    }

    fn judge_audience(&self, request: &Object, pod: &Object) -> std::result::Result<(), String> {
        let audiences = request.at(&["spec", "audiences"]).and_then(Value::as_array);
        let audience = match audiences.map_or(&[][..], Vec::as_slice) {
            [] => "",
            [one] => one.as_str().unwrap_or_default(),
            _ => return Err("node may only request 0 or 1 audiences".to_owned()),
        };
        let quoted = go_quote(audience);
        let found = self.pod_needs(pod, audience);
        if found.map_err(|why| format!("error validating audience {quoted}: {why}"))? {
            return Ok(());
        }
        let user = self.write.user;
        let verb = "request-serviceaccounts-token-audience";
        let (namespace, account) = (self.write.namespace, self.write.name);
        if self.write.reader.allows(user, verb, &core(audience), "", namespace, account) {
            return Ok(());
        }
        Err(format!(
            "audience {quoted} not found in pod spec volume, {} is not authorized to request tokens for this audience",
            user.name
        ))
    }

    /// Whether a volume of the pod needs a token for the audience: it projects one, or its driver does.
    fn pod_needs(&self, pod: &Object, audience: &str) -> std::result::Result<bool, String> {
        let spec = pod.get("spec").unwrap_or(&Value::Null);
        let mut problems = Vec::new();
        for volume in items(spec, "volumes") {
            if projects(volume, audience) {
                return Ok(true);
            }
            let driver = self.driver_of(pod, volume);
            match driver.and_then(|driver| self.driver_needs(driver.as_deref(), audience)) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(problem) if problems.contains(&problem) => {}
                Err(problem) => problems.push(problem),
            }
        }
        match problems.as_slice() {
            [] => Ok(false),
            [one] => Err(one.clone()),
            many => Err(format!("[{}]", many.join(", "))),
        }
    }

    fn driver_of(&self, pod: &Object, volume: &Value) -> std::result::Result<Option<String>, String> {
        if at(volume, &["ephemeral", "volumeClaimTemplate"]).is_some() {
            return self.driver_of_claim(&format!("{}-{}", pod.name(), text(volume, "name")));
        }
        if let Some(claim) = volume.get("persistentVolumeClaim") {
            return self.driver_of_claim(text(claim, "claimName"));
        }
        if let Some(csi) = volume.get("csi") {
            return Ok(Some(text(csi, "driver").to_owned()));
        }
        Ok(migrated(volume))
    }

    fn driver_of_claim(&self, name: &str) -> std::result::Result<Option<String>, String> {
        let missing = |what: &str, name: &str| format!("{what} {} not found", go_quote(name));
        let reader = self.write.reader;
        let claim = reader.get(&core("persistentvolumeclaims"), self.write.namespace, name);
        let claim = claim.ok_or_else(|| missing("persistentvolumeclaim", name))?;
        let name = claim.str_at(&["spec", "volumeName"]);
        let volume = reader.get(&core("persistentvolumes"), "", name);
        let volume = volume.ok_or_else(|| missing("persistentvolume", name))?;
        let spec = volume.get("spec").unwrap_or(&Value::Null);
        let driver = spec.get("csi").map(|csi| text(csi, "driver").to_owned());
        Ok(driver.or_else(|| migrated(spec)))
    }

    fn driver_needs(&self, driver: Option<&str>, audience: &str) -> std::result::Result<bool, String> {
        let Some(name) = driver.filter(|name| !name.is_empty()) else { return Ok(false) };
        let drivers = GroupResource::new("storage.k8s.io", "csidrivers");
        let driver = self.write.reader.get(&drivers, "", name);
        let driver =
            driver.ok_or_else(|| format!("csidriver.storage.k8s.io {} not found", go_quote(name)))?;
        let spec = driver.get("spec").unwrap_or(&Value::Null);
        Ok(items(spec, "tokenRequests").iter().any(|request| text(request, "audience") == audience))
    }
}

fn projects(volume: &Value, audience: &str) -> bool {
    let Some(projected) = volume.get("projected") else { return false };
    let tokens = items(projected, "sources").iter().filter_map(|source| source.get("serviceAccountToken"));
    tokens.into_iter().any(|token| text(token, "audience") == audience)
}

fn migrated(source: &Value) -> Option<String> {
    let (_, driver) = MIGRATED.iter().find(|(field, _)| has(source, field))?;
    Some((*driver).to_owned())
}
