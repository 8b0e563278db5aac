"""Checks deploy/kubernetes against the schemas of Kubernetes, and that what says the same thing in several places says the same.

    deploy.py    with kubernetes-validate, which brings PyYAML
"""

import pathlib
import re
import sys
import tomllib

import kubernetes_validate
import yaml

KUBERNETES = "1.31"
top = pathlib.Path(__file__).parents[1]
folder = top / "deploy" / "kubernetes"


def read(path: str) -> str:
    return (top / path).read_text()


def seconds(duration: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(s|min)", duration).groups()
    return int(number) * {"s": 1, "min": 60}[unit]


documents = {}
for name in yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]:
    document = yaml.safe_load((folder / name).read_text())
    kubernetes_validate.validate(document, KUBERNETES, strict=True)
    documents[document["kind"]] = document
assert {path.name for path in folder.glob("*.yaml")} == {"kustomization.yaml"} | {
    name.lower() + ".yaml" for name in documents
}, "a file that kustomization.yaml does not name"

# What is written down to be taken out of its comment has to fit as well.
policy = documents["NetworkPolicy"]
_, commented = read("deploy/kubernetes/networkpolicy.yaml").split("\n  egress: []\n")
outward = yaml.safe_load("".join(line.removeprefix("  # ") for line in commented.splitlines(keepends=True)))["egress"]
kubernetes_validate.validate({**policy, "spec": {**policy["spec"], "egress": outward}}, KUBERNETES, strict=True)

pod = documents["StatefulSet"]["spec"]["template"]["spec"]
container = pod["containers"][0]
config = tomllib.loads(documents["ConfigMap"]["data"]["tplus.toml"])
of_systemd = tomllib.loads(read("deploy/systemd/tplus.toml"))
unit = dict(re.findall(r"^(\w+)=(.*)$", read("deploy/systemd/tplus.service"), re.MULTILINE))
dockerfile = read("Dockerfile")
version = tomllib.loads(read("Cargo.toml"))["package"]["version"]

same = {
    "the grace period has room for the drain, and as much again": pod["terminationGracePeriodSeconds"]
    >= 2 * seconds(config["server"]["drain_deadline"]),
    "systemd has, too": seconds(unit["TimeoutStopSec"]) >= 2 * seconds(of_systemd["server"]["drain_deadline"]),
    "the ports are those that are listened to": {port["name"]: port["containerPort"] for port in container["ports"]}
    == {name: int(config[key].split(":")[1]) for name, key in [("grpc", "listen"), ("metrics", "metrics_listen")]},
    "the service leads to them": {port["targetPort"] for port in documents["Service"]["spec"]["ports"]}
    == {port["name"] for port in container["ports"]},
    "the image exposes them": re.search(r"^EXPOSE (.*)$", dockerfile, re.MULTILINE)[1].split()
    == [str(port["containerPort"]) for port in container["ports"]],
    "the image runs as whom the pod says": f"\nUSER {pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}\n"
    in dockerfile,
    "the data lies on the volume": config["data_dir"].startswith(container["volumeMounts"][0]["mountPath"] + "/"),
    "the settings and the rules of access are where they are looked for": [
        container["args"][-1],
        config["access"],
    ]
    == [f"{container['volumeMounts'][1]['mountPath']}/{name}" for name in documents["ConfigMap"]["data"]],
    "no variable of a service is taken for a setting": pod["enableServiceLinks"] is False,
    "it calls nobody, and each way out that is written down leads to somebody at a port": policy["spec"]["egress"] == []
    and len(outward) == 4
    and all(rule["to"] and rule["ports"] for rule in outward),
    "there is one process": documents["StatefulSet"]["spec"]["replicas"] == 1,
    "the version is that of the crate": container["image"] == f"tplus:{version}"
    and f"newTag: {version}\n" in (folder / "kustomization.yaml").read_text(),
    "everything selects the same pods": len(
        {
            yaml.dump(selector)
            for selector in (
                documents["StatefulSet"]["spec"]["selector"]["matchLabels"],
                documents["StatefulSet"]["spec"]["template"]["metadata"]["labels"],
                documents["Service"]["spec"]["selector"],
                documents["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
                documents["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
            )
        }
    )
    == 1,
}
wrong = [what for what, holds in same.items() if not holds]
for what in wrong:
    print(f"not so: {what}", file=sys.stderr)
print(f"{len(documents)} manifests fit Kubernetes {KUBERNETES}, {len(same) - len(wrong)} of {len(same)} agreements hold")
sys.exit(bool(wrong))
