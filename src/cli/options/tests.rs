use super::*;

#[test]
fn the_command_line_wins_over_the_file() {
    let file = parse("secure-port: 1\nlog-level: debug\n").unwrap();
    let line = ServeOptions { secure_port: Some(2), ..ServeOptions::default() };
    let both = line.over(file);
    assert_eq!((both.secure_port, both.log_level.as_deref()), (Some(2), Some("debug")));
}

#[test]
fn an_unknown_key_is_an_error() {
    assert!(parse("secure-prot: 1\n").is_err());
    assert!(parse("audit-log-pth: x\n").is_err());
    let options = parse("secure-port: 1\naudit-log-maxage: 3\naudit-webhook-batch-max-size: 7\n").unwrap();
    assert_eq!((options.secure_port, options.audit.audit_log_maxage), (Some(1), Some(3)));
    assert_eq!(options.audit.webhook.audit_webhook_batch_max_size, Some(7));
}

#[test]
fn port_ranges_are_checked() {
    let with = |text: &str| ServeOptions {
        service_node_port_range: Some(text.to_owned()),
        ..ServeOptions::default()
    };
    assert_eq!(with("30000-30010").service_ranges().unwrap().node_ports, 30000..=30010);
    assert!(with("5-1").service_ranges().is_err());
    assert!(with("x").service_ranges().is_err());
}
