//! Several nodes on one PostgreSQL database: they all give the same answers, even if a node or the database stops, crashes or is
//! slow.

mod cluster;
mod link;
mod people;
mod proxy;

use std::time::{Duration, Instant};

use self::cluster::Cluster;
use self::people::People;
use crate::support::{PASSWORD, Server, Times, Tokens, free_port, how_many, within};

/// Requests per second of the background load.
const RATE: usize = 200;

/// Longest time until every node refuses an ended session.
const EVERYWHERE: Duration = Duration::from_secs(1);

#[test]
fn ten_nodes_that_start_at_once_on_an_empty_database_all_become_ready() {
    let cluster = Cluster::of(10);
    for node in 0..10 {
        assert_eq!(cluster.get(node, "/health/ready", "").0, 200);
    }
    // Exactly one account becomes the administrator, whichever node it is created on.
    let made: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..10)
            .map(|node| {
                let cluster = &cluster;
                scope.spawn(move || cluster.sign_up(node, &format!("first-{node}")))
            })
            .collect();
        all.into_iter().map(|one| one.join().expect("signed up")).collect()
    });
    let administrators = made
        .iter()
        .enumerate()
        .filter(|(node, tokens)| cluster.get(*node, "/me", &tokens.access).1.contains("admin"));
    assert_eq!(administrators.count(), 1);
}

#[test]
fn a_session_ended_on_one_node_is_refused_on_the_other_within_a_second_under_load() {
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
        assert_eq!(cluster.get(here, "/protected", &tokens.access).0, 401, "refused here at once");
        let acknowledged = Instant::now();
        within(EVERYWHERE, "the other node refuses the token", || {
            cluster.get(there, "/protected", &tokens.access).0 == 401
        });
        times.push(acknowledged.elapsed());
    }
    println!("ended session refused on the other node after: {}", Times::of(times));
    people.stop(&cluster);
}

#[test]
fn concurrent_refreshes_of_one_token_on_two_nodes_all_get_the_same_successor() {
    let rounds = how_many("NODE_ROUNDS", 20);
    let mut cluster = Cluster::of(2);
    let ada = cluster.somebody("ada");
    // The number of refreshes per session is limited, so start a new session every 200 rounds.
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
        assert!(
            successors.iter().all(|one| one.refresh == successors[0].refresh),
            "there is only one rotation"
        );
        tokens = successors[0].clone();
    }
    println!("{rounds} rounds of 50 concurrent refreshes: one rotation each");
}

#[test]
fn the_limit_on_failed_sign_ins_is_shared_by_all_nodes() {
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
fn killing_a_node_loses_no_session_and_revives_no_ended_session() {
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
fn after_a_database_restart_or_crash_nothing_is_lost_and_every_node_recovers() {
    let restarts = how_many("RESTARTS", 2);
    let mut cluster = Cluster::with(2, &[("LATCHKEY_REVOCATION_LAG", "2s")]);
    // A node may not know of sessions that ended just before the database became unavailable, and it accepts verified tokens from
    // memory for as long as the revocation lag.
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
            println!("node {node} is ready {took:.1?} after the database was started");
        }
    }
    println!("{restarts} restarts: {}", people.stop(&cluster));
}

#[test]
fn nodes_refuse_a_standby_until_it_is_promoted_and_lose_nothing() {
    let mut cluster = Cluster::with_a_slow_link(2, &[("LATCHKEY_REVOCATION_LAG", "2s")]);
    let people = People::begin(&mut cluster, RATE, EVERYWHERE + Duration::from_secs(2));
    let standby = cluster.postgres.standby();
    people.go_on_for(200);
    cluster.postgres.stop("immediate");
    cluster.link().leads_to(standby.port());
    people.are_put_off();
    for node in 0..2 {
        let (status, body) = cluster.get(node, "/health/ready", "");
        assert_eq!(status, 503, "a standby accepts no writes: {body}");
    }
    let begun = Instant::now();
    standby.promote();
    for node in 0..2 {
        within(Duration::from_secs(10), "ready", || cluster.get(node, "/health/ready", "").0 == 200);
    }
    println!("both nodes are ready {:.1?} after the promotion of the standby", begun.elapsed());
    people.go_on_for(200);
    println!("a failover: {}", people.stop(&cluster));
}

#[test]
fn a_rolling_restart_fails_no_request() {
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
fn requests_end_by_the_deadline_while_the_database_hangs_and_the_node_recovers() {
    // By design, a request takes at most 15 s, and access tokens are accepted without the database for as long as the lag.
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
        "after the lag the token's status is unknown"
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
fn a_slow_database_delays_answers_but_changes_no_outcome() {
    // One way. A statement and its answer take twice as long.
    const ONE_WAY: Duration = Duration::from_millis(100);
    let mut cluster = Cluster::with_a_slow_link(2, &[]);
    let people = People::begin(&mut cluster, RATE, EVERYWHERE + 2 * ONE_WAY);
    people.go_on_for(100);
    cluster.link().takes(ONE_WAY);
    let slow = Instant::now();
    people.go_on_for(100);
    println!("100 answers in {:.1?} while a statement takes {:?}", slow.elapsed(), 2 * ONE_WAY);
    // Now the database is so slow that no change is made within the deadline. It is refused before a client gives up.
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
fn a_request_waits_for_only_one_timeout_when_many_connections_hang() {
    const CONNECTIONS: usize = 20;
    let metrics = free_port();
    let address = format!("127.0.0.1:{metrics}");
    let settings = [("LATCHKEY_DATABASE_CONNECTIONS", "20"), ("LATCHKEY_METRICS_ADDR", address.as_str())];
    let cluster = Cluster::with_a_slow_link(1, &settings);
    // Each sign-in attempt holds a connection until the table is unlocked. One connection stays free for the readiness check.
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
