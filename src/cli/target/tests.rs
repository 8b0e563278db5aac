//! What goes together, and what is said of files that cannot be used.

use std::fs;

use clap::Parser as _;

use super::*;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    target: Target,
}

const THERE: [&str; 2] = ["--server", "https://localhost:1"];

fn target(args: &[&str]) -> Result<Target, clap::Error> {
    Line::try_parse_from([&["asks"], args].concat()).map(|line| line.target)
}

fn refused(args: &[&str]) -> (Exit, String) {
    let failure = target(args).unwrap().server().unwrap_err();
    (failure.exit(), failure.to_string())
}

#[test]
fn an_address_may_leave_out_its_scheme() {
    for (given, meant) in [
        ("localhost:1", "http://localhost:1"),
        ("10.1.2.3:50051", "http://10.1.2.3:50051"),
        ("https://tplus.example", "https://tplus.example"),
        ("", DEFAULT),
    ] {
        assert_eq!(address(&target(&["--server", given]).unwrap().server), meant);
    }
    for given in ["not an address", "ftp://there", "http://", "file:///etc/passwd"] {
        assert!(target(&["--server", given]).is_err(), "{given}");
    }
}

#[tokio::test]
async fn files_for_tls_want_an_address_with_tls() {
    for flag in ["--ca", "--cert", "--key"] {
        let (exit, said) = refused(&[flag, "there.pem"]);
        assert_eq!(exit, Exit::Usage);
        assert_eq!(said, format!("error: {flag} is for TLS, and http://127.0.0.1:50051 is no https:// address"));
    }
    assert!(target(&["--ca", ""]).unwrap().server().is_ok(), "an empty variable counts as not given");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (ours, other) = (rcgen::KeyPair::generate().unwrap(), rcgen::KeyPair::generate().unwrap());
    let params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
    let cert = file("cert.pem", &params.self_signed(&ours).unwrap().pem());
    let (key, other) = (file("key.pem", &ours.serialize_pem()), file("other.pem", &other.serialize_pem()));
    let empty = file("empty.pem", "");
    let torn = file("torn.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n");
    assert!(target(&[&THERE, &["--ca", &cert, "--cert", &cert, "--key", &key][..]].concat()).unwrap().server().is_ok());
    for (args, exit, said) in [
        (&["--cert", &cert][..], Exit::Usage, "--cert and --key go together"),
        (&["--ca", "/nowhere.pem"], Exit::Failed, "cannot read --ca /nowhere.pem: No such file"),
        (&["--ca", &empty], Exit::Failed, "empty.pem: no certificate in it"),
        (&["--ca", &key], Exit::Failed, "key.pem: no certificate in it"),
        (&["--ca", &torn], Exit::Failed, "torn.pem: "),
        (&["--cert", &cert, "--key", &cert], Exit::Failed, "cert.pem: no private key in it"),
        (&["--cert", &cert, "--key", &other], Exit::Failed, "cannot be used for TLS"),
    ] {
        let (found, text) = refused(&[&THERE, args].concat());
        assert_eq!(found, exit, "{args:?}");
        assert!(text.contains(said), "{args:?}: {text}");
    }
}

#[tokio::test]
async fn a_token_is_not_sent_where_others_can_read_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    fs::write(&path, "secret").unwrap();
    let token = path.to_str().unwrap();
    let (exit, said) = refused(&["--server", "http://10.0.0.1:50051", "--token-file", token]);
    assert_eq!(exit, Exit::Usage);
    assert!(said.contains("http://10.0.0.1:50051 in plaintext\nhint: "), "{said}");
    for args in [
        &["--server", "http://10.0.0.1:50051", "--token-in-plaintext"][..],
        &["--server", "https://10.0.0.1:50051"],
        &["--server", "http://localhost:1"],
        &["--server", "http://[::1]:1"],
    ] {
        assert!(target(&[args, &["--token-file", token]].concat()).unwrap().server().is_ok(), "{args:?}");
    }
}
