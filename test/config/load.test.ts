import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { explainConfig } from "../../src/config/explain.ts";
import { type ConfigSources, loadConfig } from "../../src/config/load.ts";
import { parseAddress } from "../../src/config/setting.ts";
import { NAMED_SETTINGS } from "../../src/config/settings.ts";
import { loadProcessConfig } from "../../src/config/sources.ts";
import type { AlbertError } from "../../src/errors.ts";

function problems(sources: ConfigSources): Record<string, string> {
  try {
    loadConfig(sources);
  } catch (error) {
    return Object.fromEntries((error as AlbertError).violations.map((v) => [v.field, v.description]));
  }
  return {};
}

describe("loadConfig", () => {
  it("has jobs run in pods only where pods can take them, and takes nothing about pods otherwise", () => {
    const runner = (jobs: object, store = {}) => problems({ file: { name: "a.json", json: { jobs, ...store } } });
    expect(Object.keys(runner({ runner: "kubernetes", kubernetes_name: "Albert" }))).toEqual([
      "jobs.runner",
      "jobs.kubernetes_template",
      "jobs.kubernetes_name",
    ]);
    const homes = { store: { directory: "s3://a/b" }, training: { directory: "work" } };
    expect(runner({ runner: "kubernetes", kubernetes_template: "job.json" }, homes)).toEqual({
      "jobs.runner":
        "kubernetes needs jobs.queue shared: pods take jobs from the store, not from this server's directory",
    });
    expect(runner({ runner: "kubernetes", queue: "shared", kubernetes_template: "job.json" }, homes)).toEqual({});
    expect(runner({ kubernetes_pods: 3 })).toEqual({
      "jobs.kubernetes_pods": "has no effect without jobs.runner kubernetes",
    });
  });

  it("gives every setting its default when nothing is set", () => {
    const { config, origins } = loadConfig({});
    for (const { group, name, key, setting } of NAMED_SETTINGS) {
      expect((config[group] as Record<string, unknown>)[name], key).toEqual(setting.default);
      expect(origins.get(key)).toEqual({ source: "default" });
    }
  });

  it("lets a flag beat the environment, the environment a file, and a file the default", () => {
    const file = { name: "a.json", json: { serving: { max_requests: 1, max_queue_tokens: 1000, lookahead: 2 } } };
    const environment = { ALBERT_SERVING_MAX_REQUESTS: "3", ALBERT_SERVING_LOOKAHEAD: "4" };
    const { config, origins } = loadConfig({ file, environment, flags: { "serving-lookahead": "5" } });
    expect(config.serving).toMatchObject({ maxRequests: 3, maxQueueTokens: 1000, lookahead: 5 });
    expect(origins.get("serving.max_queue_tokens")).toEqual({ source: "file", detail: "a.json" });
    expect(origins.get("serving.max_requests")).toEqual({
      source: "environment",
      detail: "ALBERT_SERVING_MAX_REQUESTS",
    });
    expect(origins.get("serving.lookahead")).toEqual({ source: "flag", detail: "--serving-lookahead" });
  });

  it("reads numbers, switches, words and lists from text", () => {
    const { config } = loadConfig({
      environment: {
        ALBERT_SERVER_REFLECTION: "no",
        ALBERT_SERVING_MEMORY_HEADROOM: "0.5",
        ALBERT_MODELS_LOAD: "a=x,b",
      },
      flags: { device: "cpu" },
    });
    expect(config.server.reflection).toBe(false);
    expect(config.serving.memoryHeadroom).toBe(0.5);
    expect(config.models.load).toEqual(["a=x", "b"]);
    expect(config.runtime.device).toBe("cpu");
    expect(loadConfig({ flags: { model: ["a=x", "b=y,c=z"] } }).config.models.load).toEqual(["a=x", "b=y", "c=z"]);
  });

  it("takes indexes by name, and refuses two of a name, and a name that cannot be one", () => {
    const of = (...index: string[]) => problems({ flags: { index } });
    expect(of("docs=a/docs.index", "b/manuals.index")).toEqual({});
    expect(of("docs=a.index", "b/docs.index")).toEqual({
      "search.indexes": "two indexes are called docs: name them apart",
    });
    expect(of("docs=")["search.indexes"]).toBe("docs has no file: write docs=file");
    expect(of("my docs.index")["search.indexes"]).toMatch(/^"my docs" cannot be the name of an index/);
  });

  it("takes a tracking server by its URL, without a secret in it, and a secret only where nobody listens", () => {
    const of = (uri: string, rest: Readonly<Record<string, string>> = {}) =>
      problems({ flags: { store: "data", "tracking-mlflow-uri": uri, ...rest } });
    const secret = { "tracking-mlflow-credential-file": "secret" };
    expect(of("http://mlflow:5000")).toEqual({});
    expect(of("http://127.0.0.1:5000", secret)).toEqual({});
    expect(of("https://mlflow.example", secret)).toEqual({});
    expect(of("http://mlflow:5000", secret)["tracking.mlflow_uri"]).toMatch(/^must be an https URL/);
    expect(of("mlflow:5000")["tracking.mlflow_uri"]).toMatch(/^expected an http or https URL/);
    expect(of("https://ann:x@mlflow")["tracking.mlflow_uri"]).toMatch(/^must hold no user or password/);
    expect(of("https://mlflow", { store: "" })["tracking.mlflow_uri"]).toMatch(/^has no effect without store/);
    expect(of("", secret)["tracking.mlflow_credential_file"]).toMatch(/^has no effect without/);
    expect(of("https://mlflow", { "tracking-mlflow-experiment": "" })["tracking.mlflow_experiment"]).toMatch(
      /^is needed/,
    );
  });

  it("reports every problem of every source together", () => {
    const found = problems({
      file: { name: "a.json", json: { serving: { max_requets: 1 }, sevring: 3, log: { level: "loud" } } },
      environment: { ALBERT_SERVING_MAX_REQUESTS: "many", ALBERT_SERVING_LOOKAHEAD: "", ALBERT_LOG_LEVL: "info" },
      flags: { "runtime-intra-threads": "-1", devise: "cpu" },
    });
    expect(Object.keys(found).sort()).toEqual([
      "--devise",
      "ALBERT_LOG_LEVL",
      "log.level",
      "runtime.intra_threads",
      "serving.lookahead",
      "serving.max_requests",
      "serving.max_requets",
      "sevring",
    ]);
    expect(found["serving.max_requets"]).toContain("did you mean serving.max_requests?");
    expect(found["sevring"]).toContain("did you mean serving?");
    expect(found["ALBERT_LOG_LEVL"]).toContain("did you mean ALBERT_LOG_LEVEL?");
    expect(found["--devise"]).toContain("did you mean --device?");
    expect(found["log.level"]).toContain("from a.json");
    expect(found["runtime.intra_threads"]).toContain("0 to 1024");
  });

  it("refuses a file that is no object", () => {
    expect(Object.keys(problems({ file: { name: "a.json", json: [1] } }))).toEqual(["a.json"]);
  });

  it("ignores variables that Kubernetes derives from services and those of other programs", () => {
    const environment = {
      ALBERT_SERVICE_HOST: "10.0.0.1",
      ALBERT_SERVER_SERVICE_PORT_GRPC: "50051",
      ALBERT_PORT: "tcp://10.0.0.1:50051",
      ALBERT_PORT_50051_TCP_ADDR: "10.0.0.1",
      ALBERT_FIXTURES: "/f",
      HOME: "/root",
    };
    expect(problems({ environment })).toEqual({});
  });

  it("refuses contradictions between settings", () => {
    const flags = {
      "server-public-address": "127.0.0.1:9464",
      "server-default-deadline-ms": "9000",
      "server-max-deadline-ms": "8000",
      "server-admin-default-deadline-ms": "9000",
      "server-admin-max-deadline-ms": "8000",
      device: "cuda",
      precision: "int8",
    };
    expect(Object.keys(problems({ flags })).sort()).toEqual([
      "runtime.precision",
      "server.admin_default_deadline_ms",
      "server.default_deadline_ms",
      "server.metrics_address",
    ]);
  });

  it.each([
    ["fp16", "auto", "webgpu or cuda"],
    ["bf16", "cuda", "openvino"],
    ["int8", "webgpu", "cpu or openvino"],
  ])("refuses %s on the device %s, and says where it runs", (precision, device, devices) => {
    const said = `${precision} runs on the device ${devices} only, and runtime.device is ${device}`;
    expect(problems({ flags: { precision, device } })).toEqual({ "runtime.precision": said });
  });

  it("refuses a precision of training that its device does not have", () => {
    expect(problems({ flags: { "training-precision": "bf16" } })).toEqual({
      "training.precision": "bf16 runs on the device openvino only, and training.device is auto",
    });
  });

  it("lets listeners share port 0", () => {
    expect(
      problems({ flags: { "server-public-address": "127.0.0.1:0", "server-admin-address": "127.0.0.1:0" } }),
    ).toEqual({});
  });

  describe("closed doors", () => {
    const LISTENERS = ["public", "admin", "metrics", "console"] as const;

    it("leave every listener on a loopback address by default", () => {
      const { server } = loadConfig({}).config;
      const hosts = LISTENERS.map((name) => parseAddress(server[`${name}Address`])?.host);
      expect(hosts).toEqual(LISTENERS.map(() => "127.0.0.1"));
    });

    it.each(LISTENERS)("refuse the %s address to other machines, in one line that says what to do", (name) => {
      for (const host of ["0.0.0.0", "[::]", "10.1.2.3", "server.example", "[::ffff:127.0.0.1]", "127.0.0.1.example"]) {
        const flags = { [`server-${name}-address`]: `${host}:7000` };
        const [field, description] = Object.entries(problems({ flags }))[0] ?? [];
        expect([host, field]).toEqual([host, `server.${name}_address`]);
        expect(description).toContain("server.trust_network guarded-elsewhere");
        expect(description).toContain(`${host}:7000`);
        expect(() => loadConfig({ flags })).toThrow(/^the configuration has a problem: [^\n]+$/);
        expect(problems({ flags: { ...flags, "server-trust-network": "guarded-elsewhere" } })).toEqual({});
        const tls = { "tls-certificate-file": "c", "tls-key-file": "k" };
        const tokens = { "auth-tokens-file": "t" };
        expect(Object.keys(problems({ flags: { ...flags, ...tls } }))).toEqual([field]);
        expect(Object.keys(problems({ flags: { ...flags, ...tokens } }))).toEqual([field]);
        expect(problems({ flags: { ...flags, ...tls, ...tokens } })).toEqual({});
      }
    });

    it("name all open addresses in the same line", () => {
      const flags = { "server-public-address": "0.0.0.0:1", "server-metrics-address": "0.0.0.0:2" };
      expect(problems({ flags })).toEqual({
        "server.public_address": expect.stringContaining("0.0.0.0:1, 0.0.0.0:2"),
      });
    });

    it.each(["127.0.0.1", "127.8.9.1", "[::1]", "localhost", "LOCALHOST"])("take %s for this machine", (host) => {
      expect(problems({ flags: { "server-admin-address": `${host}:7000` } })).toEqual({});
    });

    it("do not count an address that the role does not open", () => {
      const flags = { role: "training", store: "/srv/store", "server-public-address": "0.0.0.0:1" };
      expect(problems({ flags })).toEqual({});
    });
  });

  it("takes signed tokens for an audience of an issuer only, by keys that nobody can replace on the way", () => {
    const found = (flags: Record<string, string>) => Object.keys(problems({ flags })).sort();
    expect(found({ "auth-jwks": "keys.json" })).toEqual(["auth.audience", "auth.issuer"]);
    expect(found({ "auth-issuer": "i" })).toEqual(["auth.issuer"]);
    const both = { "auth-issuer": "i", "auth-audience": "a" };
    for (const jwks of ["keys.json", "https://i.example/jwks", "http://127.0.0.1:8/jwks"]) {
      expect(found({ ...both, "auth-jwks": jwks })).toEqual([]);
    }
    for (const jwks of ["http://i.example/jwks", "ftp://i.example/jwks", "http://127.0.0.1.example/jwks"]) {
      expect(found({ ...both, "auth-jwks": jwks })).toEqual(["auth.jwks"]);
    }
    expect(found({ "auth-audit-file": "a" })).toEqual(["auth.audit_file"]);
    expect(found({ "auth-audit-file": "a", ...both, "auth-jwks": "keys.json" })).toEqual([]);
  });

  it("needs the files of TLS together", () => {
    const found = (flags: Record<string, string>) => Object.keys(problems({ flags }));
    expect(found({ "tls-certificate-file": "c" })).toEqual(["tls.certificate_file"]);
    expect(found({ "tls-key-file": "k" })).toEqual(["tls.key_file"]);
    expect(found({ "tls-client-ca-file": "a" })).toEqual(["tls.client_ca_file"]);
    expect(found({ "tls-client-certificates": "optional" })).toEqual(["tls.client_certificates"]);
    const all = { "tls-certificate-file": "c", "tls-key-file": "k", "tls-client-ca-file": "a" };
    expect(found({ ...all, "tls-client-certificates": "optional" })).toEqual([]);
  });

  it("refuses a setting that the role would ignore", () => {
    const flags = { role: "training", "serving-max-requests": "4" };
    expect(problems({ flags })["serving.max_requests"]).toContain("has no effect with server.role training");
    expect(problems({ flags: { role: "training", store: "/srv/store" } })).toEqual({});
  });

  it("freezes the result at every level", () => {
    const { config } = loadConfig({});
    expect(Object.isFrozen(config) && Object.isFrozen(config.serving) && Object.isFrozen(config.models.load)).toBe(
      true,
    );
  });
});

describe("loadProcessConfig", () => {
  it("names the file that is missing or no JSON", () => {
    const directory = mkdtempSync(join(tmpdir(), "albert-config-"));
    try {
      const path = join(directory, "c.json");
      expect(() => loadProcessConfig({}, path)).toThrow(/cannot be read/);
      writeFileSync(path, "{");
      expect(() => loadProcessConfig({}, path)).toThrow(/is no JSON/);
      writeFileSync(path, '{"log": {"level": "debug"}}');
      expect(loadProcessConfig({}, path).config.log.level).toBe("debug");
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe("explainConfig", () => {
  it("lists each setting with its origin", () => {
    const rows = explainConfig(loadConfig({ flags: { "log-level": "warn" } }));
    expect(rows).toHaveLength(NAMED_SETTINGS.length);
    expect(rows.find(({ key }) => key === "log.level")).toEqual({
      key: "log.level",
      value: "warn",
      source: "flag",
      from: "--log-level",
    });
  });
});

describe("parseAddress", () => {
  it.each([
    ["127.0.0.1:0", { host: "127.0.0.1", port: 0 }],
    ["[::1]:50051", { host: "::1", port: 50051 }],
    ["localhost:80", { host: "localhost", port: 80 }],
    ["::1:80", undefined],
    ["host", undefined],
    ["host:70000", undefined],
    [":80", undefined],
  ])("reads %s", (value, expected) => expect(parseAddress(value)).toEqual(expected));
});
