use super::*;

fn round_trip(text: &str) -> String {
    Quantity::parse(text).unwrap().to_string()
}

#[test]
fn canonical_forms_are_upstreams() {
    for (from, to) in [
        ("0", "0"),
        ("0m", "0"),
        ("1", "1"),
        ("100m", "100m"),
        ("0.1", "100m"),
        ("1.5", "1500m"),
        ("1.001", "1.001"),
        ("1000m", "1"),
        ("1000", "1k"),
        ("1500", "1500"),
        ("1024Mi", "1Gi"),
        ("5Gi", "5Gi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Mi", "512Ki"),
        ("0.1Ki", "102400m"),
        ("1e3", "1e3"),
        ("1E3", "1E3"),
        ("1e2", "100"),
        ("0.5e3", "500"),
        ("1n", "1n"),
        ("0.1n", "1n"),
        ("-1.5", "-1500m"),
        ("100000000000000000000", "100E"),
        ("9223372036854775808Ki", "9223372036854775807"),
        ("128974848", "128974848"),
        ("+5", "+5"),
        ("2048", "2048"),
        ("16Ki", "16Ki"),
    ] {
        assert_eq!(round_trip(from), to, "{from}");
    }
}

#[test]
fn errors_have_upstreams_words() {
    assert_eq!(Quantity::parse("").unwrap_err(), QuantityError::Format);
    assert_eq!(Quantity::parse("1 Gi").unwrap_err(), QuantityError::Format);
    assert_eq!(Quantity::parse("1iK").unwrap_err(), QuantityError::Suffix);
    assert_eq!(Quantity::parse("1GiB").unwrap_err(), QuantityError::Format);
    assert_eq!(Quantity::parse("e9999999999999999999").unwrap_err(), QuantityError::Suffix);
}

#[test]
fn amounts_compare_across_formats() {
    let q = |text| Quantity::parse(text).unwrap();
    assert_eq!(q("1Ki"), q("1024"));
    assert!(q("1m") < q("1"));
    assert!(q("-2") < q("-1m"));
    assert!(q("1e2147483647") > q("1E"));
    assert_eq!(q("1e2147483647").value(), i64::MAX);
}

#[test]
fn sums_keep_the_first_format() {
    let mut sum = Quantity::parse("1Gi").unwrap();
    sum.add(&Quantity::parse("512Mi").unwrap());
    assert_eq!(sum.to_string(), "1536Mi");
    sum.sub(&Quantity::parse("1536Mi").unwrap());
    assert_eq!(sum.to_string(), "0");
    let mut zero = Quantity::ZERO;
    zero.add(&Quantity::parse("2Ki").unwrap());
    assert_eq!(zero.to_string(), "2Ki");
}

#[test]
fn rounding_goes_up_and_forgets_the_text() {
    let mut cpu = Quantity::parse("0.0001").unwrap();
    cpu.round_up(-3);
    assert_eq!(cpu.to_string(), "1m");
    assert_eq!(Quantity::parse("1500m").unwrap().value(), 2);
    assert_eq!(Quantity::parse("-1500m").unwrap().value(), -2);
    assert_eq!(Quantity::parse("1.5").unwrap().milli_value(), 1500);
}

proptest::proptest! {
    #[test]
    fn f042_nasty_quantities_never_panic(text in "[-+0-9.eEinumkKMGTP]{0,40}") {
        if let Ok(quantity) = Quantity::parse(&text) {
            let again = Quantity::parse(&quantity.to_string());
            proptest::prop_assert!(again.is_ok());
            let mut sum = quantity.clone();
            sum.add(&quantity);
            sum.sub(&quantity);
            let _ = (sum.to_string(), sum.value(), sum.milli_value(), sum < quantity);
        }
    }
}
