//! More people at once than the machine can hash passwords for.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use latchkey::domain::Password;
use latchkey::server::passwords::{Cost, Passwords};

use crate::support::{Answer, Installation, PASSWORD, how_many, soon, whole_answer, within};

/// Memory that signing in may take, in MB, however many do.
const MEMORY: u64 = 150;

/// What may be left of it, in MB, once nobody signs in any more.
const LEFT: u64 = 15;

/// Accounts `user-0`, `user-1` and so on. They share one hash, of today's cost: to make each its own takes long.
fn import(here: &Installation, number: usize) {
    let password = Password::parse(PASSWORD, None).expect("within the rules");
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let hash = runtime.block_on(Passwords::new(Cost::PRODUCTION).hash(&password)).expect("hashed");
    let rows: String = (0..number).map(|n| format!("user-{n},,\"{hash}\"\n")).collect();
    std::fs::write(here.path().join("users.csv"), format!("username,email,password_hash\n{rows}")).expect("written");
    let output = here.run(&["user", "import", "users.csv"]);
    assert!(output.status.success(), "{}", crate::support::error(&output));
}

/// Somebody signs in. Of five people one mistypes their password, and one the name.
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

/// As after a restart, when every open page comes back: the system keeps those who knock while the program is busy.
#[test]
fn a_crowd_that_connects_at_once_waits_for_its_turn_and_is_served() {
    let kept: usize = std::fs::read_to_string("/proc/sys/net/core/somaxconn").map_or(128, |most| most.trim().parse().expect("a number"));
    let crowd = kept.min(1000);
    let here = Installation::new();
    let server = here.serve(&[]);
    let address = SocketAddr::from(([127, 0, 0, 1], server.port));
    server.signal("STOP");
    let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(500)).expect("a place to wait");
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
fn many_sign_ins_at_once_are_answered_or_put_off_and_others_are_served_meanwhile() {
    // `LOAD_SIGN_INS=400` is more than one address may try, and than there are places.
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
    let normal = within(Duration::from_secs(1), "normal service", || sign_in(port, 0).status == 200);
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
    assert!(count(200) > 0 && count(400) > 0, "somebody is served");
    assert!(peak < idle + MEMORY, "{idle} MB idle, {peak} MB");
    within(Duration::from_secs(5), "memory is given back", || server.resident() < fresh + LEFT);
    assert!(live.p99() < soon() && protected.p99() < soon(), "{live} {protected}");
    let log = server.stop();
    assert!(!log.contains("panicked"), "{log}");
}
