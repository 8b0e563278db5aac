//! How a token may be signed, and with which of an issuer's keys.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use ring::hmac;
use serde_json::{Value, json};
use tonic::Code;
use tplus::access::{Access, BadToken, Denied};

use super::{
    Shop, is,
    issuer::{Key, key_set, published},
    order,
    tokens::{classify, judged, opened, rules},
    write,
};

const ALL: &str = r#"["RS256", "PS256", "ES256", "ES384", "EdDSA"]"#;

fn any_signature(keys: &str) -> String {
    let rules = rules(keys).replace(r#"["ES256", "EdDSA"]"#, ALL);
    assert!(rules.contains(ALL));
    rules
}

/// Rules that believe what is signed with these keys, in any way that can be believed.
struct Believing {
    access: Arc<Access>,
    _dir: tempfile::TempDir,
}

impl Believing {
    fn keys(keys: &[Value]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "keys.json", &key_set(keys));
        let access = opened(dir.path(), &any_signature(dir.path().join("keys.json").to_str().unwrap()));
        Self { access, _dir: dir }
    }

    fn judge(&self, token: &str) -> Result<String, Denied> {
        judged(&self.access, &format!("Bearer {token}"))
    }

    fn believes(&self, token: &str) {
        assert_eq!(self.judge(token).unwrap(), "sub:agent-7");
    }

    fn refuses(&self, token: &str, why: BadToken) {
        assert_eq!(self.judge(token), Err(Denied::BadToken(why)), "{token}");
    }
}

/// A token about somebody who may come in, with this header.
fn token(key: &Key, header: &Value) -> String {
    key.signed(header, "agent-7", &json!({}))
}

/// The key as it is published, with another value in a field; without the field, if that is null.
fn with(key: &Key, field: &str, value: Value) -> Value {
    let mut public = key.public();
    public[field] = value;
    public.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    public
}

#[test]
fn rsa_keys_sign_in_two_ways_from_2048_bits_on() {
    let keys = [Key::rsa_2048("a"), Key::rsa_3072("b")];
    let shop = Believing::keys(&[keys[0].public(), keys[1].public()]);
    for key in &keys {
        for algorithm in ["RS256", "PS256"] {
            let good = token(key, &json!({"alg": algorithm, "kid": key.id}));
            shop.believes(&good);
            let (said, signature) = good.rsplit_once('.').unwrap();
            let other =
                token(key, &json!({"alg": if algorithm == "RS256" { "PS256" } else { "RS256" }, "kid": key.id}));
            // The other way of signing is not the one that is told, nor is what was said of something else.
            let (_, of_other) = other.rsplit_once('.').unwrap();
            shop.refuses(&format!("{said}.{of_other}"), BadToken::Signature);
            let elsewhere = key.signed(&json!({"alg": algorithm, "kid": key.id}), "agent-8", &json!({}));
            let (said, _) = elsewhere.rsplit_once('.').unwrap();
            shop.refuses(&format!("{said}.{signature}"), BadToken::Signature);
        }
    }
    shop.refuses(&token(&keys[0], &json!({"alg": "RS256", "kid": "b"})), BadToken::Signature);
    for longer in ["RS384", "RS512", "PS384", "PS512"] {
        shop.refuses(&token(&keys[0], &json!({"alg": longer, "kid": "a"})), BadToken::Algorithm);
    }
}

/// The public half of an RSA key of 1024 bits, and a token that it has signed; the other half is gone.
const SMALL: &str = "6rWExJJ7pkpUavp-dyeip3AGPjX8hNtfJBHtOC4ugyX78N-ZsfpCA-ARYyS-j84hP6M9U98GTglO32p_aA1cAAbuZJzfzoBD0fMgyWRWMzqDnA\
                     x3nluOMMaluhP7MnwLBYts6RP57wQYoTu8pQ9ynSFozVkdJBakmPnyQ7g2Rx8";
const SIGNED_BY_SMALL: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6InNtYWxsIn0.eyJpc3MiOiJodHRwczovL2lkLnNob3AuZXhhbXBsZSIsImF1ZCI6InRwbHVzI\
                               iwic3ViIjoiYWdlbnQtNyIsImV4cCI6NDAwMDAwMDAwMH0.hF96-PHX7EVjb01KnHd3hGAGH8U_pJlO-ISZW6NsJVMcznjXikCs\
                               X0F_aU7kdI3tgS6wySXM5RF2Y1tbbd6HceDgpkCrxL970SxZu5hXgn2_mBG7YMDuukYdkp6WdoGijsrYmMFA3fS4uMe2hv_qggF\
                               9Jaocnd-2QyIA4g4sFy0";

#[test]
fn an_rsa_key_of_less_than_2048_bits_is_none() {
    let small = json!({"kty": "RSA", "kid": "small", "use": "sig", "alg": "RS256", "n": SMALL, "e": "AQAB"});
    let large = Key::rsa_2048("large");
    let shop = Believing::keys(&[small, large.public()]);
    shop.refuses(SIGNED_BY_SMALL, BadToken::UnknownKey);
    shop.believes(&large.token("agent-7", &json!({})));
    // Nor does it get longer by zeros before it.
    let padded = [vec![0; 128], BASE64.decode(SMALL).unwrap()].concat();
    let padded = json!({"kty": "RSA", "kid": "small", "n": BASE64.encode(padded), "e": "AQAB"});
    Believing::keys(&[padded]).refuses(SIGNED_BY_SMALL, BadToken::UnknownKey);
}

#[test]
fn what_is_critical_and_not_understood_is_not_believed() {
    let key = Key::p256("a");
    let shop = Believing::keys(&[key.public()]);
    let header = |more: Value| {
        let mut header = json!({"alg": "ES256", "kid": "a"});
        header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        token(&key, &header)
    };
    shop.believes(&header(json!({"of-the-issuer": "whatever it is", "typ": "at+jwt", "b64": true})));
    for critical in [
        json!({"crit": ["exp"], "exp": 4_000_000_000_u64}),
        json!({"crit": ["https://id.shop.example/bound"], "https://id.shop.example/bound": true}),
        json!({"crit": ["b64"], "b64": true}),
        json!({"crit": ["b64"], "b64": false}),
        json!({"crit": []}),
        json!({"b64": false}),
        json!({"b64": "false"}),
    ] {
        shop.refuses(&header(critical), BadToken::Extension);
    }
    shop.refuses(&header(json!({"crit": "exp"})), BadToken::Malformed);
}

#[test]
fn a_public_key_is_no_secret_and_no_signature_is_none() {
    let key = Key::rsa_2048("a");
    let public = key.public();
    let secret = json!({"kty": "oct", "kid": "shared", "k": BASE64.encode("a secret that is shared")});
    let shop = Believing::keys(&[public.clone(), secret]);
    let said = |header: Value| {
        let token = token(&key, &header);
        token.rsplit_once('.').unwrap().0.to_owned()
    };
    let modulus = BASE64.decode(public["n"].as_str().unwrap()).unwrap();
    let secrets =
        [modulus, public["n"].as_str().unwrap().into(), public.to_string().into(), b"a secret that is shared".into()];
    for secret in secrets {
        for kid in ["a", "shared"] {
            let said = said(json!({"alg": "HS256", "kid": kid}));
            let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), said.as_bytes());
            shop.refuses(&format!("{said}.{}", BASE64.encode(signature)), BadToken::Algorithm);
        }
    }
    for none in ["none", "None", "NONE", "nOnE", ""] {
        let said = said(json!({"alg": none, "kid": "a"}));
        for signature in ["", "AA"] {
            shop.refuses(&format!("{said}.{signature}"), BadToken::Malformed);
        }
    }
    for algorithm in ["RS256", "PS256"] {
        shop.refuses(&format!("{}.", said(json!({"alg": algorithm, "kid": "a"}))), BadToken::Signature);
    }
}

#[test]
fn a_key_is_used_for_what_it_is_for() {
    let (rsa, p256) = (Key::rsa_2048("a"), Key::p256("a"));
    let signed = |key: &Key, algorithm: &str| token(key, &json!({"alg": algorithm, "kid": "a"}));
    for (public, key, algorithm) in [
        (with(&rsa, "use", json!("enc")), &rsa, "RS256"),
        (with(&rsa, "alg", json!("PS256")), &rsa, "RS256"),
        (with(&rsa, "alg", json!("RS256")), &rsa, "PS256"),
        (with(&rsa, "alg", json!("RSA-OAEP-256")), &rsa, "RS256"),
        (with(&rsa, "alg", json!("something new")), &rsa, "RS256"),
        (with(&rsa, "key_ops", json!(["encrypt", "wrapKey"])), &rsa, "RS256"),
        (with(&p256, "use", json!("enc")), &p256, "ES256"),
        (with(&p256, "crv", json!("P-384")), &p256, "ES256"),
        (with(&p256, "alg", json!("ES384")), &p256, "ES256"),
        (with(&p256, "alg", Value::Null), &p256, "ES384"),
        (with(&p256, "alg", Value::Null), &p256, "RS256"),
    ] {
        Believing::keys(&[public]).refuses(&signed(key, algorithm), BadToken::UnknownKey);
    }
    for public in [
        with(&rsa, "use", Value::Null),
        with(&rsa, "alg", json!("RS256")),
        with(&rsa, "key_ops", json!(["verify"])),
        with(&rsa, "x5t", json!("something else")),
    ] {
        Believing::keys(&[public]).believes(&signed(&rsa, "RS256"));
    }
    // What nobody here understands takes nothing from the others.
    let strange = json!({"kty": "AKP", "kid": "new", "alg": "ML-DSA-65", "pub": "AAAA"});
    Believing::keys(&[strange, with(&p256, "crv", json!("P-1024")), rsa.public()]).believes(&signed(&rsa, "RS256"));
}

#[test]
fn where_two_keys_could_be_meant_none_is() {
    let (first, second) = (Key::p256("a"), Key::p256("b"));
    let nameless = |key: &Key| token(key, &json!({"alg": "ES256"}));
    let alone = Believing::keys(&[first.public(), Key::ed25519("c").public()]);
    alone.believes(&nameless(&first));
    let both = Believing::keys(&[first.public(), second.public()]);
    for key in [&first, &second] {
        both.refuses(&nameless(key), BadToken::UnknownKey);
        both.believes(&key.token("agent-7", &json!({})));
    }
    let namesake = Key::p256("a");
    let shop = Believing::keys(&[first.public(), namesake.public(), second.public()]);
    for key in [&first, &namesake] {
        shop.refuses(&key.token("agent-7", &json!({})), BadToken::UnknownKey);
    }
    shop.believes(&second.token("agent-7", &json!({})));
    // One that signs in another way cannot be meant.
    let (other, rsa) = (Key::ed25519("a"), Key::rsa_2048("a"));
    let shop = Believing::keys(&[first.public(), other.public(), rsa.public()]);
    for key in [&first, &other, &rsa] {
        shop.believes(&key.token("agent-7", &json!({})));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_token_that_an_rsa_key_has_signed_comes_in() {
    let keys = tempfile::tempdir().unwrap();
    let key = Key::rsa_2048("a");
    write(keys.path(), "keys.json", &published(&[&key]));
    let rules = any_signature(keys.path().join("keys.json").to_str().unwrap());
    let shop = Shop::with(&rules, &[("TPLUS_TLS_CLIENT_CERT", "optional")]);
    let channel = shop.endpoint(None).connect().await.unwrap();
    for algorithm in ["RS256", "PS256"] {
        let good = token(&key, &json!({"alg": algorithm, "kid": "a"}));
        classify(channel.clone(), &good, order("m-1", algorithm)).await.unwrap();
        let critical = token(&key, &json!({"alg": algorithm, "kid": "a", "crit": ["b64"], "b64": false}));
        let refused = classify(channel.clone(), &critical, order("m-1", algorithm)).await;
        is(refused, Code::Unauthenticated, "TOKEN_INVALID");
    }
}
