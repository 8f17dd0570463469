//! The documented examples are valid, say the defaults, and name every key.

use culvert_config::gateway::Gateway;

const EXAMPLE: &str = include_str!("../examples/gateway.toml");

#[test]
fn the_gateway_example_says_the_defaults() {
    assert_eq!(Gateway::from_toml(EXAMPLE).unwrap(), Gateway::default());
    assert_eq!(Gateway::from_toml("").unwrap(), Gateway::default());
}

#[test]
fn the_gateway_examples_behind_a_hash_are_valid_too() {
    let key = culvert_wire::key::SigningKey::from_seed(&[1; 32])
        .public()
        .to_string();
    let setting = |line: &&str| line.contains(" = ") || line.starts_with("[[");
    let opened: Vec<String> = EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(bare) if setting(&bare) && !bare.starts_with(' ') => bare.replace('…', &key),
            _ => line.replace("mode = \"environment\"", "mode = \"explicit\""),
        })
        .collect();

    let settings = Gateway::from_toml(&opened.join("\n")).unwrap();

    assert_eq!(
        settings.servers,
        ["prs.example.com:443", "prs2.example.com:8443"]
    );
    assert!(settings.provider.is_some());
    assert_eq!(settings.allow.len(), 2);
}

/// Golden: each wrong file under `tests/gateway` with the one sentence it gets.
#[test]
fn each_wrong_gateway_file_gets_its_sentence() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gateway");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let (head, rest) = text.split_once('\n').unwrap();
        let wanted = head.strip_prefix("# ").unwrap();

        let said = Gateway::from_toml(rest).map_or_else(|e| e.to_string(), |_| "valid".into());

        assert_eq!(said, wanted, "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 10, "only {seen} golden files in {folder}");
}
