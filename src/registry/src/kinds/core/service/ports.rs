//! The ports of a service.

use portcullis_api::field::{ErrorList, Raw};
use portcullis_api::{Value, names};

use super::super::super::check::{At, int, items, one_of_required, port_number_or_name, text};

/// Each port for itself, names unique.
pub(super) fn rules(spec: &Value, at: At<'_>, errors: &mut ErrorList) {
    let ports = items(spec, "ports");
    for (i, port) in ports.iter().enumerate() {
        let here = at.index(i);
        let name = text(port, "name");
        if !name.is_empty() {
            here.child("name").rule(errors, name, names::dns1123_label);
            if ports.iter().take(i).any(|earlier| text(earlier, "name") == name) {
                here.child("name").duplicate(errors, name);
            }
        } else if ports.len() > 1 {
            here.child("name").required(errors, "");
        }
        let number = int(port, "port");
        for message in names::port_number(number) {
            here.child("port").invalid(errors, number, message);
        }
        one_of_required(text(port, "protocol"), &["SCTP", "TCP", "UDP"], here.child("protocol"), errors);
        port_number_or_name(port.get("targetPort"), here.child("targetPort"), errors);
        if let Some(protocol) = port.get("appProtocol").and_then(Value::as_str) {
            here.child("appProtocol").rule(errors, protocol, names::qualified_name);
        }
    }
}

/// Numbers against each other: ports of nodes and ports of the service are used once per protocol.
pub(super) fn numbers(spec: &Value, at: At<'_>, errors: &mut ErrorList) {
    let ports = items(spec, "ports");
    let used_before = |i: usize, field: &str| {
        let Some(port) = ports.get(i) else { return false };
        let same = |earlier: &Value| {
            int(earlier, field) == int(port, field) && text(earlier, "protocol") == text(port, "protocol")
        };
        ports.iter().take(i).any(same)
    };
    if text(spec, "type") == "ClusterIP" {
        for (i, _) in ports.iter().enumerate().filter(|(_, port)| int(port, "nodePort") != 0) {
            at.index(i).child("nodePort").forbidden(errors, "may not be used when `type` is 'ClusterIP'");
        }
    }
    for (i, port) in ports.iter().enumerate() {
        let number = int(port, "nodePort");
        if number != 0 && used_before(i, "nodePort") {
            at.index(i).child("nodePort").duplicate(errors, number);
        }
    }
    for (i, port) in ports.iter().enumerate() {
        if used_before(i, "port") {
            at.index(i).duplicate(errors, internal_form(port));
        }
    }
}

/// A port as upstream prints it: only what makes it the same as another, by Go names.
fn internal_form(port: &Value) -> Raw {
    let (protocol, number) = (text(port, "protocol"), int(port, "port"));
    Raw(format!(
        r#"{{"Name":"","Protocol":"{protocol}","AppProtocol":null,"Port":{number},"TargetPort":0,"NodePort":0}}"#
    ))
}
