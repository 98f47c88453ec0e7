import { datasets } from "../api.ts";
import { everyPage } from "../parts/calls/every-page.ts";
import { Loaded } from "../parts/calls/loaded.tsx";
import { addressParameters } from "../parts/words/address.ts";
import { DataList } from "./data/data-list.tsx";
import { DataSet } from "./data/data-set.tsx";

/** The data sets of the store: all of them, or what the address names, with its rows. */
export function DataSetsView() {
  const digest = addressParameters().get("of") ?? "";
  return (
    <Loaded
      what="data sets"
      read={async (signal) => {
        const { items } = await everyPage(
          (page) => datasets.listDatasets(page, { signal }),
          (reply) => reply.datasets,
        );
        return items;
      }}
    >
      {(all) => (digest === "" ? <DataList all={all} /> : <DataSet key={digest} digest={digest} all={all} />)}
    </Loaded>
  );
}
