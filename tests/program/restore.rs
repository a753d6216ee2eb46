//! `latchkey restore`, and the steps that do the same on PostgreSQL.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use crate::postgres::Postgres;
use crate::support::{Installation, PASSWORD, Server, Tokens, error, text, within};

fn refresh(server: &Server, tokens: &Tokens) -> u16 {
    let fields = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
    server.post("/token", &fields).0
}

#[test]
fn a_restore_brings_back_the_accounts_and_invalidates_all_older_tokens() {
    let here = Installation::new();
    here.add("ada");
    let server = here.serve(&[]);
    let (live, ended) = (server.grant("ada"), server.grant("ada"));
    assert!(here.run(&["backup", "copy.db"]).status.success());
    assert_eq!(server.post("/revoke", &[("token", &ended.refresh)]).0, 200);
    here.add("grace");
    let later = server.grant("grace");

    let refused = here.run(&["restore", "copy.db"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(error(&refused).contains("stop it"), "{}", error(&refused));
    assert_eq!(server.protected(&live.access), 200, "a refused restore changes nothing");
    server.kill();

    let restored = here.run(&["restore", "copy.db"]);
    assert!(restored.status.success(), "{}", error(&restored));
    let said = text(&restored);
    for words in [
        "Restored copy.db",
        "1 account,",
        "everyone has to sign in again",
        "latchkey.db-replaced",
        "Start the server",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let data = here.path().join("data");
    for gone in ["latchkey.db-wal", "latchkey.db-shm", "latchkey.db-restore"] {
        assert!(!data.join(gone).exists(), "{gone}");
    }
    for file in ["latchkey.db", "latchkey.db-replaced"] {
        let mode = data.join(file).metadata().expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }

    let server = here.serve(&[]);
    for tokens in [&live, &ended, &later] {
        assert_eq!((server.protected(&tokens.access), refresh(&server, tokens)), (401, 400));
    }
    let signed_in = server.grant("ada");
    assert_eq!((server.protected(&signed_in.access), refresh(&server, &signed_in)), (200, 200));
    let shown = text(&here.run(&["user", "show", "ada"]));
    assert!(shown.contains("sessions  1"), "the older sessions have ended: {shown}");
    assert!(error(&here.run(&["user", "show", "grace"])).contains("There is no account"));
    server.stop();

    // The replaced database is complete and can be restored like any backup, because its WAL was applied.
    let back = here.run(&["restore", "data/latchkey.db-replaced"]);
    assert!(
        back.status.success() && text(&back).contains("2 accounts"),
        "{}{}",
        text(&back),
        error(&back)
    );
    let server = here.serve(&[]);
    for tokens in [&live, &later, &signed_in] {
        assert_eq!((server.protected(&tokens.access), refresh(&server, tokens)), (401, 400));
    }
    server.grant("grace");
}

#[test]
fn a_restore_on_a_new_machine_needs_nothing_but_the_backup() {
    let (old, new) = (Installation::new(), Installation::new());
    old.add("ada");
    assert!(old.run(&["backup", "copy.db"]).status.success());
    fs::copy(old.path().join("copy.db"), new.path().join("copy.db")).expect("copied");
    let restored = new.run(&["restore", "copy.db"]);
    assert!(restored.status.success(), "{}", error(&restored));
    new.serve(&[]).grant("ada");
}

#[test]
fn an_incomplete_or_damaged_backup_is_refused_and_nothing_is_changed() {
    let here = Installation::new();
    here.add("ada");
    assert!(here.run(&["backup", "copy.db"]).status.success());
    let good = fs::read(here.path().join("copy.db")).expect("read");
    let database = here.path().join("data/latchkey.db");
    let before = fs::read(&database).expect("read");
    let mut damaged = good.clone();
    damaged[3 * 4096..].fill(0xa5);
    let cases: [(&str, Option<Vec<u8>>); 5] = [
        ("nowhere.db", None),
        ("empty.db", Some(Vec::new())),
        ("no-database.db", Some(b"not a database ".repeat(1000))),
        ("damaged.db", Some(damaged)),
        ("half.db", Some(good[..good.len() / 2].to_vec())),
    ];
    for (name, content) in cases {
        if let Some(content) = content {
            fs::write(here.path().join(name), content).expect("written");
        }
        let output = here.run(&["restore", name]);
        assert_eq!(output.status.code(), Some(1), "{name}: {}", text(&output));
        let said = error(&output);
        assert!(said.starts_with(&format!("error: {name}: ")) && said.lines().count() == 1, "{said}");
        assert_eq!(fs::read(&database).expect("read"), before, "{name}");
    }
    let itself = here.run(&["restore", "data/latchkey.db"]);
    assert!(error(&itself).contains("the database itself"), "{}", error(&itself));
    assert_eq!(fs::read(&database).expect("read"), before);
    let names: Vec<_> = fs::read_dir(here.path().join("data"))
        .expect("listed")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().ends_with("-restore")), "{names:?}");
    here.serve(&[]).grant("ada");
}

/// Returns the block of commands under a heading of DEPLOY.md.
fn steps(heading: &str) -> String {
    let document = include_str!("../../docs/DEPLOY.md");
    let (_, section) = document.split_once(heading).expect("a heading");
    let (_, block) = section.split_once("```sh\n").expect("a block");
    block.split_once("```").expect("the end of the block").0.to_owned()
}

/// Runs the steps as written, except for the service manager and the user.
#[test]
fn the_steps_of_deploy_md_restore_a_backup() {
    let here = Installation::new();
    here.add("ada");
    let mut server = Some(here.serve(&[]));
    let before = server.as_ref().expect("a server").grant("ada");
    assert!(here.run(&["backup", "latchkey-backup.db"]).status.success());
    for line in steps("### Restore a SQLite backup").lines() {
        match line {
            "sudo systemctl stop latchkey" => {
                server.take().expect("a server").stop();
            }
            "sudo systemctl start latchkey" => server = Some(here.serve(&[])),
            command => {
                let arguments = command
                    .strip_prefix("sudo -u latchkey LATCHKEY_DATA_DIR=/var/lib/latchkey latchkey ")
                    .expect("a command of the program");
                let arguments: Vec<&str> = arguments.split(' ').map(|word| word.rsplit('/').next().unwrap_or(word)).collect();
                let output = here.run(&arguments);
                assert!(output.status.success(), "{command}: {}", error(&output));
            }
        }
    }
    let server = server.expect("started");
    assert_eq!((server.protected(&before.access), refresh(&server, &before)), (401, 400));
    server.grant("ada");
}

/// Returns a command for a tool of the PostgreSQL installation that the tests use.
fn pg_tool(name: &str) -> Command {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/postgres");
    let output = Command::new(script).arg("bin").output().expect("the command ran");
    let directory = String::from_utf8(output.stdout).expect("UTF-8 text");
    Command::new(format!("{}/{name}", directory.trim()))
}

#[test]
fn after_pg_restore_one_command_ends_every_session() {
    let postgres = Postgres::new();
    let here = Installation::new();
    let secret = text(&here.run(&["secret"])).trim().to_owned();
    let settings = [
        ("LATCHKEY_DATABASE_URL", postgres.url.as_str()),
        ("LATCHKEY_SECRET", secret.as_str()),
    ];
    let set = settings.map(|(name, value)| (name, value.to_owned()));
    let add = |name: &str| here.run_with(&["user", "add", name, "--password-stdin"], &set, PASSWORD);
    assert!(add("ada").status.success());
    assert!(add("grace").status.success());
    let server = here.serve(&settings);
    let (ada, grace) = (server.grant("ada"), server.grant("grace"));
    server.stop();
    let dump = here.path().join("latchkey.dump");
    let dumped = pg_tool("pg_dump")
        .args(["--format=custom", "--file"])
        .arg(&dump)
        .arg(&postgres.url)
        .status()
        .expect("the command ran");
    assert!(dumped.success());
    let server = here.serve(&settings);
    assert_eq!(server.post("/revoke", &[("token", &ada.refresh)]).0, 200);
    server.stop();
    let restored = pg_tool("pg_restore")
        .args(["--clean", "--if-exists", "--no-owner", "--dbname"])
        .arg(&postgres.url)
        .arg(&dump)
        .status()
        .expect("the command ran");
    assert!(restored.success());
    let server = here.serve(&settings);
    assert_eq!(
        server.protected(&ada.access),
        200,
        "the ended session is valid again, as DEPLOY.md warns"
    );
    let refused = here.run_with(&["restore", "latchkey.dump"], &set, "");
    assert!(
        !refused.status.success() && error(&refused).contains("end-sessions --all"),
        "{}",
        error(&refused)
    );
    let ended = here.run_with(&["user", "end-sessions", "--all"], &set, "");
    assert_eq!(text(&ended), "Ended every session of 2 accounts.\n", "{}", error(&ended));
    within(Duration::from_secs(5), "every session has ended", || {
        server.protected(&ada.access) == 401 && server.protected(&grace.access) == 401
    });
    assert_eq!((refresh(&server, &ada), refresh(&server, &grace)), (400, 400));
    let again = server.grant("ada");
    assert_eq!((server.protected(&again.access), refresh(&server, &again)), (200, 200));
}

#[test]
fn end_sessions_all_ends_every_session_on_a_running_server() {
    let here = Installation::new();
    here.add("ada");
    here.add("grace");
    let server = here.serve(&[]);
    let tokens = [server.grant("ada"), server.grant("grace")];
    let ended = here.run(&["user", "end-sessions", "--all"]);
    assert_eq!(text(&ended), "Ended every session of 2 accounts.\n", "{}", error(&ended));
    within(Duration::from_secs(5), "every session has ended", || {
        tokens.iter().all(|tokens| server.protected(&tokens.access) == 401)
    });
    for tokens in &tokens {
        assert_eq!(refresh(&server, tokens), 400);
    }
    server.grant("ada");
    for wrong in [&["user", "end-sessions"][..], &["user", "end-sessions", "ada", "--all"]] {
        assert!(!here.run(wrong).status.success(), "{wrong:?}");
    }
}
