/**
 * Every kind of file below a store's directory, by its path there. NEWEST stands for the newest value of a register, DATA for the
 * digest of a data set's file where a test can tell it. `test/store/damage.test.ts` says how damage in each is met.
 */
export const STORE_KINDS = {
  "blob of a version": /^objects\/blobs\/..\/(?!DATA)/,
  "blob of a data set": /^objects\/blobs\/..\/DATA/,
  version: /^objects\/models\/[^/]+\/versions\//,
  "removed version": /^objects\/models\/[^/]+\/removed\//,
  report: /^objects\/models\/[^/]+\/reports\//,
  "data set": /^objects\/datasets\//,
  reference: /^objects\/holds\//,
  lease: /^objects\/leases\//,
  job: /^objects\/jobs\//,
  "piece of a job's log": /^objects\/job-logs\//,
  "log of a job that has ended": /^objects\/job-ends\//,
  "request that made a job": /^objects\/job-requests\//,
  "checkpoint of a job": /^objects\/job-files\//,
  "sign of life of a trainer": /^cells\/trainers\/[^/]+\/NEWEST$/,
  "notices of the queue": /^cells\/queue\/notices\/NEWEST$/,
  "what was said of an answer": /^objects\/judgements\//,
  aliases: /^cells\/aliases\/[^/]+\/NEWEST$/,
  "evidence on a canary": /^cells\/evidence\/[^/]+\/NEWEST$/,
  "marker of garbage collection": /^cells\/collecting\/NEWEST$/,
  "superseded value of a register": /^cells\/.*\/\d+$/,
  "file in quarantine": /^objects\/quarantine\//,
} as const satisfies Readonly<Record<string, RegExp>>;
