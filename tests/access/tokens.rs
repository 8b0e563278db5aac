//! Who is known by a token.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};
use tonic::{Code, Request, metadata::MetadataValue, transport::Channel};
use tplus::{
    access::{Access, AuditLog, BadToken, Credentials, Denied, Peer},
    proto::v1::{ClassifyOrderRequest, ClassifyOrderResponse, order_service_client::OrderServiceClient},
};

use super::{
    Shop, is,
    issuer::{AUDIENCE, Key, NAME, published},
    order, write,
};

pub(crate) fn rules(keys: &str) -> String {
    format!(
        r#"
[roles]
checkout = ["order.classify"]

[tokens]
issuer = "{NAME}"
audience = "{AUDIENCE}"
algorithms = ["ES256", "EdDSA"]
keys = "{keys}"
leeway = "0s"
refresh = "1s"

[[callers]]
subject = "agent-7"
roles = ["checkout"]
"#
    )
}

pub(crate) fn opened(dir: &Path, rules: &str) -> Arc<Access> {
    write(dir, "access.toml", rules);
    Arc::new(Access::open(dir.join("access.toml"), AuditLog::default()).unwrap())
}

/// Who is let in with this `authorization`.
pub(crate) fn judged(access: &Arc<Access>, authorization: &str) -> Result<String, Denied> {
    let credentials = Credentials { peer: &Peer::default(), authorization: Some(authorization.as_bytes()) };
    let admitted = access.admit("/tplus.v1.OrderService/ClassifyOrder", credentials);
    admitted.map(|(session, _)| session.caller().to_owned())
}

#[test]
fn a_token_is_believed_that_is_from_the_issuer_for_us_and_of_now() {
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys.json");
    let (first, second, stranger) = (Key::p256("a"), Key::ed25519("b"), Key::p256("a"));
    write(dir.path(), "keys.json", &published(&[&first, &second]));
    let access = opened(dir.path(), &rules(keys.to_str().unwrap()));
    let none = json!({});
    for key in [&first, &second] {
        for scheme in ["Bearer", "bearer", "BEARER"] {
            let said = format!("{scheme} {}", key.token("agent-7", &none));
            assert_eq!(judged(&access, &said).unwrap(), "sub:agent-7");
        }
    }
    let bad = |token: String, why| assert_eq!(judged(&access, &format!("Bearer {token}")), Err(Denied::BadToken(why)));
    let claims = |claims: Value| first.token("agent-7", &claims);
    bad(claims(json!({"exp": 1_000_000_000})), BadToken::Expired);
    bad(claims(json!({"nbf": 3_999_999_999_u64})), BadToken::NotYet);
    bad(claims(json!({"iss": "https://other.example"})), BadToken::Issuer);
    bad(claims(json!({"aud": "other"})), BadToken::Audience);
    bad(claims(json!({"aud": ["other"]})), BadToken::Audience);
    let several = claims(json!({"aud": ["other", AUDIENCE]}));
    judged(&access, &format!("Bearer {several}")).unwrap();
    for missing in ["exp", "iss", "aud", "sub"] {
        bad(claims(json!({missing: null})), BadToken::Malformed);
    }
    bad(stranger.token("agent-7", &none), BadToken::Signature);
    bad(first.signed(&json!({"alg": "ES256", "kid": "c"}), "agent-7", &none), BadToken::UnknownKey);
    bad(first.signed(&json!({"alg": "EdDSA", "kid": "a"}), "agent-7", &none), BadToken::UnknownKey);
    bad(first.signed(&json!({"alg": "HS256", "kid": "a"}), "agent-7", &none), BadToken::Algorithm);
    bad(first.signed(&json!({"alg": "ES384", "kid": "a"}), "agent-7", &none), BadToken::Algorithm);
    bad("a.b.c".to_owned(), BadToken::Malformed);
    bad("x".repeat(9_000), BadToken::Malformed);
    // Nobody can say that it is not signed at all.
    let unsigned = first.signed(&json!({"alg": "none"}), "agent-7", &none);
    assert!(matches!(judged(&access, &format!("Bearer {unsigned}")), Err(Denied::BadToken(_))));
    assert_eq!(judged(&access, "Basic YTpi"), Err(Denied::BadToken(BadToken::Malformed)));
    let unknown = judged(&access, &format!("Bearer {}", first.token("agent-8", &none)));
    assert_eq!(unknown, Err(Denied::Unknown { caller: "sub:agent-8".to_owned() }));
}

#[test]
fn every_changed_letter_of_a_token_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys.json");
    let key = Key::ed25519("a");
    write(dir.path(), "keys.json", &published(&[&key]));
    let access = opened(dir.path(), &rules(keys.to_str().unwrap()));
    let token = key.token("agent-7", &json!({}));
    judged(&access, &format!("Bearer {token}")).unwrap();
    // The last letter of a part has bits that say nothing, which a reader may pass over.
    let counts = |at: usize| token[at..].chars().nth(1).is_some_and(|next| next != '.');
    for at in (0..token.len()).filter(|at| counts(*at)) {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        if changed != token.as_bytes() {
            judged(&access, &format!("Bearer {}", String::from_utf8(changed).unwrap())).unwrap_err();
        }
    }
}

#[test]
fn keys_that_are_replaced_are_taken_and_old_ones_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (Key::p256("old"), Key::p256("new"));
    let url = serve_keys(Arc::new(Mutex::new(vec![published(&[&old]), "nonsense".to_owned(), published(&[&new])])));
    let access = opened(dir.path(), &rules(&url));
    let said = |key: &Key| judged(&access, &format!("Bearer {}", key.token("agent-7", &json!({}))));
    said(&old).unwrap();
    let token = format!("Bearer {}", old.token("agent-7", &json!({})));
    let credentials = Credentials { peer: &Peer::default(), authorization: Some(token.as_bytes()) };
    let (begun, _) = access.admit("/tplus.v1.OrderService/ClassifyOrder", credentials).unwrap();
    begun.stands().unwrap();
    assert_eq!(said(&new), Err(Denied::BadToken(BadToken::UnknownKey)));
    // What is there then is no key set, and the old one stays. Keys are looked for once a second.
    let refresh = || {
        loop {
            match access.refresh_keys() {
                Ok(()) if said(&new).is_ok() => return Ok(()),
                Ok(()) => thread::yield_now(),
                Err(error) => return Err(error.to_string()),
            }
        }
    };
    let error = refresh().unwrap_err();
    assert!(error.contains("is no JSON Web Key Set"), "{error}");
    said(&old).unwrap();
    begun.stands().unwrap();
    refresh().unwrap();
    // What began with the old key has ended with it.
    assert_eq!(begun.stands(), Err(Denied::BadToken(BadToken::UnknownKey)));
    assert_eq!(said(&old), Err(Denied::BadToken(BadToken::UnknownKey)));
}

/// Answers every request with the first of the texts, until only one is left. Ends with the test's process.
fn serve_keys(texts: Arc<Mutex<Vec<String>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4_096];
            assert!(stream.read(&mut request).unwrap() > 0);
            let mut texts = texts.lock().unwrap();
            let text = if texts.len() > 1 { texts.remove(0) } else { texts[0].clone() };
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", text.len());
            stream.write_all((head + &text).as_bytes()).unwrap();
        }
    });
    format!("http://{address}/keys")
}

pub(crate) async fn classify(
    channel: Channel,
    token: &str,
    order: ClassifyOrderRequest,
) -> Result<tonic::Response<ClassifyOrderResponse>, tonic::Status> {
    let bearer: MetadataValue<_> = format!("Bearer {token}").parse().unwrap();
    let mut request = Request::new(order);
    request.metadata_mut().insert("authorization", bearer);
    OrderServiceClient::new(channel).classify_order(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_lets_in_where_no_certificate_is_asked_for() {
    let keys = tempfile::tempdir().unwrap();
    let key = Key::p256("a");
    write(keys.path(), "keys.json", &published(&[&key]));
    let rules = rules(keys.path().join("keys.json").to_str().unwrap());
    let shop = Shop::with(&rules, &[("TPLUS_TLS_CLIENT_CERT", "optional")]);
    let channel = shop.endpoint(None).connect().await.unwrap();
    let token = |claims| key.token("agent-7", &claims);
    classify(channel.clone(), &token(json!({})), order("m-1", "o-1")).await.unwrap();
    let expired = classify(channel.clone(), &token(json!({"exp": 1_000_000_000})), order("m-1", "o-1")).await;
    is(expired, Code::Unauthenticated, "TOKEN_EXPIRED");
    let other = classify(channel.clone(), &token(json!({"aud": "other"})), order("m-1", "o-1")).await;
    is(other, Code::Unauthenticated, "TOKEN_INVALID");
    let unknown = classify(channel, &key.token("agent-8", &json!({})), order("m-1", "o-1")).await;
    is(unknown, Code::PermissionDenied, "CALLER_UNKNOWN");
}
