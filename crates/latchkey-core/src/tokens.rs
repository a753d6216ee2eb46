//! Access tokens: signed JWTs (RFC 7519) in the profile of RFC 9068.

mod keys;
mod token_id;
mod verified_cache;

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Validation, decode, encode};
use serde::{Deserialize, Serialize};

pub use jsonwebtoken::Header;
pub use keys::{Algorithm, Jwk};
pub use token_id::TokenId;

use self::keys::{SigningKey, VerifyingKey};
use super::secret::Secrets;
use crate::tokens::verified_cache::VerifiedCache;
use latchkey_store::{Counter, SessionId, UnixSeconds};
use latchkey_types::{Role, User, UserId};

/// Longest token that is read, in bytes. None of our tokens is longer.
const MAX_LENGTH: usize = 4096;

/// How far in the future the `iat` of a token may lie, in seconds, because the clocks of nodes differ a little.
pub const CLOCK_SLACK: i64 = 300;

/// The claims of an access token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer: the public URL.
    pub iss: String,
    /// Audience: the public URL.
    pub aud: String,
    /// Subject: the immutable user id.
    pub sub: UserId,
    /// The session that the token belongs to. When the session ends, the token is no longer accepted.
    pub sid: SessionId,
    /// The id of this token. It also contains the counter of the refresh token that was issued with this one.
    pub jti: TokenId,
    /// Issued at.
    pub iat: UnixSeconds,
    /// Expires at.
    pub exp: UnixSeconds,
    /// The sign-in name when it was issued.
    pub username: String,
    /// The roles of the user when it was issued.
    pub roles: Vec<Role>,
    /// The user's epoch when it was issued. A change of the role, the password or the state of the account begins a new epoch.
    pub epoch: i64,
}

impl Claims {
    /// Returns the user that the token was issued for.
    pub fn user(&self) -> User {
        User {
            id: self.sub.clone(),
            username: self.username.clone(),
            roles: self.roles.clone(),
        }
    }
}

/// A token that has just been issued.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// The token as it is sent.
    pub jwt: String,
    /// The claims in it.
    pub claims: Claims,
}

/// Says which pair of tokens to issue.
pub struct TokenGrant {
    /// The session that the tokens belong to.
    pub session: SessionId,
    /// The counter of the pair: how often the session was refreshed before.
    pub counter: Counter,
    /// The current time.
    pub now: UnixSeconds,
    /// When the session expires unless it is refreshed. None of its tokens lives longer.
    pub expires_at: UnixSeconds,
}

/// The token is not one of ours, or it is no longer valid. The error deliberately does not say which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidToken;

/// Issues and verifies access tokens. Does not check whether the session of a token has ended; see [`super::revocations`].
pub struct AccessTokens {
    issuer: String,
    life: i64,
    signing: SigningKey,
    /// The key of the current secret, then the key of the previous one if there is one.
    verifying: Vec<VerifyingKey>,
    validation: Validation,
    /// The tokens that these keys have verified.
    verified: VerifiedCache,
}

impl AccessTokens {
    /// Derives the keys for one issuer and one algorithm. Tokens live `life` seconds.
    pub fn new(issuer: &str, secrets: &Secrets, algorithm: Algorithm, life: i64) -> Self {
        let mut validation = Validation::new(algorithm.into());
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[issuer]);
        // Expiry is checked below, against the clock that is passed in and without leeway.
        validation.validate_exp = false;
        Self {
            issuer: issuer.to_owned(),
            life,
            signing: SigningKey::derive(&secrets.current, algorithm),
            verifying: secrets.iter().map(|secret| VerifyingKey::derive(secret, algorithm)).collect(),
            validation,
            verified: VerifiedCache::default(),
        }
    }

    /// Returns how long a token lives, in seconds.
    pub fn life(&self) -> i64 {
        self.life
    }

    /// Returns the header of every token that is issued, for display.
    pub fn header(&self) -> &Header {
        &self.signing.header
    }

    /// Returns the public keys that other services verify tokens with (RFC 7517). Returns none if the key is a shared secret.
    pub fn jwks(&self) -> Vec<&Jwk> {
        self.verifying.iter().filter_map(|key| key.jwk.as_ref()).collect()
    }

    /// Issues a token for a session of a user. It lives no longer than the session.
    ///
    /// # Panics
    /// Never, because claims that consist of strings and numbers can always be encoded.
    pub fn issue(&self, user: &User, epoch: i64, issue: &TokenGrant) -> AccessToken {
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.issuer.clone(),
            sub: user.id.clone(),
            sid: issue.session,
            jti: TokenId::new(issue.counter),
            iat: issue.now,
            exp: self.expiry(issue),
            username: user.username.clone(),
            roles: user.roles.clone(),
            epoch,
        };
        #[expect(clippy::expect_used, reason = "claims of strings and numbers can always be encoded")]
        let jwt = encode(&self.signing.header, &claims, &self.signing.key).expect("claims can be encoded");
        AccessToken { jwt, claims }
    }

    /// Returns when a token issued for this grant expires, which is no later than its session.
    pub fn expiry(&self, issue: &TokenGrant) -> UnixSeconds {
        issue.expires_at.min(issue.now + self.life)
    }

    /// Verifies a token and returns its claims. A token that was verified before is found in the cache; it expires on the same second
    /// as without the cache.
    pub fn verify(&self, jwt: &str, now: UnixSeconds) -> Result<Arc<Claims>, InvalidToken> {
        if let Some(claims) = self.verified.find(jwt) {
            return if self.is_alive(&claims, now) {
                Ok(claims)
            } else {
                Err(InvalidToken)
            };
        }
        let claims = self.read(jwt)?;
        if !self.is_alive(&claims, now) {
            return Err(InvalidToken);
        }
        let claims = Arc::new(claims);
        self.verified.insert(jwt, &claims);
        Ok(claims)
    }

    /// Removes expired tokens from the cache of verified tokens.
    pub fn forget(&self, now: UnixSeconds) {
        self.verified.forget(now);
    }

    /// Verifies the signature of a token and returns its claims. Its header must be, byte for byte, one that we issue: whatever an
    /// attacker writes there (`alg: none`, `jwk`, `jku`, `crit`, a foreign `kid`) is only compared and never interpreted.
    fn read(&self, jwt: &str) -> Result<Claims, InvalidToken> {
        if jwt.len() > MAX_LENGTH {
            return Err(InvalidToken);
        }
        let (header, _) = jwt.split_once('.').ok_or(InvalidToken)?;
        let key = self.verifying.iter().find(|key| key.encoded_header == header).ok_or(InvalidToken)?;
        let token = decode::<Claims>(jwt, &key.key, &self.validation).map_err(|_| InvalidToken)?;
        Ok(token.claims)
    }

    fn is_alive(&self, claims: &Claims, now: UnixSeconds) -> bool {
        now < claims.exp && claims.iat <= now.saturating_add(CLOCK_SLACK) && claims.exp.saturating_sub(claims.iat) <= self.life
    }
}

/// Returns a header as it is encoded in a token.
fn encoded(header: &Header) -> String {
    #[expect(clippy::expect_used, reason = "a header of plain strings can always be encoded")]
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(header).expect("a header can be encoded"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys;
    use crate::keys::Use;
    use crate::secret::{Secret, generate};

    const NOW: UnixSeconds = 1_800_000_000;
    const ISSUER: &str = "http://localhost:3000";

    fn secret() -> Secret {
        Secret::parse(&generate()).expect("a strong secret")
    }

    fn ada() -> User {
        User {
            id: UserId("user-1".into()),
            username: "ada".into(),
            roles: vec![Role::User],
        }
    }

    fn tokens_of(issuer: &str, secret: &Secret, life: i64) -> AccessTokens {
        AccessTokens::new(issuer, &Secrets::of(secret.clone()), Algorithm::Hs256, life)
    }

    fn issue(now: UnixSeconds) -> TokenGrant {
        TokenGrant {
            session: SessionId::from_bytes([7; 16]),
            counter: 3,
            now,
            expires_at: now + 100_000,
        }
    }

    fn issued(tokens: &AccessTokens) -> String {
        tokens.issue(&ada(), 0, &issue(NOW)).jwt
    }

    /// Signs any header and claims with the real key, so that only the checks besides the signature can refuse the token.
    fn signed(secret: &Secret, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let tag = aws_lc_rs::hmac::sign(&keys::mac_key(secret, Use::AccessToken), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
    }

    fn claims(tokens: &AccessTokens) -> serde_json::Value {
        serde_json::to_value(tokens.issue(&ada(), 0, &issue(NOW)).claims).expect("claims")
    }

    fn header(tokens: &AccessTokens) -> serde_json::Value {
        serde_json::to_value(tokens.header()).expect("a header")
    }

    #[test]
    fn a_verified_token_names_its_user_session_and_expiry() {
        let tokens = tokens_of(ISSUER, &secret(), 900);
        let claims = tokens.verify(&issued(&tokens), NOW).expect("a valid token");
        assert_eq!(claims.user(), ada());
        assert_eq!((claims.sid, claims.jti.counter(), claims.exp), (issue(NOW).session, 3, NOW + 900));
    }

    #[test]
    fn a_token_expires_on_the_exact_second_without_leeway() {
        let tokens = tokens_of(ISSUER, &secret(), 900);
        let jwt = issued(&tokens);
        assert!(tokens.verify(&jwt, NOW + 899).is_ok());
        assert_eq!(tokens.verify(&jwt, NOW + 900), Err(InvalidToken));
    }

    #[test]
    fn a_valid_token_is_cached_and_an_invalid_token_never_is() {
        for algorithm in [Algorithm::Hs256, Algorithm::EdDsa] {
            let tokens = AccessTokens::new(ISSUER, &Secrets::of(secret()), algorithm, 900);
            let jwt = issued(&tokens);
            let changed = jwt.replace(".ey", ".ez");
            for (bad, now) in [(&changed, NOW), (&jwt, NOW + 900), (&jwt, NOW - CLOCK_SLACK - 1)] {
                assert_eq!(tokens.verify(bad, now), Err(InvalidToken));
                assert_eq!(tokens.verified.len(), 0);
            }
            let first = tokens.verify(&jwt, NOW).expect("a valid token");
            let again = tokens.verify(&jwt, NOW + 899).expect("a valid token");
            assert!(Arc::ptr_eq(&first, &again), "the claims come from the cache");
            assert_eq!(tokens.verify(&changed, NOW), Err(InvalidToken));
            assert_eq!(tokens.verified.len(), 1);
        }
    }

    #[test]
    fn a_cached_token_expires_on_the_same_second() {
        let tokens = tokens_of(ISSUER, &secret(), 900);
        let jwt = issued(&tokens);
        assert!(tokens.verify(&jwt, NOW).is_ok() && tokens.verified.len() == 1);
        assert!(tokens.verify(&jwt, NOW + 899).is_ok());
        assert_eq!(tokens.verify(&jwt, NOW + 900), Err(InvalidToken));
        assert_eq!(
            tokens.verify(&jwt, NOW - CLOCK_SLACK - 1),
            Err(InvalidToken),
            "the clock stepped back"
        );
        tokens.forget(NOW + 900);
        assert_eq!(tokens.verified.len(), 0);
    }

    #[test]
    fn a_token_lives_no_longer_than_its_session() {
        let tokens = tokens_of(ISSUER, &secret(), 900);
        let last = TokenGrant {
            expires_at: NOW + 60,
            ..issue(NOW)
        };
        assert_eq!(tokens.issue(&ada(), 0, &last).claims.exp, NOW + 60);
    }

    #[test]
    fn the_previous_secret_still_verifies_and_never_signs() {
        let (old, new) = (secret(), secret());
        for algorithm in [Algorithm::Hs256, Algorithm::EdDsa] {
            let with = |current: &Secret, previous: Option<&Secret>| {
                let secrets = Secrets {
                    current: current.clone(),
                    previous: previous.cloned(),
                };
                AccessTokens::new(ISSUER, &secrets, algorithm, 900)
            };
            let (before, rotated, after) = (with(&old, None), with(&new, Some(&old)), with(&new, None));
            let old_token = issued(&before);
            assert!(rotated.verify(&old_token, NOW).is_ok());
            assert_eq!(rotated.verified.len(), 1);
            assert_eq!(after.verify(&old_token, NOW), Err(InvalidToken), "the previous secret was removed");
            assert!(after.verify(&issued(&rotated), NOW).is_ok());
            assert_eq!(before.verify(&issued(&rotated), NOW), Err(InvalidToken));
        }
    }

    #[test]
    fn the_eddsa_public_key_verifies_tokens_but_cannot_forge_them_as_an_hmac_secret() {
        let secret = secret();
        let tokens = AccessTokens::new(ISSUER, &Secrets::of(secret.clone()), Algorithm::EdDsa, 900);
        let jwt = issued(&tokens);
        assert!(tokens.verify(&jwt, NOW).is_ok());
        let [jwk] = tokens.jwks()[..] else {
            panic!("expected exactly one key")
        };
        let jwk = serde_json::to_value(jwk).expect("JSON");
        assert_eq!(
            (&jwk["kty"], &jwk["crv"], &jwk["kid"]),
            (&"OKP".into(), &"Ed25519".into(), &tokens.header().kid.clone().into())
        );
        let public = jsonwebtoken::DecodingKey::from_ed_components(jwk["x"].as_str().expect("text")).expect("a key");
        let mut anybody = Validation::new(jsonwebtoken::Algorithm::EdDSA);
        anybody.set_issuer(&[ISSUER]);
        anybody.set_audience(&[ISSUER]);
        anybody.validate_exp = false;
        assert!(decode::<Claims>(&jwt, &public, &anybody).is_ok());
        // RFC 8725 section 2.1: an attacker uses the public key as an HMAC secret, with either algorithm in the header.
        let x = URL_SAFE_NO_PAD.decode(jwk["x"].as_str().expect("text")).expect("base64");
        for alg in ["HS256", "EdDSA"] {
            let mut header = header(&tokens);
            header["alg"] = alg.into();
            let message = format!(
                "{}.{}",
                URL_SAFE_NO_PAD.encode(header.to_string()),
                URL_SAFE_NO_PAD.encode(claims(&tokens).to_string())
            );
            let tag = aws_lc_rs::hmac::sign(&aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &x), message.as_bytes());
            let forged = format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()));
            assert_eq!(tokens.verify(&forged, NOW), Err(InvalidToken));
        }
        let hs256 = tokens_of(ISSUER, &secret, 900);
        assert_eq!(tokens.verify(&issued(&hs256), NOW), Err(InvalidToken));
        assert_eq!(hs256.verify(&jwt, NOW), Err(InvalidToken));
        assert!(hs256.jwks().is_empty(), "a shared secret is never published");
    }

    #[test]
    fn tokens_of_another_secret_issuer_or_longer_life_are_refused() {
        let secret = secret();
        let tokens = tokens_of(ISSUER, &secret, 900);
        for other in [
            tokens_of(ISSUER, &self::secret(), 900),
            tokens_of("https://evil.example", &secret, 900),
            tokens_of(ISSUER, &secret, 901),
        ] {
            assert_eq!(tokens.verify(&issued(&other), NOW), Err(InvalidToken));
        }
        let early = tokens.issue(&ada(), 0, &issue(NOW + 2 * CLOCK_SLACK)).jwt;
        assert_eq!(tokens.verify(&early, NOW), Err(InvalidToken));
    }

    #[test]
    fn the_test_helper_signs_valid_tokens() {
        let secret = secret();
        let tokens = tokens_of(ISSUER, &secret, 900);
        let jwt = signed(
            &secret,
            &serde_json::to_string(tokens.header()).expect("json"),
            &claims(&tokens).to_string(),
        );
        assert!(tokens.verify(&jwt, NOW).is_ok());
    }

    #[test]
    fn any_other_header_is_refused_even_when_the_signature_is_right() {
        let secret = secret();
        let tokens = tokens_of(ISSUER, &secret, 900);
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
        let tokens = tokens_of(ISSUER, &secret, 900);
        let header = serde_json::to_string(tokens.header()).expect("json");
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
        let tokens = tokens_of(ISSUER, &secret(), 900);
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
        assert!(tokens.verify(&good, NOW).is_ok(), "invalid tokens do not affect valid ones");
    }

    #[test]
    fn non_canonical_base64_is_refused() {
        let tokens = tokens_of(ISSUER, &secret(), 900);
        let good = issued(&tokens);
        // The last base64 character of 32 bytes has two unused bits.
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let last = good.chars().last().and_then(|c| alphabet.find(c)).expect("base64");
        let same_bits = alphabet.as_bytes()[last | 1] as char;
        let other = format!("{}{same_bits}", &good[..good.len() - 1]);
        assert_ne!(good, other);
        assert_eq!(tokens.verify(&other, NOW), Err(InvalidToken));
    }
}
