//! What the documents say in tables is what the program does.

use tplus::{
    access::Permission,
    config::{Config, ServeArgs},
    grpc::convert::{REASONS, code_name},
};

const README: &str = include_str!("../README.md");
const SECURITY: &str = include_str!("../docs/security.md");

/// The rows of the table that begins with this header.
fn table(text: &'static str, header: &str) -> Vec<Vec<&'static str>> {
    let rows = text.lines().skip_while(|line| !line.starts_with(header)).skip(2);
    let cells = |row: &'static str| row.trim_matches('|').split('|').map(str::trim).collect();
    rows.take_while(|line| line.starts_with('|')).map(cells).collect()
}

#[test]
fn it_lists_every_reason() {
    let said: Vec<_> = table(README, "| reason |").into_iter().map(|row| row.join(" ")).collect();
    let known: Vec<_> = REASONS
        .iter()
        .map(|reason| format!("`{}` {} {}", reason.name, code_name(reason.code), reason.meaning))
        .collect();
    assert_eq!(said, known);
}

#[test]
fn it_lists_every_setting_with_its_variable() {
    let rows = table(README, "| file key |");
    assert!(rows.len() > 10);
    for row in &rows {
        let key = row[0].trim_matches('`');
        let variable = format!("TPLUS_{}", key.replace('.', "_").to_uppercase());
        // A value that no key takes: a known key refuses it by name, an unknown one is unknown.
        let refusal = Config::load(ServeArgs::default(), [(variable.clone(), "\u{1}".to_owned())]);
        if let Err(error) = refusal {
            assert!(error.to_string().starts_with(key), "{variable}: {error}");
        }
    }
    let meant = Config::load(ServeArgs::default(), [("TPLUS_NONSENSE".to_owned(), "1".to_owned())]);
    assert!(meant.unwrap_err().to_string().contains("TPLUS_NONSENSE"));
}

#[test]
fn every_permission_is_listed_with_its_methods() {
    let said: Vec<_> = table(SECURITY, "| permission |").into_iter().map(|row| row.join(" ")).collect();
    let known = Permission::ALL.iter().map(|permission| {
        let methods: Vec<_> = permission.methods().iter().filter_map(|method| method.split('/').nth(1)).collect();
        format!("`{permission}` {}", methods.join(", "))
    });
    assert_eq!(said, known.collect::<Vec<_>>());
}
