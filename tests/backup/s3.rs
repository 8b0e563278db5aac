//! Backups in an object store: a small one in this process, which speaks enough of S3 on loopback. It does not check signatures.

use std::{
    collections::BTreeMap,
    path::Path,
    process::Output,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, Method, Response, StatusCode, Uri},
};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::{
    load,
    program::{Place, SMALL, state_hash, verified},
    served::tplus,
};

/// So few objects a page, so that there are pages.
const PAGE: usize = 3;

/// A bucket named `bucket`.
#[derive(Default)]
struct Store {
    objects: BTreeMap<String, Bytes>,
    /// Parts of objects that are not finished, by upload and number.
    parts: BTreeMap<(String, u32), Bytes>,
    uploads: u32,
    /// Requests that were signed.
    signed: usize,
}

type Shared = Arc<Mutex<Store>>;

async fn serve() -> (Shared, String) {
    let store = Shared::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new().fallback(answer).layer(DefaultBodyLimit::disable()).with_state(Arc::clone(&store));
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    (store, address)
}

async fn answer(
    State(store): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let mut store = store.lock().unwrap();
    store.signed += usize::from(headers.contains_key("authorization"));
    let key = uri.path().trim_start_matches("/bucket").trim_start_matches('/').to_owned();
    let query = query(&uri);
    let asked = |name: &str| query.get(name).cloned();
    match (method.as_str(), key.is_empty()) {
        ("GET", true) => list(&store, &query),
        ("POST", true) if query.contains_key("delete") => delete(&mut store, &body),
        ("POST", false) if query.contains_key("uploads") => {
            store.uploads += 1;
            xml(&format!(
                "<InitiateMultipartUploadResult><UploadId>u{}</UploadId></InitiateMultipartUploadResult>",
                store.uploads
            ))
        }
        ("PUT", false) => {
            match (asked("uploadId"), asked("partNumber")) {
                (Some(upload), Some(number)) => store.parts.insert((upload, number.parse().unwrap()), body),
                _ => store.objects.insert(key, body),
            };
            Response::builder().header("etag", "\"e\"").body(Body::empty()).unwrap()
        }
        ("POST", false) => {
            let upload = asked("uploadId").unwrap();
            let whole: Vec<u8> =
                store.parts.iter().filter(|((of, _), _)| *of == upload).flat_map(|(_, part)| part.to_vec()).collect();
            store.objects.insert(key, whole.into());
            xml("<CompleteMultipartUploadResult><ETag>\"e\"</ETag></CompleteMultipartUploadResult>")
        }
        ("DELETE", false) => {
            store.objects.remove(&key);
            status(StatusCode::NO_CONTENT)
        }
        ("GET" | "HEAD", false) => match store.objects.get(&key) {
            None => status(StatusCode::NOT_FOUND),
            Some(bytes) => read(bytes, &headers, method == Method::HEAD),
        },
        other => panic!("{other:?} {uri} is not known here"),
    }
}

fn read(bytes: &Bytes, headers: &HeaderMap, head_only: bool) -> Response<Body> {
    let answer = Response::builder().header("etag", "\"e\"").header("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT");
    let range = headers.get("range").map(|range| range.to_str().unwrap().strip_prefix("bytes=").unwrap().to_owned());
    if head_only {
        return answer.header("content-length", bytes.len()).body(Body::empty()).unwrap();
    }
    let Some((first, last)) = range.as_deref().and_then(|range| range.split_once('-')) else {
        return answer.body(Body::from(bytes.clone())).unwrap();
    };
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse::<usize>().unwrap().min(bytes.len() - 1));
    let answer = answer.status(StatusCode::PARTIAL_CONTENT);
    let answer = answer.header("content-range", format!("bytes {first}-{last}/{}", bytes.len()));
    answer.body(Body::from(bytes.slice(first..=last))).unwrap()
}

fn list(store: &Store, query: &BTreeMap<String, String>) -> Response<Body> {
    let prefix = query.get("prefix").cloned().unwrap_or_default();
    let behind = query.get("continuation-token").cloned().unwrap_or_default();
    let found: Vec<_> =
        store.objects.iter().filter(|(key, _)| key.starts_with(&prefix) && **key > behind).take(PAGE + 1).collect();
    let mut text = String::from("<ListBucketResult>");
    for (key, bytes) in found.iter().take(PAGE) {
        let size = bytes.len();
        text += &format!(
            "<Contents><Key>{key}</Key><Size>{size}</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>\"e\"</ETag></Contents>"
        );
    }
    if found.len() > PAGE {
        let (last, _) = found[PAGE - 1];
        text += &format!("<NextContinuationToken>{last}</NextContinuationToken>");
    }
    xml(&format!("{text}<IsTruncated>{}</IsTruncated></ListBucketResult>", found.len() > PAGE))
}

fn delete(store: &mut Store, body: &Bytes) -> Response<Body> {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let mut text = String::from("<DeleteResult>");
    for part in body.split("<Key>").skip(1) {
        let key = part.split_once("</Key>").unwrap().0;
        store.objects.remove(key);
        text += &format!("<Deleted><Key>{key}</Key></Deleted>");
    }
    xml(&(text + "</DeleteResult>"))
}

fn query(uri: &Uri) -> BTreeMap<String, String> {
    let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name.to_owned(), value.replace("%2F", "/"))
    };
    pairs.map(pair).collect()
}

fn xml(text: &str) -> Response<Body> {
    Response::builder().header("content-type", "application/xml").body(Body::from(text.to_owned())).unwrap()
}

fn status(status: StatusCode) -> Response<Body> {
    Response::builder().status(status).body(Body::empty()).unwrap()
}

async fn run(address: &str, args: &[&str]) -> Output {
    let mut command = tplus(args);
    command.envs([
        ("AWS_ENDPOINT", address),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "nowhere"),
        ("AWS_ALLOW_HTTP", "true"),
        ("NO_PROXY", "127.0.0.1"),
    ]);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

async fn ok(address: &str, args: &[&str]) -> String {
    let output = run(address, args).await;
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_store_keeps_backups_as_a_directory_does() {
    const DEST: &str = "s3://bucket/some/prefix";
    let root = TempDir::new().unwrap();
    let place = Place::new(root.path());
    let data = place.data.to_str().unwrap();
    let (store, address) = serve().await;
    load::sold(root.path(), &SMALL, 3_000).await;
    ok(&address, &["backup", "--data-dir", data, "--to", DEST]).await;
    load::sold_from(root.path(), &SMALL, 10_000, 300).await;
    let told = ok(&address, &["backup", "--data-dir", data, "--to", DEST, "--json"]).await;
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert!(told["objects_put"].as_u64() < told["objects"].as_u64(), "{told}");
    assert!(store.lock().unwrap().objects.keys().all(|key| key.starts_with("some/prefix/")));
    assert!(store.lock().unwrap().signed > 10);
    assert_eq!(ok(&address, &["backup", "list", "--from", DEST]).await.lines().count(), 2);

    let restored = root.path().join("restored");
    ok(&address, &["restore", "--from", DEST, "--data-dir", restored.to_str().unwrap()]).await;
    verified(&restored);
    assert_eq!(state_hash(&restored, None), state_hash(Path::new(data), None));

    ok(&address, &["backup", "prune", "--from", DEST, "--keep", "1", "--grace", "0s"]).await;
    assert_eq!(ok(&address, &["backup", "list", "--from", DEST]).await.lines().count(), 1);
    ok(&address, &["backup", "verify", "--from", DEST]).await;
    {
        let mut store = store.lock().unwrap();
        let key = store.objects.keys().find(|key| key.contains("/segments/")).unwrap().clone();
        let mut bytes = store.objects[&key].to_vec();
        bytes[5_000] ^= 1;
        store.objects.insert(key, bytes.into());
    }
    assert_eq!(run(&address, &["backup", "verify", "--from", DEST]).await.status.code(), Some(3));
    assert_eq!(run(&address, &["backup", "verify", "--from", "s3://bucket/other"]).await.status.code(), Some(1));
}

/// One large segment, which is sent in parts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_large_is_sent_in_parts() {
    const MIB: usize = 1 << 20;
    let root = TempDir::new().unwrap();
    let place = Place::new(root.path());
    crate::cuts::large(&place.data, 40 * MIB);
    let (store, address) = serve().await;
    ok(&address, &["backup", "--data-dir", place.data.to_str().unwrap(), "--to", "s3://bucket"]).await;
    assert!(store.lock().unwrap().parts.len() >= 3, "it was sent at once");
    ok(&address, &["backup", "verify", "--from", "s3://bucket/"]).await;
}
