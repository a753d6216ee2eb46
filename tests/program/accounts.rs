//! Accounts on the command line: imports from files, names from before a stricter rule, and output.

use std::fs;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

use crate::support::{Installation, PASSWORD, error, text};

/// Runs a statement on the database, to create data that an older version could have written.
fn execute(here: &Installation, statement: &str) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(here.path().join("data/latchkey.db"));
        let mut connection = options.connect().await.expect("opened");
        connection
            .execute(AssertSqlSafe(statement.to_owned()))
            .await
            .expect("the statement ran");
        connection.close().await.expect("closed");
    });
}

fn import(here: &Installation, file: &str) -> (bool, String, String) {
    fs::write(here.path().join("users.csv"), file).expect("written");
    let output = here.run(&["user", "import", "users.csv"]);
    (output.status.success(), text(&output), error(&output))
}

#[test]
fn an_import_into_an_empty_database_creates_no_administrator_and_prints_a_hint() {
    let here = Installation::new();
    let bcrypt = bcrypt::hash(PASSWORD, 4).expect("a hash");
    let (done, said, wrong) = import(&here, &format!("username,password_hash\naaron,{bcrypt}\nberta,{bcrypt}\n"));
    assert!(done && wrong.contains("latchkey user set-role NAME admin"), "{said}{wrong}");
    here.add("carla");
    let list = text(&here.run(&["user", "list"]));
    assert_eq!((list.lines().count(), list.matches(" admin ").count()), (3, 0), "{list}");
    let (_, said, wrong) = import(&here, &format!("username,password_hash\ndora,{bcrypt}\n"));
    assert_eq!(said, "Added 1 account.\n");
    assert!(!wrong.contains("set-role"), "only the first import prints the hint: {wrong}");
}

#[test]
fn an_import_explains_wrong_separators_and_unquoted_hashes() {
    let here = Installation::new();
    let argon2 = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$6uLqTCzTVtrjnsWoVJ3CFRPR1Kd3R5fR8XBZrOlrqqg";
    for file in [
        "username;email;password_hash\nada;;x\n",
        "username\temail\tpassword_hash\nada\t\tx\n",
    ] {
        let (done, said, wrong) = import(&here, file);
        assert!(!done && said.is_empty() && wrong.contains("commas"), "{wrong}");
    }
    let (done, said, wrong) = import(
        &here,
        &format!("username,email,password_hash\nada,,{argon2}\ngrace,,\"{argon2}\"\nlinus;;{argon2}\nedsger\n"),
    );
    assert!(!done && said.starts_with("Added 1 account."), "{said}{wrong}");
    for sentence in [
        "line 2: the hash contains commas: put it in double quotes",
        "line 4: the columns are separated by semicolons: use commas",
        "line 5: the first line names 3 columns, but this line has 1",
    ] {
        assert!(wrong.contains(sentence), "{sentence}: {wrong}");
    }
    assert!(!wrong.contains("argon2"), "no hash is printed: {wrong}");
    let (_, _, wrong) = import(&here, &format!("\u{feff}username,email,password_hash\nx,,\"{argon2}\"\n"));
    assert!(wrong.contains("line 2: x: username: Use at least 3"), "{wrong}");
}

#[test]
fn new_names_that_look_like_options_are_refused_and_existing_ones_still_work() {
    let here = Installation::new();
    here.add("ada");
    for name in ["--help", "-version", ".profile", "_ada"] {
        let output = here.run_with_input(&["user", "add", "--password-stdin", "--", name], PASSWORD);
        assert!(
            !output.status.success() && error(&output).contains("Begin with a letter or a digit."),
            "{name}: {}",
            error(&output)
        );
        execute(
            &here,
            &format!(
                "INSERT INTO users (id, username, password_hash, role, epoch, created_at) SELECT '{name}', '{name}', password_hash, 'user', 0, 0 FROM users WHERE username = 'ada'"
            ),
        );
        let disabled = here.run(&["user", "disable", "--", name]);
        assert_eq!(
            text(&disabled),
            format!("Disabled {name} and ended every session.\n"),
            "{}",
            error(&disabled)
        );
        for command in ["show", "enable", "end-sessions"] {
            let output = here.run(&["user", command, "--", name]);
            assert!(
                output.status.success() && text(&output).contains(name),
                "{command}: {}",
                error(&output)
            );
        }
        assert!(here.run(&["user", "set-role", "--", name, "admin"]).status.success());
        let set = here.run_with_input(&["user", "set-password", "--password-stdin", "--", name], "another quiet harbour");
        assert!(set.status.success(), "{}", error(&set));
    }
    let part = here.run(&["user", "list", "--limit", "1"]);
    let hint = error(&part);
    let command: Vec<&str> = hint
        .trim()
        .strip_prefix("More follow: latchkey ")
        .expect("a hint")
        .split(' ')
        .collect();
    assert!(text(&part).starts_with("--help"), "{}", text(&part));
    let rest = here.run(&command);
    assert!(rest.status.success() && text(&rest).lines().count() == 4, "{hint}{}", error(&rest));
    for command in ["show", "disable", "remove"] {
        let help = text(&here.run(&["user", command, "--help"]));
        assert!(help.contains("put -- before a name that begins with a dash"), "{help}");
    }
    let server = here.serve(&[]);
    assert_eq!(
        server
            .post("/token", &[("username", "--help"), ("password", "another quiet harbour")])
            .0,
        200,
        "an account with such a name can still sign in"
    );
}

#[test]
fn invisible_characters_in_an_email_address_are_printed_as_escapes() {
    let here = Installation::new();
    here.add("ada");
    execute(
        &here,
        "UPDATE users SET email = 'ada\u{202e}@\u{200b}example.\u{1b}[31morg\u{e000}'",
    );
    let shown = text(&here.run(&["user", "show", "ada"]));
    assert!(
        shown.contains(r"email     ada\u{202e}@\u{200b}example.\u{1b}[31morg\u{e000}"),
        "{shown:?}"
    );
}
