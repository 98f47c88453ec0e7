/** What to do where the server has no index: the two commands that make one and serve it. */
export function NoIndex() {
  return (
    <section class="card steps" aria-label="How to make an index">
      <p>
        This server has no index of texts yet. One is made in a terminal, from any folder of text, Markdown and HTML
        files:
      </p>
      <ol>
        <li>
          Index the folder. It is read once, and the same command renews the index later.
          <pre>
            <code>albert search index my-folder --output docs.index</code>
          </pre>
        </li>
        <li>
          Start the server with it, under a name. A file that is renewed later is taken up by itself.
          <pre>
            <code>albert serve --index docs=docs.index</code>
          </pre>
        </li>
        <li>Come back to this page and ask. Every answer is an exact slice of a file, with its name and place.</li>
      </ol>
    </section>
  );
}
