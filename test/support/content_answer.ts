/** One content in the three forms that it can come in, and what it says. */

/**
 * A content service's answer, written by Go's own encoding/gob (1.26) from the types of the Insights content
 * service.
 */
export const answerInGob = Buffer.from(
  `OH8DAQEUUnVsZUNvbnRlbnREaXJlY3RvcnkB/4AAAQIBBkNvbmZpZwH/ggABBVJ1bGVzAf+UAAAAPv+BAwEBEEdsb2JhbFJ1bGVD
b25maWcB/4IAAQIBBkltcGFjdAH/hAABDlJlc29sdXRpb25SaXNrAf+EAAAAHv+DBAEBDm1hcFtzdHJpbmddaW50Af+EAAEMAQQA
ACz/kwQBARttYXBbc3RyaW5nXW1haW4uUnVsZUNvbnRlbnQB/5QAAQwB/4YAAHT/hQMBAv+GAAEIAQZQbHVnaW4B/4gAAQlFcnJv
cktleXMB/5IAAQdHZW5lcmljAQwAAQdTdW1tYXJ5AQwAAQpSZXNvbHV0aW9uAQwAAQhNb3JlSW5mbwEMAAEGUmVhc29uAQwAAQlI
YXNSZWFzb24BAgAAAFH/hwMBAQ5SdWxlUGx1Z2luSW5mbwH/iAABBAEETmFtZQEMAAEGTm9kZUlEAQwAAQtQcm9kdWN0Q29kZQEM
AAEMUHl0aG9uTW9kdWxlAQwAAAA0/5EEAQEjbWFwW3N0cmluZ11tYWluLlJ1bGVFcnJvcktleUNvbnRlbnQB/5IAAQwB/4oAAHX/
iQMBAv+KAAEIAQhNZXRhZGF0YQH/jAABCVRvdGFsUmlzawEEAAEHR2VuZXJpYwEMAAEHU3VtbWFyeQEMAAEKUmVzb2x1dGlvbgEM
AAEITW9yZUluZm8BDAABBlJlYXNvbgEMAAEJSGFzUmVhc29uAQIAAAD/gf+LAwEBEEVycm9yS2V5TWV0YWRhdGEB/4wAAQcBC0Rl
c2NyaXB0aW9uAQwAAQZJbXBhY3QB/44AAQpMaWtlbGlob29kAQQAAQtQdWJsaXNoRGF0ZQEMAAEOUmVzb2x1dGlvblJpc2sBBAAB
BlN0YXR1cwEMAAEEVGFncwH/kAAAACj/jQMBAQZJbXBhY3QB/44AAQIBBE5hbWUBDAABBkltcGFjdAEEAAAAFv+PAgEBCFtdc3Ry
aW5nAf+QAAEMAAD+AgH/gAEBAwZPdXRhZ2UICE51aXNhbmNlAgAEAQEHUmVzdGFydAQAAQIIbmV0X3Nsb3cBAQhOZXQgc2xvdwEC
NDIBBE9DUDQBEnBrZy5ydWxlcy5uZXRfc2xvdwABAgRHT05FAQETVGhlIG5ldHdvcmsgaXMgZ29uZQEBCE51aXNhbmNlAQIAAQID
CGluYWN0aXZlAAECAARTTE9XAQETVGhlIG5ldHdvcmsgaXMgc2xvdwEBBk91dGFnZQEIAAEGARMyMDI1LTAyLTI4IDIzOjU5OjU4
AQQBBmFjdGl2ZQECCW9wZW5zaGlmdAhzZWN1cml0eQABBgMPb3duIHJlc29sdXRpb24KAiRvd24gcmVhc29uOiB7ez1weWRhdGEu
aG9zdH19IOKAkyDDnwoBAQABFGdlbmVyaWMgb2YgdGhlIHJ1bGUKARRzdW1tYXJ5IG9mIHRoZSBydWxlCgMTcmVhc29uIG9mIHRo
ZSBydWxlCgEBAAlkaXNrX2Z1bGwBAQlEaXNrIGZ1bGwDDXBrZy5kaXNrX2Z1bGwAAQEJRElTS19GVUxMAQEOQSBkaXNrIGlzIGZ1
bGwBAgQAAQgBEzIwMjAtMDQtMDggMDA6NDI6MDACBmFjdGl2ZQABBgEMb3duIGdlbmVyaWMKAwVtb3JlCgELb3duIHJlYXNvbgoA
AAA=`,
  "base64",
);

/** The same, written by Go's encoding/json; fields without a value are there and empty. */
export const answerInJson = {
  Config: {
    impact: {
      "": 2,
      Nuisance: 1,
      Outage: 4,
    },
    resolution_risk: {
      Restart: 2,
    },
  },
  Rules: {
    disk_full: {
      plugin: {
        name: "Disk full",
        node_id: "",
        product_code: "",
        python_module: "pkg.disk_full",
      },
      error_keys: {
        DISK_FULL: {
          metadata: {
            description: "A disk is full",
            impact: {
              name: "",
              impact: 2,
            },
            likelihood: 4,
            publish_date: "2020-04-08 00:42:00",
            resolution_risk: 0,
            status: "active",
            tags: [],
          },
          total_risk: 3,
          generic: "own generic\n",
          summary: "",
          resolution: "",
          more_info: "more\n",
          reason: "own reason\n",
          HasReason: false,
        },
      },
      generic: "",
      summary: "",
      resolution: "",
      more_info: "",
      reason: "",
      HasReason: false,
    },
    net_slow: {
      plugin: {
        name: "Net slow",
        node_id: "42",
        product_code: "OCP4",
        python_module: "pkg.rules.net_slow",
      },
      error_keys: {
        GONE: {
          metadata: {
            description: "The network is gone",
            impact: {
              name: "Nuisance",
              impact: 1,
            },
            likelihood: 1,
            publish_date: "",
            resolution_risk: 0,
            status: "inactive",
            tags: null,
          },
          total_risk: 1,
          generic: "",
          summary: "",
          resolution: "",
          more_info: "",
          reason: "",
          HasReason: false,
        },
        SLOW: {
          metadata: {
            description: "The network is slow",
            impact: {
              name: "Outage",
              impact: 4,
            },
            likelihood: 3,
            publish_date: "2025-02-28 23:59:58",
            resolution_risk: 2,
            status: "active",
            tags: ["openshift", "security"],
          },
          total_risk: 3,
          generic: "",
          summary: "",
          resolution: "own resolution\n",
          more_info: "",
          reason: "own reason: {{=pydata.host}} – ß\n",
          HasReason: true,
        },
      },
      generic: "generic of the rule\n",
      summary: "summary of the rule\n",
      resolution: "",
      more_info: "",
      reason: "reason of the rule\n",
      HasReason: true,
    },
  },
};

/** The same as the folder that a content service would read it from: path → text. */
export const answerAsFolder: Record<string, string> = {
  "config.yaml": 'impact: {Outage: 4, Nuisance: 1, "": 2}\nresolution_risk: {Restart: 2}\n',
  "external/ocp/net_slow/plugin.yaml":
    'name: Net slow\nnode_id: "42"\nproduct_code: OCP4\npython_module: pkg.rules.net_slow\n',
  "external/ocp/net_slow/generic.md": "generic of the rule\n",
  "external/ocp/net_slow/reason.md": "reason of the rule\n",
  "external/ocp/net_slow/summary.md": "summary of the rule\n",
  "external/ocp/net_slow/SLOW/metadata.yaml":
    "description: The network is slow\nimpact: Outage\nlikelihood: 3\npublish_date: 2025-02-28 23:59:58\n" +
    "resolution_risk: Restart\nstatus: active\ntags: [openshift, security]\n",
  "external/ocp/net_slow/SLOW/reason.md": "own reason: {{=pydata.host}} – ß\n",
  "external/ocp/net_slow/SLOW/resolution.md": "own resolution\n",
  "external/ocp/net_slow/GONE/metadata.yaml":
    "description: The network is gone\nimpact: Nuisance\nlikelihood: 1\nstatus: inactive\n",
  "internal/deep/er/disk_full/plugin.yaml": "name: Disk full\npython_module: pkg.disk_full\n",
  "internal/deep/er/disk_full/DISK_FULL/metadata.yaml":
    'description: A disk is full\nimpact: ""\nlikelihood: 4\npublish_date: 2020-04-08 00:42:00\nstatus: active\ntags: []\n',
  "internal/deep/er/disk_full/DISK_FULL/generic.md": "own generic\n",
  "internal/deep/er/disk_full/DISK_FULL/reason.md": "own reason\n",
  "internal/deep/er/disk_full/DISK_FULL/more_info.md": "more\n",
};
