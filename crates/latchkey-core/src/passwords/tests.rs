//! Tests of hashing and verifying. The tests of the submodules are in their own files.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

const CHEAP: Cost = Cost { memory_kib: 64, passes: 1 };

fn password(text: &str) -> Password {
    Password::parse(text, None).expect("within the rules")
}

async fn is_right(passwords: &Passwords, typed: &str, hash: Option<&str>) -> bool {
    passwords.verify(typed, hash.map(str::to_owned), None).await.expect("a turn").right
}

#[tokio::test]
async fn a_password_is_verified_exactly_as_sent() {
    let passwords = Passwords::new(CHEAP);
    let hash = passwords.rehash("correct horse", None).await.expect("hashed");
    for (typed, good) in [
        ("correct horse", true),
        ("Correct horse", false),
        ("correct horse ", false),
        ("", false),
    ] {
        assert_eq!(is_right(&passwords, typed, Some(&hash)).await, good, "{typed:?}");
    }
}

/// Returns passwords that look like this one but differ from it.
fn lookalikes(password: &str) -> Vec<String> {
    // These look the same to a reader but differ in their Unicode normalization (NFC, NFD, NFKC).
    const SPELLINGS: [(&str, &str); 4] = [("é", "e\u{301}"), ("Å", "A\u{30a}"), ("ﬁ", "fi"), ("\u{212a}", "K")];
    let swapped = |(a, b): (&str, &str)| [password.replace(a, b), password.replace(b, a)];
    let beginnings = [1, 8, 71, 72, 73].map(|end| password.chars().take(end).collect());
    let mut others: Vec<String> = SPELLINGS.into_iter().flat_map(swapped).chain(beginnings).collect();
    others.extend([
        format!("{password} "),
        format!(" {password}"),
        format!("{password}\0"),
        format!("{password}\n"),
        format!("{password}x"),
        format!("{password}\0{password}"),
        password.trim().to_owned(),
        password.split_whitespace().collect::<Vec<_>>().join(" "),
        password.to_lowercase(),
        password.to_uppercase(),
        password[..password.floor_char_boundary(password.len() - 1)].to_owned(),
    ]);
    others.retain(|other| other != password);
    others
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn only_the_exact_password_is_right(
        beginning in "[ a-zA-Z0-9éÅﬁ]{0,8}|[\\PC]{0,90}",
        core in select(vec!["e\u{301}", "é", "A\u{30a}", "Å", "ﬁ", "K", "\u{212a}", " ", "  ", "ß"]),
        end in "[a-zA-Z0-9]{8,60}|[\\PC]{8,20} ?",
    ) {
        let typed: String = format!("{beginning}{core}{end}").chars().take(latchkey_types::password::MAX).collect();
        let turn = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        turn.block_on(async {
            let passwords = Passwords::new(CHEAP);
            let hash = passwords.rehash(&typed, None).await.expect("hashed");
            prop_assert!(is_right(&passwords, &typed, Some(&hash)).await);
            for other in lookalikes(&typed) {
                prop_assert!(!is_right(&passwords, &other, Some(&hash)).await, "{:?} is not {:?}", other, typed);
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn two_hashes_of_one_password_differ() {
    let passwords = Passwords::new(CHEAP);
    let hashes = (
        passwords.rehash("correct horse", None).await,
        passwords.rehash("correct horse", None).await,
    );
    assert_ne!(hashes.0, hashes.1);
}

#[tokio::test]
async fn the_production_cost_is_in_the_hash() {
    let hash = Passwords::new(Cost::PRODUCTION)
        .rehash("correct horse", None)
        .await
        .expect("hashed");
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
}

#[tokio::test]
async fn no_password_is_right_for_an_unknown_name_or_a_broken_hash() {
    let passwords = Passwords::new(CHEAP);
    assert!(!is_right(&passwords, "nobody has this password", None).await);
    for broken in ["", "x", "$argon2id$", "$argon2id$v=19$m=99999999,t=2,p=1$c2FsdHNhbHQ$AAAA"] {
        assert!(!is_right(&passwords, "x", Some(broken)).await, "{broken}");
    }
}

#[test]
fn starting_up_computes_no_hash_and_an_unknown_name_costs_a_current_hash() {
    let began = Instant::now();
    let passwords = Passwords::new(Cost {
        memory_kib: 256 * 1024,
        passes: 32,
    });
    assert!(began.elapsed() < Duration::from_secs(1), "one hash at this cost takes many seconds");
    assert!(!passwords.should_upgrade(&passwords.0.nobody, "x"), "its parameters are current");
    let nobody = &Passwords::new(CHEAP).0.nobody;
    assert!(HashFormat::parse(nobody).is_some(), "the hash can be verified");
    assert_eq!(kind(nobody).map(decoy).as_ref(), Some(nobody), "its salt and output are zeros");
}

#[tokio::test]
async fn a_too_long_password_is_wrong_even_when_its_beginning_is_right() {
    let passwords = Passwords::new(CHEAP);
    let longest = "e".repeat(128);
    let hash = passwords.rehash(&longest, None).await.expect("hashed");
    assert!(is_right(&passwords, &longest, Some(&hash)).await);
    assert!(!is_right(&passwords, &format!("{longest}e"), Some(&hash)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disconnected_caller_keeps_its_turn_until_its_hash_is_done() {
    let passwords = Passwords::new(CHEAP);
    let (started, is_started) = tokio::sync::oneshot::channel();
    let (finish, is_finished) = std::sync::mpsc::channel::<()>();
    let caller = tokio::spawn({
        let passwords = passwords.clone();
        async move {
            passwords
                .in_turn(None, move |_| {
                    started.send(()).expect("the test waits for this");
                    is_finished.recv().expect("the test says when to finish");
                })
                .await
        }
    });
    is_started.await.expect("the hash has started");
    caller.abort();
    assert!(caller.await.expect_err("the task was aborted").is_cancelled());
    assert_eq!(passwords.callers(), 1, "the hash still runs");

    finish.send(()).expect("the hash waits for this");
    let given_back = async {
        while passwords.callers() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), given_back)
        .await
        .expect("the turn is released");
}

#[tokio::test]
async fn a_new_password_is_hashed_unless_it_is_easy_to_guess() {
    let passwords = Passwords::new(CHEAP);
    let new = async |text: &str| {
        passwords
            .hash_new(&password(text), vec!["zugvogel".into()], None)
            .await
            .expect("a turn")
    };
    assert_eq!(new("zugvogel1").await, Err(Guessable));
    assert_eq!(new(&"abc".repeat(30)).await, Err(Guessable));
    let hash = new("correct horse battery").await.expect("not easy to guess");
    assert!(is_right(&passwords, "correct horse battery", Some(&hash)).await);
}

#[tokio::test]
async fn argon2_hashes_of_version_16_are_verified_as_version_16() {
    let passwords = Passwords::new(CHEAP);
    let params = Params::new(64, 3, 1, None).expect("parameters");
    let (salt, mut output) = ([7; 16], [0; 32]);
    Argon2::new(Algorithm::Argon2i, Version::V0x10, params.clone())
        .hash_password_into(b"correct horse", &salt, &mut output)
        .expect("a hash");
    let of_version_19 = phc(&params, Salt::new(&salt).expect("a salt"), Output::new(&output).expect("an output"));
    for version in ["", "$v=16"] {
        let hash = of_version_19.replace("argon2id$v=19", &format!("argon2i{version}"));
        assert!(is_right(&passwords, "correct horse", Some(&hash)).await, "{hash}");
        assert!(!is_right(&passwords, "correct horsf", Some(&hash)).await, "{hash}");
        assert!(passwords.should_upgrade(&hash, "correct horse"), "{hash}");
    }
    let mislabelled = of_version_19.replace("argon2id", "argon2i");
    assert!(!is_right(&passwords, "correct horse", Some(&mislabelled)).await);
}

#[tokio::test]
async fn a_bcrypt_hash_is_upgraded_only_if_the_password_has_at_most_72_bytes() {
    let passwords = Passwords::new(CHEAP);
    for (length, upgrade) in [(71, true), (72, true), (73, false), (80, false)] {
        let typed = "0123456789".repeat(8)[..length].to_owned();
        let hash = bcrypt::hash(&typed, 4).expect("a hash");
        assert!(is_right(&passwords, &typed, Some(&hash)).await, "{length}");
        assert_eq!(passwords.should_upgrade(&hash, &typed), upgrade, "{length}");
    }
    let accents = "é".repeat(37);
    assert!(
        !passwords.should_upgrade(&bcrypt::hash(&accents, 4).expect("a hash"), &accents),
        "37 characters, but more than 72 bytes"
    );
    let today = passwords.rehash("correct horse", None).await.expect("hashed");
    assert!(!passwords.should_upgrade(&today, "correct horse"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pool_keeps_at_most_one_piece_of_memory_per_core() {
    let passwords = Passwords::new(CHEAP);
    let all = (0..32).map(|_| {
        let passwords = passwords.clone();
        tokio::spawn(async move { passwords.verify("x", None, None).await })
    });
    for one in all.collect::<Vec<_>>() {
        assert!(!one.await.expect("no panic").expect("a turn").right);
    }
    let cores = available_parallelism().map_or(1, usize::from);
    assert!(passwords.0.memory.pieces() <= cores);
}
