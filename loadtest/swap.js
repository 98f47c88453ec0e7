// Versions change under load: k6 run loadtest/swap.js [-e RATE=50] [-e SWAPS=6] [-e PAUSE=3]
//
// Needs two versions of the model on a server with a store; loadtest/second-version.sh makes one. While requests arrive at a
// fixed rate, one caller promotes the other version, again and again; every answer must come from one of the two, and no
// request may be lost.
import { sleep } from "k6";
import exec from "k6/execution";
import { Counter, Rate, Trend } from "k6/metrics";
import { administrate } from "./modules/albert.js";
import { classify } from "./modules/requests.js";
import { arrivals, CLASSIFIER, number } from "./modules/settings.js";
import { summaryOf } from "./modules/summary.js";
import { sentence } from "./modules/texts.js";
import { below, NOTHING_LOST, STATISTICS } from "./modules/thresholds.js";

const RATE = number("RATE", 50);
const SWAPS = number("SWAPS", 6);
/** Seconds before each change of version, and after the last. */
const PAUSE = number("PAUSE", 3);
/** Longest time a change of version may take, in seconds; it is added to the duration so that all changes see load. */
const LONGEST_SWAP = number("LONGEST_SWAP", 5);

const swaps = new Counter("albert_swaps");
const swapTime = new Trend("albert_swap_ms", true);
const knownVersion = new Rate("albert_known_version");

export const options = {
  scenarios: {
    steady: arrivals(RATE, `${SWAPS * (PAUSE + LONGEST_SWAP) + PAUSE}s`, { exec: "steady" }),
    administrator: {
      executor: "per-vu-iterations",
      vus: 1,
      iterations: 1,
      maxDuration: `${SWAPS * (PAUSE + LONGEST_SWAP) + 60}s`,
      exec: "changeVersions",
    },
  },
  thresholds: {
    ...NOTHING_LOST,
    albert_swaps: [`count==${SWAPS}`],
    albert_known_version: ["rate==1"],
    albert_answer_ms: [below("p(99)", 500)],
    albert_refused: ["count==0"],
  },
  summaryTrendStats: STATISTICS,
};

/** The two newest versions of the model. */
export function setup() {
  const { versions } = administrate("ListVersions", { model: CLASSIFIER });
  const numbers = versions.map(({ version }) => version).sort((a, b) => b - a);
  if (numbers.length < 2) {
    exec.test.abort(`expected two versions of ${CLASSIFIER}, found ${numbers.length}: run loadtest/second-version.sh`);
  }
  return numbers.slice(0, 2);
}

export function steady(versions) {
  const { message } = classify(sentence(exec.scenario.iterationInTest));
  if (message !== undefined) knownVersion.add(versions.includes(Number(message.meta.version)));
}

export function changeVersions(versions) {
  for (let swap = 0; swap < SWAPS; swap++) {
    sleep(PAUSE);
    const { aliases } = administrate("ListVersions", { model: CLASSIFIER });
    const champion = aliases.find(({ name }) => name === "champion");
    const version = versions.find((candidate) => candidate !== champion.version);
    const began = Date.now();
    administrate("Promote", {
      model: CLASSIFIER,
      version,
      expectedGeneration: champion.generation,
      overrideGate: true,
      reason: "load test",
    });
    swapTime.add(Date.now() - began);
    swaps.add(1);
  }
}

export const handleSummary = summaryOf(
  "swap",
  `${RATE} texts a second to Classify while the version changes ${SWAPS} times`,
);
