import { below, type Random } from "./random.ts";

export type Details = Record<string, unknown>;
export type SampleRule = { module: string; key: string; details?: (random: Random) => Details };

/** The rules of samples/content, and `unlisted_rule`, which has no content there. */
export const rules: SampleRule[] = [
  { module: "ccx_rules_ocp.external.rules.tutorial_rule", key: "TUTORIAL_ERROR" },
  { module: "ccx_rules_ocp.external.rules.unlisted_rule", key: "UNLISTED" },
  { module: "ccx_rules_ocp.external.bug_rules.bug_1766907", key: "BUGZILLA_BUG_1766907" },
  {
    module: "ocp.rules.version_check",
    key: "CLUSTER_VERSION_DESIRED",
    details: (random) => ({ current: "4.16.3", desired: `4.16.${4 + below(random, 20)}` }),
  },
  {
    module: "ccx_rules_ocp.external.rules.nodes_requirements_check",
    key: "NODES_MINIMUM_REQUIREMENTS_NOT_MET",
    details: (random) => ({
      nodes: nodes(random, () => ({ memory: Number((6 + random() * 4).toFixed(2)), memory_req: 16 })),
    }),
  },
  {
    module: "ccx_rules_ocp.external.rules.nodes_kubelet_version_check",
    key: "NODE_KUBELET_VERSION",
    details: (random) => ({
      nodes_with_different_version: nodes(random, () => ({
        "Kubelet Version": `v1.29.${below(random, 12)}`,
      })),
    }),
  },
  {
    module: "ccx_rules_ocp.external.rules.cluster_wide_proxy_auth_check",
    key: "AUTH_OPERATOR_PROXY_ERROR",
    details: (random) => ({
      op: {
        name: "authentication",
        available: { message: null, reason: "NoData", status: null },
        degraded: { message: `GET https://10.0.0.${below(random, 256)}:6443: “Forbidden”`, status: true },
      },
    }),
  },
  {
    module: "ccx_rules_ocp.external.rules.samples_op_failed_image_import_check",
    key: "SAMPLES_FAILED_IMAGE_IMPORT_ERR",
    details: (random) => ({
      info: {
        condition: "Degraded",
        message: `failed: ${["perl", "go", "ruby"].slice(below(random, 3)).join(" ")}`,
      },
    }),
  },
  ...[
    "external.rules.image_registry_pv_no_access",
    "external.rules.image_registry_pv_low_capacity",
    "external.rules.image_registry_no_volume_set_check",
    "external.bug_rules.bug_1801300",
    "external.bug_rules.bug_1802248",
    "ocs.operator_phase_check",
    "ocs.pvc_phase_check",
    "ocs.ceph_check_mon_clock_skew",
    "ocs.check_pods_scc",
    "ocs.check_ocs_version",
  ].map((module) => ({ module: `ccx_rules_ocp.${module}`, key: "ERROR_KEY" })),
];

function nodes(random: Random, details: () => Details): Details[] {
  return Array.from({ length: 1 + below(random, 3) }, (_, nth) => ({
    name: `node-${nth}`,
    role: nth === 0 ? "master" : "worker",
    ...details(),
  }));
}
