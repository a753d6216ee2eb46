//! docs/SECURITY.md tells the truth: what it names exists, what it counts adds up, and no row is left open.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use latchkey::server::form::MAX_BODY;
use latchkey::server::passwords::Cost;
use latchkey::server::throttle::{ACCOUNT, ADDRESS, REFRESHES, SIGN_INS, SIGN_INS_TO_ACCOUNT, SIGN_UPS, UNKNOWN_REFRESH_TOKENS};
use latchkey_types::password;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page() -> String {
    fs::read_to_string(root().join("docs/SECURITY.md")).expect("docs/SECURITY.md")
}

/// All files below a directory that end so.
fn files(below: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![root().join(below)];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found
}

fn text_of(files: &[PathBuf]) -> String {
    files.iter().map(|file| fs::read_to_string(file).expect("text")).collect()
}

/// Cells of the table rows below a heading of the second level.
fn rows<'a>(page: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let section = page.split("\n## ").find(|section| section.starts_with(heading)).expect("a section");
    section
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| Requirement") && !line.starts_with("| # "))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect()
}

#[test]
fn every_test_and_file_that_the_page_names_exists() {
    let page = page();
    let rust = text_of(&[files("src", ".rs"), files("tests", ".rs")].concat());
    let mut named = 0;
    for word in page.split('`').skip(1).step_by(2) {
        if let Some((file, title)) = word.split_once(".ts: ") {
            let spec = fs::read_to_string(root().join(format!("end2end/tests/{file}.ts"))).unwrap_or_default();
            assert!(spec.contains(title), "no browser test {word}");
        } else if word.matches('_').count() > 1
            && word
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        {
            assert!(rust.contains(&format!("fn {word}(")), "no test {word}");
        } else if !word.starts_with('/') && (word.contains(".rs") || word.contains(".md") || word.contains(".sql")) {
            assert!(root().join(word).exists(), "no file {word}");
        } else {
            continue;
        }
        named += 1;
    }
    assert!(named > 300, "{named}");
}

#[test]
fn every_requirement_and_attack_is_met_or_answered_for() {
    let page = page();
    assert!(!page.contains("GAP"), "a row is still open");
    for row in rows(&page, "OWASP ASVS")
        .iter()
        .filter(|row| row[0].starts_with(|c: char| c.is_ascii_digit()) && row.len() == 3)
    {
        let answer = row[2];
        let answered =
            answer.contains('`') || answer.contains("](#") || answer.starts_with("Deviation: ") || answer.starts_with("Not applicable");
        assert!(answered, "{row:?}");
    }
    let attacks = rows(&page, "Attacks");
    assert_eq!(attacks.len(), 120);
    for row in attacks {
        assert!(row[2].contains('`') || row[2].starts_with("Not applicable"), "{row:?}");
    }
}

#[test]
fn the_counts_of_the_page_add_up() {
    let page = page();
    let rows = rows(&page, "OWASP ASVS");
    let mut counted: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.len() == 3) {
        let which = match row[2] {
            answer if answer.starts_with("Deviation: ") => 1,
            answer if answer.starts_with("Not applicable") => 2,
            _ => 0,
        };
        let ids = row[0].split(' ').filter(|word| word.matches('.').count() == 2).count();
        counted.entry(row[1]).or_default()[which] += ids;
    }
    for row in rows.iter().filter(|row| row.len() == 5 && row[0] != "Level") {
        let level = &row[0][..1];
        let [met, deviating, not_applicable] = counted[level];
        let all = met + deviating + not_applicable;
        let written: Vec<usize> = row[1..].iter().map(|number| number.parse().expect("a number")).collect();
        assert_eq!(written, [met, deviating, not_applicable, all], "level {level}");
    }
}

#[test]
fn the_numbers_of_the_page_are_those_of_the_program() {
    let page = page();
    let row = |begins: &str| page.lines().find(|line| line.starts_with(begins)).expect("a row").to_owned();
    let every = |seconds: i64| match seconds {
        1 => "one a second".to_owned(),
        60 => "one a minute".to_owned(),
        seconds => format!("one every {seconds} seconds"),
    };
    for (begins, rate) in [
        ("| An account", ACCOUNT),
        ("| A known device", ACCOUNT),
        ("| An address", ADDRESS.rate),
        ("| Refresh tokens that name no session", UNKNOWN_REFRESH_TOKENS.rate),
        ("| Sign-ins from an address", SIGN_INS.rate),
        ("| Sign-ins to an account", SIGN_INS_TO_ACCOUNT.rate),
        ("| Refreshes of one session", REFRESHES),
        ("| New accounts", SIGN_UPS.rate),
    ] {
        let numbers = format!("| {} | {} |", rate.burst, every(rate.interval));
        assert!(row(begins).contains(&numbers), "{begins}: {numbers}");
    }
    assert!(row("| Body of a form").contains(&format!("{} KiB", MAX_BODY / 1024)));
    assert!(page.contains(&format!("- {} to {} characters", password::MIN, password::MAX)));
    let memory = format!("{} MiB, {} passes", Cost::PRODUCTION.memory_kib / 1024, Cost::PRODUCTION.passes);
    assert!(page.contains(&memory), "{memory}");
}
