//! The command line: commands, their output, and errors that stop the start.

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::support::{Installation, PASSWORD, error, text};

#[test]
fn a_secret_is_32_random_bytes_in_base64url() {
    let here = Installation::new();
    let (first, second) = (text(&here.run(&["secret"])), text(&here.run(&["secret"])));
    assert_eq!(first.trim().len(), 43);
    assert_ne!(first, second);
}

#[test]
fn accounts_are_added_listed_shown_changed_and_removed() {
    let here = Installation::new();
    here.add("Ada");
    here.add("grace");
    let list = text(&here.run(&["user", "list"]));
    let lines: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        (lines[0][0], lines[0][1], lines[1][0], lines[1][1]),
        ("ada", "admin", "grace", "user"),
        "{list}"
    );

    assert!(here.run(&["user", "set-role", "grace", "admin"]).status.success());
    let shown = text(&here.run(&["user", "show", "GRACE"]));
    assert!(shown.contains("roles     admin") && shown.contains("email     none"), "{shown}");

    let changed = here.run_with_input(&["user", "set-password", "grace", "--password-stdin"], "another quiet harbour");
    assert!(changed.status.success(), "{}", error(&changed));

    for (command, field) in [("disable", "disabled  since "), ("enable", "disabled  no")] {
        assert!(here.run(&["user", command, "grace"]).status.success());
        let shown = text(&here.run(&["user", "show", "grace"]));
        assert!(shown.contains(field) && shown.contains("sessions  0"), "{shown}");
    }
    assert_eq!(text(&here.run(&["user", "end-sessions", "grace"])), "Ended 0 sessions of grace.\n");
    for command in ["disable", "enable", "end-sessions"] {
        let unknown = here.run(&["user", command, "nobody.here"]);
        assert!(
            !unknown.status.success() && error(&unknown).contains("There is no account"),
            "{}",
            error(&unknown)
        );
    }

    assert!(here.run(&["user", "remove", "grace"]).status.success());
    let gone = here.run(&["user", "show", "grace"]);
    assert!(
        !gone.status.success() && error(&gone).contains("There is no account grace"),
        "{}",
        error(&gone)
    );
}

#[test]
fn an_import_adds_valid_accounts_and_names_each_invalid_line() {
    // A hash of "quiet harbour lantern".
    let bcrypt = bcrypt::hash(PASSWORD, 4).expect("a hash");
    let here = Installation::new();
    let file = here.path().join("users.csv");
    let rows = [
        "username,email,password_hash".to_owned(),
        format!("Ada,ada@example.org,{bcrypt}"),
        format!("grace,,{bcrypt}"),
        format!("a b,,{bcrypt}"),
        "linus,,5f4dcc3b5aa765d61d8327deb882cf99".to_owned(),
        format!("ada,,{bcrypt}"),
        "too,few".to_owned(),
    ];
    std::fs::write(&file, rows.join("\n")).expect("written");
    let output = here.run(&["user", "import", "users.csv"]);
    let said = error(&output);
    assert_eq!(text(&output), "Added 2 accounts.\n", "{said}");
    assert!(!output.status.success());
    for sentence in [
        "a b: username: Use only",
        "linus: password: The hash is neither",
        "ada: username: This name is taken",
        "line 7: ",
        "4 lines were skipped",
        "Imported passwords of more than 128 characters do not work here",
    ] {
        assert!(said.contains(sentence), "{sentence}: {said}");
    }
    assert!(text(&here.run(&["user", "show", "ada"])).contains("email     ada@example.org"));
    let server = here.serve(&[]);
    assert_eq!(server.protected(&server.grant("grace").access), 200);
    drop(server);

    std::fs::write(&file, format!("username,email,password_hash\nedsger,,{bcrypt}\n")).expect("written");
    assert!(here.run(&["user", "import", "users.csv"]).status.success());
    std::fs::write(&file, "name,hash\nx,y\n").expect("written");
    assert!(error(&here.run(&["user", "import", "users.csv"])).contains("the first line must name the columns"));
    assert!(error(&here.run(&["user", "import", "nowhere.csv"])).contains("nowhere.csv: "));
}

#[test]
fn accounts_are_listed_in_pages_and_a_closed_pipe_is_not_an_error() {
    let here = Installation::new();
    let bcrypt = bcrypt::hash(PASSWORD, 4).expect("a hash");
    // More output than fits into a pipe that is not read.
    let rows: String = (0..2100).map(|n| format!("user-{n:04},,{bcrypt}\n")).collect();
    std::fs::write(here.path().join("users.csv"), format!("username,email,password_hash\n{rows}")).expect("written");
    assert!(here.run(&["user", "import", "users.csv"]).status.success());

    let all = here.run(&["user", "list"]);
    let names = |list: &str| -> Vec<String> { list.lines().map(|line| line[..9].to_owned()).collect() };
    let whole: Vec<String> = (0..2100).map(|n| format!("user-{n:04}")).collect();
    assert_eq!(
        (names(&text(&all)), error(&all).as_str()),
        (whole.clone(), ""),
        "each account is listed once, in order"
    );

    let mut parts = Vec::new();
    let mut after = String::new();
    for (limit, listed) in [("1000", 1000), ("1050", 1050), ("50", 50), ("5", 0)] {
        let part = here.run(&["user", "list", "--after", &after, "--limit", limit]);
        assert_eq!(names(&text(&part)).len(), listed, "{limit}");
        parts.extend(names(&text(&part)));
        after.clone_from(parts.last().expect("a name"));
        let hint = format!("More follow: latchkey user list --after={after}\n");
        assert_eq!(error(&part), if parts.len() < whole.len() { hint } else { String::new() });
    }
    assert_eq!(parts, whole);
    assert_eq!(
        names(&text(&here.run(&["user", "list", "--after", "USER-2098x", "--limit", "5"]))),
        ["user-2099"]
    );
    assert!(!here.run(&["user", "list", "--limit", "0"]).status.success());

    for command in [&["user", "list"][..], &["user", "show", "user-0000"]] {
        let mut reader = here
            .command(command)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        drop(reader.stdout.take());
        let done = reader.wait_with_output().expect("the command ran");
        assert!(done.status.success() && error(&done).is_empty(), "{command:?}: {}", error(&done));
    }
}

#[test]
fn commands_that_start_at_once_on_an_empty_directory_all_succeed() {
    let here = Installation::new();
    std::thread::scope(|scope| {
        for n in 0..10 {
            let here = &here;
            scope.spawn(move || here.add(&format!("user-{n}")));
        }
    });
    let list = text(&here.run(&["user", "list"]));
    assert_eq!(list.lines().count(), 10, "{list}");
    assert_eq!(list.matches(" admin ").count(), 1, "{list}");
}

#[test]
fn the_command_line_applies_the_same_rules_for_names_and_passwords() {
    let here = Installation::new();
    here.add("ada");
    for (name, password, sentence) in [
        ("ad", PASSWORD, "Use at least 3 characters."),
        ("admin", PASSWORD, "reserved"),
        ("ada", PASSWORD, "taken"),
        ("grace", "password1", "attackers try first"),
        ("grace", "", "This field is required."),
    ] {
        let output = here.run_with_input(&["user", "add", name, "--password-stdin"], password);
        assert!(
            !output.status.success() && error(&output).contains(sentence),
            "{name}: {}",
            error(&output)
        );
    }
    let no_terminal = here.run(&["user", "add", "grace"]);
    assert!(error(&no_terminal).contains("--password-stdin"), "{}", error(&no_terminal));
}

#[test]
fn check_shows_the_configuration_and_creates_no_database() {
    let here = Installation::new();
    let fresh = text(&here.run(&["check"]));
    assert!(fresh.contains("no database yet"), "{fresh}");
    assert!(!here.path().join("data/latchkey.db").exists());
    here.add("ada");
    let used = here.run(&["check"]);
    assert!(
        used.status.success() && text(&used).contains("database       good"),
        "{}",
        text(&used)
    );
}

#[test]
fn an_invalid_configuration_stops_the_start_with_a_one_line_error() {
    let held = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = held.local_addr().expect("an address").to_string();
    let newer = Installation::new();
    newer.add("ada");
    let database = newer.path().join("data/latchkey.db");
    let cases: [(&str, &str, &str); 8] = [
        ("LATCHKEY_SECRET", "your-secret-key", "LATCHKEY_SECRET: "),
        ("LATCHKEY_SECRET", "changeme", "LATCHKEY_SECRET: "),
        ("LATCHKEY_SECRET", "secret", "LATCHKEY_SECRET: "),
        ("LATCHKEY_SECRET", "0123456789abcdef", "LATCHKEY_SECRET: "),
        ("LATCHKEY_DATA_DIR", "/proc/nowhere", "LATCHKEY_DATA_DIR: "),
        ("LATCHKEY_ADDR", "0.0.0.0:3999", "LATCHKEY_PUBLIC_URL: "),
        ("LATCHKEY_LOG_FORMAT", "xml", "LATCHKEY_LOG_FORMAT: "),
        ("LATCHKEY_ACCESS_TTL", "soon", "LATCHKEY_ACCESS_TTL: "),
    ];
    for (variable, value, beginning) in cases {
        let here = Installation::new();
        let output = here.command(&["serve"]).env(variable, value).output().expect("the command ran");
        let error = error(&output);
        assert!(
            !output.status.success() && error.starts_with(&format!("error: {beginning}")) && error.trim().lines().count() == 1,
            "{error}"
        );
    }

    let here = Installation::new();
    let output = here
        .command(&["serve"])
        .env("LATCHKEY_ADDR", &taken)
        .output()
        .expect("the command ran");
    assert!(error(&output).contains("in use by another program"), "{}", error(&output));

    std::fs::write(&database, "not a database ".repeat(1000)).expect("written");
    let output = newer.run(&["serve", "--addr", "127.0.0.1:3998"]);
    assert!(
        !output.status.success() && error(&output).contains("latchkey.db"),
        "{}",
        error(&output)
    );
}

#[test]
fn a_flag_overrides_a_variable_and_a_variable_overrides_the_env_file() {
    let here = Installation::new();
    std::fs::write(
        here.path().join(".env"),
        "LATCHKEY_ADDR=127.0.0.1:4001\nLATCHKEY_DATA_DIR=from-file\n",
    )
    .expect("written");
    let by_file = text(&here.run(&["check"]));
    assert!(
        by_file.contains("127.0.0.1:4001") && by_file.contains("from-file/latchkey.db"),
        "{by_file}"
    );
    let by_variable = here
        .command(&["check"])
        .env("LATCHKEY_ADDR", "127.0.0.1:4002")
        .output()
        .expect("the command ran");
    assert!(text(&by_variable).contains("127.0.0.1:4002"));
    let by_flag = here
        .command(&["check", "--addr", "127.0.0.1:4003"])
        .env("LATCHKEY_ADDR", "127.0.0.1:4002")
        .output()
        .expect("the command ran");
    assert!(text(&by_flag).contains("127.0.0.1:4003"));

    std::fs::write(here.path().join(".env"), "this is no setting\n").expect("written");
    let broken = here.run(&["check"]);
    assert!(
        !broken.status.success() && error(&broken).starts_with("error: .env, line 1: "),
        "{}",
        error(&broken)
    );
}

#[test]
fn help_documents_every_setting_and_command() {
    let here = Installation::new();
    let help = text(&here.run(&["--help"]));
    for word in [
        "serve",
        "secret",
        "check",
        "user",
        "LATCHKEY_ADDR",
        "LATCHKEY_PUBLIC_URL",
        "LATCHKEY_DATA_DIR",
        "LATCHKEY_DATABASE_URL",
        "LATCHKEY_SECRET",
        "LATCHKEY_SECRET_FILE",
        "LATCHKEY_SECRET_PREVIOUS",
        "LATCHKEY_JWT_ALG",
        "LATCHKEY_ACCESS_TTL",
        "LATCHKEY_REFRESH_TTL",
        "LATCHKEY_SESSION_MAX",
        "LATCHKEY_REFRESH_GRACE",
        "LATCHKEY_REVOCATION_LAG",
        "LATCHKEY_METRICS_ADDR",
        "LATCHKEY_TRUSTED_PROXIES",
        "LATCHKEY_TLS_CERT",
        "LATCHKEY_TLS_KEY",
        "LATCHKEY_SIGNUP",
        "LATCHKEY_PASSWORD_GRANT",
        "LATCHKEY_LOG",
        "LATCHKEY_LOG_FORMAT",
    ] {
        assert!(help.contains(word), "{word}");
    }
    let secret = here
        .command(&["--help"])
        .env("LATCHKEY_SECRET", "canary-in-the-help")
        .output()
        .expect("the command ran");
    assert!(!text(&secret).contains("canary"), "the help contains no secret");
}

#[test]
fn a_backup_made_while_the_server_runs_is_complete_and_readable_only_by_its_owner() {
    let here = Installation::new();
    let nothing = here.run(&["backup", "copy.db"]);
    assert!(
        !nothing.status.success() && error(&nothing).contains("no database"),
        "{}",
        error(&nothing)
    );
    assert!(!here.path().join("copy.db").exists());
    here.add("ada");
    let server = here.serve(&[]);
    let (live, ended) = (server.grant("ada"), server.grant("ada"));
    assert_eq!(server.post("/revoke", &[("token", &ended.refresh)]).0, 200);
    let done = here.run(&["backup", "copy.db"]);
    assert!(done.status.success(), "{}", error(&done));
    assert!(text(&done).contains("Backed up the database to copy.db"), "{}", text(&done));
    let mode = std::fs::metadata(here.path().join("copy.db")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = here.run(&["backup", "copy.db"]);
    assert!(!again.status.success() && error(&again).contains("copy.db"), "{}", error(&again));
    assert!(!here.run(&["backup", "nowhere/copy.db"]).status.success());
    // Changes after the backup are not in it.
    server.post("/revoke", &[("token", &live.refresh)]);
    server.kill();

    let restored = here.serve(&[("LATCHKEY_DATABASE_URL", "sqlite:copy.db")]);
    let refresh = |token: &str| {
        restored
            .post("/token", &[("grant_type", "refresh_token"), ("refresh_token", token)])
            .0
    };
    assert_eq!((refresh(&live.refresh), refresh(&ended.refresh)), (200, 400));
    restored.grant("ada");
}

fn full() -> File {
    File::options().write(true).open("/dev/full").expect("a full device")
}

#[test]
fn a_command_that_cannot_print_says_in_its_error_what_was_done() {
    let here = Installation::new();
    here.add("ada");
    here.add("grace");
    std::fs::write(here.path().join("users.csv"), "username,email,password_hash\n").expect("written");
    let commands: [(&[&str], &str); 15] = [
        (&["secret"], ""),
        (&["check"], ""),
        (&["--help"], ""),
        (&["--version"], ""),
        (&["user", "list"], ""),
        (&["user", "show", "ada"], ""),
        (&["user", "set-role", "grace", "admin"], "grace is now admin. "),
        (
            &["user", "set-password", "grace", "--password-stdin"],
            "Set the password of grace and ended every session. ",
        ),
        (&["user", "disable", "grace"], "Disabled grace and ended every session. "),
        (&["user", "enable", "grace"], "Enabled grace. "),
        (&["user", "end-sessions", "grace"], "Ended 0 sessions of grace. "),
        (&["user", "import", "users.csv"], "Added 0 accounts. "),
        (&["backup", "copy.db"], "Backed up the database to copy.db"),
        (&["user", "remove", "grace"], "Removed grace. "),
        (&["user", "add", "grace", "--password-stdin"], "Added grace "),
    ];
    std::fs::write(here.path().join("password"), "another quiet harbour\n").expect("written");
    let password = || File::open(here.path().join("password")).expect("a file");
    for (command, done) in commands {
        let output = here
            .command(command)
            .stdin(password())
            .stdout(full())
            .output()
            .expect("the command ran");
        let said = error(&output);
        assert_eq!(output.status.code(), Some(1), "{command:?}: {said}");
        assert!(
            said.starts_with(&format!("error: {done}")) && said.contains("Standard output cannot be written") && said.lines().count() == 1,
            "{command:?}: {said}"
        );
    }
    // Not even the error can be written.
    let mute = here
        .command(&["user", "list"])
        .stdout(full())
        .stderr(full())
        .status()
        .expect("the command ran");
    assert_eq!(mute.code(), Some(1));
    let mute = here.command(&["no-such-command"]).stderr(full()).status().expect("the command ran");
    assert_eq!(mute.code(), Some(2));
}

#[test]
fn a_command_with_a_closed_output_pipe_exits_quietly() {
    let here = Installation::new();
    here.add("ada");
    for command in [&["secret"][..], &["check"], &["--help"], &["user", "enable", "ada"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = here.command(command).stdout(writer).output().expect("the command ran");
        assert!(
            output.status.success() && error(&output).is_empty(),
            "{command:?}: {}",
            error(&output)
        );
    }
}
