import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { missing } from "../support/fixtures.ts";
import { freePort } from "../support/free-port.ts";

const root = join(import.meta.dirname, "../..");
const work = mkdtempSync(join(tmpdir(), "albert-promote-"));
afterAll(() => rmSync(work, { recursive: true }));

const METRICS = (version: string) =>
  `albert_model_state{alias="sentiment",version="1",state="standby"} 1\nalbert_model_state{alias="sentiment",version="${version}",state="serving"} 1\n`;

/** Stand-ins for what the script calls; each writes down how it was called. */
function standIns(versions: readonly string[]) {
  const folder = mkdtempSync(join(work, "try-"));
  const [project, bin, out] = ["project", "bin", "out"].map((name) => join(folder, name)) as [string, string, string];
  for (const directory of [join(project, "bin"), join(project, "scripts/kubernetes"), bin, out]) {
    mkdirSync(directory, { recursive: true });
  }
  cpSync(
    join(root, "scripts/kubernetes/promote-under-load.sh"),
    join(project, "scripts/kubernetes/promote-under-load.sh"),
  );
  cpSync(join(root, "loadtest"), join(project, "loadtest"), { recursive: true });
  const log = join(folder, "calls");
  const script = (path: string, body: string) => {
    writeFileSync(path, `#!/bin/bash\n${body}`);
    chmodSync(path, 0o755);
  };
  const note = `echo "$(basename "$0") $* ca=$ALBERT_CLIENT_CA name=$ALBERT_CLIENT_SERVER_NAME token=$ALBERT_TOKEN_FILE" >>${log}\n`;
  script(
    join(project, "bin/albert"),
    `${note}case "$1" in datasets) echo '{"digest": "${"a".repeat(64)}"}';; models) echo "sentiment  2  champion";; esac\n`,
  );
  const listen = "require('node:net').createServer((s) => s.end()).listen(Number(process.argv[1]), '127.0.0.1')";
  script(
    join(bin, "kubectl"),
    `${note}case "$*" in
*port-forward*) last=\${@: -1}; exec ${process.execPath} -e "${listen}" "\${last%%:*}";;
*"get pods"*) printf 'pod/one\\npod/two\\n';;
*pods/one:9464*) printf '${METRICS(versions[0]!)}';;
*pods/two:9464*) printf '${METRICS(versions[1]!)}';;
esac
`,
  );
  script(join(bin, "k6"), `${note}exit \${K6_STATUS:-0}\n`);
  script(join(bin, "curl"), `${note}cat "\${@: -2:1}" 2>/dev/null; printf '${METRICS(versions[0]!)}'\n`);
  writeFileSync(join(out, "token"), "asks\n");
  writeFileSync(join(out, "admin-token"), "administers\n");
  return { project, bin, out, calls: () => readFileSync(log, "utf8").split("\n") };
}

async function promote(versions: readonly string[], environment: Record<string, string> = {}) {
  const { project, bin, out, calls } = standIns(versions);
  const [adminPort, metricsPort] = [await freePort(), await freePort()];
  const { status, stdout, stderr } = spawnSync(
    join(project, "scripts/kubernetes/promote-under-load.sh"),
    ["space", "10.0.0.1:50051", out],
    {
      encoding: "utf8",
      env: {
        PATH: [bin, process.env["PATH"]].join(delimiter),
        ADMIN_PORT: String(adminPort),
        METRICS_PORT: String(metricsPort),
        ...environment,
      },
    },
  );
  return { status, said: stdout + stderr, calls: calls(), out, adminPort, metricsPort };
}

const bash = spawnSync("bash", ["--version"]).status === 0;

describe.skipIf(missing("bash", bash))(
  "promotions under load on Kubernetes, against stand-ins",
  { timeout: 60_000 },
  () => {
    it("go without TLS and tokens where the chart was installed so", async () => {
      const { status, said, calls } = await promote(["2", "2"]);
      expect(said).toContain("pod/one serves version 2\npod/two serves version 2\n");
      expect(status).toBe(0);
      expect(calls.find((call) => call.startsWith("k6"))).not.toMatch(/TOKEN=|CA=/);
      expect(calls.filter((call) => call.startsWith("curl"))).toEqual([]);
    });

    it("go by TLS, with the administrator's token for administration and metrics and the caller's for requests", async () => {
      const { status, said, calls, out, adminPort, metricsPort } = await promote(["2", "2"], { SECURED: "1" });
      expect(said).toContain("pod/two serves version 2\n");
      expect(status).toBe(0);
      const k6 = calls.find((call) => call.startsWith("k6"));
      expect(k6).toContain(
        `-e CA=${out}/ca.crt -e SERVER_NAME=albert.space.svc -e TOKEN=asks -e ADMIN_TOKEN=administers`,
      );
      expect(k6).toContain(`-e ADDRESS=10.0.0.1:50051 -e ADMIN=127.0.0.1:${adminPort}`);
      for (const command of ["datasets upload", "jobs create", "models list"]) {
        const call = calls.find((each) => each.startsWith(`albert ${command}`));
        expect(call, command).toContain(`--admin 127.0.0.1:${adminPort}`);
        expect(call).toContain(`ca=${out}/ca.crt name=albert.space.svc token=${out}/admin-token`);
      }
      const [scrape] = calls.filter((call) => call.startsWith("curl"));
      expect(scrape).toContain(`--connect-to albert.space.svc:9464:127.0.0.1:${metricsPort}`);
      expect(scrape).toContain("https://albert.space.svc:9464/metrics");
      expect(scrape).not.toContain("administers");
      expect(readFileSync(join(out, "metrics-header"), "utf8")).toBe("authorization: Bearer administers\n");
    });

    it("end with 1 where a request was lost, or the replicas serve different versions", async () => {
      expect((await promote(["2", "2"], { K6_STATUS: "99" })).status).toBe(1);
      const parted = await promote(["2", "1"]);
      expect(parted.status).toBe(1);
      expect(parted.said).toContain("the replicas do not serve one version");
    });
  },
);
