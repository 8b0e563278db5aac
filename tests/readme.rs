//! What the README says in tables is what the program does.

use tplus::{
    config::{Config, ServeArgs},
    grpc::convert::{REASONS, code_name},
};

const README: &str = include_str!("../README.md");

/// The rows of the table that begins with this header.
fn table(header: &str) -> Vec<Vec<&'static str>> {
    let rows = README.lines().skip_while(|line| !line.starts_with(header)).skip(2);
    let cells = |row: &'static str| row.trim_matches('|').split('|').map(str::trim).collect();
    rows.take_while(|line| line.starts_with('|')).map(cells).collect()
}

#[test]
fn it_lists_every_reason() {
    let said: Vec<_> = table("| reason |").into_iter().map(|row| row.join(" ")).collect();
    let known: Vec<_> = REASONS
        .iter()
        .map(|reason| format!("`{}` {} {}", reason.name, code_name(reason.code), reason.meaning))
        .collect();
    assert_eq!(said, known);
}

#[test]
fn it_lists_every_setting_with_its_variable() {
    let rows = table("| file key |");
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
