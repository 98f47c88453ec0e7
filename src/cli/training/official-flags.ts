/**
 * Arguments with flags in this program's spelling: `--train_batch_size=32`, as the official scripts write it, means
 * `--train-batch-size=32`. Values are left alone.
 */
export function withDashes(argv: readonly string[]): string[] {
  let values = false; // behind a lone "--" nothing is a flag
  return argv.map((argument) => {
    values ||= argument === "--";
    if (values || !argument.startsWith("--")) return argument;
    const [flag, ...value] = argument.split("=");
    return [flag!.replaceAll("_", "-"), ...value].join("=");
  });
}
