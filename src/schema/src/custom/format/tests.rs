use serde_json::json;

use super::*;

#[track_caller]
fn allows(format: &str, text: &str, expected: bool) {
    let format = Format::of(&json!({ "type": "string", "format": format })).expect("a known format");
    assert_eq!(format.allows(text), expected, "{} {text:?}", format.name());
}

#[test]
fn texts_have_their_formats() {
    let cases: [(&str, &[&str], &[&str]); 21] = [
        (
            "date-time",
            &["2024-01-01T00:00:00Z", "2024-01-01t23:59:59.5+01:00", "2024-01-01T10:00:00x1Z"],
            &["x", "2024-01-01", "2024-02-30T00:00:00Z", "2024-01-01T24:00:00Z", "2024-01-01 00:00:00Z"],
        ),
        ("date", &["2024-02-29"], &["2023-02-29", "2024-1-1", "2024-01-01T00:00:00Z", ""]),
        (
            "duration",
            &["1h30m", "0", "-1.5s", "22 ns", "3 days", "1 week"],
            &["", "x", "1", "9223372036854775808ns9999999999999h", "h"],
        ),
        ("ipv4", &["10.0.0.1", "010.0.0.1", "::ffff:1.2.3.4"], &["10.0.0", "::1", ""]),
        ("ipv6", &["::1", "fe80::1"], &["10.0.0.1", "::1%eth0", ":::"]),
        ("cidr", &["10.0.0.0/8", "::/0"], &["10.0.0.0", "10.0.0.0/33"]),
        (
            "mac",
            &["00:00:5e:00:53:01", "00-00-5e-00-53-01", "0000.5e00.5301", "00005e005301"],
            &["00:00:5e:00:53", "00:00:5e:00:53:0g", ""],
        ),
        (
            "uuid",
            &["00000000-0000-0000-0000-000000000000", "00000000000000000000000000000000"],
            &["0", "00000000-0000-0000-0000-00000000000g"],
        ),
        (
            "uuid4",
            &["6BA7B810-9DAD-41D1-80B4-00C04FD430C8"],
            &["6ba7b810-9dad-11d1-80b4-00c04fd430c8", "6ba7b810-9dad-41d1-c0b4-00c04fd430c8"],
        ),
        ("uuid3", &["6ba7b810-9dad-31d1-c0b4-00c04fd430c8"], &["6ba7b810-9dad-41d1-80b4-00c04fd430c8"]),
        ("byte", &["aGVsbG8=", "aGVs"], &["", "aGVsbG8", "aGV=bG8="]),
        (
            "email",
            &["a@b", "Joe <joe@example.com>", "\"a b\"@c.d", "a@[127.0.0.1]", "x@y (comment)"],
            &["", "a", "a@", "@b", "a@b@c", "a..b@c", "a@[x]", "Joe joe@example.com"],
        ),
        (
            "uri",
            &["http://a.b/c?d", "/a", "mailto:x", "*", "http://[::1]:80/", "https://u:p@h:1/%20"],
            &["", "a", ":a", "http://[::1", "http://a:b/", "/%2", "http://a b/"],
        ),
        ("hostname", &["a", "example.com", "1.example.london"], &["", "-a", "a_b", "example.c"]),
        ("isbn", &["0321751043", "978-0321751041", "0-8044-2957-X"], &["0321751044", "978-0321751042"]),
        ("creditcard", &["4111 1111 1111 1111"], &["4111 1111 1111 1112", ""]),
        ("ssn", &["111-22-3333", "111 22 3333"], &["111223333", "11-222-3333"]),
        ("hexcolor", &["#fff", "FFFFFF"], &["#ffff", ""]),
        ("rgbcolor", &["rgb(0, 128,255)"], &["rgb(0,0,256)", "rgb(00,0,0)", "rgb(0,0)"]),
        ("k8s-short-name", &["a-b"], &["A", "a.b", "-"]),
        ("k8s-long-name", &["a.b"], &["a..b", "A"]),
    ];
    for (format, good, bad) in cases {
        good.iter().for_each(|text| allows(format, text, true));
        bad.iter().for_each(|text| allows(format, text, false));
    }
}

#[test]
fn unknown_formats_say_nothing() {
    for schema in [
        json!({ "type": "string", "format": "int32" }),
        json!({ "type": "integer", "format": "date" }),
        json!({ "type": "boolean", "format": "byte" }),
        json!({ "type": "string", "format": "nonsense" }),
    ] {
        assert!(Format::of(&schema).is_none(), "{schema}");
    }
    assert!(Format::of(&json!({ "type": "integer", "format": "int32" })).is_some());
}

#[test]
fn formats_that_say_nothing_are_found_anywhere() {
    let schema = json!({
        "type": "object", "format": "shape",
        "properties": {
            "format": { "type": "string", "format": "date-time" },
            "a": { "type": "string", "format": "nonsense" },
            "b": { "type": "integer", "format": "int64" },
            "c": { "type": "number", "format": "int32" },
            "d": { "type": "array", "items": { "type": "string", "format": "odd" } },
            "e": { "type": "object", "additionalProperties": { "anyOf": [{ "format": "odder" }, { "format": "" }] } },
            "f": { "type": "string", "enum": [{ "format": "a value" }], "format": "k8s-short-name" },
        },
    });
    let mut found = unrecognized_formats(&schema);
    found.sort_unstable();
    assert_eq!(found, ["int32", "nonsense", "odd", "odder", "shape"]);
}
