//! kubectl, any version that is on the PATH, against a server. Without one these tests say so and pass.

use std::path::PathBuf;
use std::process::{Command, Output};

use crate::program::{Home, Server, skip, words};

/// Where kubectl is; says so if it is nowhere.
pub(crate) fn find() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&folders).map(|folder| folder.join("kubectl")).find(|file| file.is_file());
    found.or_else(|| skip("kubectl is not on the PATH"))
}

/// A server and kubectl to talk to it.
struct Session {
    server: Server,
    home: Home,
    kubectl: PathBuf,
}

impl Session {
    fn begin() -> Option<Self> {
        let kubectl = find()?;
        let home = Home::new();
        Some(Self { server: home.serve(&["apiserver"]), home, kubectl })
    }

    fn run(&self, line: &str) -> Output {
        self.run_with(&self.server.admin_kubeconfig(), line)
    }

    fn run_with(&self, kubeconfig: &std::path::Path, line: &str) -> Output {
        let mut command = Command::new(&self.kubectl);
        command.env("HOME", self.home.path()).env("KUBECONFIG", kubeconfig).current_dir(self.home.path());
        command.args(line.split_whitespace()).output().unwrap()
    }

    #[track_caller]
    fn told(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(output.status.success(), "kubectl {line}: {}", words(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.home.path().join(name), text).unwrap();
    }
}

const SETTINGS: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {colour: green}\n";

#[test]
fn objects_are_created_read_changed_and_deleted() {
    let Some(kubectl) = Session::begin() else { return };
    kubectl.told("create configmap first --from-literal=a=1");
    assert_eq!(kubectl.told("get configmap first -o jsonpath={.data.a}"), "1");
    assert!(kubectl.told("get configmaps").contains("first"));
    kubectl.told("label configmap first tier=front");
    assert!(kubectl.told("get configmaps -l tier=front -o name").contains("configmap/first"));
    assert!(kubectl.told("get configmaps -A --field-selector=metadata.name=first -o name").contains("first"));
    kubectl.told("delete configmap first");
    let gone = words(&kubectl.run("get configmap first"));
    assert!(gone.contains(r#"(NotFound): configmaps "first" not found"#), "{gone}");
}

#[test]
fn files_are_applied_by_the_client_and_by_the_server() {
    let Some(kubectl) = Session::begin() else { return };
    kubectl.write("settings.yaml", SETTINGS);
    assert_eq!(kubectl.told("apply -f settings.yaml"), "configmap/settings created\n");
    assert_eq!(kubectl.told("apply -f settings.yaml"), "configmap/settings unchanged\n");
    kubectl.write("settings.yaml", &SETTINGS.replace("green", "blue"));
    assert_eq!(kubectl.told("apply -f settings.yaml"), "configmap/settings configured\n");
    kubectl.write("settings.yaml", &SETTINGS.replace("green", "red"));
    let refused = words(&kubectl.run("apply --server-side --field-manager=other -f settings.yaml"));
    assert!(refused.contains("conflict with \"kubectl-client-side-apply\""), "{refused}");
    kubectl.told("apply --server-side --field-manager=other --force-conflicts -f settings.yaml");
    assert_eq!(kubectl.told("get configmap settings -o jsonpath={.data.colour}"), "red");
}

#[test]
fn a_workload_is_made_and_scaled() {
    let Some(kubectl) = Session::begin() else { return };
    kubectl.told("create namespace shop");
    kubectl.told("create deployment web --image=example.com/web:1 --replicas=2 -n shop");
    kubectl.told("scale deployment web --replicas=3 -n shop");
    assert_eq!(kubectl.told("get deployment web -n shop -o jsonpath={.spec.replicas}"), "3");
    kubectl.told("create service clusterip web --tcp=80:8080 -n shop");
    assert!(kubectl.told("get service web -n shop -o jsonpath={.spec.clusterIP}").starts_with("10.96."));
    assert!(kubectl.told("get all -n shop").contains("deployment.apps/web"));
    kubectl.told("describe deployment web -n shop");
}

#[test]
fn the_api_is_discovered_and_explained() {
    let Some(kubectl) = Session::begin() else { return };
    let resources = kubectl.told("api-resources");
    assert!(resources.lines().count() > 50 && resources.contains("deployments"), "{resources}");
    assert!(kubectl.told("api-versions").contains("apps/v1"));
    assert!(kubectl.told("explain pod.spec.containers").contains("List of containers belonging to the pod"));
    assert!(kubectl.told("version").contains("Server Version: v1.36"));
}

#[test]
fn rights_are_told_and_kept() {
    let Some(kubectl) = Session::begin() else { return };
    assert!(kubectl.told("auth can-i --list").contains("*.*"));
    kubectl.told("create namespace shop");
    kubectl.told("create rolebinding jane --clusterrole=view --user=jane -n shop");
    assert_eq!(kubectl.told("auth can-i list pods -n shop --as jane"), "yes\n");
    assert!(words(&kubectl.run("auth can-i create pods -n shop --as jane")).contains("no"));
    let jane = kubectl.home.told_of_data(&["certs", "issue", "--user", "jane", "--ttl", "10m"]);
    kubectl.write("jane.kubeconfig", &jane);
    let config = kubectl.home.path().join("jane.kubeconfig");
    assert!(kubectl.run_with(&config, "get pods -n shop").status.success());
    let refused = words(&kubectl.run_with(&config, "get secrets -n shop"));
    assert!(refused.contains(r#"User "jane" cannot list resource "secrets""#), "{refused}");
}

#[test]
fn tokens_are_issued_and_accepted() {
    let Some(kubectl) = Session::begin() else { return };
    kubectl.told("create serviceaccount robot");
    kubectl.told("create clusterrolebinding robot --clusterrole=view --serviceaccount=default:robot");
    let token = kubectl.told("create token robot --duration=10m");
    let authority = kubectl.server.dir.join("pki/ca.crt");
    let address = kubectl.server.state["server"].as_str().unwrap();
    let nobody = kubectl.home.path().join("empty.kubeconfig");
    let line = |verb: &str, token: &str| {
        let authority = authority.display();
        format!("{verb} --server={address} --certificate-authority={authority} --token={token}")
    };
    let allowed = kubectl.run_with(&nobody, &line("get configmaps", token.trim()));
    assert!(allowed.status.success(), "{}", words(&allowed));
    let refused = kubectl.run_with(&nobody, &line("get secrets", token.trim()));
    assert!(words(&refused).contains("system:serviceaccount:default:robot"), "{}", words(&refused));
    let forged = kubectl.run_with(&nobody, &line("get configmaps", "e30.e30.e30"));
    assert!(
        words(&forged).contains("Unauthorized") || words(&forged).contains("logged in"),
        "{}",
        words(&forged)
    );
}

const DEFINITION: &str = include_str!("../../docs/operators/examples/crontab-definition.yaml");
const CRONTAB: &str = include_str!("../../docs/operators/examples/crontab.yaml");

#[test]
fn custom_resources_are_defined_used_and_gone() {
    let Some(kubectl) = Session::begin() else { return };
    kubectl.write("definition.yaml", DEFINITION);
    kubectl.write("crontab.yaml", CRONTAB);
    kubectl.told("apply -f definition.yaml");
    kubectl.told("wait --for=condition=Established crd/crontabs.stable.example.com --timeout=20s");
    kubectl.told("apply --validate=false -f crontab.yaml");
    let table = kubectl.told("get ct");
    assert!(table.contains("SPEC") && table.contains("* * * * */5"), "{table}");
    assert_eq!(kubectl.told("get crontab my-crontab -o jsonpath={.spec.replicas}"), "1", "the default");
    kubectl.told("scale crontab my-crontab --replicas=3");
    assert_eq!(kubectl.told("get crontab my-crontab -o jsonpath={.spec.replicas}"), "3");
    assert!(kubectl.told("get all").contains("crontab.stable.example.com/my-crontab"));
    assert!(kubectl.told("get ct --field-selector=spec.image=my-image -o name").contains("my-crontab"));
    assert!(kubectl.told("describe crontab my-crontab").contains("Cron Spec:"));
    // How kubectl sends the difference depends on what OpenAPI names for the kind.
    kubectl.write("crontab.yaml", &CRONTAB.replace("* * * * */5", "* * * * */7"));
    kubectl.told("apply --validate=false -f crontab.yaml");
    assert!(kubectl.told("get ct").contains("* * * * */7"));
    kubectl.told("delete crd crontabs.stable.example.com --timeout=30s");
    let gone = words(&kubectl.run("get crontabs"));
    // Which of the two depends on what this kubectl remembers of discovery.
    let words = ["the server doesn't have a resource type", "could not find the requested resource"];
    assert!(words.iter().any(|word| gone.contains(word)), "{gone}");
}
