use super::*;

fn field(definition: &str, json: &str) -> &'static Field {
    let id = types().by_definition(definition).unwrap();
    types().get(id).field(json).unwrap()
}

#[test]
fn the_whole_table_is_read() {
    let text = include_str!("../../data/types.tsv");
    let fields: usize = types().structs().map(|(_, schema)| schema.fields.len()).sum();
    assert_eq!(fields, text.lines().filter(|line| !line.starts_with(['@', '='])).count());
    let any_json =
        text.lines().filter(|line| matches!(line.split('\t').nth(1), Some("json" | "[]json"))).count();
    let read_as_json = types()
        .structs()
        .flat_map(|(_, schema)| &schema.fields)
        .filter(|field| field.ty == Type::Json || field.ty == Type::List(Box::new(Type::Json)));
    assert_eq!(read_as_json.count(), any_json, "no type is unknown");
}

#[test]
fn every_definition_finds_its_struct() {
    for (id, schema) in types().structs() {
        assert_eq!(types().by_definition(schema.definition), Some(id));
        assert_eq!(types().get(id).go_name, schema.go_name);
        assert!(schema.fields.len() <= 128, "readers mark fields in as many bits");
        assert!(schema.fields.is_sorted_by(|a, b| a.json < b.json), "{}", schema.definition);
    }
}

#[test]
fn a_field_has_all_its_facts() {
    let ports = field("io.k8s.api.core.v1.Container", "ports");
    assert_eq!(ports.keys.iter().collect::<Vec<_>>(), ["containerPort", "protocol"]);
    assert_eq!((ports.list, ports.patch_merge_key), (ListType::Map, "containerPort"));
    assert!(ports.patch_strategy.contains("merge") && !ports.required);
    let protocol = field("io.k8s.api.core.v1.ContainerPort", "protocol");
    assert_eq!((protocol.default, protocol.go), (Some("\"TCP\""), "v1.Protocol"));
    assert_eq!(protocol.enum_values.iter().collect::<Vec<_>>(), ["SCTP", "TCP", "UDP"]);
    let rules = field("io.k8s.api.admissionregistration.v1.NamedRuleWithOperations", "apiGroups");
    assert_eq!((rules.proto.number, rules.proto.via, rules.proto.path()), (1, [2, 2], &[2, 2, 1][..]));
}

#[test]
fn go_names_of_elements() {
    let element = |go| types().go_element(go);
    assert_eq!(element("map[string]string"), "string");
    assert_eq!(element("[]v1.Container"), "v1.Container");
    assert_eq!(element("v1.ResourceList"), "resource.Quantity");
    assert_eq!(element("map[string]v1.ExtraValue"), "v1.ExtraValue");
}
