//! Collects what the fields of the built-in kinds mean, for OpenAPI and `kubectl explain`.
//!
//! The words come from `k8s-openapi`. They are compressed here and unpacked only while a document is
//! made, so that a running server neither holds them nor links the code that knows them.

use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::{env, fs};

use flate2::Compression;
use flate2::write::DeflateEncoder;
use k8s_openapi::schemars::SchemaGenerator;

/// Lists the kinds from which every definition can be reached.
macro_rules! roots {
    ($($module:path: $($kind:ident),+;)+) => {
        fn visit_roots(generator: &mut SchemaGenerator) {
            $({
                use $module as module;
                $(generator.subschema_for::<module::$kind>();)+
            })+
        }
    };
}

roots! {
k8s_openapi::api::admissionregistration::v1: MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, MutatingWebhookConfiguration, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, ValidatingWebhookConfiguration;
k8s_openapi::api::apps::v1: ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet;
k8s_openapi::api::authentication::v1: SelfSubjectReview, TokenRequest, TokenReview;
k8s_openapi::api::authorization::v1: LocalSubjectAccessReview, SelfSubjectAccessReview, SelfSubjectRulesReview, SubjectAccessReview;
k8s_openapi::api::autoscaling::v1: HorizontalPodAutoscaler, Scale;
k8s_openapi::api::autoscaling::v2: HorizontalPodAutoscaler;
k8s_openapi::api::batch::v1: CronJob, Job;
k8s_openapi::api::certificates::v1: CertificateSigningRequest;
k8s_openapi::api::coordination::v1: Lease;
k8s_openapi::api::core::v1: Binding, ComponentStatus, ConfigMap, Endpoints, Event, LimitRange, Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, PodTemplate, ReplicationController, ResourceQuota, Secret, Service, ServiceAccount;
k8s_openapi::api::discovery::v1: EndpointSlice;
k8s_openapi::api::events::v1: Event;
k8s_openapi::api::flowcontrol::v1: FlowSchema, PriorityLevelConfiguration;
k8s_openapi::api::networking::v1: IPAddress, Ingress, IngressClass, NetworkPolicy, ServiceCIDR;
k8s_openapi::api::node::v1: RuntimeClass;
k8s_openapi::api::policy::v1: Eviction, PodDisruptionBudget;
k8s_openapi::api::rbac::v1: ClusterRole, ClusterRoleBinding, Role, RoleBinding;
k8s_openapi::api::resource::v1: DeviceClass, ResourceClaim, ResourceClaimTemplate, ResourceSlice;
k8s_openapi::api::scheduling::v1: PriorityClass;
k8s_openapi::api::storage::v1: CSIDriver, CSINode, CSIStorageCapacity, StorageClass, VolumeAttachment, VolumeAttributesClass;
k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1: CustomResourceDefinition;
k8s_openapi::apimachinery::pkg::apis::meta::v1: APIGroup, APIGroupList, APIResourceList, APIVersions, DeleteOptions, Status;
k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1: APIService;}

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let mut generator = SchemaGenerator::default();
    visit_roots(&mut generator);
    let out = Path::new(&env::var("OUT_DIR")?).join("descriptions.tsv.deflate");
    let mut packed = DeflateEncoder::new(fs::File::create(out)?, Compression::best());
    let mut definitions: Vec<_> = generator.definitions().iter().collect();
    definitions.sort_by_key(|(name, _)| name.as_str());
    for (name, schema) in definitions {
        writeln!(packed, "@{name}\t{}", words(schema))?;
        let properties = schema.get("properties").and_then(|p| p.as_object());
        for (field, schema) in properties.into_iter().flatten() {
            writeln!(packed, "{field}\t{}", words(schema))?;
        }
    }
    packed.finish()?;
    Ok(())
}

/// A schema's description on one line.
fn words(schema: &serde_json::Value) -> String {
    let words = schema.get("description").and_then(|d| d.as_str()).unwrap_or_default();
    words.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t")
}
