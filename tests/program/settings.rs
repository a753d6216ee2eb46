//! Settings from flags, environment variables and `.env`: what is refused, and with which error.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use latchkey_axum::config::Settings;

use crate::support::{Installation, PASSWORD, error, form_of, text, whole_answer};

/// Runs `latchkey check` with environment variables.
fn check(here: &Installation, variables: &[(&str, &str)]) -> Output {
    let mut command = here.command(&["check"]);
    command.envs(variables.iter().copied()).output().expect("the command ran")
}

/// Runs `latchkey check` with this `.env`.
fn check_with_file(lines: &str) -> Output {
    let here = Installation::new();
    fs::write(here.path().join(".env"), lines).expect("written");
    here.run(&["check"])
}

/// Asserts that a command failed with a one-line error that has this beginning. Returns the error.
fn refused(output: &Output, beginning: &str) -> String {
    let said = error(output);
    assert!(
        !output.status.success() && said.starts_with(&format!("error: {beginning}")) && said.trim().lines().count() == 1,
        "{beginning}: {said}"
    );
    said
}

#[test]
fn an_unknown_setting_stops_the_start_and_the_error_suggests_the_right_name() {
    for (unknown, meant) in [
        ("LATCHKEY_SIGN_UP", "LATCHKEY_SIGNUP"),
        ("LATCHKEY_ACCES_TTL", "LATCHKEY_ACCESS_TTL"),
        ("LATCHKEY_COOKIENAME", "LATCHKEY_COOKIE_NAME"),
        ("LATCHKEY_PORT", "LATCHKEY_ADDR"),
        ("LATCHKEY_SMTP_URL", "latchkey --help"),
    ] {
        let here = Installation::new();
        for command in [
            &["check"][..],
            &["user", "list"],
            &["move", "--from", "sqlite:a.db", "--to", "sqlite:b.db"],
        ] {
            let output = here.command(command).env(unknown, "8080").output().expect("the command ran");
            let said = refused(&output, &format!("{unknown}: "));
            assert!(said.contains(meant), "{said}");
        }
        assert!(
            !here.path().join("data").exists(),
            "no directory is created before the settings are checked"
        );
        let said = refused(&check_with_file(&format!("{unknown}=8080\n")), &format!("{unknown}: "));
        assert!(said.contains(meant) && !said.contains("8080"), "{said}");
    }
}

#[test]
fn variables_that_kubernetes_sets_for_a_service_called_latchkey_are_ignored() {
    let output = check(
        &Installation::new(),
        &[
            ("LATCHKEY_SERVICE_HOST", "10.0.0.1"),
            ("LATCHKEY_SERVICE_PORT_HTTP", "3000"),
            ("LATCHKEY_DB_SERVICE_PORT", "5432"),
            ("LATCHKEY_PORT", "tcp://10.0.0.1:3000"),
            ("LATCHKEY_PORT_3000_TCP", "tcp://10.0.0.1:3000"),
            ("LATCHKEY_PORT_3000_TCP_ADDR", "10.0.0.1"),
            ("LATCHKEY_PORT_3000_TCP_PORT", "3000"),
            ("LATCHKEY_PORT_53_UDP_PROTO", "udp"),
            ("LATCHKEY_DB_PORT", "udp://10.0.0.2:5432"),
            ("LATCHKEY_DB_PORT_5432_TCP_ADDR", "10.0.0.2"),
        ],
    );
    assert!(output.status.success(), "{}", error(&output));
    for unknown in ["LATCHKEY_PORTS", "LATCHKEY_PORT_3000", "LATCHKEY_PORT_HTTP_TCP_ADDR"] {
        refused(&check(&Installation::new(), &[(unknown, "3000")]), &format!("{unknown}: "));
    }
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let here = Installation::new();
    let help = text(&here.run(&["--help"]));
    let words = help.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names: Vec<&str> = words.filter(|word| word.starts_with("LATCHKEY_")).collect();
    assert!(names.len() > 20, "{names:?}");
    let unset = text(&here.run(&["check"]));
    for name in names {
        let output = check(&here, &[(name, "")]);
        assert_eq!(text(&output), unset, "{name}: {}", error(&output));
    }
    assert_eq!(text(&check(&here, &[("LATCHKEY_NO_SETTING", "")])), unset);
    fs::write(
        here.path().join(".env"),
        "LATCHKEY_ADDR=127.0.0.1:4001\nLATCHKEY_SIGNUP=\nLATCHKEY_LOG=''\n",
    )
    .expect("written");
    let output = check(&here, &[("LATCHKEY_ADDR", "")]);
    assert!(
        text(&output).contains("127.0.0.1:4001"),
        "the value of the file is used: {}",
        error(&output)
    );
}

#[test]
fn the_error_for_an_invalid_value_names_the_variable() {
    for (variable, value) in [
        ("LATCHKEY_ACCESS_TTL", "25h"),
        ("LATCHKEY_REFRESH_GRACE", "90d"),
        ("LATCHKEY_REFRESH_GRACE", "301s"),
        ("LATCHKEY_REVOCATION_LAG", "6m"),
        ("LATCHKEY_REFRESH_TTL", "401d"),
        ("LATCHKEY_SESSION_MAX", "401d"),
        ("LATCHKEY_SESSION_MAX", "29d"),
        ("LATCHKEY_TRUSTED_PROXIES", "0.0.0.0/0"),
        ("LATCHKEY_TRUSTED_PROXIES", "10.0.0.1,128.0.0.0/1"),
        ("LATCHKEY_TRUSTED_PROXIES", "::/0"),
        ("LATCHKEY_TRUSTED_PROXIES", "2000::/15"),
        ("LATCHKEY_DATABASE_URL", "sqlite:/dev/null"),
        ("LATCHKEY_DATABASE_URL", "sqlite:/tmp"),
        ("LATCHKEY_COOKIE_NAME", "latchkey-refresh"),
        ("LATCHKEY_COOKIE_NAME", "two words"),
    ] {
        refused(&check(&Installation::new(), &[(variable, value)]), &format!("{variable}: "));
    }
    let here = Installation::new();
    for variable in ["LATCHKEY_ADDR", "LATCHKEY_SECRET"] {
        let mut command = here.command(&["check"]);
        let output = command
            .env(variable, OsStr::from_bytes(b"canary\xff"))
            .output()
            .expect("the command ran");
        assert!(!refused(&output, &format!("{variable}: ")).contains("canary"));
    }
    let largest = [
        ("LATCHKEY_ACCESS_TTL", "24h"),
        ("LATCHKEY_REFRESH_GRACE", "5m"),
        ("LATCHKEY_REVOCATION_LAG", "5m"),
        ("LATCHKEY_REFRESH_TTL", "400d"),
        ("LATCHKEY_SESSION_MAX", "400d"),
        ("LATCHKEY_TRUSTED_PROXIES", "10.0.0.0/8, fc00::/7, fe80::/10, 2001::/16"),
    ];
    let output = check(&here, &largest);
    assert!(output.status.success(), "{}", error(&output));
}

#[test]
fn the_readme_lists_the_settings_as_the_program_does() {
    const BEGIN: &str = "from crates/latchkey-axum/src/config/settings.rs -->\n";
    const END: &str = "<!-- end of settings -->\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(&path).expect("README.md is read");
    let (before, rest) = readme.split_once(BEGIN).expect("the first marker");
    let (listed, after) = rest.split_once(END).expect("the last marker");
    let expected = format!("\n{}\n", Settings::markdown());
    if std::env::var_os("UPDATE_README").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{expected}{END}{after}")).expect("README.md is written");
        return;
    }
    assert!(
        listed == expected,
        "README.md lists other settings than the program; run `make settings`"
    );
}

#[test]
fn a_secret_file_that_others_can_write_is_refused_and_a_readable_one_causes_a_warning() {
    let here = Installation::new();
    let file = here.path().join("key");
    fs::write(&file, text(&here.run(&["secret"]))).expect("written");
    let with_mode = |mode| {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("the permissions are set");
        check(&here, &[("LATCHKEY_SECRET_FILE", "key")])
    };
    for mode in [0o620, 0o602, 0o666] {
        let said = refused(&with_mode(mode), "LATCHKEY_SECRET_FILE: ");
        assert!(said.contains("chmod 600 key"), "{said}");
    }
    for mode in [0o640, 0o604, 0o444] {
        let output = with_mode(mode);
        let said = error(&output);
        assert!(
            output.status.success() && said.contains("warning: ") && said.contains("chmod 600 key"),
            "{said}"
        );
    }
    for mode in [0o600, 0o400] {
        let output = with_mode(mode);
        assert!(output.status.success() && error(&output).is_empty(), "{}", error(&output));
    }
    with_mode(0o644);
    let server = here.serve(&[("LATCHKEY_SECRET_FILE", "key")]);
    let log = server.stop();
    assert!(log.contains("chmod 600 key"), "{log}");

    let here = Installation::new();
    here.add("ada");
    let made = here.path().join("data/secret");
    fs::set_permissions(&made, fs::Permissions::from_mode(0o666)).expect("the permissions are set");
    let said = refused(&here.run(&["check"]), "LATCHKEY_DATA_DIR: ");
    assert!(said.contains("chmod 600 "), "{said}");
}

#[test]
fn the_error_for_a_malformed_line_of_the_env_file_shows_only_its_number() {
    for line in [
        "canary",
        "LATCHKEY_SECRET canary",
        "LATCHKEY_SECRET='canary",
        "LATCHKEY_SECRET=\"canary",
        "LATCHKEY_SECRET=\"canary\" more",
        "LATCHKEY_SECRET=can ary canary",
        "LATCHKEY_SECRET=canary'",
        "LATCHKEY_SECRET=canary$HOME",
        "LATCHKEY_SECRET=${canary}",
        "LATCHKEY_SECRET=canary\nLATCHKEY_SECRET=canary",
    ] {
        let output = check_with_file(&format!("# of this installation\n\nLATCHKEY_SIGNUP=closed\n{line}\n"));
        let said = refused(&output, ".env, line ");
        let number = if line.contains('\n') { "line 5: " } else { "line 4: " };
        assert!(said.contains(number) && !said.contains("canary"), "{line}: {said}");
    }
}

#[test]
fn values_in_the_env_file_are_read_without_expansion() {
    for (line, dir) in [
        ("LATCHKEY_DATA_DIR=plain", "plain"),
        ("export LATCHKEY_DATA_DIR=plain # a comment", "plain"),
        ("  LATCHKEY_DATA_DIR = plain\r", "plain"),
        ("LATCHKEY_DATA_DIR=a#b", "a#b"),
        ("LATCHKEY_DATA_DIR='two words, $HOME # and more'", "two words, $HOME # and more"),
        (r#"LATCHKEY_DATA_DIR="a \"b\" $c"  # a comment"#, r#"a "b" $c"#),
    ] {
        let here = Installation::new();
        fs::write(here.path().join(".env"), line).expect("written");
        here.add("ada");
        assert!(here.path().join(dir).join("secret").is_file(), "{line}");
    }
}

#[test]
fn only_latchkey_settings_are_read_from_the_env_file() {
    let others = "FOO=\"never closed\nBAR=$(canary) `canary` ${\nBAZ=one two 'three\n\u{7f}=\n";
    let output = check_with_file(&format!("{others}LATCHKEY_ADDR=127.0.0.1:4005\n"));
    assert!(
        output.status.success() && text(&output).contains("127.0.0.1:4005"),
        "{}",
        error(&output)
    );

    let here = Installation::new();
    let secret = text(&here.run(&["secret"]));
    fs::write(
        here.path().join(".env"),
        format!("PGHOST=127.0.0.9\nPGPORT=9\nLATCHKEY_DATABASE_URL=postgres:///accounts\nLATCHKEY_SECRET={secret}"),
    )
    .expect("written");
    let said = error(&here.run(&["check"]));
    assert!(said.contains("/accounts: ") && !said.contains("127.0.0.9"), "{said}");
}

#[test]
fn secrets_are_not_accepted_from_command_line_flags() {
    let here = Installation::new();
    for flag in ["--secret", "--secret-previous"] {
        let output = here.run(&["check", flag, "canary-canary-canary"]);
        assert!(!output.status.success() && !error(&output).contains("canary"), "{}", error(&output));
    }
    for url in [
        "postgres://ada:canary@127.0.0.1:1/x",
        "postgres://ada@127.0.0.1:1/x?password=canary",
    ] {
        for arguments in [
            &["check", "--database-url", url][..],
            &["move", "--from", url, "--to", "sqlite:new.db"],
            &["move", "--from", "sqlite:old.db", "--to", url],
        ] {
            let output = here.run(arguments);
            let said = error(&output);
            assert!(
                !output.status.success() && said.contains("PGPASSFILE") && said.contains("PGPASSWORD") && !said.contains("canary"),
                "{arguments:?}: {said}"
            );
        }
        let by_variable = check(
            &here,
            &[
                ("LATCHKEY_DATABASE_URL", url),
                ("LATCHKEY_SECRET", text(&here.run(&["secret"])).trim()),
            ],
        );
        assert!(
            !error(&by_variable).contains("PGPASSFILE"),
            "the URL of the variable is used: {}",
            error(&by_variable)
        );
    }
}

#[test]
fn two_apps_on_one_host_with_different_cookie_names_do_not_sign_each_other_out() {
    let (first, second) = (Installation::new(), Installation::new());
    let servers = [first.serve(&[]), second.serve(&[("LATCHKEY_COOKIE_NAME", "second-app")])];
    let mut jar: Vec<(String, String)> = Vec::new();
    let signed_up = form_of(&[("username", "ada"), ("password", PASSWORD)]);
    let header = |jar: &[(String, String)]| {
        let pairs: Vec<String> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    };
    let post = |port: u16, path: &str, body: &str, jar: &mut Vec<(String, String)>| {
        let (origin, cookies) = (format!("http://localhost:{port}"), header(jar));
        let headers = [
            ("Origin", origin.as_str()),
            ("Cookie", &cookies),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ];
        let answer = whole_answer(port, "POST", path, &headers, body).expect("an answer");
        assert!(answer.status < 400, "{path}: {} {}", answer.status, answer.body);
        for line in answer.head.lines().filter_map(|line| line.strip_prefix("set-cookie: ")) {
            let (name, rest) = line.split_once('=').expect("a pair");
            let (value, attributes) = rest.split_once(';').expect("attributes");
            jar.retain(|(known, _)| known != name);
            if !attributes.contains("Max-Age=0") {
                jar.push((name.to_owned(), value.to_owned()));
            }
        }
    };
    for server in &servers {
        post(server.port, "/api/sign_up", &signed_up, &mut jar);
    }
    let dashboard = |port: u16, jar: &[(String, String)]| {
        let answer = whole_answer(port, "GET", "/dashboard", &[("Cookie", &header(jar))], "").expect("an answer");
        (answer.status, answer.body)
    };
    for server in &servers {
        assert_eq!(dashboard(server.port, &jar).0, 200, "signed in to both");
    }
    let page = dashboard(servers[1].port, &jar).1;
    assert!(
        page.contains("data-channel=\"second-app\""),
        "the two apps have different channels between tabs"
    );
    post(servers[1].port, "/api/log_out", "", &mut jar);
    assert_eq!(dashboard(servers[1].port, &jar).0, 303);
    assert_eq!(dashboard(servers[0].port, &jar).0, 200, "still signed in to the other");
    assert!(jar.iter().any(|(name, _)| name == "second-app-device"), "{jar:?}");
}
