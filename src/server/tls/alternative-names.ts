/**
 * Names of a certificate's subjectAltName, such as `DNS:client.example` or `URI:spiffe://example/job`.
 *
 * @param text  as Node shows it: separated by commas. What holds a comma or another odd letter is quoted there, and left out
 *   here: such a name could look like two.
 */
export function alternativeNames(text: string | undefined): readonly string[] {
  if (text === undefined || text.includes('"')) return [];
  return text.split(", ");
}
