import type { ListRowsResponse } from "../../../gen/albert/v1/training_pb.js";

/** The first rows of a file under its own columns, as it stands there. */
export function FirstRows({ file }: { readonly file: ListRowsResponse }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class="first-rows" tabIndex={0} aria-label="The first rows">
      <table>
        <caption class="visually-hidden">The first rows of {file.matching}</caption>
        <thead>
          <tr>
            {file.columns.map((column, i) => (
              <th key={`${i}-${column}`} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {file.rows.map(({ number, cells, text }) => (
            <tr key={number}>
              {cells.length === 0 ? (
                <td colSpan={file.columns.length}>{text}</td>
              ) : (
                cells.map(({ column, value }, i) => <td key={`${i}-${column}`}>{value}</td>)
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
