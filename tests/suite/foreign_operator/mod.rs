//! An operator and its webhooks that nobody here wrote (the Python package `kopf`): it registers its webhooks itself,
//! its certificate is believed by the bundle it writes there, and it follows what they let pass.
//!
//! Without Python 3 and pip, or where the package cannot be had, this says so and passes.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use portcullis_outbound::Reply;
use serde_json::{Value, json};

use crate::admin::Admin;
use crate::program::{Home, Server, skip, words};

const REQUIREMENTS: &str = include_str!("requirements.txt");
const HANDLERS: &str = include_str!("handlers.py");
const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
const REGISTERED: &str = "/apis/admissionregistration.k8s.io/v1";

#[test]
fn an_operator_that_is_not_ours_judges_marks_and_follows() {
    let Some(packages) = install() else { return };
    let home = Home::new();
    let admin = Admin::of(home.serve(&["apiserver"]));
    let _operator = Operator::start(&packages, &home, &admin.server);
    for kind in ["validating", "mutating"] {
        let path = format!("{REGISTERED}/{kind}webhookconfigurations/kopf.test");
        admin.wait("its registration", || {
            admin.get(&path).filter(|is| is["webhooks"].as_array().is_some_and(|hooks| !hooks.is_empty()))
        });
    }

    let reply = create(&admin, "let-through");
    assert_eq!(reply.status, 201, "{}", String::from_utf8_lossy(&reply.body));
    let warnings: Vec<_> = reply.headers.get_all("warning").iter().collect();
    assert_eq!(warnings, ["299 - \"let-through was looked at\""]);
    let created: Value = reply.json().unwrap();
    assert_eq!(created["metadata"]["labels"]["marked-by"], "kopf");
    admin.wait("its answer", || {
        let is = admin.get(&format!("{CONFIG_MAPS}/let-through"))?;
        (is["metadata"]["annotations"]["answered-by"] == "kopf").then_some(is)
    });

    let reply = create(&admin, "refused");
    let status: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(reply.status, 422, "{status}");
    let denied = "admission webhook \"refuse.kopf.test\" denied the request: this name is taken by nobody";
    assert_eq!(status["message"], denied);
    assert!(admin.get(&format!("{CONFIG_MAPS}/refused")).is_none());
}

fn create(admin: &Admin, name: &str) -> Reply {
    admin.post(CONFIG_MAPS, &json!({"metadata": {"name": name}, "data": {"colour": "green"}}))
}

/// The folder with the packages in it, kept from one run to the next.
fn install() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("foreign-operator");
    let installed = folder.join("installed");
    if std::fs::read_to_string(&installed).is_ok_and(|is| is == REQUIREMENTS) {
        return Some(folder);
    }
    // Nothing is left of a set that is no longer wanted; there may have been none.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let wanted = folder.join("requirements.txt");
    std::fs::write(&wanted, REQUIREMENTS).unwrap();
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--target"]);
    match pip.arg(&folder).arg("--requirement").arg(&wanted).stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => {
            std::fs::write(&installed, REQUIREMENTS).unwrap();
            Some(folder)
        }
        Ok(output) => skip(&format!("pip cannot install kopf: {}", words(&output))),
        Err(error) => skip(&format!("python3 does not run: {error}")),
    }
}

/// The running operator; it ends when dropped.
struct Operator(Child);

impl Operator {
    fn start(packages: &Path, home: &Home, server: &Server) -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let (certificate, key) = (home.path().join("webhook.crt"), home.path().join("webhook.key"));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let handlers = home.path().join("handlers.py");
        std::fs::write(&handlers, HANDLERS).unwrap();
        let mut command = Command::new("python3");
        command
            .args(["-m", "kopf", "run", "--quiet", "--standalone", "--namespace", "default"])
            .arg(&handlers);
        command.env("PYTHONPATH", packages).env("KUBECONFIG", server.admin_kubeconfig());
        command.env("WEBHOOK_CERTIFICATE", &certificate).env("WEBHOOK_KEY", &key);
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
