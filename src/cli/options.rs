//! The flags of whatever serves the API, from the command line or a YAML file, under upstream's names
//! where upstream has them. The command line wins.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use ipnet::Ipv4Net;
use portcullis_pki::{LimitError, TlsLimits};
use portcullis_registry::ServiceRanges;
use serde::Deserialize;
use serde_json::Value;

use super::Failure;
use super::auditing::AuditOptions;

const MAX_FILE: u64 = 1 << 20;

/// Flags of the API server.
#[derive(Args, Deserialize, Debug, Default, Clone)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct ServeOptions {
    /// Where keys, certificates and the embedded store live; by default below the user's data directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The port to serve HTTPS on; 6443 by default, 0 picks a free one.
    #[arg(long, value_name = "PORT")]
    pub(crate) secure_port: Option<u16>,
    /// The address to serve on; 127.0.0.1 by default.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) bind_address: Option<IpAddr>,
    /// The address at which pods reach the server; the one it serves on if it is not loopback.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) advertise_address: Option<IpAddr>,
    /// Further names and addresses for the serving certificate.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) tls_san: Option<Vec<String>>,
    /// The oldest version of TLS that is spoken: VersionTLS12, the default, or VersionTLS13.
    #[arg(long, value_name = "VERSION")]
    pub(crate) tls_min_version: Option<String>,
    /// The suites of TLS 1.2 that are spoken; all those with AEAD and ephemeral keys by default, and never others.
    #[arg(long, value_name = "SUITE", value_delimiter = ',')]
    pub(crate) tls_cipher_suites: Option<Vec<String>>,
    /// Addresses that services are given; 10.96.0.0/16 by default.
    #[arg(long, value_name = "CIDR")]
    pub(crate) service_cluster_ip_range: Option<Ipv4Net>,
    /// How long events are kept, 1h0m0s by default; 0 keeps them for ever.
    #[arg(long, value_name = "DURATION")]
    pub(crate) event_ttl: Option<String>,
    /// Ports that services are given on nodes, as FIRST-LAST; 30000-32767 by default.
    #[arg(long, value_name = "PORTS")]
    pub(crate) service_node_port_range: Option<String>,
    /// The issuer of service account tokens. Given again, tokens of those issuers are believed too.
    #[arg(long, value_name = "URL")]
    pub(crate) service_account_issuer: Option<Vec<String>>,
    /// Audiences of the API; the issuer if none are given.
    #[arg(long, value_name = "AUDIENCE", value_delimiter = ',')]
    pub(crate) api_audiences: Option<Vec<String>>,
    /// CSV file of static tokens: token,user,uid,"group1,group2".
    #[arg(long, value_name = "FILE")]
    pub(crate) token_auth_file: Option<PathBuf>,
    /// File with an AuthenticationConfiguration (issuers of tokens, anonymous requests by path).
    #[arg(long, value_name = "FILE")]
    pub(crate) authentication_config: Option<PathBuf>,
    /// Admission plugins to run that do not run by default.
    #[arg(long, value_name = "PLUGIN", value_delimiter = ',')]
    pub(crate) enable_admission_plugins: Option<Vec<String>>,
    /// Admission plugins not to run, though they run by default.
    #[arg(long, value_name = "PLUGIN", value_delimiter = ',')]
    pub(crate) disable_admission_plugins: Option<Vec<String>>,
    /// File with an AdmissionConfiguration: the settings of plugins that have some.
    #[arg(long, value_name = "FILE")]
    pub(crate) admission_control_config_file: Option<PathBuf>,
    /// Permit to switch off admission plugins that guard identities and namespaces.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) insecure_admission_without_guards: Option<bool>,
    /// The authorizers in the order in which they are asked: Node, PolicyFiles, RBAC, ABAC, Webhook, AlwaysDeny or
    /// AlwaysAllow; Node,PolicyFiles,RBAC by default.
    #[arg(long, value_name = "MODES", value_delimiter = ',')]
    pub(crate) authorization_mode: Option<Vec<String>>,
    /// File with an AuthorizationConfiguration, instead of --authorization-mode.
    #[arg(long, value_name = "FILE")]
    pub(crate) authorization_config: Option<PathBuf>,
    /// File of Kubernetes attribute policies, one JSON object a line, for mode ABAC.
    #[arg(long, value_name = "FILE")]
    pub(crate) authorization_policy_file: Option<PathBuf>,
    /// A kubeconfig file of the webhook that decides, for mode Webhook.
    #[arg(long, value_name = "FILE")]
    pub(crate) authorization_webhook_config_file: Option<PathBuf>,
    /// The version of the reviews it is sent; v1beta1 by default, as upstream.
    #[arg(long, value_name = "VERSION")]
    pub(crate) authorization_webhook_version: Option<String>,
    /// How long what it allows is kept; 5m by default.
    #[arg(long, value_name = "DURATION")]
    pub(crate) authorization_webhook_cache_authorized_ttl: Option<String>,
    /// How long what it does not allow is kept; 30s by default.
    #[arg(long, value_name = "DURATION")]
    pub(crate) authorization_webhook_cache_unauthorized_ttl: Option<String>,
    /// Directory of policy files, which are read again when they change.
    #[arg(long, value_name = "DIR")]
    pub(crate) policy_dir: Option<PathBuf>,
    /// Directory of policy files to try out: what they would change is counted, and nothing else.
    #[arg(long, value_name = "DIR")]
    pub(crate) policy_shadow_dir: Option<PathBuf>,
    /// Permit AlwaysAllow, which gives everything to everybody.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) insecure_authorization_always_allow: Option<bool>,
    /// What concerns the audit log; in a file, the keys that begin with `audit-`.
    #[command(flatten)]
    #[serde(skip)]
    pub(crate) audit: AuditOptions,
    /// Keys that service account tokens may be signed with; may be given more than once.
    #[arg(long, value_name = "FILE")]
    pub(crate) service_account_key_file: Option<Vec<PathBuf>>,
    /// The key that signs service account tokens; the installation's own if not given.
    #[arg(long, value_name = "FILE")]
    pub(crate) service_account_signing_key_file: Option<PathBuf>,
    /// Whether requests without a credential are served at all; by default only health endpoints are.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) anonymous_auth: Option<bool>,
    /// Further authorities whose client certificates are believed.
    #[arg(long, value_name = "FILE")]
    pub(crate) client_ca_file: Option<PathBuf>,
    /// Revocation lists (X509 CRL) of client authorities.
    #[arg(long, value_name = "FILE")]
    pub(crate) client_crl_file: Option<PathBuf>,
    /// The authority of the front proxy.
    #[arg(long, value_name = "FILE")]
    pub(crate) requestheader_client_ca_file: Option<PathBuf>,
    /// Names of certificates that may pass for the front proxy.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) requestheader_allowed_names: Option<Vec<String>>,
    /// Headers in which the front proxy names the user; X-Remote-User by default.
    #[arg(long, value_name = "HEADER", value_delimiter = ',')]
    pub(crate) requestheader_username_headers: Option<Vec<String>>,
    /// Headers in which the front proxy names the user's UID; X-Remote-Uid by default.
    #[arg(long, value_name = "HEADER", value_delimiter = ',')]
    pub(crate) requestheader_uid_headers: Option<Vec<String>>,
    /// Headers in which the front proxy names groups; X-Remote-Group by default.
    #[arg(long, value_name = "HEADER", value_delimiter = ',')]
    pub(crate) requestheader_group_headers: Option<Vec<String>>,
    /// Prefixes of headers with extra attributes; X-Remote-Extra- by default.
    #[arg(long, value_name = "PREFIX", value_delimiter = ',')]
    pub(crate) requestheader_extra_headers_prefix: Option<Vec<String>>,
    /// Serve identity.portcullis.io: user tokens and certificate revocations. On in `up`; off otherwise, so that discovery answers as upstream's.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) user_tokens: Option<bool>,
    /// The URL of an OpenID Connect issuer whose tokens are believed.
    #[arg(long, value_name = "URL")]
    pub(crate) oidc_issuer_url: Option<String>,
    /// The audience of the issuer's tokens.
    #[arg(long, value_name = "ID")]
    pub(crate) oidc_client_id: Option<String>,
    /// The authorities of the issuer; the machine's if not given.
    #[arg(long, value_name = "FILE")]
    pub(crate) oidc_ca_file: Option<PathBuf>,
    /// The claim that names the user; sub by default.
    #[arg(long, value_name = "CLAIM")]
    pub(crate) oidc_username_claim: Option<String>,
    /// What is put before user names; the issuer's URL by default, - for nothing.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) oidc_username_prefix: Option<String>,
    /// The claim that names groups.
    #[arg(long, value_name = "CLAIM")]
    pub(crate) oidc_groups_claim: Option<String>,
    /// What is put before group names.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) oidc_groups_prefix: Option<String>,
    /// Algorithms the issuer may sign with; RS256 by default.
    #[arg(long, value_name = "ALGORITHM", value_delimiter = ',')]
    pub(crate) oidc_signing_algs: Option<Vec<String>>,
    /// A claim=value that tokens must have; may be given more than once.
    #[arg(long, value_name = "CLAIM=VALUE")]
    pub(crate) oidc_required_claim: Option<Vec<String>>,
    /// A kubeconfig file of the webhook that is asked whose a token is.
    #[arg(long, value_name = "FILE")]
    pub(crate) authentication_token_webhook_config_file: Option<PathBuf>,
    /// The version of the reviews it is sent; v1beta1 by default, as upstream.
    #[arg(long, value_name = "VERSION")]
    pub(crate) authentication_token_webhook_version: Option<String>,
    /// For how many seconds its answers are kept; 120 by default.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) authentication_token_webhook_cache_ttl: Option<u64>,
    /// Let the webhook make members of system:masters.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) insecure_authentication_token_webhook_masters: Option<bool>,
    /// How many requests are served at once.
    #[arg(long, value_name = "COUNT")]
    pub(crate) max_requests_inflight: Option<usize>,
    /// How much memory the process may use, such as 2Gi; by default three quarters of what its container
    /// or the machine has. Budgets of clients are parts of it.
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory_ceiling: Option<String>,
    /// How long a request may take that is not a stream, in seconds; 60 by default.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) request_timeout: Option<u64>,
    /// The client URLs of etcd's members; the embedded store serves if none are given.
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    pub(crate) etcd_servers: Option<Vec<String>>,
    /// Permit to speak to etcd on other machines without TLS.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) insecure_etcd_plaintext: Option<bool>,
    /// The authorities that etcd's certificates are checked against.
    #[arg(long, value_name = "FILE")]
    pub(crate) etcd_cafile: Option<PathBuf>,
    /// The certificate to show etcd.
    #[arg(long, value_name = "FILE")]
    pub(crate) etcd_certfile: Option<PathBuf>,
    /// The key of that certificate.
    #[arg(long, value_name = "FILE")]
    pub(crate) etcd_keyfile: Option<PathBuf>,
    /// The user of etcd's that this server is, where its certificate does not say so.
    #[arg(long, value_name = "NAME")]
    pub(crate) etcd_username: Option<String>,
    /// File with that user's password, on one line.
    #[arg(long, value_name = "FILE")]
    pub(crate) etcd_password_file: Option<PathBuf>,
    /// What all keys in etcd start with; /registry by default.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) etcd_prefix: Option<String>,
    /// How often old revisions are forgotten in etcd, such as 5m0s, which is the default; 0 for never.
    #[arg(long, value_name = "DURATION")]
    pub(crate) etcd_compaction_interval: Option<String>,
    /// File with an EncryptionConfiguration: which resources are sealed in the store, and by what.
    #[arg(long, value_name = "FILE")]
    pub(crate) encryption_provider_config: Option<PathBuf>,
    /// Read that file again when it changes.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) encryption_provider_config_automatic_reload: Option<bool>,
    /// What to log: error, warn, info, debug or trace.
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    /// Log JSON lines rather than text.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) log_json: Option<bool>,
    /// Print steps as text or as JSON lines; text at a terminal, nothing otherwise.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) output: Option<Output>,
    /// For `up`, which has a flag of its own: whether the kubeconfig is left alone.
    #[arg(skip)]
    pub(crate) no_kubeconfig: Option<bool>,
}

/// How a command prints: for people or for tools.
#[derive(ValueEnum, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Output {
    #[default]
    Text,
    Json,
}

impl ServeOptions {
    /// These options over those of a file, if one is named.
    pub(crate) fn with_file(self, file: Option<&Path>) -> Result<Self, Failure> {
        match file {
            None => Ok(self),
            Some(path) => Ok(self.over(read(path)?)),
        }
    }

    fn over(self, file: Self) -> Self {
        Self {
            data_dir: self.data_dir.or(file.data_dir),
            secure_port: self.secure_port.or(file.secure_port),
            bind_address: self.bind_address.or(file.bind_address),
            advertise_address: self.advertise_address.or(file.advertise_address),
            tls_san: self.tls_san.or(file.tls_san),
            tls_min_version: self.tls_min_version.or(file.tls_min_version),
            tls_cipher_suites: self.tls_cipher_suites.or(file.tls_cipher_suites),
            admission_control_config_file: self
                .admission_control_config_file
                .or(file.admission_control_config_file),
            insecure_etcd_plaintext: self.insecure_etcd_plaintext.or(file.insecure_etcd_plaintext),
            insecure_admission_without_guards: self
                .insecure_admission_without_guards
                .or(file.insecure_admission_without_guards),
            service_cluster_ip_range: self.service_cluster_ip_range.or(file.service_cluster_ip_range),
            event_ttl: self.event_ttl.or(file.event_ttl),
            service_node_port_range: self.service_node_port_range.or(file.service_node_port_range),
            service_account_issuer: self.service_account_issuer.or(file.service_account_issuer),
            api_audiences: self.api_audiences.or(file.api_audiences),
            token_auth_file: self.token_auth_file.or(file.token_auth_file),
            authentication_config: self.authentication_config.or(file.authentication_config),
            enable_admission_plugins: self.enable_admission_plugins.or(file.enable_admission_plugins),
            disable_admission_plugins: self.disable_admission_plugins.or(file.disable_admission_plugins),
            authorization_mode: self.authorization_mode.or(file.authorization_mode),
            authorization_config: self.authorization_config.or(file.authorization_config),
            authorization_policy_file: self.authorization_policy_file.or(file.authorization_policy_file),
            authorization_webhook_config_file: self
                .authorization_webhook_config_file
                .or(file.authorization_webhook_config_file),
            authorization_webhook_version: self
                .authorization_webhook_version
                .or(file.authorization_webhook_version),
            authorization_webhook_cache_authorized_ttl: self
                .authorization_webhook_cache_authorized_ttl
                .or(file.authorization_webhook_cache_authorized_ttl),
            authorization_webhook_cache_unauthorized_ttl: self
                .authorization_webhook_cache_unauthorized_ttl
                .or(file.authorization_webhook_cache_unauthorized_ttl),
            policy_dir: self.policy_dir.or(file.policy_dir),
            policy_shadow_dir: self.policy_shadow_dir.or(file.policy_shadow_dir),
            insecure_authorization_always_allow: self
                .insecure_authorization_always_allow
                .or(file.insecure_authorization_always_allow),
            audit: self.audit.over(file.audit),
            service_account_key_file: self.service_account_key_file.or(file.service_account_key_file),
            service_account_signing_key_file: self
                .service_account_signing_key_file
                .or(file.service_account_signing_key_file),
            anonymous_auth: self.anonymous_auth.or(file.anonymous_auth),
            client_ca_file: self.client_ca_file.or(file.client_ca_file),
            client_crl_file: self.client_crl_file.or(file.client_crl_file),
            requestheader_client_ca_file: self
                .requestheader_client_ca_file
                .or(file.requestheader_client_ca_file),
            requestheader_allowed_names: self
                .requestheader_allowed_names
                .or(file.requestheader_allowed_names),
            requestheader_username_headers: self
                .requestheader_username_headers
                .or(file.requestheader_username_headers),
            requestheader_uid_headers: self.requestheader_uid_headers.or(file.requestheader_uid_headers),
            requestheader_group_headers: self
                .requestheader_group_headers
                .or(file.requestheader_group_headers),
            requestheader_extra_headers_prefix: self
                .requestheader_extra_headers_prefix
                .or(file.requestheader_extra_headers_prefix),
            user_tokens: self.user_tokens.or(file.user_tokens),
            oidc_issuer_url: self.oidc_issuer_url.or(file.oidc_issuer_url),
            oidc_client_id: self.oidc_client_id.or(file.oidc_client_id),
            oidc_ca_file: self.oidc_ca_file.or(file.oidc_ca_file),
            oidc_username_claim: self.oidc_username_claim.or(file.oidc_username_claim),
            oidc_username_prefix: self.oidc_username_prefix.or(file.oidc_username_prefix),
            oidc_groups_claim: self.oidc_groups_claim.or(file.oidc_groups_claim),
            oidc_groups_prefix: self.oidc_groups_prefix.or(file.oidc_groups_prefix),
            oidc_signing_algs: self.oidc_signing_algs.or(file.oidc_signing_algs),
            oidc_required_claim: self.oidc_required_claim.or(file.oidc_required_claim),
            authentication_token_webhook_config_file: self
                .authentication_token_webhook_config_file
                .or(file.authentication_token_webhook_config_file),
            authentication_token_webhook_version: self
                .authentication_token_webhook_version
                .or(file.authentication_token_webhook_version),
            authentication_token_webhook_cache_ttl: self
                .authentication_token_webhook_cache_ttl
                .or(file.authentication_token_webhook_cache_ttl),
            insecure_authentication_token_webhook_masters: self
                .insecure_authentication_token_webhook_masters
                .or(file.insecure_authentication_token_webhook_masters),
            max_requests_inflight: self.max_requests_inflight.or(file.max_requests_inflight),
            memory_ceiling: self.memory_ceiling.or(file.memory_ceiling),
            request_timeout: self.request_timeout.or(file.request_timeout),
            etcd_servers: self.etcd_servers.or(file.etcd_servers),
            etcd_cafile: self.etcd_cafile.or(file.etcd_cafile),
            etcd_certfile: self.etcd_certfile.or(file.etcd_certfile),
            etcd_keyfile: self.etcd_keyfile.or(file.etcd_keyfile),
            etcd_username: self.etcd_username.or(file.etcd_username),
            etcd_password_file: self.etcd_password_file.or(file.etcd_password_file),
            etcd_prefix: self.etcd_prefix.or(file.etcd_prefix),
            etcd_compaction_interval: self.etcd_compaction_interval.or(file.etcd_compaction_interval),
            encryption_provider_config: self.encryption_provider_config.or(file.encryption_provider_config),
            encryption_provider_config_automatic_reload: self
                .encryption_provider_config_automatic_reload
                .or(file.encryption_provider_config_automatic_reload),
            log_level: self.log_level.or(file.log_level),
            log_json: self.log_json.or(file.log_json),
            output: self.output.or(file.output),
            no_kubeconfig: self.no_kubeconfig.or(file.no_kubeconfig),
        }
    }

    /// The versions and suites of TLS.
    pub(crate) fn tls_limits(&self) -> Result<TlsLimits, LimitError> {
        TlsLimits::parse(self.tls_min_version.as_deref(), self.tls_cipher_suites.as_deref())
    }

    /// The issuer, upstream's if none is given.
    pub(crate) fn issuer(&self) -> &str {
        let given = self.service_account_issuer.iter().flatten().next();
        given.map_or(portcullis_authn::DEFAULT_ISSUER, String::as_str)
    }

    /// All issuers whose service account tokens are believed.
    pub(crate) fn issuers(&self) -> Vec<String> {
        let given = self.service_account_issuer.clone().unwrap_or_default();
        if given.is_empty() { vec![self.issuer().to_owned()] } else { given }
    }

    /// The audiences of the server: its issuers, if none are given.
    pub(crate) fn audiences(&self) -> Vec<String> {
        self.api_audiences.clone().unwrap_or_else(|| self.issuers())
    }

    /// Whether any flag speaks of an OpenID Connect issuer.
    pub(crate) fn names_oidc(&self) -> bool {
        let texts = [
            &self.oidc_issuer_url,
            &self.oidc_client_id,
            &self.oidc_username_claim,
            &self.oidc_username_prefix,
            &self.oidc_groups_claim,
            &self.oidc_groups_prefix,
        ];
        texts.iter().any(|text| text.is_some())
            || self.oidc_ca_file.is_some()
            || self.oidc_signing_algs.is_some()
            || self.oidc_required_claim.is_some()
    }

    /// Whether any flag speaks of a front proxy.
    pub(crate) fn names_front_proxy(&self) -> bool {
        self.requestheader_allowed_names.is_some()
            || self.requestheader_username_headers.is_some()
            || self.requestheader_uid_headers.is_some()
            || self.requestheader_group_headers.is_some()
            || self.requestheader_extra_headers_prefix.is_some()
    }

    /// The ranges for services.
    pub(crate) fn service_ranges(&self) -> Result<ServiceRanges, Failure> {
        let mut ranges = ServiceRanges::default();
        if let Some(addresses) = self.service_cluster_ip_range {
            ranges.addresses = addresses.trunc();
        }
        if let Some(text) = &self.service_node_port_range {
            let ends = text.split_once('-').map(|(first, last)| (first.trim().parse(), last.trim().parse()));
            let Some((Ok(first), Ok(last))) = ends else { return Err(bad_ports(text)) };
            if first > last || first == 0 {
                return Err(bad_ports(text));
            }
            ranges.node_ports = first..=last;
        }
        Ok(ranges)
    }
}

fn bad_ports(text: &str) -> Failure {
    Failure::new(format!("--service-node-port-range {text:?} is not a range"))
        .fix("write it like 30000-32767")
}

fn read(path: &Path) -> Result<ServeOptions, Failure> {
    let what = || format!("the configuration {} cannot be used", path.display());
    let fix = "every key is the name of a flag without dashes in front; see portcullis apiserver --help";
    let found = std::fs::metadata(path).map_err(|error| Failure::caused(what(), &error))?;
    if found.len() > MAX_FILE {
        return Err(Failure::because(what(), "it is larger than 1 MiB"));
    }
    // Whoever writes it decides what is open.
    if found.permissions().mode() & 0o022 != 0 {
        return Err(
            Failure::because(what(), "others may change it").fix(format!("chmod go-w {}", path.display()))
        );
    }
    let text = std::fs::read_to_string(path).map_err(|error| Failure::caused(what(), &error))?;
    if text.trim().is_empty() {
        return Ok(ServeOptions::default());
    }
    parse(&text).map_err(|error| Failure::because(what(), error).fix(fix))
}

/// The keys about audit have a structure of their own, with the same names.
fn parse(text: &str) -> Result<ServeOptions, String> {
    let keys: BTreeMap<String, Value> = serde_saphyr::from_str(text).map_err(|e| e.to_string())?;
    let (audit, others): (BTreeMap<_, _>, _) =
        keys.into_iter().partition(|(key, _)| key.starts_with("audit-"));
    let (webhook, log) = audit.into_iter().partition(|(key, _)| key.starts_with("audit-webhook-"));
    let options: ServeOptions = of_keys(others)?;
    let audit = AuditOptions { webhook: of_keys(webhook)?, ..of_keys(log)? };
    Ok(ServeOptions { audit, ..options })
}

fn of_keys<T: serde::de::DeserializeOwned>(keys: BTreeMap<String, Value>) -> Result<T, String> {
    serde_json::from_value(Value::Object(keys.into_iter().collect())).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests;
