//! What one caller may not do alone.

use tonic::{Code, transport::Channel};
use tplus::proto::v1::{
    AdjustBalanceRequest, AdjustmentDirection, ApproveProposalRequest, Beneficiary, DeductMarginRequest,
    DeductionReason, GetPolicyRequest, GetProposalRequest, ListProposalsRequest, PayMarginRequest, ProposalState,
    ProposeChangeRequest, RejectProposalRequest, SetPolicyRequest, WithdrawProposalRequest,
    approval_service_client::ApprovalServiceClient, approve_proposal_response, deduct_margin_request::Reference,
    dispute_service_client::DisputeServiceClient, margin_service_client::MarginServiceClient,
    policy_service_client::PolicyServiceClient, propose_change_request::Change,
};

use super::{
    Shop, is,
    pki::Issued,
    served::{Server, tplus},
    told, write,
};

const DENIED: Code = Code::PermissionDenied;

const RULES: &str = r#"
[roles]
maker = ["margin.pay", "deduct", "margin.adjust", "policy.write", "policy.read", "propose", "proposal.read"]
checker = ["deduct", "margin.adjust", "policy.write", "approve", "proposal.read"]
reader = ["approve", "proposal.read"]

[four_eyes]
deduct_over = "500"
adjust_over = "0"
policy = true

[[callers]]
dns = "ann.shop.example"
roles = ["maker", "checker"]

[[callers]]
dns = "bob.shop.example"
roles = ["checker"]

[[callers]]
dns = "rob.shop.example"
roles = ["reader"]

[[callers]]
dns = "eve.shop.example"
roles = ["maker", "checker"]
merchants = ["eu-*"]
"#;

const ANN: &str = "ann.shop.example";
const BOB: &str = "bob.shop.example";

fn deduct(merchant: &str, request: &str, amount: &str) -> DeductMarginRequest {
    DeductMarginRequest {
        merchant_id: merchant.into(),
        amount: amount.into(),
        reason: DeductionReason::Fraud.into(),
        reference: Some(Reference::Dispute("case".into())),
        beneficiary: Beneficiary::Buyer.into(),
        request_id: request.into(),
        ..DeductMarginRequest::default()
    }
}

fn credit(merchant: &str, request: &str, amount: &str) -> AdjustBalanceRequest {
    AdjustBalanceRequest {
        merchant_id: merchant.into(),
        direction: AdjustmentDirection::Credit.into(),
        amount: amount.into(),
        reason: "slip".into(),
        request_id: request.into(),
        ..AdjustBalanceRequest::default()
    }
}

fn proposed(id: &str, change: Change) -> ProposeChangeRequest {
    ProposeChangeRequest { request_id: id.into(), change: Some(change), not_after: None }
}

fn approve(id: &str) -> ApproveProposalRequest {
    ApproveProposalRequest { proposal_id: id.into(), not_after: None }
}

type Approvals = ApprovalServiceClient<Channel>;

/// A shop with these merchants, and the connections of two.
async fn shop(merchants: &[&str]) -> (Shop, Channel, Channel) {
    let shop = Shop::open(RULES);
    let (ann, bob) = (shop.channel(ANN).await, shop.channel(BOB).await);
    for merchant in merchants {
        let payment = PayMarginRequest {
            merchant_id: (*merchant).into(),
            amount: "5000".into(),
            request_id: "seed".into(),
            ..PayMarginRequest::default()
        };
        MarginServiceClient::new(ann.clone()).pay_margin(payment).await.unwrap();
    }
    (shop, ann, bob)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_deduction_takes_two() {
    let (_shop, ann, bob) = shop(&["m-1"]).await;
    let mut deductions = DisputeServiceClient::new(ann.clone());
    deductions.deduct_margin(deduct("m-1", "small", "500")).await.unwrap();
    let large = || deduct("m-1", "large", "500.01");
    is(deductions.deduct_margin(large()).await, DENIED, "APPROVAL_REQUIRED");
    let dry = DeductMarginRequest { validate_only: true, ..large() };
    deductions.deduct_margin(dry).await.unwrap();

    let (mut ann, mut bob) = (Approvals::new(ann), Approvals::new(bob));
    let request = proposed("p-1", Change::DeductMargin(large()));
    let made = ann.propose_change(request.clone()).await.unwrap().into_inner();
    assert_eq!(made.proposal.unwrap().proposed_by, "dns:ann.shop.example");
    assert!(ann.propose_change(request).await.unwrap().into_inner().replayed);
    is(ann.approve_proposal(approve("p-1")).await, DENIED, "APPROVER_IS_PROPOSER");
    is(bob.approve_proposal(approve("p-2")).await, Code::NotFound, "PROPOSAL_NOT_FOUND");
    let approved = bob.approve_proposal(approve("p-1")).await.unwrap().into_inner();
    let proposal = approved.proposal.unwrap();
    assert_eq!((proposal.state(), proposal.closed_by.as_str()), (ProposalState::Approved, "dns:bob.shop.example"));
    let Some(approve_proposal_response::Result::DeductMargin(first)) = approved.result else { panic!("a deduction") };
    assert!(bob.approve_proposal(approve("p-1")).await.unwrap().into_inner().replayed);
    // What was done is answered again, to whom it would be refused now.
    let again = deductions.deduct_margin(large()).await.unwrap().into_inner();
    assert!(again.replayed && again.deducted_at == first.deducted_at);
    is(deductions.deduct_margin(deduct("m-1", "large", "600")).await, Code::AlreadyExists, "ID_REUSED");
}

#[tokio::test(flavor = "multi_thread")]
async fn adjustments_and_policies_do_so_too() {
    let (_shop, ann, bob) = shop(&["m-1"]).await;
    let adjusted = MarginServiceClient::new(ann.clone()).adjust_balance(credit("m-1", "c", "0.01")).await;
    is(adjusted, DENIED, "APPROVAL_REQUIRED");
    let mut policies = PolicyServiceClient::new(ann.clone());
    let mut policy =
        policies.get_policy(GetPolicyRequest::default()).await.unwrap().into_inner().policy.unwrap().policy;
    policy.as_mut().unwrap().base_multiple = 2;
    let set = SetPolicyRequest { policy, request_id: "s".into(), ..SetPolicyRequest::default() };
    is(policies.set_policy(set.clone()).await, DENIED, "APPROVAL_REQUIRED");
    policies.set_policy(SetPolicyRequest { validate_only: true, ..set.clone() }).await.unwrap();

    let (mut ann, mut bob) = (Approvals::new(ann), Approvals::new(bob));
    ann.propose_change(proposed("a", Change::AdjustBalance(credit("m-1", "c", "0.01")))).await.unwrap();
    ann.propose_change(proposed("s", Change::SetPolicy(set))).await.unwrap();
    let adjusted = bob.approve_proposal(approve("a")).await.unwrap().into_inner();
    assert!(matches!(adjusted.result, Some(approve_proposal_response::Result::AdjustBalance(_))));
    let announced = bob.approve_proposal(approve("s")).await.unwrap().into_inner();
    let Some(approve_proposal_response::Result::SetPolicy(announced)) = announced.result else { panic!("a policy") };
    assert_eq!(announced.policy.unwrap().version, 2);
    let latest = policies.get_policy(GetPolicyRequest::default()).await.unwrap().into_inner().latest_version;
    assert_eq!(latest, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_could_do_it_proposes_approves_and_sees_it() {
    let (shop, ann, bob) = shop(&["m-1", "eu-1"]).await;
    let (mut ann, mut bob) = (Approvals::new(ann), Approvals::new(bob));
    let mut rob = Approvals::new(shop.channel("rob.shop.example").await);
    let mut eve = Approvals::new(shop.channel("eve.shop.example").await);
    let change = |merchant, id| proposed(id, Change::DeductMargin(deduct(merchant, id, "700")));
    is(bob.propose_change(change("m-1", "p")).await, DENIED, "PERMISSION_MISSING");
    is(eve.propose_change(change("m-1", "p")).await, DENIED, "MERCHANT_OUT_OF_SCOPE");
    let policy = Change::SetPolicy(SetPolicyRequest::default());
    is(eve.propose_change(proposed("p", policy)).await, DENIED, "MERCHANT_OUT_OF_SCOPE");
    ann.propose_change(change("m-1", "p")).await.unwrap();
    ann.propose_change(change("eu-1", "q")).await.unwrap();
    is(rob.approve_proposal(approve("p")).await, DENIED, "PERMISSION_MISSING");
    // That there is one about others is not told.
    is(eve.approve_proposal(approve("p")).await, Code::NotFound, "PROPOSAL_NOT_FOUND");
    let named = |id: &str| GetProposalRequest { proposal_id: id.into() };
    is(eve.get_proposal(named("p")).await, Code::NotFound, "PROPOSAL_NOT_FOUND");
    eve.get_proposal(named("q")).await.unwrap();
    let list = |merchant: &str| ListProposalsRequest { merchant_id: merchant.into(), ..Default::default() };
    is(eve.list_proposals(list("")).await, DENIED, "MERCHANT_OUT_OF_SCOPE");
    let ids = |listed: tplus::proto::v1::ListProposalsResponse| -> Vec<String> {
        listed.proposals.into_iter().map(|proposal| proposal.proposal_id).collect()
    };
    assert_eq!(ids(eve.list_proposals(list("eu-1")).await.unwrap().into_inner()), ["q"]);
    assert_eq!(ids(bob.list_proposals(list("")).await.unwrap().into_inner()), ["p", "q"]);
    // A token that was given for all shows no more of others than a request without one.
    let first = ListProposalsRequest { page_size: 1, ..list("") };
    let next = bob.list_proposals(first).await.unwrap().into_inner().next_page_token;
    let stolen = |merchant| ListProposalsRequest { page_token: next.clone(), ..list(merchant) };
    is(eve.list_proposals(stolen("eu-1")).await, Code::InvalidArgument, "INVALID_FIELD");
    is(eve.list_proposals(stolen("")).await, DENIED, "MERCHANT_OUT_OF_SCOPE");
    // Without a merchant of its own a request takes that of its token.
    let about = |merchant| ListProposalsRequest { page_size: 1, ..list(merchant) };
    ann.propose_change(change("m-1", "r")).await.unwrap();
    let next = bob.list_proposals(about("m-1")).await.unwrap().into_inner().next_page_token;
    let rest = ListProposalsRequest { page_token: next, ..list("") };
    assert_eq!(ids(bob.list_proposals(rest).await.unwrap().into_inner()), ["r"]);
    let reject = RejectProposalRequest { proposal_id: "q".into(), reason: "no".into(), not_after: None };
    let withdraw = |id: &str| WithdrawProposalRequest { proposal_id: id.into(), ..Default::default() };
    is(eve.withdraw_proposal(withdraw("q")).await, DENIED, "NOT_THE_PROPOSER");
    eve.reject_proposal(reject).await.unwrap();
    is(bob.approve_proposal(approve("q")).await, Code::FailedPrecondition, "PROPOSAL_CLOSED");
    ann.withdraw_proposal(withdraw("p")).await.unwrap();
    let rejected = ListProposalsRequest { state: ProposalState::Rejected.into(), ..list("") };
    assert_eq!(ids(bob.list_proposals(rejected).await.unwrap().into_inner()), ["q"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_field_of_a_proposal_is_named() {
    let (_shop, ann, _) = shop(&["m-1"]).await;
    let mut ann = Approvals::new(ann);
    let bad = DeductMarginRequest { validate_only: true, ..deduct("m-1", "", "0") };
    let refused = ann.propose_change(proposed("", Change::DeductMargin(bad))).await.unwrap_err();
    assert_eq!(told(&refused), (Code::InvalidArgument, "INVALID_FIELD".to_owned()));
    let said = "request_id is missing; deduct_margin.validate_only cannot be proposed; deduct_margin.request_id is missing; \
                deduct_margin.amount has to be above 0";
    assert_eq!(refused.message(), said);
    let nothing = ProposeChangeRequest { request_id: "p".into(), ..ProposeChangeRequest::default() };
    assert_eq!(ann.propose_change(nothing).await.unwrap_err().message(), "change is missing");
}

/// The commands for people, and what is read of it afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn two_people_with_a_command_line_do_it_and_the_audit_tells() {
    let (mut shop, ..) = shop(&["m-1"]).await;
    let path = |name: &str| shop.root.path().join(name).to_str().unwrap().to_owned();
    let ask = |name: &str, line: &str| {
        let Issued { cert, key } = shop.authority.client(name);
        write(shop.root.path(), "client.pem", &cert);
        write(shop.root.path(), "client.key", &key);
        let means = ["--server", &shop.address, "--ca", &path("ca.pem")].map(str::to_owned);
        let identity = ["--cert", &path("client.pem"), "--key", &path("client.key")].map(str::to_owned);
        let given: Vec<_> = line.split(' ').map(str::to_owned).chain(means).chain(identity).collect();
        let given: Vec<_> = given.iter().map(String::as_str).collect();
        let output = tplus(&given).output().unwrap();
        (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let deduct = "deduct m-1 900 --reason fraud --dispute case --to buyer --request-id d-31";
    let (done, said) = ask(ANN, deduct);
    assert!(!done && said.contains("APPROVAL_REQUIRED"), "{said}");
    let (done, said) = ask(ANN, &format!("{deduct} --propose"));
    assert!(done && said.contains("deduct 900.00 from m-1"), "{said}");
    let (done, said) = ask(ANN, "proposal approve d-31");
    assert!(!done && said.contains("APPROVER_IS_PROPOSER"), "{said}");
    let (done, said) = ask(BOB, "proposal list --state open");
    assert!(done && said.contains("d-31") && said.contains("dns:ann.shop.example"), "{said}");
    let (done, said) = ask(BOB, "proposal approve d-31");
    assert!(done && said.contains("approved") && said.contains("from available"), "{said}");

    shop.server.take().unwrap().kill();
    shop.serve(&[]);
    let mut bob = Approvals::new(shop.channel(BOB).await);
    let kept = bob.get_proposal(GetProposalRequest { proposal_id: "d-31".into() }).await.unwrap().into_inner();
    assert_eq!(kept.proposal.unwrap().state(), ProposalState::Approved);
    shop.server.take().unwrap().stop();
    let (data, log) = (shop.root.path().join("data"), shop.root.path().join("refused.jsonl"));
    let audit =
        tplus(&["audit", "--data-dir", data.to_str().unwrap(), "--log", log.to_str().unwrap(), "--merchant", "m-1"]);
    let lines = { audit }.output().unwrap().stdout;
    let lines = String::from_utf8(lines).unwrap();
    for wanted in [
        "dns:ann.shop.example from 127.0.0.1",
        "may not do this alone",
        "proposal_made",
        "has proposed this, and it takes another one",
        "caller=dns:bob.shop.example approved=d-31 proposed_by=dns:ann.shop.example m-1 margin_deducted",
    ] {
        assert!(lines.contains(wanted), "{wanted}: {lines}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_two_may_change_while_serving() {
    let (shop, ann, _) = shop(&["m-1"]).await;
    let mut deductions = DisputeServiceClient::new(ann);
    is(deductions.deduct_margin(deduct("m-1", "a", "600")).await, DENIED, "APPROVAL_REQUIRED");
    write(shop.root.path(), "access.toml", &RULES.replace("deduct_over = \"500\"", "deduct_over = \"700\""));
    for attempt in 0.. {
        match deductions.deduct_margin(deduct("m-1", "a", "600")).await {
            Ok(_) => break,
            Err(refused) => assert!(attempt < 600, "{refused:?}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    is(deductions.deduct_margin(deduct("m-1", "b", "700.01")).await, DENIED, "APPROVAL_REQUIRED");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_change_is_told_by_its_place_in_the_request() {
    let (_shop, ann, bob) = shop(&["m-1"]).await;
    let (mut deductions, mut ann) = (DisputeServiceClient::new(ann.clone()), Approvals::new(ann));
    deductions.deduct_margin(deduct("m-1", "d", "5")).await.unwrap();
    let field = |refused: tonic::Status| {
        let details = tonic_types::StatusExt::get_error_details(&refused);
        (told(&refused).1, details.bad_request().map(|bad| bad.field_violations[0].field.clone()).unwrap_or_default())
    };
    let propose = |id: &str, change| proposed(id, Change::DeductMargin(change));
    let other = ann.propose_change(propose("p", deduct("m-1", "d", "6"))).await.unwrap_err();
    assert_eq!(field(other), ("ID_REUSED".to_owned(), "deduct_margin.amount".to_owned()));
    let done = ann.propose_change(propose("p", deduct("m-1", "d", "5"))).await.unwrap_err();
    assert_eq!(field(done).0, "DECIDED_ALREADY");
    ann.propose_change(propose("p", deduct("m-1", "e", "5"))).await.unwrap();
    let other = ann.propose_change(propose("p", deduct("m-1", "e", "6"))).await.unwrap_err();
    assert_eq!(field(other), ("ID_REUSED".to_owned(), "change".to_owned()));
    let nobody = ann.propose_change(propose("q", deduct("m-2", "e", "6"))).await.unwrap_err();
    assert_eq!(field(nobody).0, "MERCHANT_NOT_FOUND");
    // Another request has used the id by the time of the approval.
    deductions.deduct_margin(deduct("m-1", "e", "7")).await.unwrap();
    let late = Approvals::new(bob).approve_proposal(approve("p")).await.unwrap_err();
    assert_eq!(field(late), ("ID_REUSED".to_owned(), "deduct_margin.amount".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_is_asked_who_he_is_nothing_is_proposed() {
    let root = tempfile::tempdir().unwrap();
    let (_server, address) = Server::start(root.path(), &[], &[("TPLUS_LISTEN", "127.0.0.1:0")]);
    let channel = Channel::from_shared(address).unwrap().connect().await.unwrap();
    let payment = PayMarginRequest {
        merchant_id: "m-1".into(),
        amount: "10".into(),
        request_id: "seed".into(),
        ..PayMarginRequest::default()
    };
    MarginServiceClient::new(channel.clone()).pay_margin(payment).await.unwrap();
    let change = Change::DeductMargin(deduct("m-1", "d", "5"));
    let proposed = Approvals::new(channel).propose_change(proposed("p", change)).await;
    is(proposed, Code::FailedPrecondition, "IDENTITY_REQUIRED");
}
