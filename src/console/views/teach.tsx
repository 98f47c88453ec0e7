import { useState } from "preact/hooks";
import { datasets, models } from "../api.ts";
import { everyPage } from "../parts/calls/every-page.ts";
import { Loaded } from "../parts/calls/loaded.tsx";
import { addressParameters, keepInAddress } from "../parts/words/address.ts";
import { Taught } from "./teach/taught.tsx";
import { TeachForm } from "./teach/teach-form.tsx";

/** A model from a file, step by step: data, what it is to be, plan, curves, and a verdict in words. */
export function TeachView() {
  const [job, setJob] = useState(addressParameters().get("job") ?? "");
  if (job !== "") return <Taught jobId={job} />;
  return (
    <Loaded
      what="data sets and versions"
      read={async (signal) => {
        const [data, versions] = await Promise.all([
          everyPage(
            (page) => datasets.listDatasets(page, { signal }),
            (reply) => reply.datasets,
          ),
          everyPage(
            (page) => models.listVersions(page, { signal }),
            (reply) => reply.versions,
          ),
        ]);
        return { data: data.items, versions: versions.items };
      }}
    >
      {({ data, versions }) => (
        <TeachForm
          stored={data}
          versions={versions}
          onCreated={(id) => {
            keepInAddress("teach", { job: id });
            setJob(id);
            window.scrollTo(0, 0);
          }}
        />
      )}
    </Loaded>
  );
}
