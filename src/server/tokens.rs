//! Access tokens: signed JWTs (RFC 7519) in the profile of RFC 9068.

use aws_lc_rs::rand;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

use super::clock::UnixSeconds;
use super::keys::{self, Use};
use super::secret::Secret;
use crate::domain::{Role, User, UserId};

/// RFC 9068 section 2.1: tells an access token from every other JWT.
const TYP: &str = "at+jwt";

/// No token of ours is longer; longer ones are not looked at.
const MAX_LENGTH: usize = 4096;

/// How far in the future a token may have been issued: nodes' clocks differ, and a clock may step back.
const CLOCK_SLACK: i64 = 24 * 3600;

/// What an access token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer: the public URL.
    pub iss: String,
    /// Audience: the public URL.
    pub aud: String,
    /// Subject: the immutable user id.
    pub sub: UserId,
    /// The session that the token belongs to and dies with.
    pub sid: String,
    /// This token's own id.
    pub jti: String,
    /// Issued at.
    pub iat: UnixSeconds,
    /// Expires at.
    pub exp: UnixSeconds,
    /// The sign-in name when it was issued.
    pub username: String,
    /// What the user might do when it was issued.
    pub roles: Vec<Role>,
    /// The user's epoch when it was issued: a change of role, password or state begins a new one.
    pub epoch: i64,
}

impl Claims {
    /// The user that the token speaks for.
    pub fn user(&self) -> User {
        User {
            id: self.sub.clone(),
            username: self.username.clone(),
            roles: self.roles.clone(),
        }
    }
}

/// A token that has just been issued.
pub struct AccessToken {
    /// The token as it is sent.
    pub jwt: String,
    /// What it says.
    pub claims: Claims,
}

/// The token is not one of ours, or no longer good. Which of the two is nobody's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidToken;

/// Issues and verifies access tokens.
pub struct AccessTokens {
    issuer: String,
    life: i64,
    header: Header,
    encoded_header: String,
    signing_key: EncodingKey,
    verifying_key: DecodingKey,
    validation: Validation,
}

impl AccessTokens {
    /// For one issuer and one secret; tokens live `life` seconds.
    ///
    /// # Panics
    /// Never: a header of plain strings can be encoded.
    pub fn new(issuer: &str, secret: &Secret, life: i64) -> Self {
        let key = keys::derive(secret, Use::AccessToken);
        let header = Header {
            typ: Some(TYP.to_owned()),
            kid: Some(keys::key_id(secret)),
            ..Header::new(Algorithm::HS256)
        };
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[issuer]);
        // Expiry is checked below, against the clock that is passed in and without leeway.
        validation.validate_exp = false;
        #[expect(clippy::expect_used, reason = "a header of plain strings")]
        let encoded_header = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header).expect("a header"));
        Self {
            issuer: issuer.to_owned(),
            life,
            encoded_header,
            header,
            signing_key: EncodingKey::from_secret(key.as_slice()),
            verifying_key: DecodingKey::from_secret(key.as_slice()),
            validation,
        }
    }

    /// How long a token lives, in seconds.
    pub fn life(&self) -> i64 {
        self.life
    }

    /// The header of every token issued, for people to look at.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Issues a token for a session of a user.
    ///
    /// # Panics
    /// Never: claims of strings and numbers can be encoded, and the system has randomness.
    pub fn issue(&self, user: &User, epoch: i64, session: &str, now: UnixSeconds) -> AccessToken {
        let mut jti = [0_u8; 16];
        #[expect(clippy::expect_used, reason = "without randomness nothing may run")]
        rand::fill(&mut jti).expect("the system's random numbers");
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.issuer.clone(),
            sub: user.id.clone(),
            sid: session.to_owned(),
            jti: URL_SAFE_NO_PAD.encode(jti),
            iat: now,
            exp: now + self.life,
            username: user.username.clone(),
            roles: user.roles.clone(),
            epoch,
        };
        #[expect(clippy::expect_used, reason = "claims of strings and numbers")]
        let jwt = encode(&self.header, &claims, &self.signing_key).expect("a token");
        AccessToken { jwt, claims }
    }

    /// Verifies a token. Its header must be, byte for byte, the one that we issue: what an attacker writes
    /// there (`alg: none`, `jwk`, `jku`, `crit`, a foreign `kid`) is compared and never interpreted.
    ///
    /// # Errors
    /// [`InvalidToken`], whatever the cause.
    pub fn verify(&self, jwt: &str, now: UnixSeconds) -> Result<Claims, InvalidToken> {
        let ours = jwt.len() <= MAX_LENGTH && jwt.strip_prefix(&self.encoded_header).is_some_and(|rest| rest.starts_with('.'));
        if !ours {
            return Err(InvalidToken);
        }
        let claims = decode::<Claims>(jwt, &self.verifying_key, &self.validation)
            .map_err(|_| InvalidToken)?
            .claims;
        let alive = now < claims.exp && claims.iat <= now.saturating_add(CLOCK_SLACK) && claims.exp.saturating_sub(claims.iat) <= self.life;
        if alive { Ok(claims) } else { Err(InvalidToken) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::secret::generate;

    const NOW: UnixSeconds = 1_800_000_000;
    const ISSUER: &str = "http://localhost:3000";

    fn secret() -> Secret {
        Secret::parse(&generate()).expect("good")
    }

    fn ada() -> User {
        User {
            id: UserId("user-1".into()),
            username: "ada".into(),
            roles: vec![Role::User],
        }
    }

    fn issued(tokens: &AccessTokens) -> String {
        tokens.issue(&ada(), 0, "session-1", NOW).jwt
    }

    /// Signs whatever it is given with the real key: only the checks after the signature can refuse it.
    fn signed(secret: &Secret, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let tag = aws_lc_rs::hmac::sign(&keys::mac_key(secret, Use::AccessToken), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
    }

    fn claims(tokens: &AccessTokens) -> serde_json::Value {
        serde_json::to_value(tokens.issue(&ada(), 0, "session-1", NOW).claims).expect("claims")
    }

    fn header(tokens: &AccessTokens) -> serde_json::Value {
        serde_json::to_value(&tokens.header).expect("a header")
    }

    #[test]
    fn a_token_says_who_and_until_when() {
        let tokens = AccessTokens::new(ISSUER, &secret(), 900);
        let claims = tokens.verify(&issued(&tokens), NOW).expect("good");
        assert_eq!(claims.user(), ada());
        assert_eq!((claims.sid.as_str(), claims.exp), ("session-1", NOW + 900));
    }

    #[test]
    fn a_token_ends_on_the_second_without_leeway() {
        let tokens = AccessTokens::new(ISSUER, &secret(), 900);
        let jwt = issued(&tokens);
        assert!(tokens.verify(&jwt, NOW + 899).is_ok());
        assert_eq!(tokens.verify(&jwt, NOW + 900), Err(InvalidToken));
    }

    #[test]
    fn tokens_of_another_secret_issuer_or_longer_life_are_refused() {
        let secret = secret();
        let tokens = AccessTokens::new(ISSUER, &secret, 900);
        for other in [
            AccessTokens::new(ISSUER, &self::secret(), 900),
            AccessTokens::new("https://evil.example", &secret, 900),
            AccessTokens::new(ISSUER, &secret, 901),
        ] {
            assert_eq!(tokens.verify(&issued(&other), NOW), Err(InvalidToken));
        }
        let early = tokens.issue(&ada(), 0, "session-1", NOW + 2 * CLOCK_SLACK).jwt;
        assert_eq!(tokens.verify(&early, NOW), Err(InvalidToken));
    }

    #[test]
    fn the_helper_of_these_tests_can_sign_a_good_token() {
        let secret = secret();
        let tokens = AccessTokens::new(ISSUER, &secret, 900);
        let jwt = signed(
            &secret,
            &serde_json::to_string(&tokens.header).expect("json"),
            &claims(&tokens).to_string(),
        );
        assert!(tokens.verify(&jwt, NOW).is_ok());
    }

    #[test]
    fn any_other_header_is_refused_even_when_the_signature_is_right() {
        let secret = secret();
        let tokens = AccessTokens::new(ISSUER, &secret, 900);
        for (member, value) in [
            ("alg", "none".into()),
            ("alg", "nOnE".into()),
            ("alg", "HS384".into()),
            ("alg", serde_json::Value::Null),
            ("typ", "JWT".into()),
            ("kid", "../../dev/null".into()),
            ("jku", "https://evil.example/jwks.json".into()),
            ("jwk", serde_json::json!({"kty": "oct", "k": "AAAA"})),
            ("x5u", "https://evil.example/".into()),
            ("x5c", serde_json::json!(["AAAA"])),
            ("crit", serde_json::json!(["b64"])),
        ] {
            let mut header = header(&tokens);
            header[member] = value;
            let jwt = signed(&secret, &header.to_string(), &claims(&tokens).to_string());
            assert_eq!(tokens.verify(&jwt, NOW), Err(InvalidToken), "{header}");
        }
    }

    #[test]
    fn claims_of_the_wrong_type_or_missing_are_refused_even_when_the_signature_is_right() {
        let secret = secret();
        let tokens = AccessTokens::new(ISSUER, &secret, 900);
        let header = serde_json::to_string(&tokens.header).expect("json");
        for (claim, value) in [
            ("exp", serde_json::json!("1800000900")),
            ("exp", serde_json::json!(1_800_000_900.5)),
            ("exp", serde_json::json!(-1)),
            ("exp", serde_json::json!(true)),
            ("exp", serde_json::json!(i64::MAX)),
            ("iat", serde_json::json!(null)),
            ("iat", serde_json::json!(i64::MIN)),
            ("iss", serde_json::json!([ISSUER])),
            ("iss", serde_json::json!("http://localhost:30000")),
            ("aud", serde_json::json!([ISSUER, "other"])),
            ("aud", serde_json::json!("other")),
            ("sub", serde_json::json!(["user-1"])),
            ("roles", serde_json::json!(["root"])),
        ] {
            let mut claims = claims(&tokens);
            claims[claim] = value;
            let jwt = signed(&secret, &header, &claims.to_string());
            assert_eq!(tokens.verify(&jwt, NOW), Err(InvalidToken), "{claims}");
        }
        for claim in ["iss", "aud", "sub", "sid", "jti", "iat", "exp", "username", "roles", "epoch"] {
            let mut claims = claims(&tokens);
            claims.as_object_mut().expect("an object").remove(claim);
            let jwt = signed(&secret, &header, &claims.to_string());
            assert_eq!(tokens.verify(&jwt, NOW), Err(InvalidToken), "without {claim}");
        }
        let twice = claims(&tokens).to_string().replacen('{', r#"{"sub":"user-2","#, 1);
        assert_eq!(
            tokens.verify(&signed(&secret, &header, &twice), NOW),
            Err(InvalidToken),
            "sub twice"
        );
    }

    #[test]
    fn malformed_tokens_are_refused() {
        let tokens = AccessTokens::new(ISSUER, &secret(), 900);
        let good = issued(&tokens);
        let (message, signature) = good.rsplit_once('.').expect("three parts");
        let mut flipped = signature.to_owned();
        flipped.replace_range(0..1, if signature.starts_with('A') { "B" } else { "A" });
        for jwt in [
            String::new(),
            ".".into(),
            "..".into(),
            "a.b.c".into(),
            message.into(),
            format!("{message}."),
            format!("{message}.{flipped}"),
            format!("{good}."),
            format!("{good}.{signature}"),
            format!("{good}="),
            format!(" {good}"),
            format!("{good}\n"),
            format!("{message}.{}", "A".repeat(100_000)),
            "[".repeat(10_000),
        ] {
            assert_eq!(tokens.verify(&jwt, NOW), Err(InvalidToken), "{jwt:.80}");
        }
        assert!(tokens.verify(&good, NOW).is_ok(), "bad tokens poison nothing");
    }

    #[test]
    fn non_canonical_base64_is_refused() {
        let tokens = AccessTokens::new(ISSUER, &secret(), 900);
        let good = issued(&tokens);
        // The last character of 32 bytes in base64 carries two unused bits.
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let last = good.chars().last().and_then(|c| alphabet.find(c)).expect("base64");
        let same_bits = alphabet.as_bytes()[last | 1] as char;
        let other = format!("{}{same_bits}", &good[..good.len() - 1]);
        assert_ne!(good, other);
        assert_eq!(tokens.verify(&other, NOW), Err(InvalidToken));
    }
}
