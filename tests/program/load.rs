//! Load: more sign-ins at once than the machine can hash passwords for.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use latchkey_core::passwords::{Cost, Passwords};

use crate::support::{
    Answer, Asking, Installation, PASSWORD, Server, answer_on, connect_from, form_of, how_many, keep_asking, soon, whole_answer, within,
};

/// Memory that sign-ins may use, in MB, however many there are.
const MEMORY: u64 = 150;

/// How much of that memory may still be in use after the last sign-in, in MB.
const LEFT: u64 = 15;

/// Imports the accounts `user-0`, `user-1` and so on. They share one hash of the current cost, because hashing for each account
/// would take long.
fn import(here: &Installation, number: usize) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let hash = runtime
        .block_on(Passwords::new(Cost::PRODUCTION).rehash(PASSWORD, None))
        .expect("a hash");
    let rows: String = (0..number).map(|n| format!("user-{n},,\"{hash}\"\n")).collect();
    std::fs::write(here.path().join("users.csv"), format!("username,email,password_hash\n{rows}")).expect("written");
    let output = here.run(&["user", "import", "users.csv"]);
    assert!(output.status.success(), "{}", crate::support::error(&output));
}

/// Signs in. Of five sign-ins, one has a wrong password and one an unknown name.
fn sign_in(port: u16, n: usize) -> Answer {
    let (name, password) = match n % 5 {
        3 => (format!("user-{n}"), "not+the+password"),
        4 => (format!("nobody-{n}"), "quiet+harbour+lantern"),
        _ => (format!("user-{n}"), "quiet+harbour+lantern"),
    };
    let fields = format!("username={name}&password={password}");
    whole_answer(
        port,
        "POST",
        "/token",
        &[("Content-Type", "application/x-www-form-urlencoded")],
        &fields,
    )
    .expect("an answer")
}

/// After a restart, every open page reconnects at once. The accept queue of the system holds the connections while the program is
/// busy.
#[test]
fn many_clients_that_connect_at_once_are_queued_and_served() {
    let backlog: usize = std::fs::read_to_string("/proc/sys/net/core/somaxconn").map_or(128, |most| most.trim().parse().expect("a number"));
    let crowd = backlog.min(1000);
    let here = Installation::new();
    let server = here.serve(&[]);
    let address = SocketAddr::from(([127, 0, 0, 1], server.port));
    server.signal("STOP");
    let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(500)).expect("room in the accept queue");
    let streams: Vec<TcpStream> = (0..crowd).map(connect).collect();
    server.signal("CONT");
    for mut stream in streams {
        let request = format!(
            "GET /health/live HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n",
            server.port
        );
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

#[test]
fn many_sign_ins_at_once_are_answered_or_told_to_retry_and_others_are_served_meanwhile() {
    // `LOAD_SIGN_INS=400` exceeds the limit of one address and the size of the hashing queue.
    let number = how_many("LOAD_SIGN_INS", 200);
    let here = Installation::new();
    import(&here, number);
    let server = here.serve(&[]);
    let port = server.port;
    let fresh = server.resident();
    let token = server.grant("user-0").access;
    let idle = server.resident();

    let (live, protected) = (server.keep_asking("/health/live", ""), server.keep_asking("/protected", &token));
    let began = Instant::now();
    let all_at_once = Barrier::new(number);
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let people: Vec<_> = (0..number)
            .map(|n| {
                let all_at_once = &all_at_once;
                scope.spawn(move || {
                    all_at_once.wait();
                    sign_in(port, n)
                })
            })
            .collect();
        people.into_iter().map(|person| person.join().expect("answered")).collect()
    });
    let took = began.elapsed();
    let normal = within(Duration::from_secs(10), "normal service", || sign_in(port, 0).status == 200);
    let (live, protected, peak) = (live.stop(), protected.stop(), server.peak_resident());

    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    println!(
        "{number} sign-ins in {took:.1?}: {} in, {} wrong, {} too many, {} busy; the next one took {normal:.0?}",
        count(200),
        count(400),
        count(429),
        count(503)
    );
    println!("/health/live: {live}");
    println!("/protected:   {protected}");
    println!(
        "memory: {fresh} MB fresh, {idle} MB idle, {peak} MB at most, {} MB now",
        server.resident()
    );
    for (n, answer) in answers.iter().enumerate() {
        let expected = match answer.status {
            200 => n % 5 < 3,
            400 => n % 5 >= 3,
            429 | 503 => answer.header("Retry-After").is_some_and(|seconds| seconds.parse::<u32>().is_ok()),
            _ => false,
        };
        assert!(expected, "{n}: {} {}", answer.head, answer.body);
    }
    assert!(count(200) > 0 && count(400) > 0, "some sign-ins are answered");
    assert!(peak < idle + MEMORY, "{idle} MB idle, {peak} MB");
    within(Duration::from_secs(5), "memory is freed", || server.resident() < fresh + LEFT);
    assert!(live.p99() < soon() && protected.p99() < soon(), "{live} {protected}");
    let log = server.stop();
    assert!(!log.contains("panicked"), "{log}");
}

/// Returns how soon other clients must be answered while one client keeps the machine busy. Set `STRICT=1` to test a release on
/// an otherwise idle machine.
fn soon_while_busy() -> Duration {
    if how_many("STRICT", 0) == 0 {
        Duration::from_secs(10)
    } else {
        soon()
    }
}

/// Requests `/protected` repeatedly from another address.
fn protected_from_elsewhere(server: &Server, access: &str) -> Asking {
    let (port, authorization) = (server.port, format!("Bearer {access}"));
    keep_asking(move || {
        let stream = connect_from(3, port).expect("connected");
        let headers = [("Authorization", authorization.as_str())];
        let answer = answer_on(stream, &format!("localhost:{port}"), "GET", "/protected", &headers, "").expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.body);
    })
}

/// Posts a form as a page of the app would, from the address of the abusive client.
fn post_as_abuser(port: u16, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Answer {
    let stream = connect_from(2, port).expect("connected");
    let headers = [
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Accept", "application/json"),
        ("Sec-Fetch-Site", "same-origin"),
        ("Cookie", cookie),
    ];
    let host = format!("localhost:{port}");
    answer_on(stream, &host, "POST", path, &headers, &form_of(fields)).expect("an answer")
}

/// Asserts that every post was answered with a documented status, and that another client was answered soon.
fn assert_others_were_served(server: Server, others: Asking, statuses: &[u16]) {
    let times = others.stop();
    let count = |status| statuses.iter().filter(|known| **known == status).count();
    println!(
        "{} posts: {} done, {} refused, {} too many, {} busy; /protected: {times}; {} MB at most",
        statuses.len(),
        count(200),
        count(401) + count(422),
        count(429),
        count(503),
        server.peak_resident()
    );
    assert!(!statuses.is_empty());
    assert!(
        statuses.iter().all(|status| [200, 401, 422, 429, 503].contains(status)),
        "{statuses:?}"
    );
    assert!(times.p99() < soon_while_busy(), "{times}");
    assert!(server.peak_resident() < 512);
    let log = server.stop();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn a_client_that_keeps_signing_up_does_not_slow_down_others() {
    // `ABUSE_SECONDS=10` gives useful figures.
    let duration = Duration::from_secs(how_many("ABUSE_SECONDS", 3).try_into().expect("a small number"));
    let here = Installation::new();
    here.add("ada");
    let server = here.serve(&[]);
    let others = protected_from_elsewhere(&server, &server.grant("ada").access);
    let (port, began) = (server.port, Instant::now());
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..32)
            .map(|client| {
                scope.spawn(move || {
                    let mut statuses = Vec::new();
                    while began.elapsed() < duration {
                        let name = format!("c{client}-{}", statuses.len());
                        // 128 characters with as many words as fit, which take longest to estimate.
                        let password: String = format!("{name} correct horse battery staple ")
                            .repeat(8)
                            .chars()
                            .take(128)
                            .collect();
                        statuses.push(post_as_abuser(port, "/api/sign_up", "", &[("username", &name), ("password", &password)]).status);
                    }
                    statuses
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().expect("answered")).collect()
    });
    assert_others_were_served(server, others, &statuses);
}

#[test]
fn a_client_that_keeps_changing_its_password_does_not_slow_down_others() {
    let seconds = how_many("ABUSE_SECONDS", 3);
    let here = Installation::new();
    here.add("ada");
    here.add("mallory");
    let server = here.serve(&[]);
    let others = protected_from_elsewhere(&server, &server.grant("ada").access);
    let port = server.port;
    let cookie = format!("latchkey={}", server.grant("mallory").access);
    // Send sixteen requests per second, whether or not earlier ones have been answered.
    let began = Instant::now();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let posts: Vec<_> = (0..16 * seconds)
            .map(|n| {
                let due = Duration::from_millis(u64::try_from(n).expect("a small number") * 1000 / 16);
                std::thread::sleep(due.saturating_sub(began.elapsed()));
                let cookie = &cookie;
                scope.spawn(move || {
                    // Each request costs a verification and an estimate: the current password is right, and the new one is long and easy
                    // to guess.
                    let fields = [
                        ("current_password", PASSWORD),
                        ("new_password", "p@ssw0rdp@ssw0rdp@ssw0rdp@ssw0rdp@ssw0rd"),
                    ];
                    post_as_abuser(port, "/api/change_password", cookie, &fields).status
                })
            })
            .collect();
        posts.into_iter().map(|post| post.join().expect("answered")).collect()
    });
    assert_others_were_served(server, others, &statuses);
}
