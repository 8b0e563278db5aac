//! The gRPC service config that clients in other languages load: it fits the API, what the server answers, and the client in Rust.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{collections::BTreeSet, fs};

use prost::Message as _;
use prost_types::{FileDescriptorSet, ServiceDescriptorProto};
use serde_json::Value;
use tonic::Code;
use tplus::{client::Retry, proto::v1, reasons::REASONS};

fn config() -> Value {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/proto/service_config.json");
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

fn services() -> Vec<ServiceDescriptorProto> {
    let files = FileDescriptorSet::decode(v1::DESCRIPTORS).unwrap().file;
    files.into_iter().filter(|file| file.package() == "tplus.v1").flat_map(|file| file.service).collect()
}

/// The names of a method config as `Service` or `Service/Method`.
fn names(method_config: &Value) -> BTreeSet<String> {
    let name = |name: &Value| {
        let service = name["service"].as_str().unwrap().strip_prefix("tplus.v1.").unwrap();
        name["method"].as_str().map_or(service.to_owned(), |method| format!("{service}/{method}"))
    };
    method_config["name"].as_array().unwrap().iter().map(name).collect()
}

#[test]
fn every_service_is_in_it() {
    let expected = services().iter().map(|service| service.name().to_owned()).collect();
    assert_eq!(names(&config()["methodConfig"][0]), expected);
}

#[test]
fn only_streams_and_what_takes_long_have_no_deadline() {
    let mut expected = BTreeSet::from(["PolicyService/EvaluatePolicy".to_owned()]);
    for service in services() {
        let streams = service.method.iter().filter(|method| method.server_streaming());
        expected.extend(streams.map(|method| format!("{}/{}", service.name(), method.name())));
    }
    let config = config();
    assert_eq!(names(&config["methodConfig"][1]), expected);
    assert_eq!(config["methodConfig"][1]["timeout"], Value::Null);
    assert_eq!(config["methodConfig"].as_array().unwrap().len(), 2);
}

#[test]
fn repeats_are_those_of_the_client_in_rust() {
    let (config, retry) = (config(), Retry::default());
    for method_config in config["methodConfig"].as_array().unwrap() {
        let policy = &method_config["retryPolicy"];
        let seconds = |name: &str| policy[name].as_str().unwrap().trim_end_matches('s').parse::<f64>().unwrap();
        assert_eq!(policy["maxAttempts"], retry.most_tries);
        assert_eq!(seconds("initialBackoff"), retry.first_wait.as_secs_f64());
        assert_eq!(seconds("maxBackoff"), retry.longest_wait.as_secs_f64());
        assert_eq!(policy["backoffMultiplier"], 2);
    }
    let throttling = &config["retryThrottling"];
    assert_eq!(throttling["maxTokens"], 2 * retry.budget);
    assert_eq!(throttling["tokenRatio"].as_f64().unwrap() * f64::from(retry.successes_for_ten_failures), 10.0);
}

/// What the server answers with these codes is worth asking again, and what it answers with others is not, but for a
/// deadline, which is over then for these clients.
#[test]
fn what_is_repeated_is_what_the_server_asks_to_repeat() {
    for method_config in config()["methodConfig"].as_array().unwrap() {
        let codes = &method_config["retryPolicy"]["retryableStatusCodes"];
        assert_eq!(*codes, serde_json::json!(["UNAVAILABLE", "RESOURCE_EXHAUSTED"]));
    }
    let worth_it = REASONS.iter().filter(|reason| matches!(reason.code, Code::Unavailable | Code::ResourceExhausted));
    for reason in worth_it {
        let says_so = ["RetryInfo", "repeat"].iter().any(|word| reason.meaning.contains(word));
        assert!(says_so, "{} does not say that it is worth asking again: {}", reason.name, reason.meaning);
    }
}
