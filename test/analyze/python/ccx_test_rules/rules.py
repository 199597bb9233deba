"""Four conditions, each also a rule in SQL."""

import re

from insights import make_fail, rule

from ccx_test_rules.archive import cluster_operators, network, pods, version


@rule(cluster_operators, tags=["service_availability"])
def operator_degraded(found):
    degraded = [
        {"name": operator["metadata"]["name"], "reason": it.get("reason"), "since": it.get("lastTransitionTime")}
        for operator in found
        for it in operator.get("status", {}).get("conditions", [])
        if it["type"] == "Degraded" and it["status"] == "True"
    ]
    if degraded:
        return make_fail("OPERATOR_DEGRADED", operators=degraded)


@rule(version, tags=["upgrade"])
def prerelease_version(document):
    now, channel = document["status"]["desired"]["version"], document["spec"].get("channel", "")
    if re.search(r"-(rc|ec|fc|nightly|ci)\b", now) and re.match(r"(stable|eus)-", channel):
        return make_fail("PRERELEASE_ON_STABLE_CHANNEL", version=now, channel=channel)


@rule(network, tags=["networking", "upgrade"])
def network_openshift_sdn(document):
    kind = document["status"].get("networkType")
    if kind == "OpenShiftSDN":
        return make_fail("NETWORK_OPENSHIFT_SDN", network_type=kind)


@rule(pods, tags=["service_availability"])
def container_restarts(found):
    restarted = [
        {
            "namespace": path.split("/")[2],
            "pod": pod["metadata"]["name"],
            "container": container["name"],
            "restarts": container["restartCount"],
        }
        for path, pod in found
        if path.split("/")[2].startswith("openshift-")
        for container in sorted(pod.get("status", {}).get("containerStatuses") or [], key=lambda it: it["name"])
        if container["restartCount"] >= 4
    ]
    if restarted:
        return make_fail("CONTAINER_RESTARTS", containers=restarted, threshold=4)
