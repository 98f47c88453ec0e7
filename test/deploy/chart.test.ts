import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chartFiles, DECIDED_BY_CHART } from "../../scripts/chart/make-files.ts";
import { loadConfig } from "../../src/config/load.ts";
import { NAMED_SETTINGS } from "../../src/config/settings.ts";
import { checkTemplate } from "../../src/jobs/kubernetes/job-template.ts";
import { missing } from "../support/fixtures.ts";

const root = resolve(import.meta.dirname, "../..");
const chart = join(root, "helm/albert-serve");
const forms = readdirSync(join(chart, "ci")).map((file) => file.replace("-values.yaml", ""));
const env = { ...process.env, PATH: [process.env["PATH"], join(homedir(), "go/bin")].join(delimiter) };

/** Whether a program is there. */
function present(program: string, ...args: readonly string[]): boolean {
  try {
    execFileSync(program, args, { stdio: "ignore", env });
    return true;
  } catch {
    return false;
  }
}

const helm = present("helm", "version");
const validate = [process.env["ALBERT_TEST_KUBERNETES_VALIDATE"] ?? "", "kubernetes-validate"].find(
  (program) => program !== "" && present(program, "--help"),
);

it("the chart holds the settings, rules and dashboards as they are (node --import tsx scripts/chart/make-files.ts)", () => {
  for (const [path, text] of chartFiles()) expect(readFileSync(join(chart, path), "utf8"), path).toBe(text);
});

it("the chart says of each setting that it does not take what decides it, and of no other", () => {
  const keys = new Set(NAMED_SETTINGS.map(({ key }) => key));
  expect([...DECIDED_BY_CHART.keys()].filter((key) => !keys.has(key))).toEqual([]);
});

describe.skipIf(missing("helm", helm))("the chart", { timeout: 120_000 }, () => {
  let scratch: string;
  beforeAll(() => {
    scratch = mkdtempSync(join(tmpdir(), "albert-chart-"));
  });
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  const values = (form: string) => join(chart, "ci", `${form}-values.yaml`);
  const template = (...args: readonly string[]) =>
    execFileSync("helm", ["template", "albert", chart, "--kube-version", "1.34.0", "-n", "models", ...args], {
      env,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      maxBuffer: 2 ** 26,
    });
  const render = (form: string, ...more: readonly string[]) => template("-f", values(form), ...more);
  const refusal = (...args: readonly string[]) => {
    try {
      template(...args);
    } catch (error) {
      return String((error as { stderr: string }).stderr);
    }
    throw new Error("helm refused nothing");
  };

  /** Why a form that is whole but for this is refused. */
  const refused = (...args: readonly string[]) => refusal("-f", values("plain"), ...args);

  /** Environment of each workload, as its ConfigMap has it. */
  function environments(text: string): ReadonlyMap<string, Readonly<Record<string, string>>> {
    const documents = text
      .split(/^---$/m)
      .filter((part) => /^kind: ConfigMap$/m.test(part) && part.includes("ALBERT_SERVER_ROLE"));
    return new Map(
      documents.map((part) => {
        const component = /app.kubernetes.io\/component: (\w+)/.exec(part)![1]!;
        const pairs = [...part.matchAll(/^ {2}(ALBERT_\w+): (.*)$/gm)].map(
          ([, name, value]) => [name!, value!.startsWith('"') ? String(JSON.parse(value!)) : value!] as const,
        );
        return [component, Object.fromEntries(pairs)] as const;
      }),
    );
  }

  it.each(forms)("%s passes helm lint --strict", (form) => {
    const report = execFileSync("helm", ["lint", "--strict", chart, "-f", values(form)], { env, encoding: "utf8" });
    expect(report).toContain("1 chart(s) linted, 0 chart(s) failed");
  });

  it.each(["small", "ha"])("%s renders as the golden form (helm/golden)", (form) => {
    expect(render(form)).toBe(readFileSync(join(root, "helm/golden", `${form}.yaml`), "utf8"));
  });

  it.each(forms)("%s gives each workload settings that the server accepts", (form) => {
    const found = environments(render(form));
    expect(found.size).toBeGreaterThan(0);
    for (const [component, environment] of found) {
      const { config } = loadConfig({ environment });
      expect(config.server.role === "training").toBe(component === "training");
    }
  });

  it("makes every setting reachable, and gives it to the workloads whose role uses it", () => {
    const settings: Record<string, Record<string, unknown>> = {};
    const free = NAMED_SETTINGS.filter(({ key }) => !DECIDED_BY_CHART.has(key));
    for (const { key, setting } of free) {
      const [group, name] = key.split(".") as [string, string];
      // Defaults are values that the schema of the chart must take; an empty list or text would say nothing.
      const something = name.endsWith("_uri") ? "https://some.where" : "/some/where";
      settings[group] ??= {};
      settings[group][name] = Array.isArray(setting.default)
        ? [something]
        : setting.default === ""
          ? something
          : setting.default;
    }
    const file = join(scratch, "every-setting.json");
    writeFileSync(
      file,
      JSON.stringify({
        settings,
        tls: { secret: "tls", clientCertificates: "optional" }, // a list of revoked certificates needs it
        tokens: { secret: "tokens" },
        training: { enabled: true },
        store: { kind: "volume" },
      }),
    );
    const found = environments(template("-f", file));
    for (const { environment, setting } of free) {
      for (const role of ["inference", "training"] as const) {
        const expected = setting.roles === undefined || setting.roles.includes(role);
        expect([role, environment, environment in found.get(role)!]).toEqual([role, environment, expected]);
      }
    }
    for (const environment of found.values()) expect(() => loadConfig({ environment })).not.toThrow();
  });

  it("derives the grace period from the settings of draining", () => {
    const grace = (...more: readonly string[]) =>
      Number(/terminationGracePeriodSeconds: (\d+)/.exec(render("plain", ...more))![1]);
    const { server } = loadConfig({}).config;
    const longestMs = server.drainDelayMs + server.drainTimeoutMs;
    expect(longestMs).toBeLessThan(25_000);
    expect(grace()).toBeGreaterThanOrEqual(longestMs / 1000 + 5);
    expect(grace("--set", "settings.server.drain_timeout_ms=100000")).toBe(
      grace() + (100_000 - server.drainTimeoutMs) / 1000,
    );
    expect(grace("--set", "terminationGracePeriodSeconds.override=7")).toBe(7);
  });

  it("refuses values that are no settings, or out of range, before anything is installed", () => {
    expect(refused("--set", "settings.serving.max_queue_ms=-1")).toContain("max_queue_ms");
    expect(refused("--set", "settings.serving.max_queue=1")).toContain("max_queue");
    expect(refused("--set", "settings.server.role=all")).toContain("role");
    expect(refused("--set", "inference.replica=2")).toContain("replica");
  });

  it("refuses combinations that cannot work, and says what to change", () => {
    expect(refused("--set", "training.enabled=true")).toContain("set store.kind to volume or s3");
    expect(refused("--set", "inference.role=all,store.kind=volume,inference.replicas=2")).toContain("use one replica");
    expect(refused("--set", "store.kind=s3")).toContain("store.s3.bucket is needed");
    expect(refused("--set", "monitoring.podMonitor=true,monitoring.serviceMonitor=true")).toContain("choose one");
  });

  it("gives each job a pod where jobs.runner is kubernetes, and the right to make it to the pod that keeps the jobs alone", () => {
    const text = render("jobs");
    const template = JSON.parse(JSON.parse(/^ {2}job\.json: (".*")$/m.exec(text)![1]!)) as {
      spec: { template: { spec: { automountServiceAccountToken: boolean; containers: object[] } } };
    };
    expect(() => checkTemplate(template, (value) => value)).not.toThrow();
    const pod = template.spec.template.spec;
    expect(pod).toMatchObject({ automountServiceAccountToken: false, nodeSelector: { accelerator: "h100" } });
    expect(pod.containers[0]).toMatchObject({
      envFrom: [{ configMapRef: { name: "albert-albert-serve-training" } }, { secretRef: { name: "s3" } }],
      resources: { limits: { "nvidia.com/gpu": 1 } },
      securityContext: { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false },
    });
    const environment = environments(text).get("training")!;
    expect(loadConfig({ environment }).config.jobs).toMatchObject({
      ...{ runner: "kubernetes", queue: "shared", kubernetesQueue: "training", kubernetesPods: 0 },
      ...{ kubernetesNamespace: "models", kubernetesName: "albert-albert-serve" },
    });
    const tokens = text.match(/^ +automountServiceAccountToken: (true|false)$/gm)!;
    expect(tokens.map((line) => line.trim().split(" ")[1])).toEqual(["false", "true", "false"]); // the last is the chart's test
    const others = render("small");
    expect(others).not.toMatch(/kind: Role|automountServiceAccountToken: true|ALBERT_JOBS_RUNNER/);
    expect(refused("--set", "jobs.runner=kubernetes")).toContain("set training.enabled to true");
    expect(refusal("-f", values("jobs"), "--set", "settings.jobs.queue=own")).toContain(
      "leave settings.jobs.queue out",
    );
    // A long name leaves room for the id of a job.
    const named = environments(render("jobs", "--set", `fullnameOverride=${"a".repeat(31)}-${"b".repeat(8)}`));
    expect(named.get("training")!["ALBERT_JOBS_KUBERNETES_NAME"]).toBe("a".repeat(31));
  });

  it("opens the pods by TLS and tokens, or by the word that something else guards them, and not otherwise", () => {
    const found = (...more: readonly string[]) => environments(render("plain", ...more)).get("inference");
    expect(found()?.["ALBERT_SERVER_TRUST_NETWORK"]).toBe("guarded-elsewhere");
    const secured = ["--set", "tls.secret=a,tokens.secret=b,trustNetwork=false"];
    const asks = { ALBERT_SERVER_TRUST_NETWORK: "no" };
    expect(found(...secured)).toMatchObject({
      ALBERT_TLS_CERTIFICATE_FILE: "/etc/albert/tls/tls.crt",
      ALBERT_AUTH_TOKENS_FILE: "/etc/albert/tokens/tokens.json",
      ...asks,
    });
    const provider = "settings.auth.jwks=https://id.example/keys,settings.auth.issuer=i,settings.auth.audience=a";
    const signed = found("--set", `tls.secret=a,trustNetwork=false,${provider}`);
    expect(signed).toMatchObject({ ALBERT_AUTH_JWKS: "https://id.example/keys", ...asks });
    expect(signed).not.toHaveProperty("ALBERT_AUTH_TOKENS_FILE");
    for (const half of [[], ["--set", "tls.secret=a"], ["--set", "tokens.secret=b"]]) {
      const told = refusal(...half)
        .split("\n")
        .filter((line) => line.includes("other machines can reach the pods"));
      expect(told).toEqual([
        expect.stringMatching(
          /: give TLS \(.*\) and tokens \(.*\), or say trustNetwork=true if a proxy or network checks/,
        ),
      ]);
    }
    expect(refused("--set", "tls.clientCertificates=required")).toContain("tls.clientCertificates needs tls.secret");
  });

  it("with TLS, probes and scrapers speak it, and nothing is announced as plain HTTP/2", () => {
    const text = render("secured");
    expect(text.match(/httpGet: .*scheme: HTTPS/g)).toHaveLength(6);
    expect(text).not.toMatch(/^ +grpc: \{ port/m);
    expect(text).not.toContain("h2c");
    expect(text).toMatch(
      /scheme: https, tlsConfig: .*authorization: \{ credentials: \{ name: albert-scraper, key: token \} \}/,
    );
    expect(text.match(/secretName: albert-tls/g)).toHaveLength(3);
    expect(text.match(/mountPath: \/etc\/albert\/tokens, readOnly: true/g)).toHaveLength(3);
  });

  it("starts new pods when settings change", () => {
    const checksum = (text: string) => /checksum\/settings: (\w+)/.exec(text)![1];
    expect(checksum(render("plain", "--set", "settings.log.level=debug"))).not.toBe(checksum(render("plain")));
  });

  it("lets no container write to its image, gain rights or run as root", () => {
    for (const form of forms) {
      const text = render(form);
      const containers = text.match(/^ +- name: (albert|classify)$/gm)!.length;
      for (const rule of [
        "allowPrivilegeEscalation: false",
        "readOnlyRootFilesystem: true",
        "capabilities: { drop: [ALL] }",
      ]) {
        expect(text.split(rule).length - 1).toBe(containers);
      }
      // Secrets are mounted for the group alone.
      expect(text.split("fsGroup: 65532").length - 1).toBe(containers);
      expect(text.split("runAsNonRoot: true").length - 1).toBe(containers);
      expect(text.split("seccompProfile: { type: RuntimeDefault }").length - 1).toBe(containers);
    }
  });

  it.skipIf(missing("kubernetes-validate (named by ALBERT_TEST_KUBERNETES_VALIDATE)", validate)).each(forms)(
    "%s is valid by the schemas of Kubernetes",
    (form) => {
      const file = join(scratch, `${form}.yaml`);
      writeFileSync(file, render(form));
      execFileSync(validate!, ["--strict", "--quiet", file], { env });
    },
  );
});
