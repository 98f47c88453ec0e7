import { constants, existsSync } from "node:fs";
import { access } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, resolve } from "node:path";
import type { Config } from "../../config/settings.ts";
import { freeDiskBytes } from "../../platform/disk-space.ts";
import type { DeviceKind } from "../../runtime/engine.ts";
import { findOpenVino } from "../../runtime/openvino/find-library.ts";
import { DEVICE_KINDS, howToGet, likelyDevices, probeDevices } from "../../runtime/session/devices.ts";
import { openStore } from "../../store/open-store.ts";
import { failureOf } from "../failure.ts";
import type { Finding } from "./finding.ts";

// What `albert doctor` looks at of the things that the settings name: addresses, the store, devices.

const LEAST_DISK = 5 * 2 ** 30;

/** Whether each address that a server of these settings listens on can be listened on now. */
export function portFindings({ server }: Pick<Config, "server">): Promise<Finding[]> {
  const addresses = [
    ["server.public_address", server.publicAddress],
    ["server.admin_address", server.adminAddress],
    ["server.metrics_address", server.metricsAddress],
    ["server.console_address", server.consoleAddress],
  ] as const;
  return Promise.all(
    addresses.filter(([, address]) => address !== "").map(([setting, address]) => portFinding(setting, address)),
  );
}

async function portFinding(setting: string, address: string): Promise<Finding> {
  const at = address.lastIndexOf(":");
  const host = address.slice(0, at).replace(/^\[|\]$/g, "");
  const name = `address ${address}`;
  const problem = await new Promise<string | undefined>((done) => {
    const listener = createServer();
    listener.once("error", (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
    listener.listen(Number(address.slice(at + 1)), host, () => listener.close(() => done(undefined)));
  });
  if (problem === undefined) return { name, state: "ok", says: `free (${setting})` };
  const taken = problem === "EADDRINUSE";
  return {
    name,
    state: taken ? "warn" : "fail",
    says: taken ? "something listens there already" : `cannot be listened on (${problem})`,
    advice: taken
      ? `if that is no server of yours (albert health), give another: --${setting.replace(/[._]/g, "-")} HOST:PORT`
      : `give another address: --${setting.replace(/[._]/g, "-")} HOST:PORT`,
  };
}

/** Whether the store can be read and written, and is of a format that this program knows. */
export async function storeFinding(location: string): Promise<Finding> {
  const name = "store";
  if (location === "") {
    const advice = "to train, promote and roll back, give one: --store DIR";
    return { name, state: "ok", says: "none is configured: models are served from their directories", advice };
  }
  const isDirectory = !/^[a-z][a-z0-9+.-]*:\/\//i.test(location);
  const directory = resolve(location);
  if (isDirectory && !existsSync(directory)) {
    const parent = nearestFolder(directory);
    return (await isWritable(parent))
      ? { name, state: "ok", says: `${location} is not there yet: a server makes it` }
      : { name, state: "fail", says: `${location} cannot be made`, advice: `allow this user to write in ${parent}` };
  }
  if (isDirectory && !(await isWritable(directory))) {
    const advice = "allow this user to write there: without it nothing can be trained, promoted or uploaded";
    return { name, state: "fail", says: `${location} cannot be written`, advice };
  }
  try {
    const store = await openStore(location);
    try {
      const models = await store.versions.models();
      let versions = 0;
      for (const model of models) versions += (await store.versions.list(model)).length;
      const says = `${location}: ${count(models.length, "model")}, ${count(versions, "version")}`;
      if (!isDirectory) return { name, state: "ok", says };
      const free = await freeDiskBytes(directory);
      const room = `${says}, ${(free / 2 ** 30).toFixed(1)} GiB free`;
      return free < LEAST_DISK
        ? { name, state: "warn", says: room, advice: "albert models gc removes what nothing keeps" }
        : { name, state: "ok", says: room };
    } finally {
      await store.close();
    }
  } catch (error) {
    return {
      name,
      state: "fail",
      says: failureOf(error).message,
      advice: `albert store verify ${location} tells more`,
    };
  }
}

/** Each device that is here, with its speed, and what to install for the others. */
export async function deviceFindings({ runtime }: Pick<Config, "runtime">): Promise<Finding[]> {
  const library = runtime.openvinoLibrary === "" ? findOpenVino() : runtime.openvinoLibrary;
  const likely = new Set<DeviceKind>([
    ...likelyDevices(),
    ...(library === undefined ? [] : (["openvino"] as const)),
    ...(runtime.device === "auto" ? [] : [runtime.device]),
  ]);
  const kinds = DEVICE_KINDS.filter((kind) => likely.has(kind));
  const found = await probeDevices(kinds, library === undefined ? {} : { library });
  const looked = found.map((result): Finding => {
    const name = `device ${result.kind}`;
    if (result.available) return { name, state: "ok", says: `${result.gflops.toFixed(0)} GFLOP/s` };
    const needed = result.kind === "cpu" || result.kind === runtime.device;
    const says = result.reason.split("\n")[0] ?? "";
    return { name, state: needed ? "fail" : "warn", says, advice: howToGet(result.kind) };
  });
  const others = DEVICE_KINDS.filter((kind) => !likely.has(kind));
  return [
    ...looked,
    ...others.map(
      (kind): Finding => ({
        name: `device ${kind}`,
        state: "ok",
        says: kind === "openvino" ? "its library is not here" : "no graphics card is here",
        advice: howToGet(kind),
      }),
    ),
  ];
}

/** The first folder above that is there. */
function nearestFolder(path: string): string {
  const parent = dirname(path);
  return existsSync(parent) || parent === path ? parent : nearestFolder(parent);
}

async function isWritable(directory: string): Promise<boolean> {
  return access(directory, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
