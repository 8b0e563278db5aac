//! `docs/api.md` is written from the comments of the proto files. With `UPDATE_API_DOCS=1` this writes it anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write as _,
    fs,
};

use prost::Message as _;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    MethodDescriptorProto, ServiceDescriptorProto,
    field_descriptor_proto::{Label, Type},
};
use tplus::{
    proto::v1,
    reasons::{REASONS, code_name},
};

const PACKAGE: &str = ".tplus.v1.";
/// The order in which a newcomer wants to read.
const SERVICES: [&str; 9] = [
    "OrderService",
    "GuaranteeService",
    "MarginService",
    "DisputeService",
    "MerchantService",
    "PolicyService",
    "ApprovalService",
    "EventService",
    "ClockService",
];

#[test]
fn the_api_is_written_down_as_it_is() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/api.md");
    let expected = Api::read().document();
    if env::var_os("UPDATE_API_DOCS").is_some() {
        fs::write(file, &expected).unwrap();
    }
    let written = fs::read_to_string(file).unwrap_or_default();
    let differs = expected.lines().zip(written.lines()).position(|(expected, written)| expected != written);
    assert!(
        written == expected,
        "docs/api.md is not what the proto files say (line {:?}): UPDATE_API_DOCS=1 cargo test --test api_docs",
        differs.map(|line| line + 1)
    );
}

#[test]
fn everything_is_explained_and_nothing_is_left_out() {
    let api = Api::read();
    let services: BTreeSet<_> = api.services.keys().map(String::as_str).collect();
    assert_eq!(services, SERVICES.into_iter().collect());
    let document = api.document();
    for name in api.messages.keys().chain(api.enums.keys()) {
        assert_eq!(document.matches(&format!("### {name}\n")).count(), 1, "{name}");
    }
    for (path, comment) in &api.comments {
        assert!(!comment.is_empty(), "{path} has no comment");
    }
    // Every link leads somewhere.
    for link in document.split("](#").skip(1).map(|rest| rest.split(')').next().unwrap()) {
        let found = document.lines().filter(|line| line.starts_with('#')).any(|heading| anchor(heading) == link);
        assert!(found, "#{link} leads nowhere");
    }
}

/// As GitHub makes it of a heading.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    words.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_')).collect::<String>().replace(' ', "-")
}

/// The public API by name.
#[derive(Default)]
struct Api {
    services: BTreeMap<String, ServiceDescriptorProto>,
    messages: BTreeMap<String, DescriptorProto>,
    enums: BTreeMap<String, EnumDescriptorProto>,
    /// What stands above a thing: `Message`, `Message.field`, `Service.Method`, `Enum.VALUE`, `Message.oneof`.
    comments: BTreeMap<String, String>,
}

impl Api {
    fn read() -> Self {
        let mut api = Self::default();
        let files = FileDescriptorSet::decode(v1::DESCRIPTORS).unwrap().file;
        for file in files.into_iter().filter(|file| file.package() == "tplus.v1") {
            api.take(&file);
        }
        api
    }

    fn take(&mut self, file: &FileDescriptorProto) {
        let mut above = BTreeMap::new();
        for location in &file.source_code_info.as_ref().expect("comments are kept").location {
            above.insert(location.path.clone(), location.leading_comments().to_owned());
        }
        let mut explain = |path: String, at: &[usize]| {
            let at: Vec<i32> = at.iter().map(|at| i32::try_from(*at).unwrap()).collect();
            self.comments.insert(path, above.get(&at).cloned().unwrap_or_default().trim().to_owned());
        };
        for (n, message) in file.message_type.iter().enumerate() {
            explain(message.name().into(), &[4, n]);
            for (m, field) in message.field.iter().enumerate() {
                explain(format!("{}.{}", message.name(), field.name()), &[4, n, 2, m]);
            }
            for (m, oneof) in message.oneof_decl.iter().enumerate().filter(|(_, oneof)| !oneof.name().starts_with('_'))
            {
                explain(format!("{}.{}", message.name(), oneof.name()), &[4, n, 8, m]);
            }
            self.messages.insert(message.name().into(), message.clone());
        }
        for (n, kind) in file.enum_type.iter().enumerate() {
            explain(kind.name().into(), &[5, n]);
            for (m, value) in kind.value.iter().enumerate() {
                explain(format!("{}.{}", kind.name(), value.name()), &[5, n, 2, m]);
            }
            self.enums.insert(kind.name().into(), kind.clone());
        }
        for (n, service) in file.service.iter().enumerate() {
            explain(service.name().into(), &[6, n]);
            for (m, method) in service.method.iter().enumerate() {
                explain(format!("{}.{}", service.name(), method.name()), &[6, n, 2, m]);
            }
            self.services.insert(service.name().into(), service.clone());
        }
    }

    fn document(&self) -> String {
        let mut text = INTRODUCTION.to_owned();
        self.contents(&mut text);
        let mut told = BTreeSet::new();
        for name in SERVICES {
            self.service(&self.services[name], &mut told, &mut text);
        }
        text.push_str("\n## Messages that several calls use\n");
        for name in self.messages.keys().filter(|name| !told.contains(*name)) {
            self.message(name, "###", &mut text);
        }
        text.push_str("\n## Enumerations\n");
        for kind in self.enums.values() {
            self.enumeration(kind, &mut text);
        }
        text.push_str(REASONS_INTRODUCTION);
        for reason in REASONS {
            writeln!(text, "| `{}` | {} | {} |", reason.name, code_name(reason.code), cell(reason.meaning)).unwrap();
        }
        text
    }

    fn contents(&self, text: &mut String) {
        text.push_str("\n| service | calls |\n|---|---|\n");
        for name in SERVICES {
            let call =
                |method: &MethodDescriptorProto| format!("[{0}](#{1})", method.name(), method.name().to_lowercase());
            let calls: Vec<_> = self.services[name].method.iter().map(call).collect();
            writeln!(text, "| [{name}](#{}) | {} |", name.to_lowercase(), calls.join(", ")).unwrap();
        }
        text.push_str("\n[Messages that several calls use](#messages-that-several-calls-use) · [Enumerations](#enumerations) · [Errors](#errors)\n");
    }

    fn service(&self, service: &ServiceDescriptorProto, told: &mut BTreeSet<String>, text: &mut String) {
        writeln!(text, "\n## {}\n\n{}", service.name(), prose(&self.comments[service.name()])).unwrap();
        for method in &service.method {
            let (input, output) = (local(method.input_type()), local(method.output_type()));
            let stream = |streams| if streams { "stream of " } else { "" };
            writeln!(
                text,
                "\n### {}\n\n`tplus.v1.{}/{}`: {}{} → {}{}\n\n{}",
                method.name(),
                service.name(),
                method.name(),
                stream(method.client_streaming()),
                link(input),
                stream(method.server_streaming()),
                link(output),
                prose(&self.comments[&format!("{}.{}", service.name(), method.name())])
            )
            .unwrap();
            for message in [input, output] {
                told.insert(message.to_owned());
                self.message(message, "####", text);
            }
        }
    }

    fn message(&self, name: &str, level: &str, text: &mut String) {
        let message = &self.messages[name];
        writeln!(text, "\n{level} {name}\n\n{}", prose(&self.comments[name])).unwrap();
        if message.field.is_empty() {
            return;
        }
        text.push_str("\n| field | type | |\n|---|---|---|\n");
        for field in &message.field {
            let mut comment = self.comments[&format!("{name}.{}", field.name())].clone();
            if let Some(oneof) = oneof(message, field) {
                comment = format!("{comment} (One of `{oneof}`: {})", self.comments[&format!("{name}.{oneof}")]);
            }
            writeln!(text, "| `{}` | {} | {} |", field.name(), self.kind(message, field), cell(&comment)).unwrap();
        }
    }

    fn kind(&self, message: &DescriptorProto, field: &FieldDescriptorProto) -> String {
        let entry =
            message.nested_type.iter().find(|nested| field.type_name().ends_with(&format!(".{}", nested.name())));
        if let Some(entry) = entry {
            return format!("map from {} to {}", plain(&entry.field[0]), plain(&entry.field[1]));
        }
        match field.label() {
            Label::Repeated => format!("list of {}", plain(field)),
            _ if field.proto3_optional() => format!("optional {}", plain(field)),
            _ => plain(field),
        }
    }

    fn enumeration(&self, kind: &EnumDescriptorProto, text: &mut String) {
        writeln!(
            text,
            "\n### {}\n\n{}\n\n| value | | |\n|---|---|---|",
            kind.name(),
            prose(&self.comments[kind.name()])
        )
        .unwrap();
        for value in &kind.value {
            let comment = cell(&self.comments[&format!("{}.{}", kind.name(), value.name())]);
            writeln!(text, "| `{}` | {} | {comment} |", value.name(), value.number()).unwrap();
        }
    }
}

/// The name of the oneof that a field belongs to; that of an optional field is none.
fn oneof<'a>(message: &'a DescriptorProto, field: &FieldDescriptorProto) -> Option<&'a str> {
    let at = field.oneof_index.filter(|_| !field.proto3_optional())?;
    Some(message.oneof_decl[usize::try_from(at).unwrap()].name())
}

fn local(name: &str) -> &str {
    name.strip_prefix(PACKAGE).unwrap_or_else(|| panic!("{name} is none of ours"))
}

fn link(name: &str) -> String {
    format!("[{name}](#{})", name.to_lowercase())
}

fn plain(field: &FieldDescriptorProto) -> String {
    match field.r#type() {
        Type::Message | Type::Enum => match field.type_name().strip_prefix(".google.protobuf.") {
            Some(known) => known.to_owned(),
            None => link(local(field.type_name())),
        },
        kind => format!("{kind:?}").to_lowercase(),
    }
}

/// Paragraphs of a comment.
fn prose(comment: &str) -> String {
    let lines: Vec<_> = comment.lines().map(str::trim).collect();
    let paragraphs = lines.split(|line| line.is_empty()).map(|lines| escaped(&lines.join(" ")));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

/// A comment in a table.
fn cell(comment: &str) -> String {
    prose(comment).replace("\n\n", "<br>").replace('|', "\\|")
}

/// What Markdown would take for its own stands as it is written.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\\' | '*' | '[' | ']' | '`' => escaped.extend(['\\', c]),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            c => escaped.push(c),
        }
    }
    escaped
}

const INTRODUCTION: &str = "\
# The API

<!-- Written from the comments of proto/tplus/v1 by tests/api_docs.rs; change those, and run `just api-docs`. -->

Package `tplus.v1`, over gRPC. The files are [proto/tplus/v1](../proto/tplus/v1); the server describes itself by reflection, too. How the calls
work together is shown in the [README](../README.md); clients and what they have to mind are in [clients.md](clients.md).

Amounts are US dollars as strings of the form `[0-9]{1,12}(\\.[0-9]{1,2})?`, and are answered with two decimals. Instants are kept to the microsecond.
A field that is left out has its default: nothing, 0, false. `optional` fields tell being left out from 0.
";

const REASONS_INTRODUCTION: &str = "
## Errors

Every error has a status code and carries `google.rpc.ErrorInfo` with the domain `tplus.v1` and one of these reasons. `BadRequest` names the fields
to blame, `PreconditionFailure` the state, `ResourceInfo` what is not there, `RetryInfo` (and the trailer `grpc-retry-pushback-ms`) how long to wait
before the same is asked again, with the same ids.

| reason | code | meaning |
|---|---|---|
";
