//! Several nodes on one PostgreSQL database: what holds on one holds on all, whatever stops, crashes or is slow.

mod cluster;
mod link;
mod people;
mod proxy;

use std::time::{Duration, Instant};

use self::cluster::Cluster;
use self::people::People;
use crate::support::{PASSWORD, Server, Times, Tokens, free_port, how_many, within};

/// Requests a second of the load.
const RATE: usize = 200;

/// After so long an end must be known everywhere.
const EVERYWHERE: Duration = Duration::from_secs(1);

#[test]
fn ten_nodes_that_start_at_once_on_an_empty_database_all_come_up() {
    let cluster = Cluster::of(10);
    for node in 0..10 {
        assert_eq!(cluster.get(node, "/health/ready", "").0, 200);
    }
    // The first account is the administrator, once, whichever node it is made on.
    let made: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..10)
            .map(|node| {
                let cluster = &cluster;
                scope.spawn(move || cluster.sign_up(node, &format!("first-{node}")))
            })
            .collect();
        all.into_iter().map(|one| one.join().expect("made")).collect()
    });
    let administrators = made
        .iter()
        .enumerate()
        .filter(|(node, tokens)| cluster.get(*node, "/me", &tokens.access).1.contains("admin"));
    assert_eq!(administrators.count(), 1);
}

#[test]
fn an_end_on_one_node_is_seen_on_the_other_within_a_second_under_load() {
    let ends = how_many("ENDS", 30);
    let mut cluster = Cluster::of(2);
    let people = People::begin(&mut cluster, RATE, EVERYWHERE);
    let ended = cluster.somebody("ended");
    let mut times = Vec::new();
    for n in 0..ends {
        let tokens = cluster.grant(n % 2, &ended);
        let (here, there) = (n % 2, (n + 1) % 2);
        assert_eq!(cluster.get(there, "/protected", &tokens.access).0, 200);
        assert_eq!(
            cluster.post(here, "/revoke", &[("token", &tokens.refresh)]).expect("an answer").0,
            200
        );
        assert_eq!(cluster.get(here, "/protected", &tokens.access).0, 401, "here at once");
        let acknowledged = Instant::now();
        within(EVERYWHERE, "the other node knows", || {
            cluster.get(there, "/protected", &tokens.access).0 == 401
        });
        times.push(acknowledged.elapsed());
    }
    println!("an end, seen on the other node: {}", Times::of(times));
    people.stop(&cluster);
}

#[test]
fn many_refreshers_of_one_token_over_two_nodes_get_one_successor_and_nobody_is_signed_out() {
    let rounds = how_many("NODE_ROUNDS", 20);
    let mut cluster = Cluster::of(2);
    let ada = cluster.somebody("ada");
    // A session may refresh so often; then it takes another one.
    let mut tokens = cluster.grant(0, &ada);
    for round in 0..rounds {
        if round % 200 == 199 {
            tokens = cluster.grant(round % 2, &ada);
        }
        let answers: Vec<_> = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..50)
                .map(|n| {
                    let (cluster, refresh) = (&cluster, tokens.refresh.as_str());
                    scope.spawn(move || cluster.refresh(n % 2, refresh).expect("an answer"))
                })
                .collect();
            callers.into_iter().map(|caller| caller.join().expect("answered")).collect()
        });
        let successors: Vec<_> = answers
            .iter()
            .map(|(status, body)| {
                assert_eq!(*status, 200, "{round}: {body}");
                Tokens::of(body)
            })
            .collect();
        assert!(successors.iter().all(|one| one.refresh == successors[0].refresh), "one rotation");
        tokens = successors[0].clone();
    }
    println!("{rounds} rounds of 50 refreshers: one rotation each");
}

#[test]
fn a_budget_of_guesses_is_one_for_all_nodes() {
    let mut cluster = Cluster::of(2);
    let ada = cluster.somebody("ada");
    let wrong = [("username", ada.as_str()), ("password", "not the password")];
    let answers: Vec<_> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..40)
            .map(|n| {
                let cluster = &cluster;
                scope.spawn(move || {
                    loop {
                        match cluster.post(n % 2, "/token", &wrong).expect("an answer").0 {
                            503 => {}
                            status => return status,
                        }
                    }
                })
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().expect("answered")).collect()
    });
    let count = |status| answers.iter().filter(|answer| **answer == status).count();
    assert_eq!((count(400), count(429)), (20, 20), "{answers:?}");
}

#[test]
fn a_node_that_is_killed_loses_nothing_and_revives_nothing() {
    let kills = how_many("KILLS", 3);
    let mut cluster = Cluster::of(2);
    let people = People::begin(&mut cluster, RATE, EVERYWHERE);
    for n in 0..kills {
        people.go_on_for(100);
        cluster.kill(n % 2);
        people.go_on_for(20);
        cluster.restart(n % 2);
    }
    println!("{kills} kills: {}", people.stop(&cluster));
}

#[test]
fn a_database_that_is_restarted_or_crashes_loses_nothing_and_every_node_recovers() {
    let restarts = how_many("RESTARTS", 2);
    let mut cluster = Cluster::with(2, &[("LATCHKEY_REVOCATION_LAG", "2s")]);
    // What ended a moment before the database went away, a node may not have heard: it relies on memory for as long as the lag.
    let people = People::begin(&mut cluster, RATE, EVERYWHERE + Duration::from_secs(2));
    for n in 0..restarts {
        people.go_on_for(100);
        cluster.postgres.stop(if n % 2 == 0 { "fast" } else { "immediate" });
        people.are_put_off();
        cluster.postgres.start();
        for node in 0..2 {
            let took = within(Duration::from_secs(10), "ready again", || {
                cluster.get(node, "/health/ready", "").0 == 200
            });
            println!("node {node} ready {took:.1?} after the database");
        }
    }
    println!("{restarts} restarts: {}", people.stop(&cluster));
}

#[test]
fn a_standby_is_refused_until_it_takes_over_and_then_nothing_is_lost() {
    let mut cluster = Cluster::with_a_slow_link(2, &[("LATCHKEY_REVOCATION_LAG", "2s")]);
    let people = People::begin(&mut cluster, RATE, EVERYWHERE + Duration::from_secs(2));
    let standby = cluster.postgres.standby();
    people.go_on_for(200);
    cluster.postgres.stop("immediate");
    cluster.link().leads_to(standby.port());
    people.are_put_off();
    for node in 0..2 {
        let (status, body) = cluster.get(node, "/health/ready", "");
        assert_eq!(status, 503, "a standby takes no changes: {body}");
    }
    let begun = Instant::now();
    standby.promote();
    for node in 0..2 {
        within(Duration::from_secs(10), "ready", || cluster.get(node, "/health/ready", "").0 == 200);
    }
    println!("both nodes ready {:.1?} after the standby was told to take over", begun.elapsed());
    people.go_on_for(200);
    println!("a failover: {}", people.stop(&cluster));
}

#[test]
fn nodes_that_are_restarted_one_after_the_other_fail_no_request() {
    let rolls = how_many("ROLLS", 2);
    let mut cluster = Cluster::behind_a_proxy();
    let people = People::begin(&mut cluster, RATE, EVERYWHERE);
    for n in 0..rolls * 2 {
        people.go_on_for(100);
        cluster.stop(n % 2);
        cluster.restart(n % 2);
    }
    let counts = people.stop(&cluster);
    println!("{rolls} rolling restarts: {counts}");
    assert_eq!((counts.put_off, counts.broken), (0, 0), "{counts}");
}

#[test]
fn a_database_that_does_not_answer_delays_nobody_beyond_the_deadline_and_is_found_again() {
    // The limits of the design: a request 15 s, access tokens as long as the lag.
    let mut cluster = Cluster::with_a_slow_link(1, &[("LATCHKEY_REVOCATION_LAG", "3s"), ("LATCHKEY_DATABASE_CONNECTIONS", "2")]);
    let ada = cluster.somebody("ada");
    let tokens = cluster.grant(0, &ada);
    assert_eq!(cluster.get(0, "/protected", &tokens.access).0, 200);
    cluster.link().hang();
    let hung = Instant::now();
    assert_eq!(
        cluster.get(0, "/protected", &tokens.access).0,
        200,
        "a verified token needs no database"
    );
    let asked: Vec<_> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..12)
            .map(|n| {
                let (cluster, tokens) = (&cluster, &tokens);
                scope.spawn(move || {
                    let began = Instant::now();
                    let status = match n % 3 {
                        0 => cluster.refresh(0, &tokens.refresh).expect("an answer").0,
                        1 => cluster.post(0, "/revoke", &[("token", &tokens.refresh)]).expect("an answer").0,
                        _ => cluster.get(0, "/health/ready", "").0,
                    };
                    (status, began.elapsed())
                })
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().expect("answered")).collect()
    });
    for (status, took) in asked {
        assert_eq!(status, 503);
        assert!(took < Duration::from_secs(15), "{took:?}");
    }
    assert!(hung.elapsed() > Duration::from_secs(4));
    assert_eq!(
        cluster.get(0, "/protected", &tokens.access).0,
        503,
        "after the lag nothing is certain"
    );
    cluster.link().goes_on();
    within(Duration::from_secs(10), "recovered", || {
        cluster.get(0, "/protected", &tokens.access).0 != 503
    });
    within(Duration::from_secs(10), "ready", || cluster.get(0, "/health/ready", "").0 == 200);
    let fresh = cluster.grant(0, &ada);
    for _ in 0..10 {
        assert_eq!(
            cluster.refresh(0, &cluster.grant(0, &ada).refresh).expect("an answer").0,
            200,
            "every connection works again"
        );
    }
    assert_eq!(cluster.get(0, "/protected", &fresh.access).0, 200);
}

#[test]
fn a_database_that_is_slow_delays_answers_and_changes_no_outcome() {
    // A statement and its answer take twice as long.
    const ONE_WAY: Duration = Duration::from_millis(100);
    let mut cluster = Cluster::with_a_slow_link(2, &[]);
    let people = People::begin(&mut cluster, RATE, EVERYWHERE + 2 * ONE_WAY);
    people.go_on_for(100);
    cluster.link().takes(ONE_WAY);
    let slow = Instant::now();
    people.go_on_for(100);
    println!("100 answers in {:.1?} while a statement takes {:?}", slow.elapsed(), 2 * ONE_WAY);
    // So slow that no change can be made in the time it has: refused, and before a client gives up.
    cluster.link().takes(Duration::from_secs(1));
    let ada = [("username", "ada"), ("password", PASSWORD)];
    let began = Instant::now();
    assert_eq!(cluster.post(0, "/token", &ada).expect("an answer").0, 503);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    cluster.link().takes(Duration::ZERO);
    for node in 0..2 {
        within(Duration::from_secs(10), "ready", || cluster.get(node, "/health/ready", "").0 == 200);
    }
    people.go_on_for(100);
    println!("a slow database: {}", people.stop(&cluster));
}

#[test]
fn however_many_connections_hang_a_request_waits_for_them_together() {
    const CONNECTIONS: usize = 20;
    let metrics = free_port();
    let address = format!("127.0.0.1:{metrics}");
    let settings = [("LATCHKEY_DATABASE_CONNECTIONS", "20"), ("LATCHKEY_METRICS_ADDR", address.as_str())];
    let cluster = Cluster::with_a_slow_link(1, &settings);
    // Each guess takes a connection and keeps it, until the table is free. One is left for whoever looks.
    let table = cluster.postgres.lock("throttles");
    std::thread::scope(|scope| {
        for _ in 1..CONNECTIONS {
            scope.spawn(|| {
                cluster
                    .post(0, "/token", &[("username", "nobody"), ("password", "none")])
                    .expect("an answer")
            });
        }
        within(Duration::from_secs(3), "all other connections are in use", || {
            Server::metrics(metrics).contains("latchkey_database_connections{state=\"in_use\"} 19\n")
        });
        drop(table);
    });
    cluster.link().hang();
    let began = Instant::now();
    assert_eq!(cluster.get(0, "/health/ready", "").0, 503);
    let took = began.elapsed();
    println!("answered after {took:.1?}");
    assert!(took < Duration::from_secs(15), "{took:?}");
    cluster.link().goes_on();
    within(Duration::from_secs(10), "ready", || cluster.get(0, "/health/ready", "").0 == 200);
}
