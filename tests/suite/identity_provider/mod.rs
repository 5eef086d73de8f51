//! An OpenID provider that nobody here wrote (the npm package `oidc-provider`), and kubectl with a credential plugin.
//!
//! Without node, npm or kubectl, or where the package cannot be had, this says so and passes.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::kubectl;
use crate::program::{Home, Server, skip, words};

const FILES: [(&str, &str); 4] = [
    ("package.json", include_str!("package.json")),
    ("package-lock.json", include_str!("package-lock.json")),
    ("provider.mjs", include_str!("provider.mjs")),
    ("login.mjs", include_str!("login.mjs")),
];

#[test]
fn kubectl_comes_with_a_token_of_a_provider_that_is_not_ours() {
    let Some(kubectl) = kubectl::find() else { return };
    let Some(folder) = install() else { return };
    let home = Home::new();
    let provider = Provider::start(&folder, home.path());
    let server = serve(&home, &provider);

    let output = whoami(&kubectl, &home, &folder, &provider, &server, "ann");
    assert!(output.status.success(), "{}", words(&output));
    let review: Value = serde_json::from_slice(&output.stdout).unwrap();
    let user = &review["status"]["userInfo"];
    assert_eq!(user["username"], "idp:ann");
    let groups: Vec<&str> = user["groups"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(groups, ["idp:team-a", "idp:readers", "system:authenticated"]);

    let output = whoami(&kubectl, &home, &folder, &provider, &server, "eve");
    assert!(!output.status.success(), "a token for somebody else's audience: {}", words(&output));
    assert!(words(&output).contains("Unauthorized"), "{}", words(&output));
}

/// The folder with the package in it, kept from one run to the next.
fn install() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("identity-provider");
    std::fs::create_dir_all(&folder).unwrap();
    let same = FILES
        .iter()
        .all(|(name, text)| std::fs::read_to_string(folder.join(name)).is_ok_and(|is| is == *text));
    if same && folder.join("installed").exists() {
        return Some(folder);
    }
    for (name, text) in FILES {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let install = ["ci", "--no-audit", "--no-fund", "--ignore-scripts"];
    match Command::new("npm").args(install).current_dir(&folder).stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => {
            std::fs::write(folder.join("installed"), "").unwrap();
            Some(folder)
        }
        Ok(output) => skip(&format!("npm cannot install oidc-provider: {}", words(&output))),
        Err(error) => skip(&format!("npm does not run: {error}")),
    }
}

/// A running provider; it ends when dropped.
struct Provider {
    child: Child,
    issuer: String,
    certificate: PathBuf,
}

impl Provider {
    fn start(folder: &Path, home: &Path) -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let (certificate, key) = (home.join("provider.crt"), home.join("provider.key"));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let mut command = Command::new("node");
        command.arg("provider.mjs").args([&certificate, &key]).current_dir(folder);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut issuer = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut issuer).unwrap();
        let issuer = issuer.trim().to_owned();
        assert!(issuer.starts_with("https://"), "the provider says {issuer:?}");
        Self { child, issuer, certificate }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that believes the provider.
fn serve(home: &Home, provider: &Provider) -> Server {
    let authority = std::fs::read_to_string(&provider.certificate).unwrap();
    let configuration = serde_json::json!({
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "jwt": [{
            "issuer": {
                "url": provider.issuer,
                "certificateAuthority": authority,
                "audiences": ["portcullis"],
            },
            "claimMappings": {
                "username": {"claim": "sub", "prefix": "idp:"},
                "groups": {"claim": "groups", "prefix": "idp:"},
            },
        }],
    });
    let file = home.path().join("authentication.yaml");
    std::fs::write(&file, configuration.to_string()).unwrap();
    home.serve(&["apiserver", "--authentication-config", file.to_str().unwrap()])
}

/// Asks who one is, with a kubeconfig whose user is a credential plugin.
fn whoami(
    kubectl: &Path,
    home: &Home,
    folder: &Path,
    provider: &Provider,
    server: &Server,
    client: &str,
) -> Output {
    let plugin = serde_json::json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "node",
        "args": [folder.join("login.mjs"), provider.issuer, client],
        "env": [{"name": "NODE_EXTRA_CA_CERTS", "value": provider.certificate}],
        "interactiveMode": "Never",
    });
    let kubeconfig = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "clusters": [{"name": "it", "cluster": {
            "server": server.state["server"],
            "certificate-authority": server.dir.join("pki/ca.crt"),
        }}],
        "users": [{"name": "it", "user": {"exec": plugin}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    });
    let file = home.path().join(format!("{client}.kubeconfig"));
    std::fs::write(&file, kubeconfig.to_string()).unwrap();
    let mut command = Command::new(kubectl);
    command.env("HOME", home.path()).env("KUBECONFIG", &file);
    command.args(["auth", "whoami", "-o", "json"]).output().unwrap()
}
